//! What may be sent in a time: a token bucket.

use crate::time::{Instant, Micros};

/// Bytes that may go out at once, and how fast they come back.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_per_second: u64,
    burst_bytes: i64,
    /// Below zero after the last datagram was overdrawn: it is paid back first.
    left: i64,
    filled: Instant,
}

impl Budget {
    pub(super) fn new(bytes_per_second: u64, burst_bytes: u64, now: Instant) -> Self {
        let burst_bytes = i64::try_from(burst_bytes).unwrap_or(i64::MAX);
        Self {
            bytes_per_second: bytes_per_second.max(1),
            burst_bytes,
            left: burst_bytes,
            filled: now,
        }
    }

    /// Bytes that may be sent now.
    pub(super) fn left(&mut self, now: Instant) -> u64 {
        let passed = now.since(self.filled).0;
        let earned = passed.saturating_mul(self.bytes_per_second) / 1_000_000;
        // Time that earned less than a byte is kept for the next look.
        if earned > 0 {
            self.filled = now;
            self.earn(earned);
        }
        self.left.max(0) as u64
    }

    /// Nothing was spent so far.
    pub(super) fn refill(&mut self, now: Instant) {
        self.left = self.burst_bytes;
        self.filled = now;
    }

    /// So much more may be sent.
    pub(super) fn earn(&mut self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.left = self.left.saturating_add(bytes).min(self.burst_bytes);
    }

    /// The last of the budget may be overdrawn by one datagram.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub_unsigned(bytes as u64);
    }

    /// When there is something to spend again.
    pub(super) fn ready(&self) -> Instant {
        match self.left {
            1.. => self.filled,
            debt => {
                let bytes = debt.unsigned_abs() + 1;
                self.filled + Micros(bytes.saturating_mul(1_000_000) / self.bytes_per_second + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::from_micros(5);
        let mut budget = Budget::new(1000, 500, start);
        assert_eq!(budget.left(start), 500);
        budget.spend(600);
        assert_eq!(budget.left(start), 0);
        assert_eq!(budget.left(start + Micros::from_millis(99)), 0);
        assert!(budget.left(budget.ready()) > 0);
        let left = budget.left(start + Micros::from_millis(200));
        assert!((99..=100).contains(&left), "{left}");
        assert_eq!(budget.left(start + Micros::from_secs(100)), 500);
        budget.earn(1);
        assert_eq!(budget.left(start + Micros::from_secs(100)), 500);
    }
}
