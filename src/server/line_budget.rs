//! How fast one client may send lines.

use std::time::Instant;

/// A token bucket: it holds one second's lines and fills at the same rate. A client that goes on
/// without tokens for as many lines again is to be dropped.
#[derive(Debug)]
pub(super) struct LineBudget {
    per_second_max: f64,
    tokens: f64,
    refused: f64,
    filled: Instant,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Read,
    Refuse,
    Drop,
}

impl LineBudget {
    pub(super) fn new(per_second_max: u32, now: Instant) -> Self {
        let per_second_max = f64::from(per_second_max);
        Self {
            per_second_max,
            tokens: per_second_max,
            refused: 0.0,
            filled: now,
        }
    }

    /// A line has come.
    pub(super) fn spend(&mut self, now: Instant) -> Verdict {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.tokens = (self.tokens + passed * self.per_second_max).min(self.per_second_max);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Verdict::Read;
        }
        self.refuse(passed)
    }

    /// A line that could not be read counts against the client too.
    pub(super) fn refuse_unreadable(&mut self, now: Instant) -> Verdict {
        match self.spend(now) {
            Verdict::Read => Verdict::Refuse,
            verdict => verdict,
        }
    }

    fn refuse(&mut self, passed: f64) -> Verdict {
        self.refused = (self.refused - passed * self.per_second_max).max(0.0) + 1.0;
        if self.refused > self.per_second_max {
            Verdict::Drop
        } else {
            Verdict::Refuse
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_burst_passes_then_is_refused_then_dropped() {
        let start = Instant::now();
        let mut budget = LineBudget::new(10, start);
        let verdicts: Vec<_> = (0..21).map(|_| budget.spend(start)).collect();
        assert_eq!(verdicts[..10], [Verdict::Read; 10]);
        assert_eq!(verdicts[10..20], [Verdict::Refuse; 10]);
        assert_eq!(verdicts[20], Verdict::Drop);
    }

    #[test]
    fn who_keeps_to_the_rate_is_never_refused() {
        let start = Instant::now();
        let mut budget = LineBudget::new(10, start);
        for line in 0..1000 {
            let now = start + Duration::from_millis(100 * line);
            assert_eq!(budget.spend(now), Verdict::Read);
        }
    }
}
