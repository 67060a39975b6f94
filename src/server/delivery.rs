//! Events on their way to the connections: rendered once, however many hear them, and those for the
//! same audience joined into one chunk.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::outbox::{LetGo, Outbox};
use crate::control::event_line;
use crate::hub::{Addressed, Audience, ClientId};

/// A chunk is passed on when it has this many bytes: about what one write takes.
const CHUNK_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Delivery {
    /// In the order in which audiences list them, so that a line to all goes through memory in its order.
    outboxes: BTreeMap<ClientId, Outbox>,
    /// Lines that are rendered but not yet passed on.
    joined: Option<(Audience, String)>,
    slow: Vec<ClientId>,
}

impl Delivery {
    pub(super) fn add(&mut self, client: ClientId, outbox: Outbox) {
        self.outboxes.insert(client, outbox);
    }

    /// The way to this client, for others who have something to send.
    pub(super) fn outbox(&self, client: ClientId) -> Option<Outbox> {
        self.outboxes.get(&client).cloned()
    }

    pub(super) fn remove(&mut self, client: ClientId) {
        self.outboxes.remove(&client);
    }

    /// Ends this client's connection.
    pub(super) fn let_go(&mut self, client: ClientId, reason: LetGo) {
        if let Some(outbox) = self.outboxes.remove(&client) {
            outbox.let_go(reason);
        }
    }

    /// Renders an event, which goes out at the latest with [`Delivery::flush`].
    pub(super) fn deliver(&mut self, addressed: &Addressed) {
        let line = event_line(&addressed.event);
        match &mut self.joined {
            Some((to, lines)) if to.is(&addressed.to) && lines.len() < CHUNK_BYTES => {
                lines.push_str(&line);
            }
            _ => {
                self.pass_on();
                self.joined = Some((addressed.to.clone(), line));
            }
        }
    }

    /// Passes everything on. Gives back who does not read: they are let go of already.
    pub(super) fn flush(&mut self) -> Vec<ClientId> {
        self.pass_on();
        std::mem::take(&mut self.slow)
    }

    fn pass_on(&mut self) {
        let Some((to, lines)) = self.joined.take() else {
            return;
        };
        let chunk = Bytes::from(lines);
        for client in to.iter() {
            let outbox = self.outboxes.get(&client);
            if outbox.is_some_and(|outbox| outbox.push(chunk.clone()).is_err()) {
                self.let_go(client, LetGo::TooSlow);
                self.slow.push(client);
            }
        }
    }
}
