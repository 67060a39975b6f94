//! The socket of a file's thread: it follows its interface to another address.

use std::time::Duration;

use crate::chat::RoomAddress;
use crate::net::Interface;
use crate::net::multicast_socket::{Hears, MulticastSocket, OpenError};
use crate::time::{Instant, Micros};

/// How often it is looked for another address, which can take milliseconds.
const LOOK_INTERVAL: Micros = Micros::from_secs(1);

/// How such a socket is opened.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// The room of the file.
    pub(super) room: RoomAddress,
    pub(super) interface: Interface,
    pub(super) ttl: u8,
    pub(super) hears: Hears,
    /// How long a call that receives may wait; none where it may not.
    pub(super) receive_wait: Option<Duration>,
}

pub(super) struct FollowedSocket {
    pub(super) socket: MulticastSocket,
    opening: Opening,
    look_due: Instant,
}

impl FollowedSocket {
    pub(super) fn open(opening: Opening) -> Result<Self, OpenError> {
        Ok(Self {
            socket: opening.open()?,
            opening,
            look_due: Instant::START,
        })
    }

    /// Goes on at the interface's address of now, if it has another. The system tells nothing of that to who waits at the one
    /// before, and takes nothing from there.
    pub(super) fn follow(&mut self, now: Instant) {
        if now < self.look_due {
            return;
        }
        self.look_due = now + LOOK_INTERVAL;
        // While it has none, or is gone, there is nothing better than what there is.
        let seen = self.opening.interface.now();
        let Ok(interface) = seen else { return };
        if interface == self.opening.interface {
            return;
        }
        let opening = Opening {
            interface,
            ..self.opening.clone()
        };
        if let Ok(socket) = opening.open() {
            self.socket = socket;
            self.opening = opening;
        }
    }
}

impl Opening {
    fn open(&self) -> Result<MulticastSocket, OpenError> {
        let (room, interface) = (self.room, &self.interface);
        let socket = MulticastSocket::open(room.for_files(), interface, self.ttl, self.hears)?;
        if let Some(wait) = self.receive_wait {
            let waits = socket.let_receive_wait(wait);
            waits.map_err(|error| OpenError::new(room, interface, error))?;
        }
        Ok(socket)
    }
}
