//! How many lines a second one sender gets to every receiver.

use std::error::Error;
use std::time::Duration;

use super::{Column, Figures, Scenario};
use crate::cli::Options;
use crate::host::{Said, Tally};
use crate::lan::Lan;
use crate::measurement::{Plan, measure};
use crate::peers::Peer;

/// The sender says lines as fast as the transport takes them.
pub struct Throughput<'a>(pub &'a Options);

/// What a reliable transport has to deliver for each second that a run should take, about.
const LINES_A_SECOND: u32 = 200_000;

/// A reliable transport may take that many times as long.
const MOST_TIMES_AS_LONG: u32 = 6;

/// How long what is in buffers takes.
const DRAIN: Duration = Duration::from_millis(500);

/// Lines as fast as they are taken: about so many in each second that a run should take where the transport is
/// reliable, for that time where it is not.
pub fn flood(options: &Options, receivers: usize, peer: &Peer, lines_a_second: u32) -> Plan {
    let seconds = options.seconds();
    let time = Duration::from_secs(seconds.into());
    let most = time * MOST_TIMES_AS_LONG;
    let lines = u64::from(seconds) * u64::from(lines_a_second);
    Plan {
        receivers,
        lines: peer.reliable.then_some(lines),
        rate: None,
        time: if peer.reliable { most } else { time },
        patience: if peer.reliable { most } else { DRAIN },
        latencies: false,
        spin: options.spin,
    }
}

impl Scenario for Throughput<'_> {
    type Case = usize;

    const TITLE: &'static str = "Throughput";
    const LABELS: &'static [&'static str] = &["receivers"];
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "lines/s to each",
            digits: 0,
            ratio: true,
        },
        Column {
            heading: "once and in order, %",
            digits: 3,
            ratio: false,
        },
    ];

    fn cases(&self) -> Vec<usize> {
        self.0.receivers.clone()
    }

    fn labels(&self, receivers: &usize) -> Vec<String> {
        vec![receivers.to_string()]
    }

    fn lan(&self, receivers: &usize) -> Result<Lan, Box<dyn Error>> {
        Lan::new(*receivers)
    }

    fn figures(&self, receivers: &usize, lan: &Lan, peer: &Peer) -> Figures {
        let plan = flood(self.0, *receivers, peer, LINES_A_SECOND);
        let outcome = measure(lan, peer, &plan)?;
        let said = outcome.said;
        let worst = |figure: fn(&Said, &Tally) -> f64| {
            let figures = outcome.tallies.iter().map(|tally| figure(&said, tally));
            figures.min_by(f64::total_cmp)
        };
        Ok(vec![worst(lines_a_second), worst(once_and_in_order)])
    }
}

/// From the first word to the last delivery.
pub fn lines_a_second(said: &Said, tally: &Tally) -> f64 {
    let nanoseconds = tally.last.max(said.ended) - said.began;
    tally.delivered as f64 * 1e9 / nanoseconds as f64
}

/// In percent of the lines said.
pub fn once_and_in_order(said: &Said, tally: &Tally) -> f64 {
    let lines = tally.in_order.saturating_sub(tally.repeated);
    lines as f64 * 100.0 / said.lines as f64
}
