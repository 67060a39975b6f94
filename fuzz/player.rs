//! One session that a script is played to, and the bounds that it is held to.

use std::net::{Ipv4Addr, SocketAddr};

use crds::multicast::config::{DATAGRAM_BYTES_MAX, KEPT_BYTES_MAX, REPAIR_BURST_BYTES};
use crds::multicast::packet::{MemberId, Role};
use crds::multicast::session::{Config, Event, Input, Output, Session};
use crds::time::{Instant, Micros};

use super::script::{ME, Step};
use super::wire::{self, ROOM_TAG, Sent};

/// What one input may make a session send, in bytes, beside what was said and not yet sent: a burst
/// of repairs and a few datagrams.
const ANSWER_BYTES_MAX: usize = REPAIR_BURST_BYTES as usize + 8 * DATAGRAM_BYTES_MAX;

/// Things to do after one input; more is taken as without end.
const OUTPUTS_MAX: usize = 100_000;

/// How far ahead a session that is there may put its wake-up.
const AHEAD_MAX: Micros = Micros::from_secs(60);

/// In the end the session is left alone for so long.
const REST: Micros = Micros::from_secs(3);

/// How often it may want to be woken in that time; more is taken as spinning.
const REST_WAKES_MAX: usize = 20_000;

/// What a session came to do, so that one can tell how deep a script went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Datagrams of the script that were well formed.
    pub well_formed: u64,
    /// Those of others that it heard.
    pub heard: u64,
    /// Lines that it handed out.
    pub lines: u64,
    /// Gaps that it told.
    pub gaps: u64,
    /// Datagrams of records that it sent for the first time.
    pub new: u64,
    /// Repairs that it sent.
    pub repairs: u64,
    /// Nacks that it sent.
    pub nacks: u64,
}

/// A session, and its time.
pub struct Player {
    session: Session,
    now: Instant,
    wake: Instant,
    /// The low 32 bits of the sequence after the last own record that was sent.
    unsent: u32,
    seen: Seen,
}

impl Player {
    /// The session joins, and does what it wants to do first.
    pub fn new(first_sequence: u64) -> Self {
        let now = Instant::from_micros(1_000_000);
        let config = Config {
            room_tag: ROOM_TAG,
            name: "me".to_owned(),
            first_sequence,
            kept_bytes_max: KEPT_BYTES_MAX,
            repairs: true,
            rate_max: None,
            replaces: None,
            role: Role::Member,
            past: None,
        };
        let mut player = Self {
            session: Session::new(MemberId(ME), config, 1, now),
            now,
            wake: now,
            unsent: first_sequence as u32,
            seen: Seen::default(),
        };
        player.drain();
        player
    }

    /// One step; then everything that the session wants to do.
    pub fn play(&mut self, step: &Step) {
        match step {
            // What is refused says nothing.
            Step::Say(length) => drop(self.session.say(&vec![b'x'; *length], self.now)),
            Step::Datagram(bytes) => {
                let source = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 2), 5));
                let input = Input::Datagram { source, bytes };
                self.session.handle_input(input, self.now);
            }
            Step::Pass(span) => {
                self.now = self.now + *span;
                self.session.handle_input(Input::Timeout, self.now);
            }
            Step::Rename(name) => self.session.rename(name.clone(), self.now),
            Step::Leave => self.session.leave(self.now),
        }
        self.drain();
    }

    /// Wakes the session whenever it wants, for some time.
    pub fn rest(&mut self) {
        let end = self.now + REST;
        let mut wakes = 0;
        while self.wake < end {
            wakes += 1;
            assert!(wakes <= REST_WAKES_MAX, "it spins");
            // One that wants to be woken now must still let time pass.
            self.now = self.wake.max(self.now + Micros(1));
            self.session.handle_input(Input::Timeout, self.now);
            self.drain();
        }
    }

    /// How deep the script went.
    pub fn seen(&self) -> Seen {
        let heard = self.session.stats().heard;
        Seen { heard, ..self.seen }
    }

    fn drain(&mut self) {
        let mut answer = 0;
        for _ in 0..OUTPUTS_MAX {
            match self.session.poll_output() {
                Output::Transmit(datagram) => answer += self.answer_bytes(&datagram[..]),
                Output::Event(Event::Message { .. }) => self.seen.lines += 1,
                Output::Event(Event::Gap { .. }) => self.seen.gaps += 1,
                Output::Event(_) => {}
                Output::Wait(until) => {
                    assert!(answer <= ANSWER_BYTES_MAX, "{answer} bytes for one input");
                    assert!(until <= self.now + AHEAD_MAX, "it wants to sleep for ever");
                    self.wake = until;
                    return;
                }
            }
        }
        panic!("it never waits");
    }

    /// What counts of a datagram as an answer: all but those that send something said for the first
    /// time, which what was said bounds.
    fn answer_bytes(&mut self, datagram: &[u8]) -> usize {
        match wire::sent(datagram, MemberId(ME)) {
            Sent::Records(last) if last.wrapping_sub(self.unsent) as i32 >= 0 => {
                self.unsent = last.wrapping_add(1);
                self.seen.new += 1;
                return 0;
            }
            Sent::Repair => self.seen.repairs += 1,
            Sent::Nack => self.seen.nacks += 1,
            Sent::Records(_) | Sent::Other => {}
        }
        datagram.len()
    }
}
