//! The page in a real browser, on the real server, with a real client in a terminal beside it.
//!
//! The tests themselves are in `tests/browser/`, in the browser's own language; here is what stands beside the browser.
//! They ask for it line by line. They need Chromium, Node and npm; where these are not, they are skipped and it is told.

#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "common/patience.rs"]
mod patience;
#[path = "common/program.rs"]
mod program;
#[expect(dead_code, reason = "most is done in the browser's own tests")]
#[path = "common/pty.rs"]
mod pty;
#[expect(dead_code, reason = "most is done in the browser's own tests")]
#[path = "common/server.rs"]
mod server;
#[expect(dead_code, reason = "most is done in the browser's own tests")]
#[path = "common/session.rs"]
mod session;
use program::crds;
use pty::Terminal;
use server::TestServer;

/// Names that Chromium goes by.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

#[test]
fn the_page_in_a_browser() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let chromium = match ready(&folder) {
        Ok(chromium) => chromium,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let mut tests = Command::new("node")
        .arg(folder.join("run.mjs"))
        .env("CRDS_CHROMIUM", chromium)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut desk = Desk::new();
    let mut answers = tests.stdin.take().unwrap();
    for line in BufReader::new(tests.stdout.take().unwrap()).lines() {
        let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = desk.answer(&asked);
        writeln!(answers, "{answer}").unwrap();
    }
    assert!(tests.wait().unwrap().success(), "see above what failed");
}

/// The browser, if all that is needed is there.
fn ready(folder: &Path) -> Result<PathBuf, String> {
    let chromium = BROWSERS.iter().find_map(|name| on_path(name));
    let chromium = chromium.ok_or("no chromium (Debian's package chromium)")?;
    for tool in ["node", "npm"] {
        on_path(tool).ok_or(format!("no {tool} (Debian's packages nodejs and npm)"))?;
    }
    if !folder.join("node_modules").is_dir() {
        let npm = Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(folder)
            .output()
            .unwrap();
        // Away from its registry npm can do nothing.
        if !npm.status.success() {
            let told = String::from_utf8_lossy(&npm.stderr).into_owned();
            return Err(format!("npm ci failed in {}: {told}", folder.display()));
        }
    }
    Ok(chromium)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut there = std::env::split_paths(&path).map(|folder| folder.join(program));
    there.find(|file| file.is_file())
}

/// What the tests ask for.
struct Desk {
    /// The server's data, and where the client in the terminal works.
    home: TempDir,
    server: Option<TestServer>,
    /// Where the server and its page listen, once they have.
    ports: Option<(u16, u16)>,
    terminal: Option<Terminal>,
}

impl Desk {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            server: None,
            ports: None,
            terminal: None,
        }
    }

    fn answer(&mut self, asked: &Value) -> Value {
        let text = |field: &str| asked[field].as_str().unwrap_or_default();
        match text("what") {
            "serve" => self.serve(),
            "kill" => {
                // With signal 9.
                self.server = None;
                json!({})
            }
            "terminal" => self.start_terminal(text("name")),
            "type" => {
                let terminal = self.terminal.as_ref().unwrap();
                terminal.answer(text("prompt"), text("line"));
                json!({})
            }
            "see" => {
                let wanted = text("text");
                let terminal = self.terminal.as_ref().unwrap();
                terminal.wait_for(wanted, |screen| {
                    pty::lines(screen).iter().any(|line| line.contains(wanted))
                });
                json!({})
            }
            other => panic!("nobody can do {other}"),
        }
    }

    /// Starts the server, after it was killed where it was before.
    fn serve(&mut self) -> Value {
        let (port, page) = self.ports.unwrap_or_default();
        let flags = ["serve", "--listen", "127.0.0.1", "--interface", "lo"];
        let mut command = crds(self.home.path(), &flags);
        command
            .arg("--data")
            .arg(self.home.path().join("data"))
            .args(["--port", &port.to_string()])
            .args(["--web", &format!("127.0.0.1:{page}")]);
        let server = TestServer::start(&mut command);
        let told = server.wait_for(|line| line.starts_with("The page: "));
        let url = told.trim_start_matches("The page: ");
        let page = url.trim_end_matches('/').rsplit_once(':').unwrap().1;
        self.ports = Some((server.port, page.parse().unwrap()));
        self.server = Some(server);
        json!({ "url": url, "folder": self.home.path() })
    }

    /// A client in a terminal that is online under this name; the one before it is ended.
    fn start_terminal(&mut self, name: &str) -> Value {
        self.terminal = None;
        let address = format!("127.0.0.1:{}", self.ports.unwrap().0);
        let arguments = ["--interface", "lo", "--server", &address, "--name", name];
        let mut command = crds(self.home.path(), &arguments);
        command.current_dir(self.home.path());
        let terminal = Terminal::start(command, 50, 100);
        terminal.answer(session::MAIN, "connect");
        terminal.wait_for_line(&format!("[Welcome {name}!]"));
        self.terminal = Some(terminal);
        json!({ "prompt": format!("crds {address}> ") })
    }
}
