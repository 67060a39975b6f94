//! How far a file has come.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::bars::Bar;
use super::lines::tell;
use crate::chat::{ByteSize, FileOffer, printable};

/// How often a bar that stands in one place is drawn, by whom nothing else draws.
pub(super) const DRAW: Duration = Duration::from_secs(1);

/// Where there is no bar, a line tells it this often.
pub(super) const TELL: Duration = Duration::from_secs(3);

/// What has not moved for so long stands still.
const STILL: Duration = Duration::from_secs(5);

/// What stands still for so long is told, once: longer than it takes to go on by another way.
const STUCK: Duration = Duration::from_secs(10);

/// How far, how fast and how long still.
#[derive(Debug)]
pub(super) struct Meter {
    size_bytes: u64,
    /// What was there at first, and when that was still all.
    first: Option<(u64, Instant)>,
    /// What was there last, and since when.
    last: (u64, Instant),
    /// It was told that it is stuck.
    is_told: bool,
    started: Instant,
}

/// How wide a bar is between its ends, in columns.
const BAR_COLUMNS: usize = 16;

impl Meter {
    pub(super) fn new(size_bytes: u64) -> Self {
        let started = Instant::now();
        Self {
            size_bytes,
            first: None,
            last: (0, started),
            is_told: false,
            started,
        }
    }

    /// Whether it has taken so long already.
    pub(super) fn has_taken(&self, time: Duration) -> bool {
        self.started.elapsed() >= time
    }

    /// So much is there; what it was at first, and when. What was there before did not come now, and until somebody takes a
    /// file nothing moves.
    fn note(&mut self, bytes: u64) -> (u64, Instant) {
        if bytes != self.last.0 {
            if self.stands_still() {
                self.first = None;
            }
            self.last = (bytes, Instant::now());
            self.is_told = false;
        }
        match self.first {
            Some(first) if bytes > first.0 => first,
            _ => *self.first.insert((bytes, Instant::now())),
        }
    }

    /// Whether nothing has moved for some time; there is nothing new to tell then.
    pub(super) fn stands_still(&self) -> bool {
        self.still() >= STILL
    }

    fn still(&self) -> Duration {
        self.last.1.elapsed()
    }

    /// So much is there: whether it is to be told that it has stood still for long.
    pub(super) fn is_stuck(&mut self, bytes: u64) -> bool {
        self.note(bytes);
        let is_stuck = self.still() >= STUCK && bytes < self.size_bytes;
        is_stuck && !std::mem::replace(&mut self.is_told, true)
    }

    /// `[========>       ]`.
    pub(super) fn bar(&self, bytes: u64) -> String {
        let share = match self.size_bytes {
            0 => 1.0,
            size => (bytes as f64 / size as f64).min(1.0),
        };
        let columns = (share * BAR_COLUMNS as f64) as usize;
        let head = if columns < BAR_COLUMNS { ">" } else { "" };
        let done = "=".repeat(columns) + head;
        format!("[{done:BAR_COLUMNS$}]")
    }

    /// `54 %, 54 MB of 100 MB, 9 MB/s, 5 s left`; or `54 %, 54 MB of 100 MB, standing still for 7 s`.
    pub(super) fn line(&mut self, bytes: u64) -> String {
        let (first_bytes, first_at) = self.note(bytes);
        let percent = match self.size_bytes {
            0 => 100,
            size => u128::from(bytes.min(size)) * 100 / u128::from(size),
        };
        let seconds = first_at.elapsed().as_secs_f64().max(0.001);
        let speed = bytes.saturating_sub(first_bytes) as f64 / seconds;
        let so_far = format!(
            "{percent} %, {} of {}",
            ByteSize(bytes),
            ByteSize(self.size_bytes)
        );
        if self.stands_still() && bytes < self.size_bytes {
            return format!("{so_far}, standing still for {} s", self.still().as_secs());
        }
        match speed >= 1.0 {
            false => so_far,
            true => {
                let left = self.size_bytes.saturating_sub(bytes) as f64 / speed;
                let speed = ByteSize(speed as u64);
                format!("{so_far}, {speed}/s, {left:.0} s left")
            }
        }
    }
}

/// A bar on standard error where that is a terminal, else a line now and then.
pub(super) struct FileProgress {
    what: String,
    bar: Option<Bar>,
    meter: Meter,
    told: Instant,
}

impl FileProgress {
    /// `verb` says what is done with the file.
    pub(super) fn new(verb: &str, file: &FileOffer) -> Self {
        let name = printable(file.name.as_str()).into_owned();
        let what = format!("{verb} {name}");
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(file.size_bytes).with_message(what.clone());
            let template = "{msg} [{bar:24}] {percent}% {decimal_bytes_per_sec} {eta} {prefix}";
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            Bar::show(bar.with_style(style.progress_chars("=> ")))
        });
        Self {
            what,
            bar,
            meter: Meter::new(file.size_bytes),
            told: Instant::now(),
        }
    }

    /// Whether it is to be told that nothing moves for long.
    pub(super) fn is_stuck(&mut self, bytes: u64) -> bool {
        self.meter.is_stuck(bytes)
    }

    /// So much is there; `who` tells of the others.
    pub(super) fn set(&mut self, bytes: u64, who: &str) {
        self.meter.note(bytes);
        if let Some(bar) = &self.bar {
            bar.set(bytes, who);
        } else if self.told.elapsed() >= TELL && !self.meter.stands_still() {
            self.told = Instant::now();
            let line = format!("{}: {} {who}", self.what, self.meter.line(bytes));
            tell(line.trim_end());
        }
    }
}

/// What a person is told of a file of which nothing comes for long: what it waits for.
pub(super) fn stuck(file: &FileOffer, is_server: bool) -> String {
    let goes_on = match is_server {
        true => "it goes on when the server does",
        false => "it goes on when somebody sends it",
    };
    format!("{}: nothing comes; {goes_on}", described(file))
}

/// A file as a person is told of it: `notes.txt (12 kB)`.
pub(super) fn described(file: &FileOffer) -> String {
    format!("{} ({})", file.name, ByteSize(file.size_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_still_is_told_once_until_it_moves() {
        let mut meter = Meter::new(100);
        assert!(!meter.is_stuck(30));
        let passes = |meter: &mut Meter, time| meter.last.1 -= time;
        passes(&mut meter, STILL);
        assert_eq!(
            meter.line(30),
            "30 %, 30 bytes of 100 bytes, standing still for 5 s"
        );
        assert!(!meter.is_stuck(30));
        passes(&mut meter, STUCK);
        assert!(meter.is_stuck(30));
        assert!(!meter.is_stuck(30));
        assert_eq!(meter.line(40), "40 %, 40 bytes of 100 bytes");
        passes(&mut meter, STUCK);
        assert!(meter.is_stuck(40));
        passes(&mut meter, STUCK);
        assert!(!meter.is_stuck(100));
    }
}
