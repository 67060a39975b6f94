//! What is measured, in which cases, and how it becomes a table.

use std::error::Error;

use crate::interrupt;
use crate::lan::Lan;
use crate::peers::{BASE, Peer};
use crate::statistics::median;
use crate::table::{Table, number};

pub mod bottleneck;
pub mod chat;
pub mod files;
pub mod latency;
pub mod recovery;
pub mod throughput;

/// One kind of figure.
pub struct Column {
    heading: &'static str,
    /// Digits behind the point.
    digits: usize,
    /// Whether a column with the ratio to the base follows.
    ratio: bool,
}

/// What all scenarios have in common.
pub trait Scenario {
    /// A setting to measure every transport in.
    type Case;

    /// Above the table.
    const TITLE: &'static str;
    /// What tells the cases apart.
    const LABELS: &'static [&'static str];
    /// What is measured.
    const COLUMNS: &'static [Column];

    /// All of them.
    fn cases(&self) -> Vec<Self::Case>;

    /// One a heading of [`Self::LABELS`].
    fn labels(&self, case: &Self::Case) -> Vec<String>;

    /// The network to measure in.
    fn lan(&self, case: &Self::Case) -> Result<Lan, Box<dyn Error>>;

    /// One figure a column, none where it has no value.
    fn figures(&self, case: &Self::Case, lan: &Lan, peer: &Peer) -> Figures;
}

/// The figures of one measurement.
type Figures = Result<Vec<Option<f64>>, Box<dyn Error>>;

/// Measures every case so many times with every transport, and takes medians.
pub fn run<S: Scenario>(scenario: &S, peers: &[&Peer], runs: u32) -> Result<Table, Box<dyn Error>> {
    let mut rows = Vec::new();
    for case in scenario.cases() {
        let labels = scenario.labels(&case);
        let lan = scenario.lan(&case)?;
        let mut results: Vec<Results> = peers.iter().map(|_| Results::new()).collect();
        for run in 1..=runs {
            for (peer, results) in peers.iter().zip(&mut results) {
                let labels = labels.join(", ");
                eprintln!(
                    "{}: {labels}: {} (run {run} of {runs})",
                    S::TITLE,
                    peer.name
                );
                results.push(attempt(scenario, &case, &lan, peer)?);
            }
        }
        let base = results[0].clone();
        for (peer, results) in peers.iter().zip(&results) {
            let mut row = vec![peer.name.to_owned()];
            row.extend(labels.iter().cloned());
            row.extend(cells(S::COLUMNS, results, &base));
            rows.push(row);
        }
    }
    Ok(Table {
        title: S::TITLE.to_owned(),
        note: String::new(),
        headings: headings::<S>(),
        rows,
    })
}

/// The figures of every run, none of one that failed.
type Results = Vec<Option<Vec<Option<f64>>>>;

/// A transport that fails in a run does not keep the others from theirs; an interrupt does.
fn attempt<S: Scenario>(
    scenario: &S,
    case: &S::Case,
    lan: &Lan,
    peer: &Peer,
) -> Result<Option<Vec<Option<f64>>>, Box<dyn Error>> {
    match scenario.figures(case, lan, peer) {
        Ok(figures) => Ok(Some(figures)),
        Err(error) if interrupt::happened() => Err(error),
        Err(error) => {
            eprintln!("bench-lan: {} failed: {error}", peer.name);
            Ok(None)
        }
    }
}

fn headings<S: Scenario>() -> Vec<String> {
    let mut headings = vec!["transport".to_owned()];
    headings.extend(S::LABELS.iter().map(|&label| label.to_owned()));
    for column in S::COLUMNS {
        headings.push(column.heading.to_owned());
        if column.ratio {
            headings.push(format!("× {}", BASE.name));
        }
    }
    headings
}

/// The row of one transport, without its labels.
fn cells(columns: &[Column], results: &Results, base: &Results) -> Vec<String> {
    let mut cells = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        let figures = results.iter().map(|run| figure(run, place));
        cells.push(cell(figures.flatten().collect(), column.digits));
        if column.ratio {
            let pairs = results.iter().zip(base);
            let ratios = pairs.map(|(run, base)| Some(figure(run, place)? / figure(base, place)?));
            cells.push(cell(ratios.flatten().collect(), 2));
        }
    }
    cells
}

fn figure(run: &Option<Vec<Option<f64>>>, place: usize) -> Option<f64> {
    *run.as_ref()?.get(place)?
}

fn cell(mut figures: Vec<f64>, digits: usize) -> String {
    let median = median(&mut figures);
    median.map_or_else(|| "–".to_owned(), |median| number(median, digits))
}
