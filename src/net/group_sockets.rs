//! One group on several interfaces, as the server's seat in a room needs it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::Interface;
use super::multicast_socket::{Batch, OpenError};
use super::watched_socket::WatchedSocket;
use crate::chat::RoomAddress;
use crate::control::datagrams;

/// Pieces that were received and not yet looked at. While there are more the system's buffer fills, and what
/// finds no room there is lost, as everywhere.
const PIECES_WAITING_MAX: usize = 64;

/// What is received on any of the interfaces comes out as pieces of datagrams.
pub struct GroupSockets {
    room: RoomAddress,
    pieces: mpsc::Sender<Bytes>,
    legs: BTreeMap<u32, Leg>,
    /// The interface that was joined first of those that are there.
    first: Option<u32>,
}

/// The group on one interface.
struct Leg {
    interface: Interface,
    socket: Arc<WatchedSocket>,
    reader: JoinHandle<()>,
}

impl GroupSockets {
    /// How many hops datagrams go: the server serves its own networks.
    pub const TTL: u8 = 1;

    /// On no interface yet; and where the pieces come out.
    pub fn new(room: RoomAddress) -> (Self, mpsc::Receiver<Bytes>) {
        let (pieces, received) = mpsc::channel(PIECES_WAITING_MAX);
        let sockets = Self {
            room,
            pieces,
            legs: BTreeMap::new(),
            first: None,
        };
        (sockets, received)
    }

    /// Joins the group on this interface, unless that is done.
    ///
    /// # Errors
    /// The group could not be joined.
    pub fn join(&mut self, interface: &Interface) -> Result<(), OpenError> {
        let is_there = |leg: &Leg| leg.interface == *interface && !leg.reader.is_finished();
        if self.legs.get(&interface.index).is_some_and(is_there) {
            return Ok(());
        }
        let socket = Arc::new(WatchedSocket::open(self.room, interface, Self::TTL)?);
        let reader = tokio::spawn(read(Arc::clone(&socket), self.pieces.clone()));
        let leg = Leg {
            interface: interface.clone(),
            socket,
            reader,
        };
        self.legs.insert(interface.index, leg);
        let first = self.first.filter(|first| self.legs.contains_key(first));
        self.first = first.or(Some(interface.index));
        Ok(())
    }

    /// Sends a datagram on every interface. What the network does not take is lost.
    pub fn send(&self, datagram: &[u8]) {
        for leg in self.legs.values() {
            let _ = leg.socket.socket.send(datagram, datagram.len());
        }
    }

    /// Whether what is sent on some interface comes from there.
    pub fn is_source(&self, source: SocketAddrV4) -> bool {
        let mut legs = self.legs.values();
        legs.any(|leg| leg.socket.socket.source() == source)
    }

    /// The interface that was joined first of those that are there.
    pub fn first_interface(&self) -> Option<&Interface> {
        let first = self.first.and_then(|first| self.legs.get(&first));
        first.map(|leg| &leg.interface)
    }

    /// Where what is sent comes from, as the others see it; there may be several such places.
    pub fn source(&self) -> SocketAddrV4 {
        let first = self.legs.values().next();
        first.map_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), |leg| {
            leg.socket.socket.source()
        })
    }

    /// Joins again where that broke, on interfaces that are back.
    pub fn mend(&mut self) {
        let broken = self.legs.values().filter(|leg| leg.reader.is_finished());
        let broken: Vec<Interface> = broken.map(|leg| leg.interface.clone()).collect();
        for interface in broken {
            let Ok(now) = interface.now() else {
                continue;
            };
            // Until the group can be joined again this fails, which is no news.
            if self.join(&now).is_ok() && now.index != interface.index {
                self.legs.remove(&interface.index);
                self.first = self.first.map(|first| match first == interface.index {
                    true => now.index,
                    false => first,
                });
            }
        }
    }
}

impl Drop for Leg {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Reads until the interface is gone or nobody wants to know.
async fn read(socket: Arc<WatchedSocket>, pieces: mpsc::Sender<Bytes>) {
    let mut batch = Batch::of_many();
    while socket.receive(&mut batch).await.is_ok() {
        let mut piece = Vec::new();
        for (source, datagram) in batch.datagrams() {
            if !datagrams::push(&mut piece, source, datagram) && !piece.is_empty() {
                let full = std::mem::take(&mut piece);
                if pieces.send(Bytes::from(full)).await.is_err() {
                    return;
                }
                // Alone it fits, unless it is longer than any of ours.
                datagrams::push(&mut piece, source, datagram);
            }
        }
        if !piece.is_empty() && pieces.send(Bytes::from(piece)).await.is_err() {
            return;
        }
    }
}
