//! Lines and datagrams through one session alone: how fast, and what they allocate.

use std::io::{self, Write};
use std::time::Instant;

use super::allocator::Counts;
use super::rig::flow::{FLOOD, Flow, MEASURED_LINES, Pace, SINGLE};
use super::rig::trace::{Tally, Trace, is_read, play};

/// Each figure is the median of so many runs.
const RUNS: usize = 9;

/// What one run of a measurement took.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    counts: Counts,
}

/// The median run, and what went through in each.
struct Row {
    what: String,
    datagrams: u64,
    median: Run,
    /// The lines that were handed out: what the application keeps of them is not the session's.
    messages: u64,
    message_bytes: u64,
}

/// Prints both tables.
pub fn print(out: &mut impl Write) -> io::Result<()> {
    let mut rows = rows(FLOOD);
    rows.extend(self::rows(SINGLE));
    writeln!(out, "## One session alone: speed\n")?;
    writeln!(
        out,
        "Medians of {RUNS} runs of {MEASURED_LINES} lines of {} bytes.\n",
        super::rig::flow::LINE_BYTES
    )?;
    writeln!(
        out,
        "| what | lines a datagram | lines/s | datagrams/s | ns a line | ns a datagram |"
    )?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|")?;
    for row in &rows {
        row.print_speed(out)?;
    }
    writeln!(out, "\n## One session alone: allocations\n")?;
    writeln!(
        out,
        "Without the message: less one allocation of its length for each line handed out.\n"
    )?;
    writeln!(
        out,
        "| what | allocations a datagram | bytes a datagram | allocations a line | bytes a line \
         | a line without the message | bytes a line without it |"
    )?;
    writeln!(out, "|---|--:|--:|--:|--:|--:|--:|")?;
    for row in &rows {
        row.print_allocations(out)?;
    }
    Ok(())
}

fn rows(pace: Pace) -> Vec<Row> {
    let Flow { sender, receiver } = Flow::play(pace);
    let (sent, heard) = (sender.tally(), receiver.tally());
    assert_eq!(
        sent.said, MEASURED_LINES,
        "the sender plays otherwise again"
    );
    assert_eq!(
        heard.heard, MEASURED_LINES,
        "the receiver plays otherwise again"
    );
    let row = |what: &str, datagrams, tally: Tally, median| Row {
        what: format!("{what}, {}", pace.name),
        datagrams,
        median,
        messages: tally.heard,
        message_bytes: tally.heard_bytes,
    };
    vec![
        row("sender", sent.datagrams_out, sent, session(&sender)),
        row("receiver", heard.datagrams_in, heard, session(&receiver)),
        row(
            "decode",
            heard.datagrams_in,
            Tally::default(),
            decode(&receiver),
        ),
    ]
}

fn session(trace: &Trace) -> Run {
    median(|| {
        let mut session = trace.warm_session();
        measure(|| {
            play(&mut session, &trace.measured);
        })
    })
}

fn decode(trace: &Trace) -> Run {
    median(|| {
        measure(|| {
            let well_formed = trace.datagrams().filter(|d| is_read(d)).count();
            assert_eq!(well_formed, trace.datagrams().count());
        })
    })
}

fn measure(work: impl FnOnce()) -> Run {
    let (counts, start) = (Counts::now(), Instant::now());
    work();
    Run {
        seconds: start.elapsed().as_secs_f64(),
        counts: Counts::now() - counts,
    }
}

fn median(run: impl Fn() -> Run) -> Run {
    let mut runs: Vec<Run> = (0..RUNS).map(|_| run()).collect();
    runs.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    runs[RUNS / 2]
}

impl Row {
    fn print_speed(&self, out: &mut impl Write) -> io::Result<()> {
        let (lines, datagrams) = (MEASURED_LINES as f64, self.datagrams as f64);
        let seconds = self.median.seconds;
        writeln!(
            out,
            "| {} | {:.2} | {:.0} | {:.0} | {:.0} | {:.0} |",
            self.what,
            lines / datagrams,
            lines / seconds,
            datagrams / seconds,
            seconds * 1e9 / lines,
            seconds * 1e9 / datagrams,
        )
    }

    fn print_allocations(&self, out: &mut impl Write) -> io::Result<()> {
        let (lines, datagrams) = (MEASURED_LINES as f64, self.datagrams as f64);
        let Counts {
            allocations, bytes, ..
        } = self.median.counts;
        let without = |all: u64, messages: u64| all.saturating_sub(messages) as f64 / lines;
        writeln!(
            out,
            "| {} | {:.2} | {:.0} | {:.2} | {:.0} | {:.2} | {:.0} |",
            self.what,
            allocations as f64 / datagrams,
            bytes as f64 / datagrams,
            allocations as f64 / lines,
            bytes as f64 / lines,
            without(allocations, self.messages),
            without(bytes, self.message_bytes),
        )
    }
}
