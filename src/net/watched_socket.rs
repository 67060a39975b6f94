//! A multicast socket for a task of the runtime.

use std::io;

use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::Interface;
use super::multicast_socket::{Batch, Hears, MulticastSocket, OpenError};
use crate::chat::RoomAddress;

/// A socket, and the runtime's eye on it.
pub struct WatchedSocket {
    pub(super) socket: MulticastSocket,
    /// The same socket once more: the runtime wants one of its own.
    ready: UdpSocket,
}

impl WatchedSocket {
    /// Joins `room` on `interface`.
    ///
    /// # Errors
    /// The group could not be joined.
    pub fn open(room: RoomAddress, interface: &Interface, ttl: u8) -> Result<Self, OpenError> {
        let socket = MulticastSocket::open(room, interface, ttl, Hears::Talk)?;
        let ready = socket.clone_receiver().and_then(UdpSocket::from_std);
        let ready = ready.map_err(|error| OpenError::new(room, interface, error))?;
        Ok(Self { socket, ready })
    }

    /// Receives what is there, or waits until something is.
    ///
    /// # Errors
    /// The interface is gone.
    pub async fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        loop {
            self.ready.readable().await?;
            let receive = || self.socket.receive(batch);
            match self.ready.try_io(Interest::READABLE, receive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
        }
    }
}

/// Receives what is there; never without a socket.
pub(super) async fn receive(socket: Option<&WatchedSocket>, batch: &mut Batch) -> io::Result<()> {
    match socket {
        Some(socket) => socket.receive(batch).await,
        None => std::future::pending().await,
    }
}
