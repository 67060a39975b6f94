//! Everything that happened to one session, to be played again.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use crds::multicast::config::KEPT_BYTES_MAX;
use crds::multicast::packet::{MemberId, Role, decode};
use crds::multicast::session::{Config, Event, Input, Output, Session};
use crds::time::Instant;

/// Something that happened to a session.
#[derive(Clone, Debug)]
pub enum Step {
    /// Its person said this, so many times before anything was sent: lines that wait travel together.
    Say(Rc<[u8]>, u64),
    /// This datagram came.
    Datagram(Rc<[u8]>),
    /// It was woken.
    Timeout,
}

/// Who a session is; the same origin and the same steps always give the same session.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// Which member of the room.
    pub index: usize,
    /// When it joined.
    pub started: Instant,
}

/// One session's life, up to where it is measured and while it is.
#[derive(Clone, Debug)]
pub struct Trace {
    /// How it begins.
    pub origin: Origin,
    /// What brings it to its steady state.
    pub warm_up: Vec<(Instant, Step)>,
    /// What is measured.
    pub measured: Vec<(Instant, Step)>,
}

/// What went through a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines that its person said.
    pub said: u64,
    /// Lines of others that were handed out.
    pub heard: u64,
    /// Their bytes.
    pub heard_bytes: u64,
    /// Datagrams that came.
    pub datagrams_in: u64,
    /// Datagrams that it sent.
    pub datagrams_out: u64,
}

impl Origin {
    /// A session that was only just begun.
    pub fn session(self) -> Session {
        let config = Config {
            room_tag: 7,
            name: format!("member{:04}", self.index),
            first_sequence: 1,
            kept_bytes_max: KEPT_BYTES_MAX,
            repairs: true,
            rate_max: None,
            replaces: None,
            role: Role::Member,
            past: None,
        };
        let number = self.index as u64 + 1;
        // Spread over all 64 bits, as random ids are.
        let id = MemberId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Session::new(id, config, number, self.started)
    }

    /// Where its datagrams come from.
    pub fn address(self) -> SocketAddr {
        let [_, a, b, c] = (self.index as u32 + 1).to_be_bytes();
        SocketAddr::from((Ipv4Addr::new(10, a, b, c), 40_000))
    }
}

impl Trace {
    /// The session where the measurement begins.
    pub fn warm_session(&self) -> Session {
        let mut session = self.origin.session();
        drain(&mut session, &mut Tally::default(), |_| {});
        play(&mut session, &self.warm_up);
        session
    }

    /// What goes through it while it is measured.
    pub fn tally(&self) -> Tally {
        play(&mut self.warm_session(), &self.measured)
    }

    /// The datagrams that come while it is measured.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        let steps = self.measured.iter();
        steps.filter_map(|(_, step)| match step {
            Step::Datagram(bytes) => Some(&bytes[..]),
            Step::Say(..) | Step::Timeout => None,
        })
    }
}

/// Plays steps to a session. What it wants sent and told is dropped.
pub fn play(session: &mut Session, steps: &[(Instant, Step)]) -> Tally {
    // Nobody's address, but always the same.
    let source = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 40_000));
    let mut tally = Tally::default();
    for (now, step) in steps {
        match step {
            Step::Say(text, times) => tally.said += say(session, text, *times, *now),
            Step::Datagram(bytes) => {
                tally.datagrams_in += 1;
                session.handle_input(Input::Datagram { source, bytes }, *now);
            }
            Step::Timeout => session.handle_input(Input::Timeout, *now),
        }
        drain(session, &mut tally, |datagram| {
            black_box(datagram);
        });
    }
    tally
}

/// Says a line so many times, or until the session has enough waiting. Gives how often.
pub fn say(session: &mut Session, text: &[u8], times: u64, now: Instant) -> u64 {
    (0..times)
        .take_while(|_| session.say(text, now).is_ok())
        .count() as u64
}

/// Does what a session wants done. Gives when it wants to be woken.
pub fn drain(session: &mut Session, tally: &mut Tally, mut transmit: impl FnMut(&[u8])) -> Instant {
    loop {
        match session.poll_output() {
            Output::Transmit(datagram) => {
                tally.datagrams_out += 1;
                transmit(&datagram[..]);
            }
            Output::Event(Event::Message { text, .. }) => {
                tally.heard += 1;
                tally.heard_bytes += black_box(&text[..]).len() as u64;
            }
            Output::Event(_) => {}
            Output::Wait(until) => return until,
        }
    }
}

/// Reads a datagram and drops what it says. True if it is well formed.
pub fn is_read(datagram: &[u8]) -> bool {
    black_box(decode(black_box(datagram))).is_ok()
}
