//! Compares reliable and bare multicast transports: how fast, how soon, and what loss costs.
//!
//! - [`scenario`]: what is measured, and the tables.
//! - [`measurement`]: one measurement, from start to figures; [`crew`] are its processes, [`lan`] its network.
//! - [`host`]: what runs in such a process.
//! - [`peers`]: the transports.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

mod cli;
mod clock;
mod crew;
mod host;
mod interrupt;
mod lan;
mod line;
mod measurement;
mod peers;
mod scenario;
mod scratch;
mod statistics;
mod table;

use cli::{Cli, Command, Options};
use scenario::Scenario;
use scenario::bottleneck::Bottleneck;
use scenario::latency::Latency;
use scenario::recovery::Recovery;
use scenario::throughput::Throughput;

/// The program cannot run here, or was called in a wrong way.
const USAGE: u8 = 2;

const NEEDS: &str = "needs root to make network namespaces (try sudo), and of the system's programs `ip` \
                     (iproute2), for recovery also `nft` (nftables) and `ethtool`";

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let result = match &command {
        Command::Send(args) => host::send(args).map(|never| match never {}),
        Command::Receive(args) => host::receive(args),
        _ if !nix::unistd::geteuid().is_root() => {
            eprintln!("bench-lan: {NEEDS}");
            return ExitCode::from(USAGE);
        }
        _ => measure(&command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-lan: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(command: &Command) -> Result<(), Box<dyn Error>> {
    interrupt::catch()?;
    match command {
        Command::Throughput(options) => show(&Throughput(options), options, |_| true),
        Command::Latency(options) => show(&Latency(options), options, |_| true),
        Command::Recovery(options) => show(&Recovery(options), options, |peer| peer.reliable),
        Command::Bottleneck(options) => show(&Bottleneck(options), options, |peer| peer.reliable),
        Command::All(options) => {
            show(&Throughput(options), options, |_| true)?;
            show(&Latency(options), options, |_| true)?;
            show(&Recovery(options), options, |peer| peer.reliable)?;
            show(&Bottleneck(options), options, |peer| peer.reliable)
        }
        // They are no measurements.
        Command::Send(_) | Command::Receive(_) => Ok(()),
    }
}

/// Runs a scenario and prints its table.
fn show<S: Scenario>(
    scenario: &S,
    options: &Options,
    by_default: impl Fn(&peers::Peer) -> bool,
) -> Result<(), Box<dyn Error>> {
    let peers = options.peers_or(by_default);
    let table = scenario::run(scenario, &peers, options.runs())?;
    println!("{table}");
    Ok(())
}
