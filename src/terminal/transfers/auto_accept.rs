//! Which files come without being asked for: small ones, and in sum not more than a disk can spare, whoever offers them.

use std::time::{Duration, Instant};

use crate::chat::ByteSize;

/// So many of the largest may come within [`PERIOD`].
const LARGEST_MAX: u64 = 100;

const PERIOD: Duration = Duration::from_secs(3600);

/// What comes by itself.
#[derive(Debug)]
pub(super) struct AutoAccept {
    size_max: ByteSize,
    /// The period that runs, and what was accepted in it.
    since: Option<Instant>,
    bytes: u64,
}

/// Whether a file comes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Comes,
    TooLarge,
    /// More than this came already.
    TooMuch(ByteSize),
}

impl AutoAccept {
    /// Files up to this size; none with 0.
    pub(super) fn new(size_max: ByteSize) -> Self {
        Self {
            size_max,
            since: None,
            bytes: 0,
        }
    }

    /// Decides on a file of this size, and counts it if it comes.
    pub(super) fn decide(&mut self, size_bytes: u64, now: Instant) -> Verdict {
        // With a limit of nothing an empty file does not come either.
        if self.size_max == ByteSize(0) || size_bytes > self.size_max.0 {
            return Verdict::TooLarge;
        }
        let is_over = |since| now.saturating_duration_since(since) >= PERIOD;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.bytes = 0;
        }
        let bytes_max = self.size_max.0.saturating_mul(LARGEST_MAX);
        let bytes = self.bytes.saturating_add(size_bytes);
        if bytes > bytes_max {
            return Verdict::TooMuch(ByteSize(bytes_max));
        }
        self.bytes = bytes;
        Verdict::Comes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_files_come_until_their_sum_is_large() {
        let mut accept = AutoAccept::new(ByteSize(1000));
        let begin = Instant::now();
        assert_eq!(accept.decide(1001, begin), Verdict::TooLarge);
        for _ in 0..100 {
            assert_eq!(accept.decide(1000, begin), Verdict::Comes);
        }
        let full = Verdict::TooMuch(ByteSize(100_000));
        assert_eq!(accept.decide(1, begin), full);
        assert_eq!(accept.decide(0, begin), Verdict::Comes);
        assert_eq!(accept.decide(1, begin + PERIOD / 2), full);
        assert_eq!(accept.decide(1, begin + PERIOD), Verdict::Comes);
    }

    #[test]
    fn with_a_limit_of_nothing_none_comes() {
        let mut accept = AutoAccept::new(ByteSize(0));
        assert_eq!(accept.decide(0, Instant::now()), Verdict::TooLarge);
    }
}
