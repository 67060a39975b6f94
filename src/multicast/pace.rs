//! How fast new records go out: as fast as the slowest member takes them.
//!
//! A window bounds the bytes that were sent and that the slowest member has not reported yet. It grows
//! while reports come back without delay, and shrinks when they show that a queue builds up on the way
//! (as LEDBAT does, RFC 6817), or a loss well above the usual one. So a loss that comes from the air does
//! not slow the room, and a full queue does. `--rate-max` bounds it from above.

use std::collections::VecDeque;

use super::budget::Budget;
use super::config::{
    BLIND_BYTES_PER_SECOND, DATAGRAM_BYTES_MAX, LOSS_ABOVE_FLOOR_MAX, QUEUE_DELAY_AIM,
    RELAYED_BYTES_PER_SECOND, STALL_MAX, STALL_MAX_SLOW, STALL_ROUND_TRIPS, WINDOW_BYTES_FIRST,
    WINDOW_BYTES_MAX, WINDOW_BYTES_MIN, WINDOW_PROBE, WINDOW_PROBE_GROWTH, WINDOW_PROBE_MAX,
};
use super::floor::Floor;
use crate::time::{Instant, Micros};

/// A window that shrinks keeps this part.
const SHRINK: f64 = 0.7;

/// Bytes that may go out at once under `--rate-max`: a few datagrams, or a millisecond's.
const BURST_BYTES_MIN: u64 = 4 * DATAGRAM_BYTES_MAX as u64;

#[derive(Debug)]
pub(super) struct Pace {
    window: u64,
    window_max: u64,
    /// Doubling, as nothing has stood in the way yet.
    is_starting: bool,
    /// Datagrams on the way: the sequence after each, and all bytes sent up to and with it.
    on_the_way: VecDeque<(u64, u64)>,
    sent_bytes: u64,
    arrived_bytes: u64,
    /// When so much has arrived, a round is over.
    round_ends: u64,
    /// The shortest delay by queues to the slowest member, and the highest loss, of this round.
    round_delay: Option<Micros>,
    round_loss: Option<f64>,
    loss_floor: Floor<f64>,
    /// Bytes sent when reports were last asked for.
    asked_bytes: u64,
    asked: Instant,
    /// How long they are waited for before they are asked for again.
    probe_wait: Micros,
    /// Since when it has been closed.
    closed: Option<Instant>,
    /// None without `--rate-max`.
    rate_max: Option<Budget>,
    blind: Budget,
    /// None unless a relay carries the datagrams.
    relay: Option<Budget>,
}

impl Pace {
    /// `rate_max` in bytes a second; none to let the members decide.
    pub(super) fn new(rate_max: Option<u64>, now: Instant) -> Self {
        let budget = |rate: u64| Budget::new(rate, BURST_BYTES_MIN.max(rate / 1000), now);
        Self {
            window: WINDOW_BYTES_FIRST,
            window_max: WINDOW_BYTES_MAX,
            is_starting: true,
            on_the_way: VecDeque::new(),
            sent_bytes: 0,
            arrived_bytes: 0,
            round_ends: 0,
            round_delay: None,
            round_loss: None,
            loss_floor: Floor::new(now),
            asked_bytes: 0,
            asked: Instant::START,
            probe_wait: WINDOW_PROBE,
            closed: None,
            rate_max: rate_max.map(budget),
            blind: budget(BLIND_BYTES_PER_SECOND),
            relay: None,
        }
    }

    /// Datagrams go through a relay from now on, or no longer.
    pub(super) fn set_relayed(&mut self, is_relayed: bool, now: Instant) {
        let rate = RELAYED_BYTES_PER_SECOND;
        let budget = || Budget::new(rate, BURST_BYTES_MIN.max(rate / 1000), now);
        self.relay = is_relayed.then(budget);
    }

    /// No more than this may be on the way.
    pub(super) fn set_window_max(&mut self, bytes: u64) {
        self.window_max = bytes.max(WINDOW_BYTES_MIN);
        self.window = self.window.min(self.window_max);
    }

    /// Whether a datagram may go out now. `is_alone`: nobody is there who would report.
    pub(super) fn is_open(&mut self, is_alone: bool, now: Instant) -> bool {
        if !is_alone {
            // What went out while somebody reported is no debt.
            self.blind.refill(now);
        }
        let has_budget = match (&mut self.rate_max, is_alone) {
            (Some(budget), _) => budget.left(now) > 0,
            (None, true) => self.blind.left(now) > 0,
            (None, false) => true,
        };
        let has_relay = self.relay.as_mut().is_none_or(|relay| relay.left(now) > 0);
        let is_closed = !is_alone && self.in_flight() >= self.window;
        match is_closed {
            true => _ = self.closed.get_or_insert(now),
            false => self.closed = None,
        }
        has_budget && has_relay && !is_closed
    }

    /// A datagram goes out with so many bytes of new records. True if it should ask for reports.
    pub(super) fn sent(&mut self, after: u64, bytes: usize, now: Instant) -> bool {
        self.sent_bytes += bytes as u64;
        self.on_the_way.push_back((after, self.sent_bytes));
        // While it doubles a queue should be noticed early; later fewer reports take less of the network.
        let unasked_max = match self.is_starting {
            true => self.window / 2,
            false => self.window / 4 * 3,
        };
        let asks = self.sent_bytes - self.asked_bytes.max(self.arrived_bytes) > unasked_max;
        if asks {
            self.asked_bytes = self.sent_bytes;
            self.asked = now;
        }
        asks
    }

    /// So much went out in all: it counts against the rate, not against the window.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.blind.spend(bytes);
        self.relay.iter_mut().for_each(|relay| relay.spend(bytes));
        if let Some(budget) = &mut self.rate_max {
            budget.spend(bytes);
        }
    }

    /// The slowest member has heard of everything before `top`.
    pub(super) fn arrived(&mut self, top: u64, now: Instant) {
        let before = self.arrived_bytes;
        // A window that was hardly made use of has not been tried (as RFC 7661 has it for TCP).
        let was_used = self.is_used();
        while let Some(&(after, bytes)) = self.on_the_way.front()
            && after <= top
        {
            self.arrived_bytes = bytes;
            self.on_the_way.pop_front();
        }
        let arrived = self.arrived_bytes - before;
        if arrived > 0 {
            self.probe_wait = WINDOW_PROBE;
        }
        if was_used {
            self.grow(arrived);
        }
        if self.arrived_bytes >= self.round_ends {
            self.end_round(now);
        }
    }

    /// Doubles no longer from here on: its queue is longer than is aimed at, and what goes out until the round ends would
    /// overflow it.
    pub(super) fn end_start(&mut self, queue_delay: Option<Micros>) {
        if queue_delay.is_some_and(|delay| delay > QUEUE_DELAY_AIM) {
            self.is_starting = false;
        }
    }

    /// A report came back. `queue_delay`: how much longer its round trip was than that member's shortest of
    /// late; none unless it is the slowest, whom the window waits for. `loss`: what it tells.
    pub(super) fn reported(&mut self, queue_delay: Option<Micros>, loss: Option<f64>) {
        if let Some(delay) = queue_delay {
            self.round_delay = Some(self.round_delay.map_or(delay, |least| least.min(delay)));
        }
        if loss > self.round_loss {
            self.round_loss = loss;
        }
    }

    fn grow(&mut self, arrived: u64) {
        let more = match self.is_starting {
            true => arrived,
            // About a datagram for each window, faster where the queues are far from full.
            false => {
                let delay = self.round_delay.unwrap_or_default().min(QUEUE_DELAY_AIM);
                let room = 1.0 - delay.0 as f64 / QUEUE_DELAY_AIM.0 as f64;
                (arrived as f64 * room / 8.0) as u64
            }
        };
        self.window = (self.window + more).min(self.window_max);
    }

    fn end_round(&mut self, now: Instant) {
        self.round_ends = self.sent_bytes + 1;
        let delay = self.round_delay.take();
        let is_queued = delay.is_some_and(|delay| delay > QUEUE_DELAY_AIM);
        let is_lossy = self.round_loss.take().is_some_and(|loss| {
            let floor = self.loss_floor.with(loss, now);
            loss > floor + LOSS_ABOVE_FLOOR_MAX
        });
        if is_queued || is_lossy {
            self.is_starting = false;
            self.window = ((self.window as f64 * SHRINK) as u64).max(WINDOW_BYTES_MIN);
        }
    }

    /// Whether reports should be asked for again: the window is closed and nothing came for a while.
    pub(super) fn probes(&mut self, now: Instant) -> bool {
        let rate_max = self.rate_max.as_mut();
        let has_budget = rate_max.is_none_or(|budget| budget.left(now) > 0);
        let is_due = self.closed.is_some() && self.asked + self.probe_wait <= now && has_budget;
        if is_due {
            self.asked = now;
            let wait = self.probe_wait.mul_f64(WINDOW_PROBE_GROWTH);
            self.probe_wait = wait.min(WINDOW_PROBE_MAX);
        }
        is_due
    }

    /// Since when members that did not report hold everybody up, where they could have for some round trips; how long one
    /// takes is asked for only while the window is closed.
    pub(super) fn stalled(
        &self,
        round_trip: impl FnOnce() -> Micros,
        now: Instant,
    ) -> Option<Instant> {
        let closed = self.closed?;
        (closed + patience(round_trip()) <= now).then_some(closed)
    }

    /// When to look again while something waits to be sent.
    pub(super) fn wake(&self, is_alone: bool) -> Instant {
        let budget = match (&self.rate_max, is_alone) {
            (Some(budget), _) => budget.ready(),
            (None, true) => self.blind.ready(),
            (None, false) => Instant::START,
        };
        let relay = self.relay.as_ref().map_or(Instant::START, Budget::ready);
        let budget = budget.max(relay);
        match self.closed {
            Some(_) => budget.max(self.asked + self.probe_wait),
            None => budget,
        }
    }

    /// Whether much of the window is on the way: a flow that would go faster if it could.
    pub(super) fn is_used(&self) -> bool {
        self.in_flight() * 2 >= self.window
    }

    fn in_flight(&self) -> u64 {
        self.sent_bytes - self.arrived_bytes
    }

    /// The window, in bytes.
    pub(super) fn window(&self) -> u64 {
        self.window
    }
}

/// How long it is waited for the report of a member with this round trip.
pub(super) fn patience(round_trip: Micros) -> Micros {
    let slow = round_trip.mul_f64(STALL_ROUND_TRIPS).min(STALL_MAX_SLOW);
    slow.max(STALL_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1_000_000);

    /// Sends full windows for a while, each reported `delay` later than without a queue, with `loss`; the
    /// window at the end.
    fn flow(pace: &mut Pace, rounds: u64, delay: Micros, loss: f64, start: Instant) -> u64 {
        let mut now = start;
        let mut sequence = pace.on_the_way.back().map_or(0, |(after, _)| *after);
        for _ in 0..rounds {
            while pace.is_open(false, now) {
                sequence += 6;
                pace.sent(sequence, 1342, now);
                pace.spend(1342);
            }
            now = now + Micros(200) + delay;
            pace.reported(Some(delay), Some(loss));
            pace.arrived(sequence, now);
        }
        pace.window
    }

    #[test]
    fn it_opens_fast_and_a_constant_loss_does_not_slow_it() {
        let mut pace = Pace::new(None, START);
        let none = Micros(0);
        assert_eq!(flow(&mut pace, 10, none, 0.2, START), WINDOW_BYTES_MAX);
        let later = START + Micros::from_secs(1);
        assert_eq!(flow(&mut pace, 100, none, 0.22, later), WINDOW_BYTES_MAX);
    }

    #[test]
    fn a_queue_that_fills_and_a_loss_that_rises_slow_it() {
        let mut pace = Pace::new(None, START);
        flow(&mut pace, 10, Micros(0), 0.0, START);
        let later = START + Micros::from_secs(1);
        let queued = flow(&mut pace, 5, Micros::from_millis(9), 0.0, later);
        assert!(queued < WINDOW_BYTES_MAX / 2, "{queued}");
        let mut pace = Pace::new(None, START);
        flow(&mut pace, 10, Micros(0), 0.0, START);
        let lossy = flow(&mut pace, 5, Micros(0), 0.3, later);
        assert!(lossy < WINDOW_BYTES_MAX / 2, "{lossy}");
    }

    #[test]
    fn a_member_that_does_not_report_closes_it() {
        let mut pace = Pace::new(None, START);
        let mut sent = 0;
        while pace.is_open(false, START) {
            sent += 1342;
            pace.sent(sent, 1342, START);
        }
        assert!(sent <= WINDOW_BYTES_FIRST + 1342);
        assert!(pace.probes(START + WINDOW_PROBE));
        let later = START + Micros::from_secs(2);
        let probes = (0..2_000_000).filter(|us| pace.probes(START + Micros(*us)));
        assert!((8..20).contains(&probes.count()));
        let stalled = |round_trip, now| pace.stalled(|| round_trip, now);
        assert_eq!(stalled(Micros(500), START + STALL_MAX), Some(START));
        assert_eq!(stalled(Micros::from_millis(200), START + STALL_MAX), None);
        assert_eq!(stalled(Micros::from_secs(60), later), Some(START));
        pace.arrived(sent, START);
        assert!(pace.is_open(false, START));
    }

    #[test]
    fn who_is_left_alone_after_a_flow_can_speak() {
        let mut pace = Pace::new(None, START);
        flow(&mut pace, 1000, Micros(0), 0.0, START);
        let alone = START + Micros::from_secs(1);
        assert!(pace.is_open(true, alone));
        pace.sent(1, 1_000_000, alone);
        pace.spend(1_000_000);
        assert!(!pace.is_open(true, alone));
        assert!(pace.is_open(true, alone + Micros::from_secs(1)));
    }

    /// What goes out in two seconds, in bytes.
    fn sent_in_two_seconds(pace: &mut Pace, is_alone: bool) -> u64 {
        let (mut now, mut sent) = (START, 0);
        while now < START + Micros::from_secs(2) {
            while pace.is_open(is_alone, now) {
                sent += 1000;
                pace.sent(sent, 1000, now);
                pace.spend(1000);
                pace.arrived(sent, now);
            }
            now = pace.wake(is_alone).max(now + Micros(1));
        }
        sent
    }

    #[test]
    fn the_rate_is_never_passed() {
        let sent = sent_in_two_seconds(&mut Pace::new(Some(100_000), START), true);
        assert!((190_000..=210_000).contains(&sent), "{sent} bytes in 2 s");
    }

    #[test]
    fn a_relay_is_not_sent_more_than_it_carries() {
        let mut pace = Pace::new(None, START);
        pace.set_relayed(true, START);
        let sent = sent_in_two_seconds(&mut pace, false);
        let rate = RELAYED_BYTES_PER_SECOND;
        assert!(
            (2 * rate - 20_000..=2 * rate + 20_000).contains(&sent),
            "{sent} bytes in 2 s"
        );
    }
}
