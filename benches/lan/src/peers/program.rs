//! The program itself, as people run it: `crds send` and `crds listen` with pipes around them.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

use super::{Place, Receiver, Sender, sleep_until};

/// Where the program is; by default where `cargo build --release` puts it.
const PROGRAM: &str = "CRDS_PROGRAM";

/// `send` looks so long for members, and a little longer, before it reads its first line.
const GATHER: Duration = Duration::from_millis(1500);

/// A sending end.
pub fn sender(place: &Place, _receivers: usize) -> io::Result<Box<dyn Sender>> {
    let mut program = start(place, "send", Stdio::piped(), Stdio::null())?;
    let input = program.stdin.take();
    let input = input.ok_or_else(|| io::Error::other("a process without pipes"))?;
    thread::sleep(GATHER);
    Ok(Box::new(Sending {
        input,
        _program: Program(program),
    }))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    let mut program = start(place, "listen", Stdio::null(), Stdio::piped())?;
    let output = program.stdout.take();
    let output = output.ok_or_else(|| io::Error::other("a process without pipes"))?;
    Ok(Box::new(Receiving {
        output,
        read: Vec::new(),
        _program: Program(program),
    }))
}

/// Killed when dropped.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // One that ended already is only waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program, and waits until it is in the room.
fn start(place: &Place, command: &str, input: Stdio, output: Stdio) -> io::Result<Child> {
    // Who has no input does not notice when this process is killed.
    let limit: &[&str] = if command == "listen" {
        &["--for", "180"]
    } else {
        &[]
    };
    let built = || {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/release/crds"
        ))
    };
    let program = env::var_os(PROGRAM).map_or_else(built, PathBuf::from);
    let mut child = Command::new(&program)
        .args(["--name", "bench", command])
        .args(["--group", &place.group.to_string()])
        .args(["--interface", &place.interface.to_string()])
        .args(limit)
        .stdin(input)
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let text = format!(
                "{}: {error} (build it, or name it in {PROGRAM})",
                program.display()
            );
            io::Error::other(text)
        })?;
    let errors = child.stderr.take().map(BufReader::new);
    let mut lines = errors.into_iter().flat_map(BufRead::lines);
    let first = lines.next().transpose()?.unwrap_or_default();
    // What else it says is not looked at, but must not fill the pipe.
    thread::spawn(move || lines.for_each(drop));
    match first.contains("in room") {
        true => Ok(child),
        false => Err(io::Error::other(first)),
    }
}

struct Sending {
    input: ChildStdin,
    _program: Program,
}

impl Sender for Sending {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        self.input.write_all(&[line, b"\n"].concat())
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        sleep_until(until);
        Ok(())
    }
}

struct Receiving {
    output: ChildStdout,
    /// Of a line that has not come whole.
    read: Vec<u8>,
    _program: Program,
}

impl Receiver for Receiving {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut bytes = [0; 65_536];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut pipes = [PollFd::new(self.output.as_fd(), PollFlags::POLLIN)];
            if poll(&mut pipes, wait)? == 0 {
                return Ok(());
            }
            let length = self.output.read(&mut bytes)?;
            self.read.extend_from_slice(&bytes[..length]);
            while let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let line = &line[..end];
                // Behind the name, which has a suffix here: all are called the same.
                let text = line.windows(2).position(|two| two == b": ");
                sink(text.map_or(line, |at| &line[at + 2..]));
            }
        }
    }
}
