//! A large room whose members repair and report: what all of them cost when the server relays for each.

use std::thread;
use std::time::{Duration, Instant};

use super::latency::Latency;
use super::{
    Column, Figures, INTERVAL, LINES_A_SECOND, PATIENCE, Scenario, WARM_UP_LINES, milliseconds,
};
use crate::cli::Options;
use crate::clock;
use crate::members::Members;
use crate::process::Process;
use crate::servers::{IRC, Server};
use crate::statistics::percentile;
use crate::text::NO_STAMP;

/// Our server's room is a reliable one, all of whose members are relayed; those of the others are as in [`Latency`].
pub struct Room<'a>(pub &'a Options);

/// How long newcomers get to know each other.
const SETTLE: Duration = Duration::from_secs(40);

/// How long the idle room is looked at: each member gives a sign of life in it.
const IDLE: Duration = Duration::from_secs(30);

const MICROSECONDS_A_SECOND: f64 = 1e6;
const BYTES_A_KIBIBYTE: f64 = 1024.0;

/// How many columns only our own room has a value for.
const OWN_COLUMNS: usize = 3;

/// Whose members have sessions.
const WITH_SESSIONS: &str = "crds";

impl Scenario for Room<'_> {
    const TITLE: &'static str = "Room";
    const CLIENTS: &'static str = "receivers";
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "p50, ms",
            digits: 2,
            ratios: &["bare", IRC],
        },
        Column {
            heading: "p99, ms",
            digits: 2,
            ratios: &["bare", IRC],
        },
        Column {
            heading: "server's processor time, µs a line",
            digits: 0,
            ratios: &[],
        },
        Column {
            heading: "delivered, %",
            digits: 3,
            ratios: &[],
        },
        Column {
            heading: "idle: server's processor, %",
            digits: 1,
            ratios: &[],
        },
        Column {
            heading: "idle: kB/s to each",
            digits: 2,
            ratios: &[],
        },
        Column {
            heading: "server's memory, KiB a member",
            digits: 1,
            ratios: &[],
        },
    ];

    fn figures(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        if server.name() != WITH_SESSIONS {
            let mut figures = Latency(self.0).figures(server, receivers)?;
            figures.extend([None; OWN_COLUMNS]);
            return Ok(figures);
        }
        self.reliable(server, receivers)
    }
}

impl Room<'_> {
    fn reliable(&self, server: &'static dyn Server, receivers: u32) -> Figures {
        let process = Process::start(server, receivers + 2, self.0)?;
        let without = process.memory()? as f64;
        let members = Members::enter(process.address(), receivers + 1)?;
        members.rest(SETTLE)?;
        let (busy, bytes) = (process.processor_time()?, members.bytes());
        members.rest(IDLE)?;
        let idle = process.processor_time()?.saturating_sub(busy);
        let idle_bytes = (members.bytes() - bytes) as f64;
        let memory = process.memory()? as f64 - without;

        let lines = self.0.seconds() * LINES_A_SECOND;
        talk(&members, WARM_UP_LINES, || NO_STAMP)?;
        let busy = process.processor_time()?;
        talk(&members, lines, clock::now)?;
        let all = u64::from(WARM_UP_LINES + lines) * u64::from(receivers);
        members.await_texts(all, PATIENCE)?;
        let busy = process.processor_time()?.saturating_sub(busy);

        let mut latencies = milliseconds(members.latencies());
        let (lines, receivers) = (f64::from(lines), f64::from(receivers));
        Ok(vec![
            percentile(&mut latencies, 0.5),
            percentile(&mut latencies, 0.99),
            Some(busy.as_secs_f64() * MICROSECONDS_A_SECOND / lines),
            Some(latencies.len() as f64 * 100.0 / (lines * receivers)),
            Some(idle.as_secs_f64() * 100.0 / IDLE.as_secs_f64()),
            Some(idle_bytes / IDLE.as_secs_f64() / 1000.0 / (receivers + 1.0)),
            Some(memory / BYTES_A_KIBIBYTE / (receivers + 1.0)),
        ])
    }
}

/// Lets so many lines be said at the rate of a lively room.
fn talk(
    members: &Members,
    lines: u32,
    stamp: impl Fn() -> u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let began = Instant::now();
    for line in 0..lines {
        thread::sleep((began + INTERVAL * line).saturating_duration_since(Instant::now()));
        members.rest(Duration::ZERO)?;
        members.say(stamp());
    }
    Ok(())
}
