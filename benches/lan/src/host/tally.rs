//! Counts what a receiver is given.

use super::Tally;
use crate::{clock, line};

/// Lines are numbered from zero; any may come late, twice or never.
pub struct Counter {
    tally: Tally,
    /// One bit a line.
    seen: Vec<u64>,
    /// The number after the highest that came.
    next: u64,
    /// How many lines will come, where that is known.
    expected: Option<u64>,
    timed: bool,
}

const BITS: u64 = u64::BITS as u64;

impl Counter {
    /// Nothing came yet. With `timed`, the latency of every line is kept.
    pub fn new(expected: Option<u64>, timed: bool) -> Self {
        Self {
            tally: Tally::default(),
            seen: Vec::new(),
            next: 0,
            expected,
            timed,
        }
    }

    /// Counts a line, unless it is none of the measured ones.
    pub fn count(&mut self, bytes: &[u8]) {
        let Some(sequence) = line::sequence(bytes) else {
            return;
        };
        if sequence == line::WARM_UP {
            return;
        }
        if !self.mark(sequence) {
            self.tally.repeated += 1;
            return;
        }
        self.tally.delivered += 1;
        if sequence >= self.next {
            self.next = sequence + 1;
            self.tally.in_order += 1;
        }
        if self.timed {
            let latency = clock::now().saturating_sub(line::stamp(bytes));
            self.tally.latencies.push(latency);
        }
        // The time of each line is not worth a look at the clock; that of the last one is.
        if self.is_complete() {
            self.tally.last = clock::now();
        }
    }

    /// Whether every line that was expected came.
    pub fn is_complete(&self) -> bool {
        self.expected == Some(self.tally.delivered)
    }

    /// How many different lines came.
    pub fn delivered(&self) -> u64 {
        self.tally.delivered
    }

    /// Notes that the last line came about now.
    pub fn note_time(&mut self) {
        if !self.is_complete() {
            self.tally.last = clock::now();
        }
    }

    /// What was counted.
    pub fn into_tally(self) -> Tally {
        self.tally
    }

    /// False where the line was marked before.
    fn mark(&mut self, sequence: u64) -> bool {
        let (word, bit) = ((sequence / BITS) as usize, 1 << (sequence % BITS));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let unseen = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        unseen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Line;

    #[test]
    fn late_and_repeated_lines_are_told_apart() {
        let (mut counter, mut line) = (Counter::new(Some(4), true), Line::new());
        for sequence in [line::WARM_UP, 0, 2, 1, 2, 3] {
            assert!(!counter.is_complete());
            counter.count(line.set(sequence, clock::now()));
        }
        assert!(counter.is_complete());
        let tally = counter.into_tally();
        let counted = (tally.delivered, tally.in_order, tally.repeated);
        assert_eq!(counted, (4, 3, 1));
        assert_eq!(tally.latencies.len(), 4);
    }
}
