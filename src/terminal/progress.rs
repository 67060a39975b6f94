//! How far a file has come, for a command in a terminal or in a pipe.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::lines::tell;
use crate::chat::{FileOffer, printable};

/// In a pipe a line tells it this often.
const TELL: Duration = Duration::from_secs(3);

/// A bar on standard error where that is a terminal, else a line now and then.
pub(super) struct FileProgress {
    what: String,
    size_bytes: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    told: Instant,
}

impl FileProgress {
    /// `verb` says what is done with the file.
    pub(super) fn new(verb: &str, file: &FileOffer) -> Self {
        let name = printable(file.name.as_str()).into_owned();
        let what = format!("{verb} {name}");
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(file.size_bytes).with_message(what.clone());
            let template = "{msg} [{bar:30}] {percent}% {bytes} of {total_bytes} {binary_bytes_per_sec} {eta} {prefix}";
            let style = ProgressStyle::with_template(template);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.with_style(style.progress_chars("=> "))
        });
        Self {
            what,
            size_bytes: file.size_bytes,
            bar,
            started: Instant::now(),
            told: Instant::now(),
        }
    }

    /// So much is there; `who` tells of the others.
    pub(super) fn set(&mut self, bytes: u64, who: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_prefix(who.to_owned());
        } else if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            tell(&self.line(bytes, who));
        }
    }

    fn line(&self, bytes: u64, who: &str) -> String {
        let percent = match self.size_bytes {
            0 => 100,
            size => bytes.min(size) * 100 / size,
        };
        let speed = bytes as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let left = self.size_bytes.saturating_sub(bytes) as f64 / speed.max(1.0);
        format!(
            "{}: {percent}%, {} of {}, {}/s, {left:.0} s left {who}",
            self.what,
            HumanBytes(bytes),
            HumanBytes(self.size_bytes),
            HumanBytes(speed as u64),
        )
        .trim_end()
        .to_owned()
    }

    /// It is over.
    pub(super) fn end(self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// A file as a person is told of it: `notes.txt (12 kB)`.
pub(super) fn described(file: &FileOffer) -> String {
    let name = printable(file.name.as_str());
    format!("{name} ({})", HumanBytes(file.size_bytes))
}
