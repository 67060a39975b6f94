//! A server as a process: started, waited for, looked at, ended.

use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use std::{env, thread};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::time::ClockId;
use nix::unistd::{Pid, getppid};

use crate::interrupt;
use crate::scratch::Scratch;
use crate::servers::{Server, Setting};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(20);

/// How often what it printed is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Files that a process has open beside its connections, with some to spare.
const OTHER_FILES: u64 = 100;

/// A server that listens; killed when dropped.
pub struct Process {
    child: Child,
    address: SocketAddrV4,
    /// Goes after the process that uses it.
    _scratch: Scratch,
}

impl Process {
    /// Starts it, and waits until it listens. What it prints goes to a file in memory, as it would go to a log.
    pub fn start(
        server: &dyn Server,
        connections: u32,
        options: &crate::cli::Options,
    ) -> Result<Self, Box<dyn Error>> {
        let scratch = Scratch::new()?;
        let setting = Setting {
            scratch: scratch.path(),
            connections,
            crds: &options.crds,
        };
        let wanted = server.command(&setting)?;
        let output = scratch.path().join("output");
        let file = File::create(&output)?;
        let child = Command::new(env::current_exe()?)
            .args(["run", "--"])
            .arg(wanted.get_program())
            .args(wanted.get_args())
            .stdin(std::process::Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()?;
        let mut process = Self {
            child,
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            _scratch: scratch,
        };
        let until = Instant::now() + START;
        loop {
            let printed = fs::read(&output)?;
            let printed = String::from_utf8_lossy(&printed);
            if let Some(port) = port_in(&printed, server.announcement()) {
                process.address.set_port(port);
                return Ok(process);
            }
            let has_ended = process.child.try_wait()?.is_some();
            if has_ended || Instant::now() > until || interrupt::happened() {
                return Err(format!("it does not listen: {}", printed.trim_end()).into());
            }
            thread::sleep(LOOK);
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Its memory, in bytes: the resident set.
    pub fn memory(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.and_then(|rest| rest.trim().strip_suffix(" kB"));
        let kibibytes: u64 = kibibytes.ok_or("the server has no memory")?.parse()?;
        Ok(kibibytes * 1024)
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> io::Result<Duration> {
        let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(self.child.id() as i32))?;
        Ok(clock.now()?.into())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that ended already is only waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number behind `announcement`, once what follows it is there too.
fn port_in(printed: &str, announcement: &str) -> Option<u16> {
    let (_, rest) = printed.split_once(announcement)?;
    let end = rest.find(|character: char| !character.is_ascii_digit())?;
    rest[..end].parse().ok()
}

/// Becomes that program, which is killed when this one's parent ends, however it ends.
pub fn become_program(command: &[OsString]) -> io::Result<()> {
    let parent = getppid();
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != parent {
        // It had ended before.
        return Ok(());
    }
    let [program, arguments @ ..] = command else {
        return Ok(());
    };
    let error = Command::new(program).args(arguments).exec();
    let name = program.to_string_lossy();
    Err(io::Error::other(format!(
        "{name}: {error} (see README.md for where it comes from)"
    )))
}

/// Lets this process, and those that it starts, have as many connections as a measurement needs.
pub fn allow_files(receivers: u32) -> Result<(), String> {
    let needed = u64::from(receivers) + OTHER_FILES;
    let allow = || -> nix::Result<u64> {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        Ok(most)
    };
    let most = allow().map_err(|error| format!("the limit of open files: {error}"))?;
    match most >= needed {
        true => Ok(()),
        false => Err(format!(
            "{needed} open files are needed, {most} allowed: raise `ulimit -Hn`, or take fewer --receivers"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_counts_when_all_of_it_is_there() {
        assert_eq!(port_in("listening on port 12", "on port "), None);
        assert_eq!(
            port_in("listening on port 12345...\n", "on port "),
            Some(12345)
        );
        assert_eq!(port_in("starting\n", "on port "), None);
    }
}
