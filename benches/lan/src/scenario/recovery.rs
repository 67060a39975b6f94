//! What random loss at the receivers costs: time, datagrams, lines.

use std::error::Error;
use std::time::Duration;

use super::{Column, Figures, Scenario};
use crate::cli::Options;
use crate::host::Tally;
use crate::lan::{Lan, SENDER};
use crate::measurement::{Outcome, Plan, measure};
use crate::peers::Peer;
use crate::statistics::percentile;

/// The sender says lines at a steady rate; what comes in at every receiver is lost at random.
pub struct Recovery<'a>(pub &'a Options);

/// One setting.
pub struct Case {
    receivers: usize,
    lines_a_second: u32,
    /// How long it takes to see enough, beside one at 500 lines a second.
    times_as_long: u32,
    loss_percent: u32,
}

/// A busy room, then one in which people type.
const ROOMS: [(Case, &[u32]); 2] = [
    (
        Case {
            receivers: 8,
            lines_a_second: 500,
            times_as_long: 1,
            loss_percent: 0,
        },
        &[1, 5, 20],
    ),
    (
        Case {
            receivers: 4,
            lines_a_second: 5,
            times_as_long: 12,
            loss_percent: 0,
        },
        &[5, 20],
    ),
];

/// How long the repair of what was said last may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the last bare datagram takes.
const DRAIN: Duration = Duration::from_millis(200);

const NANOSECONDS_A_MILLISECOND: f64 = 1e6;

impl Scenario for Recovery<'_> {
    type Case = Case;

    const TITLE: &'static str = "Recovery";
    const LABELS: &'static [&'static str] = &["receivers", "lines/s", "loss, %"];
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "p50, ms",
            digits: 3,
            ratio: false,
        },
        Column {
            heading: "p99, ms",
            digits: 3,
            ratio: false,
        },
        Column {
            heading: "delivered, %",
            digits: 2,
            ratio: false,
        },
        Column {
            heading: "datagrams/line",
            digits: 2,
            ratio: true,
        },
    ];

    fn cases(&self) -> Vec<Case> {
        let rooms = ROOMS.into_iter();
        let cases = rooms.flat_map(|(room, losses)| {
            losses.iter().map(move |&loss_percent| Case {
                loss_percent,
                ..room
            })
        });
        cases.collect()
    }

    fn labels(&self, case: &Case) -> Vec<String> {
        let labels = [
            case.receivers as u32,
            case.lines_a_second,
            case.loss_percent,
        ];
        labels.iter().map(u32::to_string).collect()
    }

    fn lan(&self, case: &Case) -> Result<Lan, Box<dyn Error>> {
        let lan = Lan::new(case.receivers)?;
        lan.cut_before_the_wire();
        let first = if self.0.lossy_sender {
            SENDER
        } else {
            SENDER + 1
        };
        for host in first..=case.receivers {
            lan.lose(host, case.loss_percent)?;
        }
        Ok(lan)
    }

    fn figures(&self, case: &Case, lan: &Lan, peer: &Peer) -> Figures {
        let seconds = self.0.seconds() * case.times_as_long;
        let plan = Plan {
            receivers: case.receivers,
            lines: Some(u64::from(seconds * case.lines_a_second)),
            rate: Some(case.lines_a_second.into()),
            time: Duration::from_secs(seconds.into()),
            patience: if peer.reliable { PATIENCE } else { DRAIN },
            latencies: true,
            spin: self.0.spin,
        };
        let outcome = measure(lan, peer, &plan)?;
        Ok(vec![
            worst_latency(&outcome, 0.5),
            worst_latency(&outcome, 0.99),
            least_delivered(&outcome),
            Some(packets(&outcome) as f64 / outcome.said.lines as f64),
        ])
    }
}

/// Of all hosts.
fn packets(outcome: &Outcome) -> u64 {
    let of_each = outcome.traffic.iter();
    of_each.map(|traffic| traffic.sent_packets).sum()
}

/// In milliseconds, of the receiver where it is highest.
fn worst_latency(outcome: &Outcome, share: f64) -> Option<f64> {
    let of = |tally: &Tally| {
        let latencies = tally.latencies_in(NANOSECONDS_A_MILLISECOND);
        percentile(&mut latencies.collect::<Vec<_>>(), share)
    };
    outcome.tallies.iter().filter_map(of).max_by(f64::total_cmp)
}

/// In percent, of the receiver where it is lowest.
fn least_delivered(outcome: &Outcome) -> Option<f64> {
    let delivered = outcome.tallies.iter().map(|tally| tally.delivered).min()?;
    Some(delivered as f64 * 100.0 / outcome.said.lines as f64)
}
