//! Pictures of people. They belong to names, as groups do: who is online under a name has its picture.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Addressed, Done, Hub, name_first};
use crate::chat::{Avatar, AvatarId, UserName};
use crate::control::{Event, Refusal, Reply, Token};

/// Pictures that are kept. The one that was set longest ago, of somebody who is not online, makes place.
pub const AVATARS_MAX: usize = 1000;

/// A change of whose picture is which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvatarChange {
    /// The form in which the name is compared.
    pub key: String,
    /// What it had.
    pub before: Option<Avatar>,
    /// What it has; none if it has none any more.
    pub after: Option<Avatar>,
}

/// By the form in which names are compared.
#[derive(Debug, Default)]
pub(super) struct Avatars {
    by_key: BTreeMap<String, Avatar>,
    last_number: u64,
}

impl Avatars {
    fn change(&mut self, key: String, after: Option<Avatar>) -> AvatarChange {
        let before = match &after {
            Some(avatar) => self.by_key.insert(key.clone(), avatar.clone()),
            None => self.by_key.remove(&key),
        };
        AvatarChange { key, before, after }
    }

    pub(super) fn of(&self, name: &UserName) -> Option<AvatarId> {
        self.by_key.get(&name.key()).map(|avatar| avatar.id)
    }

    /// Somebody has another name: the picture goes along, unless there is one under that name.
    pub(super) fn rename(&mut self, before: &UserName, after: &UserName) -> Vec<AvatarChange> {
        let (before, after) = (before.key(), after.key());
        if before == after || self.by_key.contains_key(&after) {
            return Vec::new();
        }
        let Some(avatar) = self.by_key.get(&before).cloned() else {
            return Vec::new();
        };
        vec![self.change(before, None), self.change(after, Some(avatar))]
    }
}

impl Hub {
    /// Takes back a picture that was kept before a restart.
    pub fn restore_avatar(&mut self, key: String, avatar: Avatar) {
        self.avatars.last_number = self.avatars.last_number.max(avatar.number);
        self.avatars.by_key.insert(key, avatar);
    }

    /// Takes back a change that could not be put on disk.
    pub fn undo_avatar(&mut self, change: AvatarChange) {
        self.avatars.change(change.key, change.before);
    }

    /// A picture that somebody has.
    pub fn avatar(&self, id: AvatarId) -> Option<&Avatar> {
        let mut all = self.avatars.by_key.values();
        all.find(|avatar| avatar.id == id)
    }

    /// Sets the picture of who is online at the connection with this token; none to have none.
    ///
    /// # Errors
    /// Nobody is.
    pub fn set_avatar(&mut self, token: Token, picture: Option<Bytes>) -> Result<Done, Refusal> {
        let name = self.name_by_token(token).cloned().ok_or_else(name_first)?;
        let key = name.key();
        let mut avatars = Vec::new();
        if picture.is_some() && !self.avatars.by_key.contains_key(&key) {
            avatars.extend(self.make_place());
        }
        let after = picture.map(|picture| {
            self.avatars.last_number += 1;
            Avatar {
                id: AvatarId::of(&picture),
                picture,
                number: self.avatars.last_number,
            }
        });
        let avatar = after.as_ref().map(|avatar| avatar.id);
        avatars.push(self.avatars.change(key, after));
        let told = Addressed {
            to: self.online.audience(),
            event: Event::Avatar { name, avatar },
        };
        Ok(Done {
            reply: Reply::Done,
            events: vec![told],
            changes: Vec::new(),
            avatars,
        })
    }

    fn make_place(&mut self) -> Option<AvatarChange> {
        if self.avatars.by_key.len() < AVATARS_MAX {
            return None;
        }
        let all = self.avatars.by_key.iter();
        let oldest = all.min_by_key(|(key, avatar)| {
            let is_online = self.by_name.contains_key(*key);
            (is_online, avatar.number)
        });
        let oldest = oldest.map(|(key, _)| key.clone())?;
        Some(self.avatars.change(oldest, None))
    }

    /// What all hear of the picture of who has a name now.
    pub(super) fn tell_avatar(&mut self, name: &UserName) -> Option<Addressed> {
        let avatar = Some(self.avatars.of(name)?);
        let name = name.clone();
        Some(Addressed {
            to: self.online.audience(),
            event: Event::Avatar { name, avatar },
        })
    }

    /// The pictures of those who are online.
    pub(super) fn avatars_online(&self, names: &[UserName]) -> Vec<(UserName, AvatarId)> {
        let with = |name: &UserName| Some((name.clone(), self.avatars.of(name)?));
        names.iter().filter_map(with).collect()
    }
}
