//! What is said: in the lobby, to one person, to a group; and who follows it.

use jiff::Timestamp;

use super::{Addressed, Audience, ClientId, Done, GroupChange, Hub};
use crate::chat::{FileOffer, GroupName, MessageText, RoomName, UserName};
use crate::control::{Event, FileFor, Group, Refusal, RefusalCode, Reply};
use crate::directory::{Directory, NoSuchRoom};

/// When something is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    /// By the speaker's clock.
    said_at: Timestamp,
    /// By the server's.
    heard_at: Timestamp,
}

impl When {
    /// A speaker that does not tell says it when it is heard.
    pub(super) fn new(said_at: Option<Timestamp>, heard_at: Timestamp) -> Self {
        Self {
            said_at: said_at.unwrap_or(heard_at),
            heard_at,
        }
    }
}

impl Hub {
    pub(super) fn say(
        &mut self,
        id: ClientId,
        room: RoomName,
        text: MessageText,
        directory: &Directory,
        when: When,
    ) -> Result<Done, Refusal> {
        let from = self.may_speak(id, &room, directory)?.to_string();
        if !room.is_lobby() {
            // Its members hear it from the server's seat there.
            return Ok(Done::new(Reply::Done));
        }
        let room = RoomName::lobby();
        let followed = self.overheard(&room, &from, &text);
        let line = Addressed {
            to: self.lobby.audience(),
            event: Event::Line {
                room,
                from,
                text,
                at: when.heard_at,
                said_at: when.said_at,
                number: self.count_in_lobby(),
            },
        };
        let events = std::iter::once(line).chain(followed).collect();
        Ok(Done::telling(events))
    }

    /// Who says something in a room: the server is told in the lobby, and by those whom it takes part for.
    fn may_speak(
        &self,
        id: ClientId,
        room: &RoomName,
        directory: &Directory,
    ) -> Result<&UserName, Refusal> {
        let from = &self.present(id)?.name;
        if self.hosted_in(id) == Some(room) {
            return Ok(from);
        }
        if !room.is_lobby() {
            let found = directory.find(room);
            found.ok_or_else(|| NoSuchRoom(room.clone()))?;
            let text = "the server takes no lines for this room: its members speak to each other";
            return Err(Refusal::new(RefusalCode::NotRelayed, text));
        }
        if !self.lobby.contains(id) {
            let text = "enter the room first: only who is in it may speak";
            return Err(Refusal::new(RefusalCode::EnterFirst, text));
        }
        Ok(from)
    }

    /// A file that the server keeps is for all in the lobby, or for one person.
    pub(super) fn offer_file(
        &mut self,
        id: ClientId,
        to: FileFor,
        offer: FileOffer,
        directory: &Directory,
        when: When,
    ) -> Result<Done, Refusal> {
        let (to, room, from) = match to {
            FileFor::Room(room) => {
                let from = self.may_speak(id, &room, directory)?.clone();
                if !room.is_lobby() {
                    return Ok(Done::new(Reply::Done));
                }
                (self.lobby.audience(), Some(RoomName::lobby()), from)
            }
            FileFor::Person(name) => {
                let from = self.present(id)?.name.clone();
                let reader = self.by_name.get(&name.key()).copied();
                let reader = reader.ok_or_else(|| not_online(&name))?;
                (Audience::of([reader]), None, from)
            }
        };
        let number = room.is_some().then(|| self.count_in_lobby());
        let event = Event::File {
            room,
            from,
            offer,
            at: when.heard_at,
            said_at: when.said_at,
            number,
        };
        Ok(Done::telling(vec![Addressed { to, event }]))
    }

    /// A line was heard in a room. Tells who follows it from elsewhere.
    pub fn overheard(&self, room: &RoomName, from: &str, text: &MessageText) -> Option<Addressed> {
        let speaker = from.parse::<UserName>().ok();
        let mut followers = self.follows.followers(speaker.as_ref(), text.as_str());
        followers.retain(|id| !self.is_in(*id, room) && self.name_of(*id) != speaker.as_ref());
        (!followers.is_empty()).then(|| Addressed {
            to: Audience::of(followers),
            event: Event::Followed {
                room: room.clone(),
                from: from.to_owned(),
                text: text.clone(),
            },
        })
    }

    pub(super) fn whisper(
        &mut self,
        id: ClientId,
        to: &UserName,
        text: MessageText,
    ) -> Result<Done, Refusal> {
        let from = self.present(id)?.name.clone();
        let reader = *self.by_name.get(&to.key()).ok_or_else(|| not_online(to))?;
        let whisper = Addressed {
            to: Audience::of([reader]),
            event: Event::Whisper { from, text },
        };
        let presence = self.present(reader)?;
        let away = presence.away.as_ref().map(|reason| Addressed {
            to: Audience::of([id]),
            event: Event::Notice(format!("{} is away: {reason}", presence.name)),
        });
        let events = std::iter::once(whisper).chain(away).collect();
        Ok(Done::telling(events))
    }

    pub(super) fn group_set(
        &mut self,
        id: ClientId,
        name: GroupName,
        members: Vec<UserName>,
    ) -> Result<Done, Refusal> {
        let by = self.present(id)?.name.clone();
        let is_known = |m: &&UserName| self.by_name.contains_key(&m.key()) || self.groups.knows(m);
        if let Some(unknown) = members.iter().find(|member| !is_known(member)) {
            return Err(not_online(unknown));
        }
        let (group, change) = self.groups.make(name, members)?;
        let to = self.online_members(&group, None);
        let group = group.name;
        let told = Addressed {
            to,
            event: Event::Enrolled { group, by },
        };
        Ok(changed(change, told))
    }

    pub(super) fn group_send(&mut self, id: ClientId, text: &MessageText) -> Result<Done, Refusal> {
        let from = self.present(id)?.name.clone();
        let (group, text) = self.groups.meant(&from, text.as_str())?;
        let told = Addressed {
            to: self.online_members(group, Some(&from)),
            event: Event::GroupLine {
                group: group.name.clone(),
                text: text.parse()?,
                from,
            },
        };
        Ok(Done::telling(vec![told]))
    }

    pub(super) fn group_leave(&mut self, id: ClientId, name: &GroupName) -> Result<Done, Refusal> {
        let by = self.present(id)?.name.clone();
        let (group, change) = self.groups.leave(name, &by)?;
        let told = Addressed {
            to: self.online_members(&group, Some(&by)),
            event: Event::GroupLeft {
                group: group.name,
                by,
            },
        };
        Ok(changed(change, told))
    }

    pub(super) fn group_delete(&mut self, id: ClientId, name: &GroupName) -> Result<Done, Refusal> {
        let by = self.present(id)?.name.clone();
        let (group, change) = self.groups.delete(name, &by)?;
        let told = Addressed {
            to: self.online_members(&group, Some(&by)),
            event: Event::GroupDeleted {
                group: group.name,
                by,
            },
        };
        Ok(changed(change, told))
    }

    pub(super) fn groups_of(&self, id: ClientId) -> Result<Done, Refusal> {
        let me = &self.present(id)?.name;
        let groups = self.groups.of(me).cloned().collect();
        Ok(Done::new(Reply::Groups(groups)))
    }

    /// A group that the store kept.
    pub fn restore_group(&mut self, group: Group) {
        let key = group.name.clone();
        self.groups.put(&key, Some(group));
    }

    /// Takes back a change that could not be put on disk. Of several, the last one first.
    pub fn undo(&mut self, change: GroupChange) {
        self.groups.put(&change.name, change.before);
    }

    /// Those of a group that are online, but one.
    fn online_members(&self, group: &Group, but: Option<&UserName>) -> Audience {
        let members = group.members.iter().filter(|m| Some(*m) != but);
        Audience::of(members.filter_map(|m| self.by_name.get(&m.key()).copied()))
    }
}

fn changed(change: GroupChange, told: Addressed) -> Done {
    Done {
        changes: vec![change],
        ..Done::telling(vec![told])
    }
}

fn not_online(name: &UserName) -> Refusal {
    Refusal::new(
        RefusalCode::NotOnline,
        format!("{name} is not online: @names lists who is"),
    )
}
