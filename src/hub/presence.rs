//! Names: who is online, since when, and what the others hear of it.

use jiff::Timestamp;

use super::rooms::Seat;
use super::{Addressed, Audience, ClientId, Done, Hub};
use crate::chat::{OneLine, RoomName, UserName};
use crate::control::{Event, Online, Refusal, RefusalCode, Reply, Via};

/// Somebody who is online.
#[derive(Debug)]
pub(super) struct Presence {
    pub(super) name: UserName,
    /// The place in the order of coming.
    coming: u64,
    since: Timestamp,
    pub(super) away: Option<OneLine>,
    /// The room, beside the lobby.
    pub(super) seat: Option<Seat>,
}

impl Hub {
    /// Who is online, in the order of coming.
    pub(super) fn names(&self) -> Vec<UserName> {
        let online = self.by_coming.values();
        let names = online.filter_map(|client| self.name_of(*client));
        names.cloned().collect()
    }

    pub(super) fn report(&self) -> Vec<Online> {
        let online = self.by_coming.values();
        online
            .filter_map(|client| self.report_of(*client))
            .collect()
    }

    fn report_of(&self, id: ClientId) -> Option<Online> {
        let client = self.clients.get(&id)?;
        let presence = client.presence.as_ref()?;
        let lobby = self.lobby.contains(id).then(RoomName::lobby);
        let (room, via) = match (&presence.seat, lobby) {
            (Some(seat), _) => (Some(seat.room.clone()), Some(seat.via)),
            (None, Some(lobby)) => (Some(lobby), Some(Via::Relay)),
            (None, None) => (None, None),
        };
        Some(Online {
            name: presence.name.clone(),
            address: client.address,
            since: presence.since,
            room,
            via,
            away: presence.away.clone(),
            avatar: self.avatars.of(&presence.name),
        })
    }

    /// Takes a name, for the first time or in place of another.
    pub(super) fn take_name(
        &mut self,
        id: ClientId,
        name: UserName,
        at: Timestamp,
    ) -> Result<Done, Refusal> {
        if name.is_reserved() {
            let text = format!("`{name}` means something else here: choose another name");
            return Err(Refusal::new(RefusalCode::NameNotAllowed, text));
        }
        let before = self.name_of(id).cloned();
        let people_max = self.config.people_max;
        let is_full = people_max.is_some_and(|people_max| self.online.len() >= people_max);
        if before.is_none() && is_full {
            return Err(full());
        }
        let key = name.key();
        if self.by_name.get(&key).is_some_and(|owner| *owner != id) {
            return Err(Refusal::new(
                RefusalCode::NameInUse,
                "Username has already been used. Please enter another name.",
            ));
        }
        match before {
            Some(before) => {
                self.groups.may_rename(&before, &name)?;
                Ok(self.rename(id, before, name))
            }
            None => self.come(id, name, at),
        }
    }

    fn come(&mut self, id: ClientId, name: UserName, at: Timestamp) -> Result<Done, Refusal> {
        let Some(client) = self.clients.get_mut(&id) else {
            return Err(super::name_first());
        };
        self.last_coming += 1;
        client.presence = Some(Presence {
            name: name.clone(),
            coming: self.last_coming,
            since: at,
            away: None,
            seat: None,
        });
        self.by_coming.insert(self.last_coming, id);
        self.by_name.insert(name.key(), id);
        self.online.insert(id);
        let mut events = vec![
            Addressed {
                to: Audience::of([id]),
                event: Event::Welcome(name.clone()),
            },
            Addressed {
                to: self.online.audience().but(id),
                event: Event::Joined(name.clone()),
            },
        ];
        events.extend(self.tell_avatar(&name));
        Ok(Done::telling(events))
    }

    fn rename(&mut self, id: ClientId, before: UserName, name: UserName) -> Done {
        if before.as_str() == name.as_str() {
            return Done::new(Reply::Done);
        }
        self.by_name.remove(&before.key());
        self.by_name.insert(name.key(), id);
        if let Ok(presence) = self.present_mut(id) {
            presence.name = name.clone();
        }
        let changes = self.groups.rename(&before, &name);
        let avatars = self.avatars.rename(&before, &name);
        let mut events = vec![Addressed {
            to: self.online.audience().but(id),
            event: Event::Renamed {
                before,
                name: name.clone(),
            },
        }];
        events.extend(self.tell_avatar(&name));
        Done {
            changes,
            avatars,
            ..Done::telling(events)
        }
    }

    /// Takes back that somebody has another name, unless somebody else has the one before by now. What else went with it
    /// is taken back for itself.
    pub fn undo_rename(&mut self, id: ClientId, before: UserName) {
        let key = before.key();
        if self.by_name.get(&key).is_some_and(|owner| *owner != id) {
            return;
        }
        if let Ok(presence) = self.present_mut(id) {
            let after = std::mem::replace(&mut presence.name, before);
            self.by_name.remove(&after.key());
            self.by_name.insert(key, id);
        }
    }

    /// Nobody is online at this client any more.
    pub(super) fn end_presence(&mut self, id: ClientId, at: Timestamp) -> Vec<Addressed> {
        if self.presence(id).is_none() {
            return Vec::new();
        }
        let mut events = self.leave(id, &RoomName::lobby(), at);
        self.leave_seat(id);
        self.follows.forget(id);
        let client = self.clients.get_mut(&id);
        if let Some(presence) = client.and_then(|client| client.presence.take()) {
            self.by_name.remove(&presence.name.key());
            self.by_coming.remove(&presence.coming);
            self.online.remove(id);
            events.push(Addressed {
                to: self.online.audience(),
                event: Event::Exited(presence.name),
            });
        }
        events
    }

    /// Who is online at `before` is online at `after`. The client `before` is forgotten.
    pub(super) fn move_presence(&mut self, before: ClientId, after: ClientId) -> Option<UserName> {
        self.presence(before)?;
        let gone = self.clients.remove(&before)?;
        self.by_token.remove(&gone.token);
        self.greeted.remove(before);
        self.watching.remove(before);
        let presence = gone.presence?;
        self.by_name.insert(presence.name.key(), after);
        self.by_coming.insert(presence.coming, after);
        self.online.replace(before, after);
        self.lobby.replace(before, after);
        if let Some(circle) = presence
            .seat
            .as_ref()
            .and_then(|seat| self.rooms.get_mut(&seat.room))
        {
            circle.replace(before, after);
        }
        self.follows.replace(before, after);
        let name = presence.name.clone();
        self.clients.get_mut(&after)?.presence = Some(presence);
        Some(name)
    }
}

/// As many people are online, or in a room, as may be.
pub(super) fn full() -> Refusal {
    Refusal::new(
        RefusalCode::RoomFull,
        "The server rejects the join request. The chatroom has reached its maximum capacity.",
    )
}
