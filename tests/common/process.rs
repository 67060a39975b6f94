//! Signals to a process that a test started, and its end.
#![allow(clippy::disallowed_methods)]

use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::patience::PATIENCE;

/// How often to look whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Sends `signal`, such as `TERM`.
pub fn signal(child: &Child, signal: &str) {
    // The shell's own `kill`: a program of that name is not on every machine.
    let status = Command::new("sh")
        .args([
            "-c",
            "kill -s \"$0\" \"$1\"",
            signal,
            &child.id().to_string(),
        ])
        .status();
    assert!(status.unwrap().success());
}

/// Waits for the end; the exit code, or none if a signal ended it.
pub fn exit_code(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(began.elapsed() < PATIENCE, "it does not end");
        thread::sleep(LOOK_AGAIN);
    }
}
