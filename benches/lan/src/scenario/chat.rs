//! What a file does to the talk beside it.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::files::plan;
use crate::cli::FileOptions;
use crate::file_peers::FilePeer;
use crate::lan::Lan;
use crate::measurement::{self, measure};
use crate::peers::Peer;
use crate::statistics::{median, percentile};
use crate::table::{Table, number};
use crate::transfer::{self, Source, transfer};

/// As busy people talk.
const LINES_A_SECOND: u32 = 50;
const SECONDS: u32 = 10;

/// How long a line may take at the end.
const PATIENCE: Duration = Duration::from_secs(2);

const NANOSECONDS_A_MILLISECOND: f64 = 1e6;
const BYTES_A_MEGABYTE: f64 = 1e6;

/// Who talks, and who sends files: the program, as people run it.
const TALKS: &str = "program";
const SENDS: &str = "crds";

/// p50 and p99 of a line, in ms.
#[derive(Clone, Copy)]
struct Way {
    p50: f64,
    p99: f64,
}

/// The way of a line from host to host alone, and while files go the same way one after the other.
pub fn beside_files(options: &FileOptions) -> Result<Table, Box<dyn Error>> {
    let source = Source::new(&options.dir(), options.bytes())?;
    let mut rows = Vec::new();
    for &receivers in &options.receivers {
        let lan = Lan::new(receivers)?;
        let plan = plan(options, &source, receivers);
        let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for run in 1..=options.runs {
            eprintln!(
                "Files: talk of {receivers} receivers (run {run} of {})",
                options.runs
            );
            alone.push(talk(&lan, receivers)?);
            let (way, rate) = while_files_go(&lan, &plan)?;
            beside.push(way);
            rates.push(rate);
        }
        rows.push(row(receivers, &alone, &beside, &mut rates));
    }
    let headings = [
        "receivers",
        "p50 alone, ms",
        "p50 beside files, ms",
        "p99 alone, ms",
        "p99 beside files, ms",
        "p99, × alone",
        "files, MB/s",
    ];
    let (megabytes, runs) = (options.megabytes, options.runs);
    Ok(Table {
        title: "Files: the talk beside them".to_owned(),
        note: format!(
            "{LINES_A_SECOND} lines a second for {SECONDS} s from `crds send` to `crds listen` on every receiver's host; then the same \
             while files of {megabytes} MB go from the sender's host to all of them, as fast as they can, one after the other. \
             Medians of {runs} runs."
        ),
        headings: headings.map(str::to_owned).into(),
        rows,
    })
}

/// Medians. `rates` are of the files.
fn row(receivers: usize, alone: &[Way], beside: &[Way], rates: &mut [f64]) -> Vec<String> {
    let middle = |ways: &[Way], of: fn(&Way) -> f64| {
        let mut all: Vec<_> = ways.iter().map(of).collect();
        median(&mut all).unwrap_or(f64::NAN)
    };
    let p50s = [alone, beside].map(|ways| middle(ways, |way| way.p50));
    let p99s = [alone, beside].map(|ways| middle(ways, |way| way.p99));
    let rate = median(rates).unwrap_or(f64::NAN);
    let ways = [p50s[0], p50s[1], p99s[0], p99s[1], p99s[1] / p99s[0]];
    let cells = ways.map(|figure| number(figure, 2)).into_iter();
    std::iter::once(receivers.to_string())
        .chain(cells)
        .chain([number(rate, 0)])
        .collect()
}

fn talk(lan: &Lan, receivers: usize) -> Result<Way, Box<dyn Error>> {
    let peer = Peer::named(TALKS).ok_or("this build cannot run the program")?;
    let plan = measurement::Plan {
        receivers,
        lines: Some((LINES_A_SECOND * SECONDS).into()),
        rate: Some(LINES_A_SECOND.into()),
        time: Duration::from_secs(SECONDS.into()),
        patience: PATIENCE,
        latencies: true,
        spin: false,
    };
    let outcome = measure(lan, peer, &plan)?;
    let tallies = outcome.tallies.iter();
    let all = tallies.flat_map(|tally| tally.latencies_in(NANOSECONDS_A_MILLISECOND));
    let mut all: Vec<f64> = all.collect();
    let mut share = |share| percentile(&mut all, share).ok_or("no line came");
    Ok(Way {
        p50: share(0.5)?,
        p99: share(0.99)?,
    })
}

/// And how fast the files went, in MB a second to each, with the pauses between them.
fn while_files_go(lan: &Lan, plan: &transfer::Plan) -> Result<(Way, f64), Box<dyn Error>> {
    let peer = FilePeer::named(SENDS).ok_or("this build cannot send files")?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let files = scope.spawn(|| {
            let (start, mut bytes) = (Instant::now(), 0);
            while !is_over.load(Ordering::Relaxed) {
                let outcome = transfer(lan, peer, plan).map_err(|error| error.to_string())?;
                if outcome.whole < plan.receivers {
                    return Err("a file did not arrive".to_owned());
                }
                bytes += plan.source.bytes();
            }
            Ok(bytes as f64 / BYTES_A_MEGABYTE / start.elapsed().as_secs_f64())
        });
        let way = talk(lan, plan.receivers);
        is_over.store(true, Ordering::Relaxed);
        let rate = files.join().map_err(|_| "the files' thread failed")??;
        Ok((way?, rate))
    })
}
