//! What runs on one host of the network, in a process of its own: the sender or a receiver. It is told
//! what to do on standard input and reports on standard output, one JSON text a line.

use std::error::Error;
use std::time::Duration;
use std::{io, process, thread};

use serde::{Deserialize, Serialize};

mod control;
mod receive;
mod send;
mod tally;

pub use control::{GO, STOP};
pub use receive::receive;
pub use send::send;

/// What a host reports.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// Its end of the transport is there; the sender's has warmed up too, and waits to be told to go.
    Ready,
    /// The sender has said all its lines.
    Said(Said),
    /// The receiver has been given every line it waited for.
    Complete,
    /// What the receiver saw, at the end.
    Tally(Tally),
}

/// What the sender did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Said {
    /// How many lines.
    pub lines: u64,
    /// When it began to say the first, in nanoseconds of the shared clock.
    pub began: u64,
    /// When it had said the last.
    pub ended: u64,
}

/// What a receiver saw.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// How many different lines.
    pub delivered: u64,
    /// How many of them came after all that were said before them and delivered at all.
    pub in_order: u64,
    /// How many lines came that were there already.
    pub repeated: u64,
    /// When the last one came, in nanoseconds of the shared clock.
    pub last: u64,
    /// How long each took, in nanoseconds, where that was asked for.
    pub latencies: Vec<u64>,
}

impl Tally {
    /// How long each line took, in units of so many nanoseconds.
    pub fn latencies_in(&self, unit: f64) -> impl Iterator<Item = f64> {
        let latencies = self.latencies.iter();
        latencies.map(move |&latency| latency as f64 / unit)
    }
}

/// How often a host looks whether it was told something.
const SLICE: Duration = Duration::from_millis(20);

/// One whole line at once: a message is never mixed with another.
fn report(message: &Message) -> Result<(), Box<dyn Error>> {
    let mut text = serde_json::to_string(message)?;
    text.push('\n');
    io::Write::write_all(&mut io::stdout().lock(), text.as_bytes())?;
    Ok(())
}

/// Ends the process when it takes longer than it ever should, whatever it hangs in.
fn end_after(limit: Duration) {
    thread::spawn(move || {
        thread::sleep(limit);
        eprintln!("bench-lan: a host did not end within {limit:?}");
        process::exit(1);
    });
}
