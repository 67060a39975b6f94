//! How long a line takes through an idle room.

use std::error::Error;
use std::time::Duration;

use super::{Column, Figures, Scenario};
use crate::cli::Options;
use crate::lan::Lan;
use crate::measurement::{Plan, measure};
use crate::peers::Peer;
use crate::statistics::percentile;

/// The sender says lines at a rate that no transport finds hard.
pub struct Latency<'a>(pub &'a Options);

const LINES_A_SECOND: u32 = 1000;

/// Nothing is lost, or next to nothing: what is said last is there at once.
const PATIENCE: Duration = Duration::from_secs(1);

const NANOSECONDS_A_MICROSECOND: f64 = 1e3;

impl Scenario for Latency<'_> {
    type Case = usize;

    const TITLE: &'static str = "Latency";
    const LABELS: &'static [&'static str] = &["receivers"];
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "p50, µs",
            digits: 1,
            ratio: true,
        },
        Column {
            heading: "p99, µs",
            digits: 1,
            ratio: true,
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
        let seconds = self.0.seconds();
        let plan = Plan {
            receivers: *receivers,
            lines: Some(u64::from(seconds * LINES_A_SECOND)),
            rate: Some(LINES_A_SECOND.into()),
            time: Duration::from_secs(seconds.into()),
            patience: PATIENCE,
            latencies: true,
            spin: self.0.spin,
        };
        let outcome = measure(lan, peer, &plan)?;
        let tallies = outcome.tallies.iter();
        let all = tallies.flat_map(|tally| tally.latencies_in(NANOSECONDS_A_MICROSECOND));
        let mut all: Vec<f64> = all.collect();
        Ok(vec![percentile(&mut all, 0.5), percentile(&mut all, 0.99)])
    }
}
