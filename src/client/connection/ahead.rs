//! How many pieces of a file are under way at once.

use std::time::Duration;

use tokio::time::Instant;

/// Pieces that are asked for, or sent, before the first is answered, at most: enough for a fast network.
pub(super) const PIECES_WAITING_MAX: usize = 8;

/// Of a piece in less than this, 26 Mbit/s, more may be under way.
const FAST: Duration = Duration::from_millis(20);

/// Of a piece in more than this, 5 Mbit/s, fewer are: a line waits behind all of them.
const SLOW: Duration = Duration::from_millis(100);

/// Keeps the network busy, and what a line has to wait behind short.
pub(super) struct Ahead {
    pieces: usize,
    answered: Instant,
}

impl Ahead {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            pieces: 2,
            answered: now,
        }
    }

    /// So many may be under way.
    pub(super) fn pieces(&self) -> usize {
        self.pieces
    }

    /// One was answered.
    pub(super) fn note_answer(&mut self, now: Instant) {
        let took = now - std::mem::replace(&mut self.answered, now);
        if took < FAST {
            self.pieces = (self.pieces + 1).min(PIECES_WAITING_MAX);
        } else if took > SLOW {
            self.pieces = (self.pieces / 2).max(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_network_has_one_under_way_and_a_fast_one_many() {
        let mut now = Instant::now();
        let mut ahead = Ahead::new(now);
        let mut pieces = |each: u64| {
            for _ in 0..10 {
                now += Duration::from_millis(each);
                ahead.note_answer(now);
            }
            ahead.pieces()
        };
        assert_eq!(pieces(1), PIECES_WAITING_MAX);
        // One that takes its time is left as it is.
        assert_eq!(pieces(50), PIECES_WAITING_MAX);
        assert_eq!(pieces(500), 1);
        assert_eq!(pieces(50), 1);
        assert_eq!(pieces(5), PIECES_WAITING_MAX);
    }
}
