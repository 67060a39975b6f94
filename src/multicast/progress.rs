//! How far a member has what we said.

use std::ops::{Range, RangeInclusive};

use super::config::LOST_SPANS_MAX;
use crate::time::Instant;

/// What a member has reported of our records.
#[derive(Debug)]
pub(super) struct Progress {
    /// The sequence up to which it has everything but what it gave up.
    pub(super) has: u64,
    /// The sequence after the highest that it knows of.
    pub(super) top: u64,
    /// When that last grew.
    pub(super) grew: Instant,
    /// What it gave up, in order.
    lost: Vec<Range<u64>>,
}

/// What one report tells of that.
#[derive(Debug)]
pub(super) struct Reported {
    /// The first sequence that it waits for.
    pub(super) next: u64,
    /// The sequence after the highest that it knows of.
    pub(super) top: u64,
    /// What it gave up of late lies between these.
    pub(super) lost: Range<u64>,
}

impl Progress {
    /// Of a member that comes when this is the next to be sent: it need not know of what was before.
    pub(super) fn new(unsent: u64, now: Instant) -> Self {
        Self {
            has: 0,
            top: unsent,
            grew: now,
            lost: Vec::new(),
        }
    }

    /// It comes back when this is the next to be sent.
    pub(super) fn skip_to(&mut self, unsent: u64) {
        self.top = self.top.max(unsent);
    }

    /// A report came. True if it knows of more than before.
    pub(super) fn reported(&mut self, told: &Reported, now: Instant) -> bool {
        self.has = self.has.max(told.next);
        self.note_lost(&told.lost);
        let is_more = told.top > self.top;
        if is_more {
            (self.top, self.grew) = (told.top, now);
        }
        is_more
    }

    /// The same is told several times, and may have grown.
    fn note_lost(&mut self, lost: &Range<u64>) {
        if lost.is_empty() {
            return;
        }
        match self.lost.last_mut() {
            Some(last) if lost.start <= last.end => {
                *last = last.start.min(lost.start)..last.end.max(lost.end);
            }
            _ => self.lost.push(lost.clone()),
        }
        if self.lost.len() > LOST_SPANS_MAX {
            let oldest = self.lost.remove(0);
            self.lost[0].start = oldest.start;
        }
    }

    /// Whether it has all of these. What it gave up at several times within a minute it tells as one span, so that what came
    /// between counts as given up too.
    pub(super) fn has_all(&self, of: &RangeInclusive<u64>) -> bool {
        let is_lost = |lost: &Range<u64>| lost.start <= *of.end() && *of.start() < lost.end;
        self.has > *of.end() && !self.lost.iter().any(is_lost)
    }
}
