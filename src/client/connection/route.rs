//! The room whose datagrams go over the connection, if multicast does not carry them.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::chat::{RoomName, SessionId, TransportChoice, UserName};
use crate::control::{Request, Via};
use crate::net::{FromRelay, RelayLink};

/// Pieces that wait for the connection. What finds no room is lost, and repaired.
const OUTGOING_PIECES_MAX: usize = 64;

/// What waits for the room. Datagrams that find no room are lost, and repaired.
const INCOMING_MAX: usize = 256;

/// Places which only what concerns the relay itself may take.
const INCOMING_RESERVED: usize = 16;

/// How a client is in a room.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The room.
    pub room: RoomName,
    /// Its seat in a reliable room.
    pub member: Option<SessionId>,
    /// The address of the interface that it uses for the room.
    pub interface: std::net::Ipv4Addr,
    /// What it speaks as, where it is not online: a command in a pipe.
    pub name: Option<UserName>,
}

/// The connection's end of a [`RelayLink`].
#[derive(Debug)]
pub(super) struct Route {
    entry: Entry,
    /// The room was told that the connection is gone.
    is_gone: bool,
    incoming: mpsc::Sender<FromRelay>,
    outgoing: mpsc::Receiver<Bytes>,
    is_wanted: watch::Receiver<bool>,
}

/// What a room wants of the connection.
pub(super) enum Wanted {
    /// This piece of datagrams is for the server.
    Carry(Bytes),
    /// Datagrams are to go by another way.
    Enter,
    /// Nothing more: the room was left.
    Left,
}

impl Route {
    /// Both ends; the room's is complete when the server has answered.
    pub(super) fn new(entry: Entry, choice: TransportChoice) -> (Self, RelayLink) {
        let (outgoing, outgoing_out) = mpsc::channel(OUTGOING_PIECES_MAX);
        let (incoming_in, incoming) = mpsc::channel(INCOMING_MAX);
        let (is_wanted, is_wanted_now) = watch::channel(false);
        let route = Self {
            entry,
            is_gone: false,
            incoming: incoming_in,
            outgoing: outgoing_out,
            is_wanted: is_wanted_now,
        };
        let link = RelayLink {
            choice,
            server: None,
            is_wanted,
            outgoing,
            incoming,
        };
        (route, link)
    }

    pub(super) fn room(&self) -> &RoomName {
        &self.entry.room
    }

    /// Whether the room's datagrams go over the connection, or are to.
    pub(super) fn is_wanted(&self) -> bool {
        *self.is_wanted.borrow()
    }

    /// The request that tells the server how we are in the room.
    pub(super) fn enter(&self) -> Request {
        Request::Enter {
            room: self.entry.room.clone(),
            via: match self.is_wanted() {
                true => Via::Relay,
                false => Via::Multicast,
            },
            member: self.entry.member,
            interface: Some(self.entry.interface),
            name: self.entry.name.clone(),
        }
    }

    /// The connection is lost.
    pub(super) fn lose(&mut self) {
        self.is_gone = true;
        self.tell(FromRelay::Gone);
    }

    /// The server has let us in by this way. If it has done so on this connection before, it only knows by which way we
    /// take part now.
    pub(super) fn entered(&mut self, server: Option<u64>, via: Via) {
        if std::mem::take(&mut self.is_gone) {
            self.tell(FromRelay::There(server));
        }
        if via == Via::Relay {
            self.tell(FromRelay::Granted);
        }
    }

    /// Tells the room.
    pub(super) fn tell(&self, told: FromRelay) {
        let is_piece = matches!(told, FromRelay::Datagrams(_));
        if !is_piece || self.incoming.capacity() > INCOMING_RESERVED {
            // It fails when the room was left.
            let _ = self.incoming.try_send(told);
        }
    }

    /// A piece that waits to be carried, if there is one.
    pub(super) fn waiting(&mut self) -> Option<Bytes> {
        self.outgoing.try_recv().ok()
    }

    async fn wanted(&mut self) -> Wanted {
        tokio::select! {
            piece = self.outgoing.recv() => piece.map_or(Wanted::Left, Wanted::Carry),
            changed = self.is_wanted.changed() => changed.map_or(Wanted::Left, |()| Wanted::Enter),
        }
    }
}

/// What a room wants next; never without one.
pub(super) async fn next_wanted(route: &mut Option<Route>) -> Wanted {
    match route {
        Some(route) => route.wanted().await,
        None => std::future::pending().await,
    }
}
