//! Compares reliable and bare multicast transports: how fast, how soon, and what loss costs.
//!
//! - [`scenario`]: what is measured, and the tables.
//! - [`measurement`]: one measurement, from start to figures; [`crew`] are its processes, [`lan`] its network.
//! - [`host`]: what runs in such a process.
//! - [`peers`]: the transports.
//! - [`transfer`]: one measurement with a file, and [`file_peers`]: what brings it.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

mod cli;
mod clock;
mod crew;
mod file_peers;
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
mod transfer;

use cli::{Cli, Command, Options};
use scenario::Scenario;
use scenario::bottleneck::Bottleneck;
use scenario::chat;
use scenario::files;
use scenario::latency::Latency;
use scenario::recovery::Recovery;
use scenario::throughput::Throughput;

/// The program cannot run here, or was called in a wrong way.
const USAGE: u8 = 2;

const NEEDS: &str = "needs root to make network namespaces (try sudo), and of the system's programs `ip` \
                     (iproute2), for recovery and files also `nft` (nftables) and `ethtool`";

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let result = match &command {
        Command::Send(args) => host::send(args).map(|never| match never {}),
        Command::Receive(args) => host::receive(args),
        Command::SendFile(args) => args.peer.run(true, &args.end),
        Command::ReceiveFile(args) => args.peer.run(false, &args.end),
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
        Command::Files(options) => files::loss(options, |table| println!("{table}")),
        Command::FilesBottleneck(options) => {
            println!("{}", files::bottleneck(options)?);
            Ok(())
        }
        Command::FilesChat(options) => {
            println!("{}", chat::beside_files(options)?);
            Ok(())
        }
        // They are no measurements.
        Command::Send(_) | Command::Receive(_) | Command::SendFile(_) | Command::ReceiveFile(_) => {
            Ok(())
        }
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
