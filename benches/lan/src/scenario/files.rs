//! How soon a file is with everyone, and what that puts on the wire.

use std::error::Error;

mod results;

use crate::cli::FileOptions;
use crate::file_peers::{FilePeer, Setting};
use crate::interrupt;
use crate::lan::{Lan, SENDER};
use crate::statistics::median;
use crate::table::{Table, number};
use crate::transfer::{Plan, Source, transfer};
use results::Results;

/// What is compared.
type Peers = [&'static FilePeer];

/// How many receivers are behind narrow links, and what these carry.
const NARROW: usize = 4;
const MEGABITS: u32 = 100;

/// With random loss at the receivers: a table for each number of them, given to `show` when it is there.
pub fn loss(options: &FileOptions, show: impl Fn(Table)) -> Result<(), Box<dyn Error>> {
    let source = Source::new(&options.dir(), options.bytes())?;
    let peers = options.peers(Setting::Loss);
    for &receivers in &options.receivers {
        let plan = plan(options, &source, receivers);
        let mut cases = Vec::new();
        for &percent in &options.loss {
            let lan = lossy(receivers, percent, options)?;
            let case = format!("{receivers} receivers, {percent} % loss");
            let fits = |peer: &FilePeer| peer.repairs || percent == 0;
            cases.push(measure(&case, &lan, &peers, &plan, options.runs, fits)?);
        }
        show(loss_table(options, receivers, &peers, &cases));
    }
    Ok(())
}

/// Behind links of [`MEGABITS`].
pub fn bottleneck(options: &FileOptions) -> Result<Table, Box<dyn Error>> {
    let source = Source::new(&options.dir(), options.bytes())?;
    let peers = options.peers(Setting::Bottleneck);
    let lan = Lan::new(NARROW)?;
    lan.meter()?;
    cut(&lan)?;
    for host in SENDER + 1..=NARROW {
        lan.narrow(host, MEGABITS)?;
    }
    let plan = plan(options, &source, NARROW);
    let fits = |peer: &FilePeer| peer.repairs;
    let results = measure("bottleneck", &lan, &peers, &plan, options.runs, fits)?;
    Ok(bottleneck_table(options, &peers, &results))
}

/// What the options say of each transfer.
pub(super) fn plan<'a>(options: &FileOptions, source: &'a Source, receivers: usize) -> Plan<'a> {
    Plan {
        source,
        receivers,
        patience: options.patience(),
        dir: options.dir(),
    }
}

fn lossy(receivers: usize, percent: u32, options: &FileOptions) -> Result<Lan, Box<dyn Error>> {
    let lan = Lan::new(receivers)?;
    lan.meter()?;
    if percent > 0 || options.cut {
        cut(&lan)?;
    }
    for host in SENDER + 1..=receivers {
        if percent > 0 {
            lan.lose(host, percent)?;
        }
        if options.gro {
            lan.join(host)?;
        }
    }
    Ok(lan)
}

/// The tables say that this was done.
fn cut(lan: &Lan) -> Result<(), Box<dyn Error>> {
    match lan.cut_before_the_wire() {
        true => Ok(()),
        false => Err("large packets would be lost as a whole".into()),
    }
}

/// Measures each that fits so many times, in turn.
fn measure(
    case: &str,
    lan: &Lan,
    peers: &Peers,
    plan: &Plan,
    runs: u32,
    fits: impl Fn(&FilePeer) -> bool,
) -> Result<Vec<Results>, Box<dyn Error>> {
    let none = || Results::new(plan.receivers, plan.source.bytes());
    let mut results: Vec<_> = peers.iter().map(|_| none()).collect();
    for run in 1..=runs {
        for (peer, results) in peers.iter().zip(&mut results) {
            if !fits(peer) {
                continue;
            }
            eprint!("Files: {case}: {} (run {run} of {runs}): ", peer.name);
            match transfer(lan, peer, plan) {
                Ok(outcome) => {
                    let mut one = none();
                    one.push(outcome);
                    eprintln!("{}", one.cell());
                    results.append(one);
                }
                Err(error) if interrupt::happened() => return Err(error),
                // One that fails does not keep the others from their runs.
                Err(error) => eprintln!("{error}"),
            }
        }
    }
    Ok(results)
}

/// A row for each peer, a column for each share of loss.
fn loss_table(
    options: &FileOptions,
    receivers: usize,
    peers: &Peers,
    cases: &[Vec<Results>],
) -> Table {
    let mut headings = vec!["transport".to_owned(), "before, s".to_owned()];
    headings.extend(options.loss.iter().map(|percent| format!("{percent} %")));
    let rows = peers.iter().enumerate().map(|(place, peer)| {
        let cases = || cases.iter().map(|results| &results[place]);
        let mut row = vec![peer.name.to_owned(), before_cell(cases())];
        row.extend(cases().map(Results::cell));
        row
    });
    let (megabytes, runs) = (options.megabytes, options.runs);
    let offload = match options.cut {
        true => "off",
        false => "on at 0 %, off otherwise",
    };
    let joined = match options.gro {
        true => "; receivers' interfaces join datagrams (GRO)",
        false => "",
    };
    Table {
        title: format!("Files: {receivers} receivers that lose datagrams at random"),
        note: format!(
            "{megabytes} MB; medians of {runs} runs. A cell has the seconds from the sender's first data until the last \
             receiver has the file, the bytes that all hosts put on the wire over the file's size and, unless all received \
             it whole, in how many cases it was. `before` is from the start of the sender's program to its first data. \
             Segmentation offload at the sender: {offload}{joined}."
        ),
        headings,
        rows: rows.collect(),
    }
}

fn bottleneck_table(options: &FileOptions, peers: &Peers, results: &[Results]) -> Table {
    let headings = [
        "transport",
        "before, s",
        "s",
        "Mb/s of the file",
        "wire/file",
        "whole",
    ];
    let rows = peers.iter().zip(results).map(|(peer, results)| {
        vec![
            peer.name.to_owned(),
            before_cell([results]),
            results.seconds_cell(),
            results.goodput_cell(),
            results.wire_cell(),
            results.whole_cell(),
        ]
    });
    let (megabytes, runs) = (options.megabytes, options.runs);
    Table {
        title: format!("Files: {NARROW} receivers behind links of {MEGABITS} Mb/s"),
        note: format!(
            "{megabytes} MB; medians of {runs} runs. The seconds are from the sender's first data until the last receiver has \
             the file, `before` from the start of the sender's program. Segmentation offload at the sender: off."
        ),
        headings: headings.map(str::to_owned).into(),
        rows: rows.collect(),
    }
}

/// Seconds from the start to the first data, over all runs of all cases.
fn before_cell<'a>(cases: impl IntoIterator<Item = &'a Results>) -> String {
    let seconds = cases.into_iter().flat_map(Results::before);
    let middle = median(&mut seconds.collect::<Vec<_>>());
    middle.map_or("–".to_owned(), |seconds| number(seconds, 2))
}
