//! The virtual network: what it does to a datagram on its way to one member.

use rand::RngExt;
use rand::rngs::SmallRng;

use crate::time::Micros;

/// What the network does, for every receiver by itself.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// The share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// How many datagrams are lost in a row, on average; 1 for losses that do not know of each other.
    pub burst: f64,
    /// The least time on the way.
    pub delay: Micros,
    /// At most so much more, at random: later datagrams overtake.
    pub jitter: Micros,
    /// The share of datagrams that come twice.
    pub duplicated: f64,
    /// The share of datagrams that come cut short. Turned bits are not here: UDP's own checksum finds
    /// them, and so makes them losses.
    pub cut: f64,
}

impl Default for Conditions {
    /// An idle local network.
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: 1.0,
            delay: Micros(60),
            jitter: Micros(60),
            duplicated: 0.0,
            cut: 0.0,
        }
    }
}

/// The way into one member. Losses come in bursts by Gilbert's model: in the bad state all is lost.
#[derive(Debug, Default)]
pub(super) struct Ingress {
    is_bad: bool,
}

impl Ingress {
    /// What arrives of a datagram, and when from now.
    pub(super) fn pass(
        &mut self,
        bytes: &[u8],
        conditions: &Conditions,
        random: &mut SmallRng,
    ) -> Vec<(Micros, Vec<u8>)> {
        let mut arrivals = Vec::new();
        let copies = 1 + usize::from(random.random_bool(conditions.duplicated));
        for _ in 0..copies {
            if self.loses(conditions, random) {
                continue;
            }
            let late = conditions.jitter.mul_f64(random.random_range(0.0..1.0));
            let length = match random.random_bool(conditions.cut) {
                true => random.random_range(0..bytes.len().max(1)),
                false => bytes.len(),
            };
            arrivals.push((conditions.delay + late, bytes[..length].to_vec()));
        }
        arrivals
    }

    fn loses(&mut self, conditions: &Conditions, random: &mut SmallRng) -> bool {
        if conditions.burst <= 1.0 {
            return random.random_bool(conditions.loss);
        }
        let leave_bad = 1.0 / conditions.burst;
        let loss = conditions.loss.clamp(0.0, 0.95);
        let enter_bad = (leave_bad * loss / (1.0 - loss)).min(1.0);
        let turn = if self.is_bad { leave_bad } else { enter_bad };
        if random.random_bool(turn) {
            self.is_bad = !self.is_bad;
        }
        self.is_bad
    }
}
