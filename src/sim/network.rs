//! The virtual network: what it does to a datagram on its way to one member.

use rand::RngExt;
use rand::rngs::SmallRng;

use crate::time::{Instant, Micros};

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
    /// The way into each member passes a queue that is emptied at this rate; none for no queue.
    pub bottleneck: Option<Bottleneck>,
}

/// A queue with silent tail drop.
#[derive(Clone, Copy, Debug)]
pub struct Bottleneck {
    /// How fast it is emptied.
    pub bytes_per_second: u64,
    /// What it holds; a datagram that finds it full is lost.
    pub queue_bytes: u64,
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
            bottleneck: None,
        }
    }
}

/// The way into one member. Losses come in bursts by Gilbert's model: in the bad state all is lost.
#[derive(Debug, Default)]
pub(super) struct Ingress {
    is_bad: bool,
    /// When the queue of the bottleneck is empty again.
    queue_empty: Instant,
}

impl Ingress {
    /// What arrives of a datagram, and when from now.
    pub(super) fn pass(
        &mut self,
        bytes: &[u8],
        conditions: &Conditions,
        random: &mut SmallRng,
        now: Instant,
    ) -> Vec<(Micros, Vec<u8>)> {
        let mut arrivals = Vec::new();
        let copies = 1 + usize::from(random.random_bool(conditions.duplicated));
        for _ in 0..copies {
            if self.loses(conditions, random) {
                continue;
            }
            let Some(queued) = self.queue(bytes.len(), conditions.bottleneck, now) else {
                continue;
            };
            let late = conditions.jitter.mul_f64(random.random_range(0.0..1.0));
            let length = match random.random_bool(conditions.cut) {
                true => random.random_range(0..bytes.len().max(1)),
                false => bytes.len(),
            };
            arrivals.push((conditions.delay + late + queued, bytes[..length].to_vec()));
        }
        arrivals
    }

    /// The time that a datagram spends in the queue; none if it finds it full.
    fn queue(
        &mut self,
        bytes: usize,
        bottleneck: Option<Bottleneck>,
        now: Instant,
    ) -> Option<Micros> {
        let Some(Bottleneck {
            bytes_per_second,
            queue_bytes,
        }) = bottleneck
        else {
            return Some(Micros::default());
        };
        let waiting = self.queue_empty.since(now).0 * bytes_per_second / 1_000_000;
        if waiting + bytes as u64 > queue_bytes {
            return None;
        }
        let takes = Micros(bytes as u64 * 1_000_000 / bytes_per_second);
        self.queue_empty = self.queue_empty.max(now) + takes;
        Some(self.queue_empty.since(now))
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
