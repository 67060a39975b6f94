//! Who is in which room: one of the directory's, and the lobby besides.

use jiff::Timestamp;

use super::circle::Circle;
use super::presence::full;
use super::{Addressed, ClientId, Done, Hub};
use crate::chat::{OneLine, RoomName, SessionId, UserName};
use crate::control::{Event, Present, Refusal, RefusalCode, Reply, Via};
use crate::directory::{Directory, NoSuchRoom};

/// The server's seats fill in `bridge` and `member`.
fn entered() -> Done {
    Done::new(Reply::Entered {
        bridge: None,
        member: None,
    })
}

/// A place in a room of the directory.
#[derive(Clone, Debug)]
pub struct Seat {
    pub(super) room: RoomName,
    /// How the room's lines reach whoever has it.
    pub via: Via,
    /// Who this is among the room's reliable members.
    pub(super) member: Option<SessionId>,
}

impl Hub {
    pub(super) fn enter(
        &mut self,
        id: ClientId,
        seat: Seat,
        directory: &Directory,
        at: Timestamp,
    ) -> Result<Done, Refusal> {
        let Seat { room, via, member } = seat;
        let name = self.present(id)?.name.clone();
        if room.is_lobby() {
            return Ok(self.enter_lobby(id, name, at));
        }
        let found = directory.find(&room).ok_or(NoSuchRoom(room))?.clone();
        let room = found.name;
        let circle = self.rooms.get(&room);
        let is_in = circle.is_some_and(|circle| circle.contains(id));
        let members = circle.map_or(0, |circle| circle.len());
        let limit = found.limit.map(|limit| usize::from(limit.get()));
        if !is_in && limit.is_some_and(|limit| members >= limit) {
            return Err(full());
        }
        if !is_in {
            self.leave_seat(id);
        }
        self.take_seat(id, Seat { room, via, member });
        Ok(entered())
    }

    fn take_seat(&mut self, id: ClientId, seat: Seat) {
        let Ok(presence) = self.present_mut(id) else {
            return;
        };
        let room = seat.room.clone();
        presence.seat = Some(seat);
        if self.rooms.entry(room.clone()).or_default().insert(id) {
            self.stirred.insert(room);
        }
    }

    /// A command in a pipe, which is not online, is in a room of the directory. It is not counted there.
    pub(super) fn enter_unseen(
        &self,
        room: &RoomName,
        directory: &Directory,
    ) -> Result<Done, Refusal> {
        let found = directory.find(room);
        let found = found.ok_or_else(|| NoSuchRoom(room.clone()))?;
        let members = self.rooms.get(&found.name).map_or(0, Circle::len);
        match found.limit {
            Some(limit) if members >= usize::from(limit.get()) => Err(full()),
            _ => Ok(entered()),
        }
    }

    fn enter_lobby(&mut self, id: ClientId, name: UserName, at: Timestamp) -> Done {
        let mut done = entered();
        if self.lobby.insert(id) {
            let (room, number) = (RoomName::lobby(), self.count_in_lobby());
            self.stirred.insert(room.clone());
            done.events.push(Addressed {
                to: self.lobby.audience().but(id),
                event: Event::Entered {
                    room,
                    name,
                    at,
                    number,
                },
            });
        }
        done
    }

    /// Leaves this room, if it is there.
    pub(super) fn leave(&mut self, id: ClientId, room: &RoomName, at: Timestamp) -> Vec<Addressed> {
        let Some(presence) = self.presence(id) else {
            return Vec::new();
        };
        if room.is_lobby() {
            let name = presence.name.clone();
            if !self.lobby.remove(id) {
                return Vec::new();
            }
            let (room, number) = (RoomName::lobby(), self.count_in_lobby());
            self.stirred.insert(room.clone());
            return vec![Addressed {
                to: self.lobby.audience(),
                event: Event::Left {
                    room,
                    name,
                    at,
                    number,
                },
            }];
        }
        if presence
            .seat
            .as_ref()
            .is_some_and(|seat| seat.room == *room)
        {
            self.leave_seat(id);
        }
        Vec::new()
    }

    /// Leaves the room that is not the lobby.
    pub(super) fn leave_seat(&mut self, id: ClientId) -> Option<Seat> {
        let presence = self.present_mut(id);
        let seat = presence.ok()?.seat.take()?;
        if let Some(circle) = self.rooms.get_mut(&seat.room) {
            circle.remove(id);
            self.stirred.insert(seat.room.clone());
            if circle.len() == 0 {
                self.rooms.remove(&seat.room);
            }
        }
        Some(seat)
    }

    /// Whether this client is in this room.
    pub(super) fn is_in(&self, id: ClientId, room: &RoomName) -> bool {
        match room.is_lobby() {
            true => self.lobby.contains(id),
            false => self.rooms.get(room).is_some_and(|c| c.contains(id)),
        }
    }

    /// The room that the server takes part in for this client.
    pub fn hosted_in(&self, id: ClientId) -> Option<&RoomName> {
        let seat = self.presence(id)?.seat.as_ref()?;
        (seat.via == Via::Hosted).then_some(&seat.room)
    }

    /// The server cannot take part for this client in this room: so it is not there. False if it was not anyway.
    pub fn not_hosted(&mut self, id: ClientId, room: &RoomName) -> bool {
        let was_there = self.hosted_in(id) == Some(room);
        if was_there {
            self.leave_seat(id);
        }
        was_there
    }

    /// Who is in the lobby. Who is in another room the server's seat there knows, if it is asked by somebody whom it
    /// takes part for.
    pub(super) fn members_of(&self, id: ClientId, room: &RoomName) -> Result<Done, Refusal> {
        self.present(id)?;
        match room.is_lobby() {
            true => {
                let members = self.lobby.iter().filter_map(|client| {
                    Some(Present {
                        name: self.name_of(client)?.to_string(),
                        via: Via::Relay,
                        is_own: client == id,
                    })
                });
                Ok(Done::new(Reply::Members(members.collect())))
            }
            false if self.hosted_in(id) == Some(room) => Ok(Done::new(Reply::Done)),
            false => Err(Refusal::new(
                RefusalCode::EnterFirst,
                "enter the room first, via `hosted`: others know themselves who is there",
            )),
        }
    }

    /// How many are in a room, as far as the server knows.
    pub fn members_in(&self, room: &RoomName) -> usize {
        match room.is_lobby() {
            true => self.lobby.len(),
            false => self.rooms.get(room).map_or(0, Circle::len),
        }
    }

    /// The room is no longer in the directory, so nobody is in it as far as the server knows. Gives who was.
    pub fn room_deleted(&mut self, room: &RoomName) -> Vec<(ClientId, Seat)> {
        let audience = self.rooms.get_mut(room).map(|circle| circle.audience());
        let people = audience.iter().flat_map(|audience| audience.iter());
        let seats = people.filter_map(|id| Some((id, self.leave_seat(id)?)));
        seats.collect()
    }

    /// The room was not deleted after all: who was in it is there again, unless they are in another.
    pub fn restore_seats(&mut self, seats: Vec<(ClientId, Seat)>) {
        for (id, seat) in seats {
            if self
                .presence(id)
                .is_some_and(|presence| presence.seat.is_none())
            {
                self.take_seat(id, seat);
            }
        }
    }

    /// Who asks to set the topic of this room.
    ///
    /// # Errors
    /// It has no name, or this is the lobby, which has no topic.
    pub fn topic_setter(&self, id: ClientId, room: &RoomName) -> Result<UserName, Refusal> {
        let name = self.present(id)?.name.clone();
        match room.is_lobby() {
            true => Err(Refusal::new(
                RefusalCode::NoSuchRoom,
                "the lobby has no topic: it is for everything",
            )),
            false => Ok(name),
        }
    }

    /// The room has another topic.
    pub fn topic_set(
        &mut self,
        room: RoomName,
        topic: Option<OneLine>,
        by: UserName,
    ) -> Option<Addressed> {
        let to = self.rooms.get_mut(&room)?.audience();
        let event = Event::Topic { room, topic, by };
        Some(Addressed { to, event })
    }
}
