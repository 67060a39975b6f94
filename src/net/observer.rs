//! The server's own seat in a reliable room: it hears and repairs as a member does, and is nobody.

use std::io;
use std::net::SocketAddrV4;

use tokio::time::Instant;

use super::clock::Clock;
use super::seat::new_member;
use crate::chat::{Message, RoomAddress};
use crate::multicast::content::{self, Content};
use crate::multicast::packet::{MemberId, Role, room_tag};
use crate::multicast::session::{Config, Event, Input, Output, Session};
use crate::time::Micros;

/// A session that says nothing.
pub struct Observer {
    id: MemberId,
    session: Session,
    clock: Clock,
}

impl Observer {
    /// Joins now.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(room: RoomAddress) -> io::Result<Self> {
        let clock = Clock::start();
        let config = Config {
            room_tag: room_tag(room),
            name: String::new(),
            first_sequence: 1,
            repairs: true,
            rate_max: None,
            replaces: None,
            role: Role::Observer,
            past: None,
        };
        let id = MemberId(new_member()?);
        let session = Session::new(id, config, getrandom::u64()?, clock.now());
        Ok(Self { id, session, clock })
    }

    /// Which member it is.
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// Takes a datagram.
    pub fn hear(&mut self, source: SocketAddrV4, bytes: &[u8]) {
        let source = source.into();
        let input = Input::Datagram { source, bytes };
        self.session.handle_input(input, self.clock.now());
    }

    /// The time of the last [`Observer::flush`] has come.
    pub fn look(&mut self) {
        self.session.handle_input(Input::Timeout, self.clock.now());
    }

    /// Tells the others that it leaves.
    pub fn leave(&mut self) {
        self.session.leave(self.clock.now());
    }

    /// Whether they were told.
    pub fn is_over(&self) -> bool {
        self.session.is_over()
    }

    /// The time between two signs of life.
    pub fn idle_interval(&self) -> Micros {
        self.session.idle_interval()
    }

    /// Gives out what is to be sent, and what was said; returns when to look again.
    pub fn flush(
        &mut self,
        mut send: impl FnMut(&[u8]),
        mut on_message: impl FnMut(Message),
    ) -> Instant {
        loop {
            match self.session.poll_output() {
                Output::Transmit(datagram) => send(&datagram),
                Output::Event(Event::Message { id, text, .. }) => {
                    let from = self.session.member(id.origin).map(|member| member.name);
                    if let (Some(from), Ok((Content::Text(text), said_at))) =
                        (from, content::decode(&text))
                    {
                        let said_at = Some(said_at);
                        on_message(Message {
                            from,
                            text,
                            said_at,
                        });
                    }
                }
                Output::Event(_) => {}
                Output::Wait(until) => return self.clock.system(until).into(),
            }
        }
    }
}
