//! A program that runs in pipes: what it is given to read, and the lines that it writes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use crate::patience::PATIENCE;

/// Killed when dropped.
pub struct Running {
    pub child: Child,
    /// To be taken and dropped where it is to end.
    pub input: Option<ChildStdin>,
    pub output: Arc<Output>,
}

#[derive(Default)]
pub struct Output {
    pub lines: Mutex<Vec<String>>,
    changed: Condvar,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let output = Arc::default();
        collect(child.stdout.take().unwrap(), &output);
        collect(child.stderr.take().unwrap(), &output);
        Self {
            input: child.stdin.take(),
            child,
            output,
        }
    }

    /// Gives it a line to read.
    pub fn give(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line with this in it, on either output, and gives it back.
    pub fn wait_for(&self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut lines = self.output.lines.lock().unwrap();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seen = lines.join("\n");
                drop(lines);
                panic!("no line with {text:?} in:\n{seen}");
            }
            lines = self.output.changed.wait_timeout(lines, left).unwrap().0;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends with the program, which then closes its end.
fn collect(stream: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            output.lines.lock().unwrap().push(line);
            output.changed.notify_all();
        }
    });
}
