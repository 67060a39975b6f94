//! The way of a room's datagrams through the server, for whoever multicast does not reach.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::clock::Clock;
use crate::chat::TransportChoice;
use crate::control::datagrams::{self, NO_SOURCE};
use crate::multicast::packet::{self, MemberId};
use crate::multicast::transport::{Transport, Way};
use crate::time::Micros;

/// One room's part of the connection to a server that has let us in.
#[derive(Debug)]
pub struct RelayLink {
    /// When it is to be used.
    pub choice: TransportChoice,
    /// The server's own seat in a reliable room is this member.
    pub server: Option<u64>,
    /// Set to whether the server is to relay.
    pub is_wanted: watch::Sender<bool>,
    /// Pieces of datagrams to the server.
    pub outgoing: mpsc::Sender<Bytes>,
    /// What the server tells of this room.
    pub incoming: mpsc::Receiver<FromRelay>,
}

/// What comes over a [`RelayLink`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromRelay {
    /// The connection is back, and the server has let us in again. Its own seat in a reliable room is this
    /// member.
    There(Option<u64>),
    /// The server relays, as it was asked to.
    Granted,
    /// The connection is gone, and with it the relay.
    Gone,
    /// Whether the server's seat hears us by multicast.
    Heard(bool),
    /// Datagrams of others.
    Datagrams(Bytes),
}

/// Datagrams on their way into a piece. The connection takes a few pieces; what finds it full is lost, as on
/// any other way, and repaired.
#[derive(Debug)]
pub(super) struct RelayQueue {
    outgoing: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl RelayQueue {
    pub(super) fn new(outgoing: mpsc::Sender<Bytes>) -> Self {
        Self {
            outgoing,
            piece: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, datagram: &[u8]) {
        if !datagrams::push(&mut self.piece, NO_SOURCE, datagram) {
            self.send();
            // Alone it fits, unless it is too long for any network.
            datagrams::push(&mut self.piece, NO_SOURCE, datagram);
        }
    }

    pub(super) fn send(&mut self) {
        if !self.piece.is_empty() {
            let piece = Bytes::from(std::mem::take(&mut self.piece));
            let _ = self.outgoing.try_send(piece);
        }
    }
}

/// A seat's side of the relay: whether it is used, and what goes through it.
pub(super) struct Relay {
    incoming: mpsc::Receiver<FromRelay>,
    queue: RelayQueue,
    transport: Transport,
    is_wanted: watch::Sender<bool>,
    /// The server's own seat in the room.
    server: Option<MemberId>,
    clock: Clock,
}

impl Relay {
    pub(super) fn new(link: RelayLink) -> Self {
        let clock = Clock::start();
        let mut transport = Transport::new(link.choice);
        transport.set_relay(true, clock.now());
        Self {
            incoming: link.incoming,
            queue: RelayQueue::new(link.outgoing),
            transport,
            is_wanted: link.is_wanted,
            server: link.server.map(MemberId),
            clock,
        }
    }

    /// The way out, if it is through the server.
    pub(super) fn queue(&mut self) -> Option<&mut RelayQueue> {
        match self.transport.way() {
            Way::Relay(_) => Some(&mut self.queue),
            Way::Multicast => None,
        }
    }

    pub(super) fn is_used(&self) -> bool {
        self.transport.way() != Way::Multicast
    }

    /// The next thing that the server tells. When the connection is closed for good, so is the relay.
    async fn next(&mut self) -> FromRelay {
        match self.incoming.recv().await {
            Some(told) => told,
            None if self.is_there() => FromRelay::Gone,
            None => std::future::pending().await,
        }
    }

    /// Takes what the server told; a piece of datagrams comes back.
    pub(super) fn take(&mut self, told: FromRelay) -> Option<Bytes> {
        let now = self.clock.now();
        match told {
            FromRelay::There(server) => {
                self.server = server.map(MemberId);
                self.transport.set_relay(true, now);
            }
            FromRelay::Granted => self.transport.grant(),
            FromRelay::Gone => self.transport.set_relay(false, now),
            FromRelay::Heard(is_heard) => self.transport.heard_by_server(is_heard),
            FromRelay::Datagrams(piece) => return Some(piece),
        }
        None
    }

    /// A datagram came by multicast.
    pub(super) fn hear_multicast(&mut self, datagram: &[u8]) {
        if self.server.is_some() && self.server == packet::transmitter(datagram) {
            self.transport.hear_server(self.clock.now());
        }
    }

    /// The way to take from now on, if it changes.
    pub(super) fn decide(&mut self, interval: Micros) -> Option<Way> {
        let way = self.transport.decide(interval, self.clock.now());
        let wants_relay = self.transport.wants_relay();
        let is_change =
            |is_wanted: &mut bool| std::mem::replace(is_wanted, wants_relay) != wants_relay;
        self.is_wanted.send_if_modified(is_change);
        way
    }

    /// Whether there is a server that would relay.
    pub(super) fn is_there(&self) -> bool {
        self.transport.has_relay()
    }

    /// Whether it is known by now which way works.
    pub(super) fn is_settled(&self) -> bool {
        self.transport.is_settled()
    }

    pub(super) fn wake(&self, interval: Micros) -> Option<Instant> {
        let wake = self.transport.wake(interval)?;
        Some(self.clock.system(wake).into())
    }
}

/// What the server tells next; never without a relay.
pub(super) async fn next_from_relay(relay: &mut Option<Relay>) -> FromRelay {
    match relay {
        Some(relay) => relay.next().await,
        None => std::future::pending().await,
    }
}

/// The time at which the way may change by itself.
pub(super) async fn alarm(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
