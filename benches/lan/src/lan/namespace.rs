//! A network namespace with a name.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Exists while this does.
pub struct Namespace(String);

impl Namespace {
    /// Makes it. Programs that run at the same time do not meet: the process id is in the name.
    pub fn new(name: &str) -> Result<Self, Box<dyn Error>> {
        let name = format!("bench-lan-{}-{name}", process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        Ok(Self(name))
    }

    /// The name that `ip` knows it by.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// A command that will run inside, apart from the terminal's Ctrl-C, which is for this program alone.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command.process_group(0);
        command
    }

    /// Opens a file below `/proc/net` as it is inside. It stays one of this namespace, whoever reads it.
    pub fn open(&self, name: &str) -> io::Result<File> {
        let path = format!("/run/netns/{}", self.0);
        let open = || {
            setns(File::open(path)?, CloneFlags::CLONE_NEWNET)?;
            File::open(format!("/proc/thread-self/net/{name}"))
        };
        // A thread that went in is of no other use.
        let opened = thread::scope(|scope| scope.spawn(open).join());
        opened.unwrap_or_else(|_| Err(io::Error::other("a thread in a namespace panicked")))
    }

    /// Runs `ip` on the interfaces inside.
    pub fn ip(&self, words: &str) -> Result<String, Box<dyn Error>> {
        let words = words.split_whitespace();
        run(Command::new("ip").args(["-n", &self.0]).args(words))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("ip").args(["netns", "del", &self.0])) {
            eprintln!("bench-lan: namespace {} is left: {error}", self.0);
        }
    }
}

/// Runs a command to its end, which must be a good one, and returns what it printed.
pub fn run(command: &mut Command) -> Result<String, Box<dyn Error>> {
    // Ctrl-C at the terminal must not end what makes or removes a namespace half way.
    let output = command.process_group(0).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}", told.trim()).into())
}
