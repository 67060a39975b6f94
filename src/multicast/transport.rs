//! Whether a member's datagrams go by multicast or through the server's relay.
//!
//! Multicast works when it works both ways: what the server sends is heard here, and what we send is heard
//! there. The silence of a server that is gone says nothing, so without one it is always multicast. One that hangs is silent too:
//! so the relay is asked for, and used when the server has answered.

use std::fmt;

use super::config::{
    TRANSPORT_BACK_WAIT, TRANSPORT_BACK_WAIT_MAX, TRANSPORT_LOST_WAIT, TRANSPORT_PROBE_WAIT,
    TRANSPORT_SILENCE_MIN,
};
use crate::chat::TransportChoice;
use crate::time::{Instant, Micros};

/// The way that datagrams take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Straight to the group.
    Multicast,
    /// Through the server.
    Relay(Reason),
}

/// Why a member is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The person wants it so.
    Wanted,
    /// What the server sends to the group is not heard here.
    Deaf,
    /// What we send to the group is not heard at the server.
    Mute,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wanted => "you wanted it",
            Self::Deaf => "multicast does not reach this machine",
            Self::Mute => "what this machine sends by multicast does not reach the server",
        })
    }
}

/// Decides, from what is heard. Ask [`Transport::decide`] after each change and at [`Transport::wake`].
#[derive(Debug)]
pub struct Transport {
    choice: TransportChoice,
    way: Way,
    /// Since when there is a relay.
    relay: Option<Instant>,
    /// When the server's seat was last heard by multicast.
    heard: Option<Instant>,
    is_heard_there: bool,
    /// Since when it works both ways.
    works: Option<Instant>,
    /// Why it does not, and since when.
    fails: Option<(Reason, Instant)>,
    /// It has worked since the relay is there, or the relay was used when it was there last: a way that does not
    /// work is left soon.
    is_tried: bool,
    /// The relay was asked for, and the server has not answered yet.
    is_asked: bool,
    /// It has answered: it relays.
    is_granted: bool,
    /// How long multicast has to work before it is used again.
    back_wait: Micros,
    /// When it was last gone back to.
    back: Option<Instant>,
}

impl Transport {
    /// By multicast at first.
    pub fn new(choice: TransportChoice) -> Self {
        Self {
            choice,
            way: Way::Multicast,
            relay: None,
            heard: None,
            is_heard_there: false,
            works: None,
            fails: None,
            is_tried: false,
            is_asked: false,
            is_granted: false,
            back_wait: TRANSPORT_BACK_WAIT,
            back: None,
        }
    }

    /// The way that was decided on last.
    pub fn way(&self) -> Way {
        self.way
    }

    /// Whether the server is to relay for us: it does, or is asked to.
    pub fn wants_relay(&self) -> bool {
        self.is_asked || self.way != Way::Multicast
    }

    /// The server relays for us now, as it was asked to.
    pub fn grant(&mut self) {
        self.is_granted = true;
    }

    /// Whether a server is there that would relay.
    pub fn has_relay(&self) -> bool {
        self.relay.is_some()
    }

    /// A server is there that would relay, or no longer.
    pub fn set_relay(&mut self, is_there: bool, now: Instant) {
        match is_there {
            true => _ = self.relay.get_or_insert(now),
            false => {
                self.relay = None;
                self.is_tried = self.way != Way::Multicast;
            }
        }
        // What it told was told by the connection before.
        self.is_heard_there = false;
        self.is_granted = false;
    }

    /// A datagram of the server's seat came by multicast.
    pub fn hear_server(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// The server tells whether it hears us by multicast.
    pub fn heard_by_server(&mut self, is_heard: bool) {
        self.is_heard_there = is_heard;
    }

    /// Decides anew; gives the way if it changes. Look then whether the server is to relay:
    /// [`Transport::wants_relay`]. `interval`: the time between two signs of life of the server's seat.
    pub fn decide(&mut self, interval: Micros, now: Instant) -> Option<Way> {
        let is_heard_here = self
            .heard
            .is_some_and(|heard| now < heard + silence(interval));
        let reason = match is_heard_here {
            true => Reason::Mute,
            false => Reason::Deaf,
        };
        match is_heard_here && self.is_heard_there {
            true => {
                self.works.get_or_insert(now);
                self.fails = None;
                self.is_tried = true;
            }
            false => {
                self.fails = self.fails.filter(|(before, _)| *before == reason);
                self.fails.get_or_insert((reason, now));
                self.works = None;
            }
        }
        let way = self.granted(self.wanted(reason, now));
        let is_change = (way == Way::Multicast) != (self.way == Way::Multicast);
        if is_change {
            self.way = way;
            self.note_change(now);
        }
        is_change.then_some(way)
    }

    /// As long as the server has not answered, what it is asked for is no way.
    fn granted(&mut self, wanted: Way) -> Way {
        let is_new =
            self.way == Way::Multicast && matches!(wanted, Way::Relay(Reason::Deaf | Reason::Mute));
        self.is_asked = is_new && !self.is_granted;
        let way = if self.is_asked { self.way } else { wanted };
        self.is_granted &= way != Way::Multicast;
        way
    }

    /// A return that did not last makes the next one later.
    fn note_change(&mut self, now: Instant) {
        if self.way == Way::Multicast {
            self.back = Some(now);
        } else if let Some(back) = self.back {
            self.back_wait = match now < back + TRANSPORT_BACK_WAIT_MAX {
                true => Micros(2 * self.back_wait.0).min(TRANSPORT_BACK_WAIT_MAX),
                false => TRANSPORT_BACK_WAIT,
            };
        }
    }

    /// When multicast that does not work is left, if there is a relay. Who stood still, as a laptop does that was suspended,
    /// was silent for long: who it was, we or the server, is heard again before that.
    fn give_up(&self) -> Option<Instant> {
        let relay = self.relay?;
        Some(match self.fails.filter(|_| self.is_tried) {
            Some((_, since)) => since + TRANSPORT_LOST_WAIT,
            None => relay + TRANSPORT_PROBE_WAIT,
        })
    }

    fn wanted(&self, reason: Reason, now: Instant) -> Way {
        let (Some(give_up), TransportChoice::Auto | TransportChoice::Relay) =
            (self.give_up(), self.choice)
        else {
            return Way::Multicast;
        };
        if self.choice == TransportChoice::Relay {
            return Way::Relay(Reason::Wanted);
        }
        match (self.way, self.works) {
            (Way::Relay(_), Some(since)) if since + self.back_wait <= now => Way::Multicast,
            (Way::Relay(reason), _) => Way::Relay(reason),
            (Way::Multicast, Some(_)) => Way::Multicast,
            (Way::Multicast, None) if give_up <= now => Way::Relay(reason),
            (Way::Multicast, None) => Way::Multicast,
        }
    }

    /// Whether it is known by now which way works.
    pub fn is_settled(&self) -> bool {
        let is_open = self.choice == TransportChoice::Auto && self.relay.is_some();
        !is_open || self.is_tried || self.way != Way::Multicast
    }

    /// When to decide anew though nothing happened; none if only what happens can change it.
    pub fn wake(&self, interval: Micros) -> Option<Instant> {
        let give_up = self
            .give_up()
            .filter(|_| self.choice == TransportChoice::Auto)?;
        match (self.way, self.works) {
            (Way::Relay(_), Some(since)) => Some(since + self.back_wait),
            (Way::Relay(_), None) => None,
            (Way::Multicast, Some(_)) => self.heard.map(|heard| heard + silence(interval)),
            (Way::Multicast, None) if self.is_asked => None,
            (Way::Multicast, None) => Some(give_up),
        }
    }
}

/// So long a member may be silent that is there: three signs of life are lost in a row only where multicast
/// hardly works.
pub fn silence(interval: Micros) -> Micros {
    Micros(3 * interval.0).max(TRANSPORT_SILENCE_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Micros = Micros::from_secs(1);
    const START: Instant = Instant::from_micros(1_000_000);

    fn at(millis: u64) -> Instant {
        START + Micros::from_millis(millis)
    }

    /// There is a relay from the start; the server is heard here every 500 ms, and hears us, up to then.
    fn heard_until(end: u64) -> Transport {
        let mut transport = Transport::new(TransportChoice::Auto);
        transport.set_relay(true, START);
        for millis in (0..=end).step_by(500) {
            transport.hear_server(at(millis));
            transport.heard_by_server(true);
            assert_eq!(transport.decide(INTERVAL, at(millis)), None);
        }
        transport
    }

    /// The relay is asked for at this time, and granted.
    fn relayed(transport: &mut Transport, millis: u64) -> Option<Way> {
        assert_eq!(transport.decide(INTERVAL, at(millis)), None);
        assert!(transport.wants_relay());
        transport.grant();
        transport.decide(INTERVAL, at(millis))
    }

    /// Multicast is seen not to work any more at this time; when the relay is asked for.
    fn lost(transport: &mut Transport, millis: u64) -> u64 {
        assert_eq!(transport.decide(INTERVAL, at(millis)), None);
        assert!(!transport.wants_relay());
        let asked = millis + TRANSPORT_LOST_WAIT.0 / 1000;
        assert_eq!(transport.wake(INTERVAL), Some(at(asked)));
        asked
    }

    #[test]
    fn what_works_both_ways_stays() {
        heard_until(60_000);
    }

    #[test]
    fn who_never_hears_the_server_is_relayed_after_two_seconds() {
        let mut transport = Transport::new(TransportChoice::Auto);
        assert_eq!(transport.decide(INTERVAL, START), None);
        transport.set_relay(true, START);
        transport.heard_by_server(true);
        assert_eq!(transport.decide(INTERVAL, at(1_999)), None);
        assert_eq!(transport.wake(INTERVAL), Some(at(2_000)));
        assert!(!transport.wants_relay());
        let way = Some(Way::Relay(Reason::Deaf));
        assert_eq!(relayed(&mut transport, 2_000), way);
    }

    #[test]
    fn who_is_not_heard_at_the_server_is_relayed() {
        let mut transport = heard_until(5_000);
        transport.heard_by_server(false);
        let asked = lost(&mut transport, 5_100);
        let way = Some(Way::Relay(Reason::Mute));
        assert_eq!(relayed(&mut transport, asked), way);
    }

    #[test]
    fn who_stood_still_stays_with_multicast() {
        // We did: the server has told meanwhile that it did not hear us, and what it sent is long ago.
        let mut transport = heard_until(5_000);
        transport.heard_by_server(false);
        for (millis, is_heard) in [(60_000, false), (60_100, false), (60_800, true)] {
            assert_eq!(transport.decide(INTERVAL, at(millis)), None);
            assert!(!transport.wants_relay());
            transport.hear_server(at(millis));
            transport.heard_by_server(is_heard);
        }
        assert_eq!(transport.decide(INTERVAL, at(62_000)), None);
        assert!(!transport.wants_relay());
        // The server did: we have asked for the relay when it goes on, and it hears nobody in the first moment.
        assert_eq!(transport.decide(INTERVAL, at(70_000)), None);
        assert_eq!(transport.decide(INTERVAL, at(71_500)), None);
        assert!(transport.wants_relay());
        transport.heard_by_server(false);
        transport.hear_server(at(72_000));
        assert_eq!(transport.decide(INTERVAL, at(72_000)), None);
        transport.grant();
        assert_eq!(transport.decide(INTERVAL, at(72_010)), None);
        transport.heard_by_server(true);
        assert_eq!(transport.decide(INTERVAL, at(72_500)), None);
        assert!(!transport.wants_relay());
    }

    #[test]
    fn a_server_that_hangs_is_asked_and_changes_nothing() {
        let mut transport = heard_until(5_000);
        let asked = lost(&mut transport, 8_500);
        for millis in (asked..20_000).step_by(500) {
            assert_eq!(transport.decide(INTERVAL, at(millis)), None);
            assert!(transport.wants_relay() && transport.is_settled());
            assert_eq!(transport.wake(INTERVAL), None);
        }
        // It goes on: what it answers now is too late.
        transport.hear_server(at(20_000));
        assert_eq!(transport.decide(INTERVAL, at(20_000)), None);
        assert!(!transport.wants_relay());
        transport.grant();
        assert_eq!(transport.decide(INTERVAL, at(20_100)), None);
        // And counts for nothing when it is silent once more.
        let asked = lost(&mut transport, 30_000);
        assert_eq!(transport.decide(INTERVAL, at(asked)), None);
        assert!(transport.wants_relay());
    }

    #[test]
    fn it_goes_back_when_multicast_has_worked_for_a_while() {
        let mut transport = heard_until(5_000);
        let deaf = at(5_000) + silence(INTERVAL);
        assert_eq!(transport.wake(INTERVAL), Some(deaf));
        assert_eq!(deaf, at(8_500));
        let asked = lost(&mut transport, 8_500);
        assert!(relayed(&mut transport, asked).is_some());
        transport.hear_server(at(20_000));
        assert_eq!(transport.decide(INTERVAL, at(20_000)), None);
        // One sign of life is not enough.
        assert_eq!(transport.decide(INTERVAL, at(25_000)), None);
        assert_eq!(works_from(&mut transport, 30_000), 35_000);
    }

    /// The server is heard from then on; when multicast is used again.
    fn works_from(transport: &mut Transport, start: u64) -> u64 {
        for millis in (start..).step_by(500) {
            transport.hear_server(at(millis));
            match transport.decide(INTERVAL, at(millis)) {
                Some(Way::Multicast) => return millis,
                Some(way) => panic!("{way:?}"),
                None => {}
            }
        }
        unreachable!("it ends by returning");
    }

    #[test]
    fn a_return_that_does_not_last_makes_the_next_one_later() {
        let mut transport = heard_until(5_000);
        let mut now = 10_000;
        for wait in [5_000, 10_000, 20_000, 40_000, 80_000, 80_000] {
            now = lost(&mut transport, now);
            assert!(matches!(relayed(&mut transport, now), Some(Way::Relay(_))));
            assert_eq!(works_from(&mut transport, now), now + wait);
            now += wait + 4_000;
        }
    }

    #[test]
    fn the_silence_of_a_server_that_is_gone_says_nothing() {
        let mut transport = heard_until(5_000);
        transport.set_relay(false, at(5_100));
        assert_eq!(transport.decide(INTERVAL, at(60_000)), None);
        // And who was relayed can only go by multicast then.
        let mut transport = heard_until(5_000);
        let asked = lost(&mut transport, 58_500);
        assert!(relayed(&mut transport, asked).is_some());
        transport.set_relay(false, at(60_000));
        let way = Some(Way::Multicast);
        assert_eq!(transport.decide(INTERVAL, at(60_000)), way);
        // When it is back, so is the relay.
        transport.set_relay(true, at(70_000));
        let way = Some(Way::Relay(Reason::Deaf));
        assert_eq!(relayed(&mut transport, 70_000), way);
    }

    #[test]
    fn the_person_decides_if_they_want() {
        for (choice, way) in [
            (TransportChoice::Relay, Some(Way::Relay(Reason::Wanted))),
            (TransportChoice::Multicast, None),
        ] {
            let mut transport = Transport::new(choice);
            transport.set_relay(true, START);
            assert_eq!(transport.decide(INTERVAL, at(0)), way);
            transport.hear_server(at(5_000));
            transport.heard_by_server(true);
            assert_eq!(transport.decide(INTERVAL, at(60_000)), None);
        }
    }
}
