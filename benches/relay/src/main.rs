//! Compares servers that pass each line on to everyone in a room: their memory for a connection, how soon a line
//! is there, how many are delivered in a second, and what idle clients and a deaf one cost.
//!
//! - [`scenario`]: what is measured, and the tables.
//! - [`stage`]: one measurement's server and its clients.
//! - [`servers`]: what is compared; [`process`] is such a server running, [`bare`] the base.
//! - [`crowd`]: the clients that listen, cheap enough to be left out of account; [`speaker`] is one that talks.
//! - [`members`]: those of a reliable room, which repair and report.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

mod bare;
mod cli;
mod crowd;
mod members;
mod process;
mod scenario;
mod servers;
mod speaker;
mod stage;
mod text;
mod wire;

// What bench-lan has too.
#[path = "../../lan/src/clock.rs"]
mod clock;
#[path = "../../lan/src/interrupt.rs"]
mod interrupt;
#[path = "../../lan/src/scratch.rs"]
mod scratch;
#[path = "../../lan/src/statistics.rs"]
mod statistics;
#[path = "../../lan/src/table.rs"]
mod table;

use cli::{Cli, Command, Options};
use scenario::Scenario;
use scenario::burst::Burst;
use scenario::disturb::Disturb;
use scenario::history::History;
use scenario::latency::Latency;
use scenario::memory::Memory;
use scenario::pages::{HostedPages, Pages};
use scenario::room::Room;

fn main() -> ExitCode {
    let result = match &Cli::parse().command {
        Command::Bare => bare::serve().map_err(Box::from),
        Command::Run { command } => process::become_program(command).map_err(Box::from),
        command => measure(command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(command: &Command) -> Result<(), Box<dyn Error>> {
    interrupt::catch()?;
    match command {
        Command::Memory(options) => show(&Memory(options), options),
        Command::Latency(options) => show(&Latency(options), options),
        Command::Burst(options) => show(&Burst(options), options),
        Command::Disturb(options) => show(&Disturb(options), options),
        Command::Room(options) => show(&Room(options), options),
        Command::History(options) => show(&History(options), options),
        Command::Pages(options) => {
            show(&Pages(options), options)?;
            show(&HostedPages(options), options)
        }
        Command::All(options) => {
            show(&Memory(options), options)?;
            show(&Latency(options), options)?;
            show(&Burst(options), options)?;
            show(&Disturb(options), options)?;
            show(&Room(options), options)
        }
        // They are no measurements.
        Command::Bare | Command::Run { .. } => Ok(()),
    }
}

/// Runs a scenario and prints its table.
fn show<S: Scenario>(scenario: &S, options: &Options) -> Result<(), Box<dyn Error>> {
    process::allow_files(options.most_receivers())?;
    let table = scenario::run(scenario, options)?;
    println!("{table}");
    Ok(())
}
