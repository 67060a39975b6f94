//! Files of the room that a seat is in.

use jiff::Timestamp;

use super::{RoomTask, Speech};
use crate::chat::FileOffer;
use crate::files::{PartFile, SourceFile};
use crate::multicast::config::{
    FILE_BYTES_MAX, FILE_DATAGRAM_OVERHEAD_BYTES, SYMBOL_BYTES_MAX, SYMBOL_BYTES_STEP,
};
use crate::multicast::content::Offer;
use crate::net::Interface;
use crate::net::room_event::SayError;
use crate::net::transfer::{self, Incoming, Outgoing, Publish, ReceivingOptions, SendingOptions};

impl RoomTask {
    /// Offers a file, and starts to send it: the offer is a message like any other.
    pub(super) fn send_file(&mut self, source: SourceFile) -> Result<Outgoing, SayError> {
        let Speech::Reliable(reliable) = &mut self.speech else {
            return Err(SayError::Plain);
        };
        if self.socket.is_none() {
            return Err(SayError::InterfaceDown(self.interface.name.clone()));
        }
        if source.offer().size_bytes > FILE_BYTES_MAX {
            return Err(SayError::TooLarge);
        }
        let said_at = Timestamp::now();
        let offer = offer(source.offer().clone(), &self.interface);
        let options = SendingOptions {
            member: reliable.id().0,
            is_observer: false,
            room: self.room,
            interface: self.interface.clone(),
            ttl: self.ttl,
            rate_max: reliable.rate_max(),
            expected: reliable.members_by_multicast(),
            said_at,
        };
        let outgoing = transfer::send(&options, &offer, source)?;
        reliable.offer(offer, said_at)?;
        Ok(outgoing)
    }

    pub(super) fn offer_kept(&mut self, file: FileOffer) -> Result<(), SayError> {
        match &mut self.speech {
            Speech::Plain(_) => Err(SayError::Plain),
            Speech::Reliable(reliable) => {
                reliable.offer(offer(file, &self.interface), Timestamp::now())
            }
        }
    }

    pub(super) fn receive_file(&self, offer: &Offer, part: PartFile) -> Result<Incoming, SayError> {
        let Speech::Reliable(reliable) = &self.speech else {
            return Err(SayError::Plain);
        };
        let options = ReceivingOptions {
            member: reliable.id().0,
            is_observer: false,
            room: self.room,
            interface: self.interface.clone(),
            ttl: self.ttl,
        };
        Ok(transfer::receive(&options, offer, part, Box::new(Publish))?)
    }
}

/// Symbols fill what the interface carries, in the steps that parity needs.
fn offer(file: FileOffer, interface: &Interface) -> Offer {
    let room = interface
        .mtu_bytes()
        .saturating_sub(FILE_DATAGRAM_OVERHEAD_BYTES);
    let bytes =
        (room / SYMBOL_BYTES_STEP * SYMBOL_BYTES_STEP).clamp(SYMBOL_BYTES_STEP, SYMBOL_BYTES_MAX);
    Offer {
        file,
        symbol_bytes: bytes as u16,
    }
}
