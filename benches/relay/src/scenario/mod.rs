//! What is measured, and how it becomes a table.

use std::error::Error;
use std::time::Duration;

use crate::cli::Options;
use crate::interrupt;
use crate::servers::Server;
use crate::statistics::median;
use crate::table::{Table, number};

pub mod burst;
pub mod disturb;
pub mod history;
pub mod latency;
pub mod memory;
pub mod pages;
pub mod room;

/// How many lines a second people say in a lively room.
const LINES_A_SECOND: u32 = 20;
const INTERVAL: Duration = Duration::from_millis(1000 / LINES_A_SECOND as u64);

/// Lines that are said at that rate before measured ones.
const WARM_UP_LINES: u32 = 20;

/// How long a receiver may wait for a line that was said.
const PATIENCE: Duration = Duration::from_secs(10);

const NANOSECONDS_A_MILLISECOND: f64 = 1e6;

/// One kind of figure.
pub struct Column {
    heading: &'static str,
    /// Digits behind the point.
    digits: usize,
    /// A column follows for each of these servers, with the ratio to its figure.
    ratios: &'static [&'static str],
}

/// What all scenarios have in common.
pub trait Scenario {
    /// Above the table.
    const TITLE: &'static str;
    /// What the number of clients is called.
    const CLIENTS: &'static str;
    /// What is measured.
    const COLUMNS: &'static [Column];

    /// One figure a column, none where it has no value.
    fn figures(&self, server: &'static dyn Server, clients: u32) -> Figures;
}

/// The figures of one measurement.
type Figures = Result<Vec<Option<f64>>, Box<dyn Error>>;

/// Measures every setting so many times with every server, and takes medians.
pub fn run<S: Scenario>(scenario: &S, options: &Options) -> Result<Table, Box<dyn Error>> {
    let servers = options.servers();
    let runs = options.runs();
    let mut rows = Vec::new();
    for &clients in &options.receivers {
        let mut results: Vec<Results> = servers.iter().map(|_| Results::new()).collect();
        for run in 1..=runs {
            for (server, results) in servers.iter().zip(&mut results) {
                let (title, name) = (S::TITLE, server.name());
                eprintln!("{title}: {clients}: {name} (run {run} of {runs})");
                results.push(attempt(scenario, *server, clients)?);
            }
        }
        for (server, own) in servers.iter().zip(&results) {
            let base = |name: &str| {
                let place = servers.iter().position(|server| server.name() == name);
                place.map(|place| &results[place])
            };
            let mut row = vec![server.name().to_owned(), clients.to_string()];
            row.extend(cells(S::COLUMNS, own, base));
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

/// A server that fails in a run does not keep the others from theirs; an interrupt does.
fn attempt<S: Scenario>(
    scenario: &S,
    server: &'static dyn Server,
    clients: u32,
) -> Result<Option<Vec<Option<f64>>>, Box<dyn Error>> {
    match scenario.figures(server, clients) {
        Ok(figures) => Ok(Some(figures)),
        Err(error) if interrupt::happened() => Err(error),
        Err(error) => {
            eprintln!("bench-relay: {} failed: {error}", server.name());
            Ok(None)
        }
    }
}

fn headings<S: Scenario>() -> Vec<String> {
    let mut headings = vec!["server".to_owned(), S::CLIENTS.to_owned()];
    for column in S::COLUMNS {
        headings.push(column.heading.to_owned());
        headings.extend(column.ratios.iter().map(|name| format!("× {name}")));
    }
    headings
}

/// The row of one server, without what it is called; `base` has the results of another.
fn cells<'a>(
    columns: &[Column],
    results: &Results,
    base: impl Fn(&str) -> Option<&'a Results>,
) -> Vec<String> {
    let mut cells = Vec::new();
    for (place, column) in columns.iter().enumerate() {
        let figures = results.iter().map(|run| figure(run, place));
        cells.push(cell(figures.flatten().collect(), column.digits));
        for name in column.ratios {
            let pairs = results.iter().zip(base(name).into_iter().flatten());
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

fn milliseconds(nanoseconds: Vec<u64>) -> Vec<f64> {
    let nanoseconds = nanoseconds.into_iter();
    nanoseconds
        .map(|nanoseconds| nanoseconds as f64 / NANOSECONDS_A_MILLISECOND)
        .collect()
}
