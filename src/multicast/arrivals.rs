//! How many of one member's datagrams were lost on the way here.

use super::config::LOSS_SAMPLE_DATAGRAMS;

/// The last sample counts this much against those before it.
const WEIGHT: f64 = 0.25;

/// A packet number further ahead than this is a mistake or a lie, not so many losses.
const AHEAD_MAX: u32 = 100_000;

#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// The highest packet number; none before the first datagram.
    highest: Option<u32>,
    expected: u32,
    arrived: u32,
    loss: Option<f64>,
}

impl Arrivals {
    /// A datagram with this packet number came.
    pub(super) fn count(&mut self, number: u32) {
        let ahead = self
            .highest
            .map_or(1, |highest| number.wrapping_sub(highest));
        self.arrived = self.arrived.saturating_add(1);
        // One that was overtaken was expected before.
        if ahead <= AHEAD_MAX {
            self.expected += ahead;
            self.highest = Some(number);
        } else if ahead < u32::MAX / 2 {
            *self = Self {
                highest: Some(number),
                loss: self.loss,
                ..Self::default()
            };
        }
        if self.expected >= LOSS_SAMPLE_DATAGRAMS {
            let sample = 1.0 - f64::from(self.arrived) / f64::from(self.expected);
            let sample = sample.max(0.0);
            self.loss = Some(match self.loss {
                Some(loss) => loss + WEIGHT * (sample - loss),
                None => sample,
            });
            (self.expected, self.arrived) = (0, 0);
        }
    }

    /// The share that was lost lately, 0 to 1; none before enough were sent.
    pub(super) fn loss(&self) -> Option<f64> {
        self.loss
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_count_and_overtaking_does_not() {
        let mut arrivals = Arrivals::default();
        for number in 0..1000_u32 {
            if number % 5 > 0 {
                arrivals.count((number ^ 2).wrapping_sub(20));
            }
        }
        let loss = arrivals.loss().unwrap();
        assert!((0.15..0.25).contains(&loss), "{loss}");
    }

    #[test]
    fn a_leap_is_no_loss() {
        let mut arrivals = Arrivals::default();
        for number in [1, 2, 1_000_000_000, 1_000_000_001, 5] {
            arrivals.count(number);
        }
        assert_eq!(arrivals.loss(), None);
        assert!(arrivals.expected < LOSS_SAMPLE_DATAGRAMS);
    }
}
