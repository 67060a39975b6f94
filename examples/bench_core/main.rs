//! Measures the pure core of reliable rooms and prints Markdown tables: how fast one session is and
//! what it allocates, and what a room costs that nobody speaks in.
//!
//! ```text
//! cargo run --release --example bench_core
//! cargo run --release --example bench_core -- --members 10,100
//! ```
//!
//! The network and its time are virtual and the seeds fixed, so that all but the speeds is the same in
//! every run. `benches/core.rs` has the speeds with their statistics.

// It reads the clock.
#![allow(clippy::disallowed_methods)]

mod allocator;
mod growth;
#[path = "../../benches/rig/mod.rs"]
mod rig;
mod speed;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

#[derive(Debug, Parser)]
struct Args {
    /// The sizes of the rooms that nobody speaks in.
    #[arg(long, value_delimiter = ',', value_parser = growth::size, default_values_t = [10, 100, 1000])]
    members: Vec<usize>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody reads any more.
        Err(_) => ExitCode::SUCCESS,
    }
}

fn run(args: &Args, out: &mut impl Write) -> io::Result<()> {
    speed::print(out)?;
    growth::print(&args.members, out)
}
