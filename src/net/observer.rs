//! The server's own seat in a reliable room: it hears and repairs as a member does, and is nobody.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddrV4;

use jiff::Timestamp;
use tokio::time::Instant;

use super::clock::SessionClock;
use super::seat::{known_past, new_member};
use super::speech::name;
use crate::chat::{FileHash, Happening, Position, RecordId, RoomAddress, SessionId};
use crate::multicast::content::{self, Content, Offer};
use crate::multicast::file::{self, Announcement, FileDatagram};
use crate::multicast::packet::{Header, MemberId, Role, room_tag};
use crate::multicast::session::{Config, Event, Input, Output, Session};
use crate::time::Micros;

/// A session that says nothing.
pub struct Observer {
    id: MemberId,
    session: Session,
    clock: SessionClock,
    /// What announcements told since the last flush.
    told: Vec<Observed>,
}

/// What an observer notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Observed {
    /// Something happened in the room.
    Happened {
        /// Which member it concerns.
        member: SessionId,
        /// What that one is called.
        from: String,
        /// When, by the clock of who said it.
        said_at: Option<Timestamp>,
        /// What.
        what: Happening,
        /// The last record of a message.
        record: Option<RecordId>,
    },
    /// So many records of somebody can no longer be had from anyone.
    Gap {
        /// What they are called.
        from: String,
        /// How many.
        records: u64,
    },
    /// Somebody has a file: it was offered, or is announced to those who came later.
    Offered {
        /// Who has it.
        origin: SessionId,
        /// What they are called.
        from: String,
        /// When it was offered, by their clock.
        said_at: Timestamp,
        /// The file.
        offer: Offer,
    },
    /// It is no longer to be had from them.
    Withdrawn {
        /// Who had it.
        origin: SessionId,
        /// The file.
        hash: FileHash,
    },
    /// Somebody is there, and was heard so far.
    Seen(Position),
}

/// Somebody in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedMember {
    /// Which member.
    pub id: SessionId,
    /// What it is shown as.
    pub name: String,
    /// A relay carries its datagrams.
    pub is_relayed: bool,
}

impl Observer {
    /// Joins now. It is told what was said after these positions, as far as anybody still has it.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(room: RoomAddress, past: Option<Vec<Position>>) -> io::Result<Self> {
        let clock = SessionClock::start();
        let since = clock.now();
        let config = Config {
            past: past.map(|positions| known_past(&positions, since)),
            ..Config::new(room_tag(room), String::new(), Role::Observer)
        };
        let id = MemberId(new_member()?);
        let session = Session::new(id, config, getrandom::u64()?, clock.now());
        Ok(Self {
            id,
            session,
            clock,
            told: Vec::new(),
        })
    }

    /// Which member it is.
    pub fn id(&self) -> u64 {
        self.id.0
    }

    /// Takes a datagram.
    pub fn hear(&mut self, source: SocketAddrV4, bytes: &[u8]) {
        if let Ok((header, FileDatagram::Announcement(told))) = file::decode(bytes) {
            self.hear_announcement(&header, told);
            return;
        }
        let source = source.into();
        let input = Input::Datagram { source, bytes };
        self.session.handle_input(input, self.clock.now());
    }

    /// Of a member that is known; what we announce ourselves comes back on another socket.
    fn hear_announcement(&mut self, header: &Header, told: Announcement) {
        let session = &self.session;
        let is_known = session.member(header.transmitter).is_some();
        if header.room_tag != session.room_tag() || !is_known {
            return;
        }
        let origin = SessionId(header.transmitter.0);
        self.told.push(match told.is_withdrawn {
            true => Observed::Withdrawn {
                origin,
                hash: told.offer.file.hash,
            },
            false => Observed::Offered {
                origin,
                from: name(session, header.transmitter),
                said_at: told.said_at,
                offer: told.offer,
            },
        });
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

    /// Whether nobody is there.
    pub fn is_alone(&self) -> bool {
        self.session.members().next().is_none()
    }

    /// Others who are there, and whom no relay serves.
    pub fn members_by_multicast(&self) -> usize {
        let members = self.session.members();
        members.filter(|member| !member.is_relayed).count()
    }

    /// Who is there.
    pub fn members(&self) -> Vec<ObservedMember> {
        let members = self.session.members().map(|member| ObservedMember {
            id: SessionId(member.id.0),
            name: member.name,
            is_relayed: member.is_relayed,
        });
        members.collect()
    }

    /// The time between two signs of life.
    pub fn idle_interval(&self) -> Micros {
        self.session.idle_interval()
    }

    /// How far it has heard each of the others.
    pub fn positions(&self) -> Vec<Position> {
        let positions = self.session.positions();
        positions.map(|(id, next)| position(id, next)).collect()
    }

    /// Gives out what is to be sent, and what was noticed; returns when to look again.
    pub fn flush(
        &mut self,
        mut send: impl FnMut(&[u8]),
        mut on_observed: impl FnMut(Observed),
    ) -> Instant {
        let mut events = VecDeque::new();
        let wake = loop {
            match self.session.poll_output() {
                Output::Transmit(datagram) => send(&datagram),
                Output::Event(event) => events.push_back(event),
                Output::Wait(until) => break self.clock.system(until).into(),
            }
        };
        while let Some(event) = events.pop_front() {
            self.notice(event, &events, &mut on_observed);
        }
        self.told.drain(..).for_each(on_observed);
        wake
    }

    fn notice(
        &self,
        event: Event,
        later: &VecDeque<Event>,
        on_observed: &mut impl FnMut(Observed),
    ) {
        let session = &self.session;
        // As it was called then: it may have been renamed in the same moment.
        let name = |id| {
            let before = later.iter().find_map(|event| match event {
                Event::Renamed {
                    id: renamed,
                    before,
                } if *renamed == id => Some(before.clone()),
                _ => None,
            });
            before.unwrap_or_else(|| name(session, id))
        };
        let happened = |id: MemberId, what| Observed::Happened {
            member: SessionId(id.0),
            from: name(id),
            said_at: None,
            what,
            record: None,
        };
        match event {
            Event::Message { id, text, .. } => {
                // What is not known is counted by the members.
                let Ok((content, said_at)) = content::decode(&text) else {
                    return;
                };
                let from = name(id.origin);
                let origin = SessionId(id.origin.0);
                let (what, offer) = match content {
                    Content::Text(text) => (Happening::Text(text), None),
                    Content::Offer(offer) => (Happening::File(offer.file.clone()), Some(offer)),
                };
                on_observed(Observed::Happened {
                    member: origin,
                    from: from.clone(),
                    said_at: Some(said_at),
                    what,
                    record: Some(RecordId {
                        origin,
                        sequence: id.sequence,
                    }),
                });
                if let Some(offer) = offer {
                    on_observed(Observed::Offered {
                        origin,
                        from,
                        said_at,
                        offer,
                    });
                }
            }
            Event::Joined(id) => {
                let next = session.position(id);
                next.into_iter()
                    .for_each(|next| on_observed(Observed::Seen(position(id, next))));
                // Who was there before did not come now.
                let is_new = session
                    .member(id)
                    .is_some_and(|member| member.since >= session.started());
                if is_new {
                    on_observed(happened(id, Happening::Joined));
                }
            }
            Event::Left(id) => on_observed(happened(id, Happening::Left)),
            Event::Renamed { id, before } => on_observed(Observed::Happened {
                member: SessionId(id.0),
                from: before,
                said_at: None,
                what: Happening::Renamed(name(id)),
                record: None,
            }),
            Event::Gap {
                origin, records, ..
            } => on_observed(Observed::Gap {
                from: name(origin),
                records,
            }),
            Event::ShownAs(_) | Event::Slow(_) => {}
        }
    }
}

fn position(id: MemberId, next: u64) -> Position {
    Position {
        origin: SessionId(id.0),
        next,
    }
}
