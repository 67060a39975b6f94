//! Plays reliable rooms over a virtual network, seed after seed, and stops at the first promise that is
//! not kept, with the seed that plays it again.
//!
//! ```text
//! cargo run --release --example sim -- --seeds 10000
//! cargo run --release --example sim -- --seed 4711
//! cargo run --release --example sim -- --members 9 --loss 0.2 --lines 5000 --gap-us 2000
//! ```
//!
//! Without `--loss` everything is drawn from the seed: size, network, crashes, partitions. With it one
//! member speaks to the others without troubles, and times and datagrams are printed.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use crds::multicast::config::KEPT_BYTES_MAX;
use crds::sim::{Conditions, Scenario, play};
use crds::time::Micros;

#[derive(Debug, Parser)]
struct Args {
    /// How many seeds to play.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// Play this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Members of the room.
    #[arg(long, default_value_t = 9)]
    members: usize,
    /// The share of datagrams lost at each receiver, 0 to 0.95.
    #[arg(long)]
    loss: Option<f64>,
    /// Lines said.
    #[arg(long, default_value_t = 2000)]
    lines: usize,
    /// The time between two lines, in µs.
    #[arg(long, default_value_t = 2000)]
    gap_us: u64,
    /// Nobody repairs: the checker must find it.
    #[arg(long)]
    no_repairs: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args, &mut io::stdout().lock()) {
        Ok(code) => code,
        // Nobody reads any more.
        Err(_) => ExitCode::SUCCESS,
    }
}

fn run(args: &Args, out: &mut impl Write) -> io::Result<ExitCode> {
    let first = args.seed.unwrap_or(0);
    let seeds = match args.seed {
        Some(_) => 1,
        None => args.seeds,
    };
    let mut heard = 0;
    for seed in first..first + seeds {
        let scenario = scenario(seed, args);
        let report = match play(&scenario) {
            Ok(report) => report,
            Err(violation) => {
                writeln!(out, "seed {seed}: {violation}\n{scenario:#?}")?;
                writeln!(out, "play it again with --seed {seed}")?;
                return Ok(ExitCode::FAILURE);
            }
        };
        heard += report.heard;
        if let Some(loss) = args.loss {
            let (members, median, p99) = (args.members, report.median, report.p99);
            let datagrams = report.datagrams as f64 / args.lines as f64;
            writeln!(
                out,
                "seed {seed}: loss {loss}, {members} members: median {median}, p99 {p99}, {datagrams:.2} datagrams a line"
            )?;
        }
    }
    writeln!(
        out,
        "{seeds} seeds played, {heard} lines heard, every promise kept"
    )?;
    Ok(ExitCode::SUCCESS)
}

fn scenario(seed: u64, args: &Args) -> Scenario {
    let random = Scenario::random(seed);
    let repairs = !args.no_repairs;
    match args.loss {
        None => Scenario { repairs, ..random },
        Some(loss) => Scenario {
            members: args.members,
            conditions: Conditions {
                loss,
                ..Conditions::default()
            },
            lines: args.lines,
            line_gap: Micros(args.gap_us),
            troubles: false,
            long_texts: false,
            kept_bytes_max: KEPT_BYTES_MAX,
            repairs,
            ..random
        },
    }
}
