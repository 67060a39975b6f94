//! What a flow makes of a link that is narrower than the others.

use std::error::Error;

use super::throughput::{flood, lines_a_second, once_and_in_order};
use super::{Column, Figures, Scenario};
use crate::cli::Options;
use crate::host::{Said, Tally};
use crate::lan::{Lan, SENDER};
use crate::measurement::{Outcome, measure};
use crate::peers::Peer;

/// The sender says lines as fast as the transport takes them, which is faster than the link.
pub struct Bottleneck<'a>(pub &'a Options);

/// How many of the receivers are behind such a link.
pub struct Case {
    narrow: usize,
}

const RECEIVERS: usize = 4;
const MEGABITS: u32 = 100;

/// Lines of 200 bytes that fit through in a second, about.
const LINES_A_SECOND: u32 = 54_000;

impl Scenario for Bottleneck<'_> {
    type Case = Case;

    const TITLE: &'static str = "Bottleneck of 100 Mb/s";
    const LABELS: &'static [&'static str] = &["receivers", "behind it"];
    const COLUMNS: &'static [Column] = &[
        Column {
            heading: "lines/s to each",
            digits: 0,
            ratio: false,
        },
        Column {
            heading: "Mb/s through it",
            digits: 1,
            ratio: false,
        },
        Column {
            heading: "once and in order, %",
            digits: 3,
            ratio: false,
        },
    ];

    fn cases(&self) -> Vec<Case> {
        [1, RECEIVERS].map(|narrow| Case { narrow }).into()
    }

    fn labels(&self, case: &Case) -> Vec<String> {
        vec![RECEIVERS.to_string(), case.narrow.to_string()]
    }

    fn lan(&self, case: &Case) -> Result<Lan, Box<dyn Error>> {
        let lan = Lan::new(RECEIVERS)?;
        lan.cut_before_the_wire();
        for host in SENDER + 1..=case.narrow {
            lan.narrow(host, MEGABITS)?;
        }
        Ok(lan)
    }

    fn figures(&self, _: &Case, lan: &Lan, peer: &Peer) -> Figures {
        let plan = flood(self.0, RECEIVERS, peer, LINES_A_SECOND);
        let outcome = measure(lan, peer, &plan)?;
        let said = outcome.said;
        let worst = |figure: fn(&Said, &Tally) -> f64| {
            let figures = outcome.tallies.iter().map(|tally| figure(&said, tally));
            figures.min_by(f64::total_cmp)
        };
        Ok(vec![
            worst(lines_a_second),
            Some(megabits_through(&outcome)),
            worst(once_and_in_order),
        ])
    }
}

/// What came to the first receiver, which is always behind the link, Ethernet headers included.
fn megabits_through(outcome: &Outcome) -> f64 {
    let ended = outcome.tallies.iter().map(|tally| tally.last);
    let ended = ended.max().unwrap_or_default().max(outcome.said.ended);
    let seconds = (ended - outcome.said.began) as f64 / 1e9;
    let bytes = outcome.traffic[SENDER + 1].received_bytes;
    bytes as f64 * 8.0 / 1e6 / seconds
}
