//! The server and a client in terminals of their own, on loopback alone.

use std::path::Path;

use crate::program::crds;
use crate::pty::Terminal;

/// The client's main prompt.
pub const MAIN: &str = "crds> ";

/// Also gives where it listens.
pub fn start_server(home: &Path, flags: &[&str]) -> (Terminal, String) {
    let arguments = ["serve", "--no-web", "--port", "0", "--listen", "127.0.0.1"];
    let arguments = [&arguments[..], flags].concat();
    let server = Terminal::start(crds(home, &arguments), 50, 100);
    const LISTENING: &str = "Chat Room Directory Server listening on port ";
    server.wait_for_text("...");
    let first = server.lines().remove(0);
    let port = first
        .strip_prefix(LISTENING)
        .unwrap_or_else(|| panic!("{first}"));
    (server, format!("127.0.0.1:{}", port.trim_end_matches('.')))
}

pub fn start_client(home: &Path, server: &str) -> Terminal {
    let arguments = ["--interface", "lo", "--server", server];
    Terminal::start(crds(home, &arguments), 50, 100)
}
