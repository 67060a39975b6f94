//! Sessions, the network between them, and the time they share.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::checker::{Checker, Violation};
use super::network::{Conditions, Ingress};
use crate::multicast::packet::{MemberId, Role};
use crate::multicast::session::{Config, Event, Input, Output, Past, Session};
use crate::time::{Instant, Micros};

/// A machine with at most one session at a time.
struct Node {
    session: Option<(MemberId, Session)>,
    ingress: Ingress,
    /// The side of a partition it is on.
    side: u8,
    /// The wake-up that counts; those before it were overtaken.
    wake: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Arrival {
        to: usize,
        from: usize,
        bytes: Vec<u8>,
    },
    Wake {
        node: usize,
        number: u64,
    },
}

pub(super) struct World {
    pub(super) conditions: Conditions,
    pub(super) now: Instant,
    pub(super) random: SmallRng,
    pub(super) checker: Checker,
    /// From whom to whom nothing gets through.
    pub(super) blocked: BTreeSet<(usize, usize)>,
    pub(super) datagrams: u64,
    /// From saying to hearing, for every line and hearer.
    pub(super) latencies: Vec<Micros>,
    nodes: Vec<Node>,
    happenings: BinaryHeap<Reverse<(Instant, u64, Happening)>>,
    count: u64,
    first_sequence: u64,
    kept_bytes_max: usize,
    repairs: bool,
}

impl World {
    pub(super) fn new(
        conditions: Conditions,
        nodes: usize,
        seed: u64,
        first_sequence: u64,
        kept_bytes_max: usize,
        repairs: bool,
    ) -> Self {
        let node = || Node {
            session: None,
            ingress: Ingress::default(),
            side: 0,
            wake: 0,
        };
        Self {
            conditions,
            now: Instant::from_micros(1_000_000),
            random: SmallRng::seed_from_u64(seed),
            checker: Checker::default(),
            blocked: BTreeSet::new(),
            datagrams: 0,
            latencies: Vec::new(),
            nodes: (0..nodes).map(|_| node()).collect(),
            happenings: BinaryHeap::new(),
            count: 0,
            first_sequence,
            kept_bytes_max,
            repairs,
        }
    }

    /// What a node has heard so far, as a server that keeps a history tells it to who will join.
    pub(super) fn past(&self, node: usize) -> Option<Past> {
        let (_, session) = self.nodes[node].session.as_ref()?;
        Some(Past {
            positions: session.positions().collect(),
            since: self.now,
        })
    }

    pub(super) fn start(&mut self, node: usize, past: Option<Past>) -> Result<(), Violation> {
        let id = MemberId(self.random.random());
        let config = Config {
            first_sequence: self.first_sequence,
            kept_bytes_max: self.kept_bytes_max,
            repairs: self.repairs,
            past: past.clone(),
            ..Config::new(7, format!("node{node}"), Role::Member)
        };
        let session = Session::new(id, config, self.random.random(), self.now);
        match past {
            Some(past) => self.checker.joined_with(id, &past),
            None => self.checker.joined(id, self.now),
        }
        self.nodes[node].session = Some((id, session));
        self.drain(node)
    }

    pub(super) fn is_there(&self, node: usize) -> bool {
        self.nodes[node].session.is_some()
    }

    pub(super) fn crash(&mut self, node: usize) {
        self.nodes[node].session = None;
    }

    pub(super) fn leave(&mut self, node: usize) -> Result<(), Violation> {
        if let Some((_, session)) = &mut self.nodes[node].session {
            session.leave(self.now);
        }
        self.drain(node)
    }

    pub(super) fn say(&mut self, node: usize, text: Vec<u8>) -> Result<(), Violation> {
        if let Some((_, session)) = &mut self.nodes[node].session
            && let Ok(id) = session.say(&text, self.now)
        {
            self.checker.said(id, text, self.now);
        }
        self.drain(node)
    }

    /// Puts nodes on two sides that do not hear each other; all on one side to heal.
    pub(super) fn part(&mut self, mut side: impl FnMut(usize) -> bool) {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            node.side = u8::from(side(index));
        }
    }

    pub(super) fn members(&self) -> Vec<MemberId> {
        let sessions = self.nodes.iter().filter_map(|node| node.session.as_ref());
        sessions.map(|(id, _)| *id).collect()
    }

    /// Lets everything happen up to this time.
    pub(super) fn run_until(&mut self, end: Instant) -> Result<(), Violation> {
        while let Some(Reverse((at, ..))) = self.happenings.peek()
            && *at <= end
        {
            let Some(Reverse((at, _, happening))) = self.happenings.pop() else {
                break;
            };
            self.now = at;
            match happening {
                Happening::Arrival { to, from, bytes } => self.arrive(to, from, &bytes)?,
                Happening::Wake { node, number } if self.nodes[node].wake == number => {
                    self.input(node, Input::Timeout)?;
                }
                Happening::Wake { .. } => {}
            }
        }
        self.now = end;
        Ok(())
    }

    fn arrive(&mut self, to: usize, from: usize, bytes: &[u8]) -> Result<(), Violation> {
        let octets = (from as u32 + 1).to_be_bytes();
        let address = Ipv4Addr::new(10, octets[1], octets[2], octets[3]);
        let source = SocketAddr::from((address, 40_000));
        self.input(to, Input::Datagram { source, bytes })
    }

    fn input(&mut self, node: usize, input: Input<'_>) -> Result<(), Violation> {
        if let Some((_, session)) = &mut self.nodes[node].session {
            session.handle_input(input, self.now);
        }
        self.drain(node)
    }

    /// Does what a session wants done, until it waits.
    fn drain(&mut self, node: usize) -> Result<(), Violation> {
        while let Some((id, session)) = &mut self.nodes[node].session {
            let id = *id;
            match session.poll_output() {
                Output::Transmit(bytes) => self.transmit(node, &bytes),
                Output::Event(event) => self.check(id, event)?,
                Output::Wait(until) => {
                    if session.is_over() {
                        self.nodes[node].session = None;
                    } else {
                        self.nodes[node].wake += 1;
                        let number = self.nodes[node].wake;
                        // A session that wants to be woken now must still let time pass.
                        let at = until.max(self.now + Micros(1));
                        self.schedule(at, Happening::Wake { node, number });
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    fn transmit(&mut self, from: usize, bytes: &[u8]) {
        self.datagrams += 1;
        for to in 0..self.nodes.len() {
            let is_cut_off = self.nodes[to].side != self.nodes[from].side;
            if is_cut_off || to == from || self.blocked.contains(&(from, to)) {
                continue;
            }
            let ingress = &mut self.nodes[to].ingress;
            let arrivals = ingress.pass(bytes, &self.conditions, &mut self.random, self.now);
            for (delay, bytes) in arrivals {
                self.schedule(self.now + delay, Happening::Arrival { to, from, bytes });
            }
        }
    }

    fn schedule(&mut self, at: Instant, happening: Happening) {
        self.count += 1;
        self.happenings.push(Reverse((at, self.count, happening)));
    }

    fn check(&mut self, member: MemberId, event: Event) -> Result<(), Violation> {
        match event {
            Event::Message { id, text, .. } => {
                let said = self.checker.heard(member, id, &text)?;
                self.latencies.push(self.now.since(said));
                Ok(())
            }
            Event::Gap { origin, .. } => {
                let is_there = self.members().contains(&origin);
                self.checker.gap(member, origin, is_there)
            }
            Event::Joined(_)
            | Event::Renamed { .. }
            | Event::Left(_)
            | Event::ShownAs(_)
            | Event::Slow(_) => Ok(()),
        }
    }
}
