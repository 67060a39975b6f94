//! A member of a reliable room that somebody else carries the datagrams of: without sockets, and without a task of
//! its own. The server has one for each client whom it takes part for.

use std::net::SocketAddrV4;

use jiff::Timestamp;
use tokio::time::Instant;

use super::clock::SessionClock;
use super::room_event::SayError;
use super::speech::name;
use crate::chat::{RecordId, RoomAddress, SessionId, UserName};
use crate::multicast::content::{self, Content};
use crate::multicast::packet::{MemberId, Role, room_tag};
use crate::multicast::session::{Config, Delivered, Event, Input, MessageId, Output, Session};

/// A session whose talk is heard elsewhere: by the observer that carries its datagrams, and whose reports stand for
/// its own. It has to be given only what others, who are not hosted beside it, say of themselves and of it: their signs of
/// life, their leaves, and their nacks and reports of what it said.
pub struct HostedMember {
    id: MemberId,
    session: Session,
    clock: SessionClock,
}

/// What only this member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberTold {
    /// The others see it under this name.
    ShownAs(String),
    /// What it says goes out as slowly as this member takes it.
    Slow(String),
}

impl HostedMember {
    /// Joins now, as this member, which nobody has met, under this name; and goes on from the one before, which an earlier
    /// server hosted.
    pub fn new(id: u64, before: Option<u64>, room: RoomAddress, name: &UserName) -> Self {
        let clock = SessionClock::start();
        let config = Config {
            replaces: before.map(MemberId),
            ..Config::new(room_tag(room), name.to_string(), Role::Hosted)
        };
        // As random as any other.
        let session = Session::new(MemberId(id), config, id, clock.now());
        Self {
            id: MemberId(id),
            session,
            clock,
        }
    }

    /// Which member it is.
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// So many others are hosted beside it.
    pub fn set_beside(&mut self, others: usize) {
        self.session.set_beside(others);
    }

    /// Takes a datagram.
    pub fn hear(&mut self, source: SocketAddrV4, bytes: &[u8]) {
        let source = source.into();
        let input = Input::Datagram { source, bytes };
        self.session.handle_input(input, self.clock.now());
    }

    /// The time of the last [`HostedMember::flush`] has come.
    pub fn look(&mut self) {
        self.session.handle_input(Input::Timeout, self.clock.now());
    }

    /// Whether there is room for one more text.
    pub fn can_say(&self) -> bool {
        self.session.can_say()
    }

    /// Says something; it goes out with the next [`HostedMember::flush`].
    ///
    /// # Errors
    /// There is no room for it, or the member leaves.
    pub fn say(&mut self, content: &Content, said_at: Timestamp) -> Result<RecordId, SayError> {
        let message = content::encode(content, said_at);
        let said = self.session.say(&message, self.clock.now());
        let id = said.map_err(|error| SayError::Network(error.to_string()))?;
        Ok(RecordId {
            origin: SessionId(id.origin.0),
            sequence: id.sequence,
        })
    }

    /// Is called this from now on.
    pub fn rename(&mut self, name: &UserName) {
        self.session.rename(name.to_string(), self.clock.now());
    }

    /// Says what still waits, then tells the others that it leaves.
    pub fn leave(&mut self) {
        self.session.leave(self.clock.now());
    }

    /// Whether they were told.
    pub fn is_over(&self) -> bool {
        self.session.is_over()
    }

    /// Who has what it said.
    pub fn delivered(&self, said: RecordId) -> Delivered {
        self.session.delivered(MessageId {
            origin: self.id,
            sequence: said.sequence,
        })
    }

    /// Gives out what is to be sent, and what it alone is told; returns when to look again.
    pub fn flush(
        &mut self,
        mut send: impl FnMut(&[u8]),
        mut on_told: impl FnMut(MemberTold),
    ) -> Instant {
        loop {
            match self.session.poll_output() {
                Output::Transmit(datagram) => send(&datagram),
                Output::Event(Event::ShownAs(name)) => on_told(MemberTold::ShownAs(name)),
                Output::Event(Event::Slow(id)) => {
                    on_told(MemberTold::Slow(name(&self.session, id)))
                }
                // Whoever carries the datagrams hears that too.
                Output::Event(_) => {}
                Output::Wait(until) => return self.clock.system(until).into(),
            }
        }
    }
}
