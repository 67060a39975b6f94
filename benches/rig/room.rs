//! A room on a virtual network that loses nothing: a heap of what is to happen, and the time.
//!
//! The simulator of the crate checks promises and keeps a copy of every datagram for each receiver. A
//! room of a thousand needs a network that does little but deliver.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use crds::multicast::session::{Input, Session};
use crds::time::{Instant, Micros};

use super::trace::{Origin, Step, Tally, drain, say};

/// How long every datagram is on its way.
pub const DELAY: Micros = Micros(100);

/// When every room begins; some way from zero, where waits could not be told from none.
pub const START: Instant = Instant::from_micros(1_000_000);

/// When a member is to be woken that has nothing to wait for.
const NEVER: Instant = Instant::from_micros(u64::MAX);

/// Everyone, and what is under way between them.
pub struct Room {
    /// The time.
    pub now: Instant,
    /// Every datagram that was sent: when, and its bytes.
    pub sent: Vec<(Instant, usize)>,
    /// How many others each datagram reaches, others each time; all of them unless it is set.
    pub fan_out: usize,
    nodes: Vec<Node>,
    happenings: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    count: u64,
    /// Whose turn it is to be reached next.
    turn: usize,
}

struct Node {
    origin: Origin,
    session: Session,
    tally: Tally,
    /// When it wants to be woken.
    wake: Instant,
    /// The earliest wake-up under way to it.
    scheduled: Instant,
    /// What happened to it, if that is recorded.
    recorded: Option<Vec<(Instant, Step)>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// A datagram is there at those whom it reaches.
    Arrival {
        from: usize,
        bytes: Rc<[u8]>,
    },
    Wake(usize),
}

impl Room {
    /// Nobody is there yet.
    pub fn new() -> Self {
        Self {
            now: START,
            sent: Vec::new(),
            fan_out: usize::MAX,
            nodes: Vec::new(),
            happenings: BinaryHeap::new(),
            count: 0,
            turn: 0,
        }
    }

    /// One more member joins now.
    pub fn join(&mut self, is_recorded: bool) {
        let index = self.nodes.len();
        let origin = Origin {
            index,
            started: self.now,
        };
        self.nodes.push(Node {
            origin,
            session: origin.session(),
            tally: Tally::default(),
            wake: NEVER,
            scheduled: NEVER,
            recorded: is_recorded.then(Vec::new),
        });
        self.drain(index);
    }

    /// A member says a line so many times, or as often as it may now. Gives how often.
    pub fn say(&mut self, index: usize, text: &Rc<[u8]>, times: u64) -> u64 {
        let node = &mut self.nodes[index];
        let said = say(&mut node.session, text, times, self.now);
        node.record(self.now, || Step::Say(text.clone(), said));
        self.drain(index);
        said
    }

    /// Lets happen what happens up to this time.
    pub fn run_until(&mut self, end: Instant) {
        while let Some(Reverse((at, ..))) = self.happenings.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, happening))) = self.happenings.pop() else {
                break;
            };
            self.now = at;
            match happening {
                Happening::Arrival { from, bytes } => self.arrive(from, &bytes),
                Happening::Wake(index) => self.wake(index),
            }
        }
        self.now = end;
    }

    /// Lines that a member was handed.
    pub fn heard(&self, index: usize) -> u64 {
        self.nodes[index].tally.heard
    }

    /// How many others a member knows by name.
    pub fn known(&self, index: usize) -> usize {
        self.nodes[index].session.members().count()
    }

    /// Who a member is, and what happened to it since it joined.
    pub fn take_record(&mut self, index: usize) -> (Origin, Vec<(Instant, Step)>) {
        let node = &mut self.nodes[index];
        (node.origin, node.recorded.take().unwrap_or_default())
    }

    /// Everyone's session alone, to be weighed.
    pub fn into_sessions(self) -> Vec<Session> {
        self.nodes.into_iter().map(|node| node.session).collect()
    }

    fn arrive(&mut self, from: usize, bytes: &Rc<[u8]>) {
        let source = self.nodes[from].origin.address();
        let (all, others) = (self.nodes.len(), self.nodes.len() - 1);
        let reached = self.fan_out.min(others);
        for turn in self.turn..self.turn + reached {
            let to = (from + 1 + turn % others) % all;
            let node = &mut self.nodes[to];
            node.record(self.now, || Step::Datagram(bytes.clone()));
            node.session
                .handle_input(Input::Datagram { source, bytes }, self.now);
            self.drain(to);
        }
        self.turn += reached;
    }

    fn wake(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.scheduled = NEVER;
        if node.wake <= self.now {
            node.record(self.now, || Step::Timeout);
            node.session.handle_input(Input::Timeout, self.now);
            self.drain(index);
        } else {
            self.schedule_wake(index);
        }
    }

    fn drain(&mut self, from: usize) {
        let mut datagrams: Vec<Rc<[u8]>> = Vec::new();
        let node = &mut self.nodes[from];
        let until = drain(&mut node.session, &mut node.tally, |datagram| {
            datagrams.push(datagram.into());
        });
        // A session that wants to be woken now must still let time pass.
        node.wake = until.max(self.now + Micros(1));
        self.schedule_wake(from);
        for bytes in datagrams {
            self.sent.push((self.now, bytes.len()));
            self.schedule(self.now + DELAY, Happening::Arrival { from, bytes });
        }
    }

    /// A wake-up that comes too early is put off when it comes: most waits only get longer.
    fn schedule_wake(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if node.wake < node.scheduled {
            node.scheduled = node.wake;
            let at = node.wake;
            self.schedule(at, Happening::Wake(index));
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.count += 1;
        self.happenings.push(Reverse((at, self.count, happening)));
    }
}

impl Node {
    fn record(&mut self, now: Instant, step: impl FnOnce() -> Step) {
        if let Some(recorded) = &mut self.recorded {
            recorded.push((now, step()));
        }
    }
}
