//! One measurement with a file: its processes, what they take, and who has it in the end.

use std::error::Error;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

mod processes;
mod source;
mod watch;

use crate::file_peers::{End, FilePeer};
use crate::interrupt;
use crate::lan::{Lan, SENDER};
use crate::scratch::Scratch;
use processes::Processes;
pub use source::Source;
use watch::Watch;

/// What is to be brought to how many, and where.
pub struct Plan<'a> {
    /// The file.
    pub source: &'a Source,
    /// On how many hosts there is a receiver.
    pub receivers: usize,
    /// How long it may take.
    pub patience: Duration,
    /// Where folders for the received files are made.
    pub dir: PathBuf,
}

/// What came of it.
pub struct Outcome {
    /// Seconds from the start of the sender's program to its first data.
    pub before: Option<f64>,
    /// Seconds from there until the last receiver had the file; none where one does not have it.
    pub seconds: Option<f64>,
    /// Bytes that all hosts put on the wire, from the start of the sender's program to its end.
    pub wire_bytes: u64,
    /// How many receivers have the file whole.
    pub whole: usize,
}

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 78, 0, 1);

/// Each transfer has ports of its own: nothing of the one before comes in.
static PORT: AtomicU16 = AtomicU16::new(24_000);

/// How long a program may take until it listens, and then until it is ready for all.
const OPENING: Duration = Duration::from_secs(5);
const SETTLING: Duration = Duration::from_millis(500);

/// How long a sender may take to end when all have the file.
const ENDING: Duration = Duration::from_secs(5);

/// How often things are looked at: rarely enough to take nothing from the programs, often enough for a figure of two
/// digits.
const LOOK: Duration = Duration::from_millis(2);

/// Measures once.
pub fn transfer(lan: &Lan, peer: &FilePeer, plan: &Plan) -> Result<Outcome, Box<dyn Error>> {
    let scratch = Scratch::within(&plan.dir)?;
    // What the one before wrote is not written to the disk while this one is measured.
    nix::unistd::syncfs(fs::File::open(scratch.path())?)?;
    let ends = ends(plan, scratch.path())?;
    let mut processes = Processes::new(lan, scratch.path());
    for end in &ends[SENDER + 1..] {
        processes.start(end.host, &peer.receiver(end)?)?;
    }
    await_listening(lan, plan.receivers, &mut processes)?;

    let before = lan.bytes_on_wire()?;
    let mut watch = Watch::new(lan, &ends[SENDER + 1..])?;
    processes.start(SENDER, &peer.sender(&ends[SENDER])?)?;
    while watch.look(&mut processes)? && watch.age() < plan.patience {
        pause()?;
    }
    await_end(&mut processes)?;
    let after = lan.bytes_on_wire()?;
    drop(processes);

    let whole = ends[SENDER + 1..].iter();
    let whole = whole.filter(|end| plan.source.is_at(&end.received()));
    let whole = whole.count();
    Ok(Outcome {
        before: watch.before(),
        seconds: watch.seconds().filter(|_| whole == plan.receivers),
        wire_bytes: after - before,
        whole,
    })
}

/// The sender's end first. Each receiver has a folder of its own.
fn ends(plan: &Plan, scratch: &Path) -> Result<Vec<End>, Box<dyn Error>> {
    let group = SocketAddrV4::new(GROUP, PORT.fetch_add(2, Ordering::Relaxed));
    let end = |host| {
        let path = match host {
            SENDER => plan.source.path().to_owned(),
            _ => scratch.join(format!("received{host}")),
        };
        if host != SENDER {
            fs::create_dir(&path)?;
        }
        Ok(End {
            group,
            interface: Lan::address(host),
            host,
            receivers: plan.receivers,
            bytes: plan.source.bytes(),
            path,
        })
    };
    (SENDER..=plan.receivers).map(end).collect()
}

/// Waits until there is a UDP socket on every receiver's host, and a little longer: programs do not say when they
/// are ready.
fn await_listening(
    lan: &Lan,
    receivers: usize,
    processes: &mut Processes,
) -> Result<(), Box<dyn Error>> {
    let until = Instant::now() + OPENING;
    for host in SENDER + 1..=receivers {
        let mut sockets = lan.open(host, "udp")?;
        // The first line is a heading.
        while watch::read(&mut sockets)?.lines().count() < 2 {
            if processes.has_ended(host)? || Instant::now() > until {
                return Err(format!("the receiver on host {host} does not listen").into());
            }
            pause()?;
        }
    }
    let until = Instant::now() + SETTLING;
    while Instant::now() < until {
        pause()?;
    }
    Ok(())
}

/// Waits for the end of the sender, who may go on for a while for those who have all.
fn await_end(processes: &mut Processes) -> Result<(), Box<dyn Error>> {
    let until = Instant::now() + ENDING;
    while !processes.has_ended(SENDER)? && Instant::now() < until {
        pause()?;
    }
    Ok(())
}

fn pause() -> Result<(), Box<dyn Error>> {
    if interrupt::happened() {
        return Err("interrupted".into());
    }
    std::thread::sleep(LOOK);
    Ok(())
}
