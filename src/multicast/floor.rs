//! The lowest value of late.

use super::config::FLOOR_MEMORY;
use crate::time::Instant;

/// Of this period and the one before it. Where nothing came for a whole period, what was before that counts no more: the way
/// may be another.
#[derive(Debug)]
pub(super) struct Floor<T> {
    now: Option<T>,
    before: Option<T>,
    period_ends: Instant,
}

impl<T: Copy + PartialOrd> Floor<T> {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            now: None,
            before: None,
            period_ends: now + FLOOR_MEMORY,
        }
    }

    /// The floor with this value taken in.
    pub(super) fn with(&mut self, value: T, now: Instant) -> T {
        if now >= self.period_ends {
            let is_recent = now < self.period_ends + FLOOR_MEMORY;
            self.before = self.now.take().filter(|_| is_recent);
            self.period_ends = now + FLOOR_MEMORY;
        }
        let lower = |a: T, b: Option<T>| b.filter(|b| *b < a).unwrap_or(a);
        self.now = Some(lower(value, self.now));
        lower(lower(value, self.now), self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_lowest_of_two_periods() {
        let start = Instant::START;
        let mut floor = Floor::new(start);
        assert_eq!(floor.with(5, start), 5);
        assert_eq!(floor.with(9, start), 5);
        let next = start + FLOOR_MEMORY;
        assert_eq!(floor.with(7, next), 5);
        assert_eq!(floor.with(8, next + FLOOR_MEMORY), 7);
        let late = next + FLOOR_MEMORY + FLOOR_MEMORY + FLOOR_MEMORY;
        assert_eq!(floor.with(9, late), 9);
    }
}
