//! How the writer leaves the processor to those who talk: a batch takes a millisecond or more, and whatever the priority, the
//! system lets a thread go on for some milliseconds.

use std::thread;
use std::time::{Duration, Instant};

/// For how long a batch makes pauses: on a busy machine each is longer than it was meant to be.
pub(super) const PAUSES_MAX: Duration = Duration::from_millis(12);

const PAUSE: Duration = Duration::from_micros(300);

/// Entries that are written, or let go, at a stretch: either takes some 0.04 ms.
const WRITTEN_AT_ONCE: usize = 8;
pub(super) const LET_GO_AT_ONCE: usize = 16;

/// The pauses of one batch.
#[derive(Debug)]
pub(super) struct Pace {
    end: Instant,
    written: usize,
}

impl Pace {
    /// Makes pauses for so long.
    pub(super) fn new(pauses: Duration) -> Self {
        Self {
            end: Instant::now() + pauses,
            written: 0,
        }
    }

    /// An entry was written.
    pub(super) fn written(&mut self) {
        self.written += 1;
        if self.written.is_multiple_of(WRITTEN_AT_ONCE) {
            self.rest();
        }
    }

    /// Called after each stretch of deletions.
    pub(super) fn let_go(&self) {
        self.rest();
    }

    fn rest(&self) {
        if Instant::now() < self.end {
            thread::sleep(PAUSE);
        }
    }
}
