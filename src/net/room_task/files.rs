//! Files of the room that a seat is in.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{RoomTask, Speech};
use crate::chat::FileOffer;
use crate::files::{PartFile, SourceFile};
use crate::multicast::config::FILE_BYTES_MAX;
use crate::multicast::content::Offer;
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
        let offer = transfer::offer(source.offer().clone(), &self.interface);
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
                reliable.offer(transfer::offer(file, &self.interface), Timestamp::now())
            }
        }
    }

    pub(super) fn receive_file(&self, offer: &Offer, part: PartFile) -> Result<Incoming, SayError> {
        let options = self.receiving_options()?;
        Ok(transfer::receive(&options, offer, part, Box::new(Publish))?)
    }

    pub(super) fn confirm_file(&self, offer: &Offer, path: PathBuf) -> Result<Incoming, SayError> {
        let options = self.receiving_options()?;
        Ok(transfer::confirm(&options, offer, path)?)
    }

    fn receiving_options(&self) -> Result<ReceivingOptions, SayError> {
        let Speech::Reliable(reliable) = &self.speech else {
            return Err(SayError::Plain);
        };
        Ok(ReceivingOptions {
            member: reliable.id().0,
            is_observer: false,
            room: self.room,
            interface: self.interface.clone(),
            ttl: self.ttl,
        })
    }
}
