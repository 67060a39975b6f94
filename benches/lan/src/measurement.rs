//! One measurement: a transport, a sender, receivers, lines.

use std::env;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::crew::Crew;
use crate::host::{GO, Message, STOP, Said, Tally};
use crate::lan::{Lan, SENDER, Traffic};
use crate::peers::Peer;
use crate::scratch::Scratch;

/// What is to be said, and how long that may take.
pub struct Plan {
    /// On how many hosts there is a receiver.
    pub receivers: usize,
    /// How many lines, or as many as there is time for.
    pub lines: Option<u64>,
    /// How many lines a second, or as fast as can be.
    pub rate: Option<f64>,
    /// After this long no more lines are said.
    pub time: Duration,
    /// How long receivers may take to get what was said.
    pub patience: Duration,
    /// Whether to keep how long each line took.
    pub latencies: bool,
    /// Whether receivers spin.
    pub spin: bool,
}

/// What came of it.
pub struct Outcome {
    /// What the sender did.
    pub said: Said,
    /// What each receiver saw.
    pub tallies: Vec<Tally>,
    /// What the hosts sent and received, from the first line to the last delivery; the sender's first.
    pub traffic: Vec<Traffic>,
}

/// Odd in its last number, as Aeron wants it.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 78, 0, 1);

/// Each measurement has a port of its own: nothing of the one before comes in.
static PORT: AtomicU16 = AtomicU16::new(20_000);

/// How long the processes may take for all that is not measured, each thing of it.
const GRACE: Duration = Duration::from_secs(20);

/// Measures once.
pub fn measure(lan: &Lan, peer: &Peer, plan: &Plan) -> Result<Outcome, Box<dyn Error>> {
    let hosts = 1..=plan.receivers;
    // Goes after the processes that use it.
    let scratch = Scratch::new()?;
    let port = PORT.fetch_add(2, Ordering::Relaxed);
    let start = Start {
        lan,
        peer,
        plan,
        scratch: scratch.path(),
        group: SocketAddrV4::new(GROUP, port),
    };
    let mut crew = Crew::new();
    for host in hosts.clone() {
        crew.start(host, &mut start.receiver(host)?)?;
    }
    await_ready(&crew, plan.receivers)?;
    crew.start(SENDER, &mut start.sender()?)?;
    await_ready(&crew, 1)?;

    let before = lan.traffic()?;
    crew.tell(SENDER, GO);
    let said = await_deliveries(&mut crew, plan)?;
    let after = lan.traffic()?;
    let pairs = after.iter().zip(&before);
    let traffic = pairs.map(|(after, before)| after.since(before)).collect();

    for host in hosts {
        crew.tell(host, STOP);
    }
    let tallies = collect(&crew, plan.receivers)?;
    Ok(Outcome {
        said,
        tallies,
        traffic,
    })
}

/// What the commands of a measurement's processes are made from.
struct Start<'a> {
    lan: &'a Lan,
    peer: &'a Peer,
    plan: &'a Plan,
    scratch: &'a Path,
    group: SocketAddrV4,
}

impl Start<'_> {
    fn sender(&self) -> Result<Command, Box<dyn Error>> {
        let mut command = self.command(SENDER, "send")?;
        command.args(["--receivers", &self.plan.receivers.to_string()]);
        command.args(["--seconds", &self.plan.time.as_secs_f64().to_string()]);
        if let Some(rate) = self.plan.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        Ok(command)
    }

    fn receiver(&self, host: usize) -> Result<Command, Box<dyn Error>> {
        let mut command = self.command(host, "receive")?;
        if self.plan.latencies {
            command.arg("--latencies");
        }
        Ok(command)
    }

    fn command(&self, host: usize, role: &str) -> Result<Command, Box<dyn Error>> {
        let program = env::current_exe()?;
        let mut command = self.lan.command(host, &program.to_string_lossy());
        let limit = self.plan.time + self.plan.patience + 4 * GRACE;
        command.args([role, "--peer", self.peer.name]);
        command.args(["--group", &self.group.to_string()]);
        command.args(["--interface", &Lan::address(host).to_string()]);
        command.arg("--scratch").arg(self.scratch);
        command.args(["--limit", &limit.as_secs().to_string()]);
        if self.plan.spin {
            command.arg("--spin");
        }
        if let Some(lines) = self.plan.lines {
            command.args(["--lines", &lines.to_string()]);
        }
        Ok(command)
    }
}

fn await_ready(crew: &Crew, mut missing: usize) -> Result<(), Box<dyn Error>> {
    let until = Instant::now() + GRACE;
    while missing > 0 {
        match crew.hear(until)? {
            Some((_, Message::Ready)) => missing -= 1,
            Some(_) => {}
            None => return Err(format!("{missing} processes did not get ready").into()),
        }
    }
    Ok(())
}

/// Waits until all is said and delivered, or patience ends.
fn await_deliveries(crew: &mut Crew, plan: &Plan) -> Result<Said, Box<dyn Error>> {
    let mut said = None;
    let mut missing = plan.receivers;
    let mut until = Instant::now() + plan.time + GRACE;
    while said.is_none() || missing > 0 {
        match crew.hear(until)? {
            Some((_, Message::Said(what))) => {
                said = Some(what);
                until = Instant::now() + plan.patience;
            }
            Some((_, Message::Complete)) => missing -= 1,
            Some(_) => {}
            None => break,
        }
    }
    said.ok_or_else(|| "the sender did not come to its end".into())
}

fn collect(crew: &Crew, receivers: usize) -> Result<Vec<Tally>, Box<dyn Error>> {
    let until = Instant::now() + GRACE;
    let mut tallies = Vec::new();
    while tallies.len() < receivers {
        match crew.hear(until)? {
            Some((_, Message::Tally(tally))) => tallies.push(tally),
            Some(_) => {}
            None => return Err("a receiver did not report".into()),
        }
    }
    Ok(tallies)
}
