//! What a job has done in memory, before it is on disk and anybody is told.

use super::bridge::{Guest, RoomAsk};
use super::job::Answer;
use super::told::Told;
use crate::chat::{OneLine, Room, RoomId, RoomName, UserName};
use crate::control::{Group, Refusal, Reply};
use crate::hub::{Addressed, AvatarChange, ClientId, GroupChange, Seat};
use crate::store::Change;

/// What a job has done, before anybody is told.
pub(super) struct Outcome {
    pub(super) answer: Option<Answer>,
    pub(super) result: Result<Reply, Refusal>,
    pub(super) events: Vec<Addressed>,
    /// What is to be put on disk, and how to take it back.
    pub(super) pending: Vec<Pending>,
    /// Refuse the request if that cannot be written to disk.
    pub(super) must_save: bool,
    /// Who was called this before, and is again if it is refused.
    pub(super) renamed: Option<(ClientId, UserName)>,
    pub(super) told: Option<Told>,
    /// What a room's seat is to do; it answers.
    pub(super) onward: Option<Box<Onward>>,
}

/// What a room's seat is to do.
pub(super) enum Onward {
    /// Somebody is in the room, and wants a way into it.
    Enter(Entering),
    /// Somebody whom it takes part for asks for this.
    Ask(ClientId, RoomName, RoomAsk),
}

/// Who is in which room, and how.
pub(super) type Entering = (ClientId, (RoomId, Room), Guest);

pub(super) struct Pending {
    pub(super) change: Change,
    pub(super) undo: Undo,
}

impl Pending {
    pub(super) fn group(change: GroupChange) -> Self {
        let members = |group: &Option<Group>| group.as_ref().map(|group| group.members.clone());
        let (before, after) = (members(&change.before), members(&change.after));
        let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
        Self {
            change: Change::Group(change.name.clone(), before, after),
            undo: Undo::Group(change),
        }
    }

    pub(super) fn avatar(change: AvatarChange) -> Self {
        Self {
            change: Change::Avatar(change.key.clone(), change.after.clone()),
            undo: Undo::Avatar(change),
        }
    }
}

pub(super) enum Undo {
    Unmake(RoomName),
    /// With who was in it.
    Restore(RoomId, Room, Vec<(ClientId, Seat)>),
    Topic(RoomName, Option<OneLine>),
    Group(GroupChange),
    Avatar(AvatarChange),
}

impl Outcome {
    pub(super) fn new(answer: Option<Answer>, result: Result<Reply, Refusal>) -> Self {
        Self {
            answer,
            result,
            events: Vec::new(),
            pending: Vec::new(),
            must_save: false,
            renamed: None,
            told: None,
            onward: None,
        }
    }

    /// A change of the directory.
    pub(super) fn changed(reply: Reply, pending: Pending, events: Vec<Addressed>) -> Self {
        Self {
            events,
            pending: vec![pending],
            must_save: true,
            ..Self::new(None, Ok(reply))
        }
    }
}
