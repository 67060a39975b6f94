//! What can be said on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::servers::{BASE, SERVERS, Server};

/// Compares servers that pass lines on to everyone in a room: one sender, many receivers, on loopback.
#[derive(Debug, Parser)]
#[command(name = "bench-relay", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What there is to measure.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A server's memory for each idle client
    Memory(Options),
    /// The way of a line to everyone, at 20 lines a second
    Latency(Options),
    /// Deliveries a second, of lines said as fast as they are taken
    Burst(Options),
    /// What idle clients and one that reads nothing cost a chat of three
    Disturb(Options),
    /// A reliable room of which all are relayed, beside the other servers' rooms
    Room(Options),
    /// A flood of 5,000 lines a second, with history and without; with few receivers, as --receivers 10
    History(Options),
    /// As latency, to pages in a browser: in the lobby, and in a reliable room; as --receivers 500
    Pages(Options),
    /// All of them but history and pages
    All(Options),
    /// The base, as a server of its own
    #[command(hide = true)]
    Bare,
    /// Runs a program that ends with this one's parent
    #[command(hide = true)]
    Run {
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
}

/// How to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// The servers to compare; the base, bare, is always among them [default: all]
    #[arg(long, value_delimiter = ',', value_parser = server)]
    servers: Vec<&'static dyn Server>,
    /// How many receivers (in disturb: idle clients), each number a setting of its own
    #[arg(long, value_delimiter = ',', default_values_t = [1000], value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub receivers: Vec<u32>,
    /// Tables have the medians of that many runs [default: 3, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: Option<u32>,
    /// How long lines are said in a run [default: 5, or 1 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// One short run of each: whether it works, not how well
    #[arg(long)]
    quick: bool,
    /// How many lines the sender of a burst may be ahead of the slowest receiver
    #[arg(long, value_name = "LINES", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub window: u64,
    /// How many threads the receivers share
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub threads: u8,
    /// The program that is measured [default: where `cargo build --release` puts it]
    #[arg(long, value_name = "FILE", env = "CRDS_PROGRAM", default_value = CRDS, hide_default_value = true)]
    pub crds: PathBuf,
}

const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/crds");

impl Options {
    /// How many runs to take medians of.
    pub fn runs(&self) -> u32 {
        self.runs.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// How long lines are said in a run.
    pub fn seconds(&self) -> u32 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 5 })
    }

    /// In the largest setting.
    pub fn most_receivers(&self) -> u32 {
        self.receivers.iter().copied().max().unwrap_or_default()
    }

    /// The base, then the others that were asked for.
    pub fn servers(&self) -> Vec<&'static dyn Server> {
        let asked = |server: &dyn Server| {
            let is = |asked: &&dyn Server| asked.name() == server.name();
            self.servers.is_empty() || self.servers.iter().any(is)
        };
        let others = SERVERS.iter().skip(1).copied();
        let others = others.filter(|server| asked(*server));
        std::iter::once(BASE).chain(others).collect()
    }
}

fn server(name: &str) -> Result<&'static dyn Server, String> {
    let found = SERVERS.iter().find(|server| server.name() == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = SERVERS.iter().map(|server| server.name()).collect();
        format!("there are {}", names.join(", "))
    })
}
