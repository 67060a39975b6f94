//! The real server program, on a free port of the loopback.
#![allow(clippy::disallowed_methods)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::patience::PATIENCE;

/// A running `crds serve`. It is killed at the end of its test.
pub struct TestServer {
    pub child: Child,
    pub port: u16,
    screen: Arc<Screen>,
}

/// What the server has printed so far.
#[derive(Default)]
struct Screen {
    printed: Mutex<Printed>,
    changed: Condvar,
}

#[derive(Default)]
struct Printed {
    lines: Vec<String>,
    ended: bool,
}

/// `crds serve` with its data in `data`, without a page.
pub fn serve(data: &Path) -> Command {
    let mut command = serve_with_page(data);
    command.arg("--no-web");
    command
}

/// The same with one, where `--web` tells.
#[allow(dead_code)]
pub fn serve_with_page(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crds"));
    command
        .args(["serve", "--port", "0", "--listen", "127.0.0.1"])
        .arg("--data")
        .arg(data)
        .env_remove("CRDS_LOG");
    command
}

/// A server in a folder of its own, with these flags besides.
pub fn running(flags: &[&str]) -> (TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(serve(folder.path()).args(flags));
    (folder, server)
}

impl TestServer {
    /// Starts `command` and waits until it listens.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let screen = Arc::new(Screen::default());
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = Arc::clone(&screen);
        thread::spawn(move || reader.read(output));
        let mut server = Self {
            child,
            port: 0,
            screen,
        };
        let first = server.wait_for(|_| true);
        server.port = first
            .strip_prefix("Chat Room Directory Server listening on port ")
            .and_then(|rest| rest.strip_suffix("..."))
            .and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("the first line is {first:?}"));
        server
    }

    /// Waits until a line of the screen is as wanted, and returns it.
    pub fn wait_for(&self, wanted: impl Fn(&str) -> bool) -> String {
        let found = |printed: &Printed| printed.lines.iter().find(|line| wanted(line)).cloned();
        let waits = |printed: &mut Printed| found(printed).is_none() && !printed.ended;
        let printed = self.screen.printed.lock().unwrap();
        let waited = self
            .screen
            .changed
            .wait_timeout_while(printed, PATIENCE, waits);
        let (printed, _) = waited.unwrap();
        found(&printed).unwrap_or_else(|| panic!("not among {:#?}", printed.lines))
    }
}

impl Screen {
    fn read(&self, output: impl BufRead) {
        for line in output.lines().map_while(Result::ok) {
            self.printed.lock().unwrap().lines.push(line);
            self.changed.notify_all();
        }
        self.printed.lock().unwrap().ended = true;
        self.changed.notify_all();
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
