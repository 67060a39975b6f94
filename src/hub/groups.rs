//! Groups: names of people under one name. A group outlives its members' connections.

use std::collections::{BTreeMap, BTreeSet};

use crate::chat::{GroupName, UserName};
use crate::control::Group;

/// Groups of one server: more than the people of one network make by hand.
pub const GROUPS_MAX: usize = 1000;

/// Members of one group: their names fit into one line of the protocol.
pub const MEMBERS_MAX: usize = 256;

/// Groups of one name: whoever is renamed changes them all.
pub const GROUPS_OF_ONE_MAX: usize = 32;

/// What has changed about one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// The group.
    pub name: GroupName,
    /// What it was; nothing if it was not there.
    pub before: Option<Group>,
    /// What it is; nothing if it is no more.
    pub after: Option<Group>,
}

/// Why nothing was done with a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GroupError {
    #[error("group name {0} is taken: choose another name")]
    Exists(GroupName),
    #[error("there are {GROUPS_MAX} groups already: delete one first")]
    TooMany,
    #[error("a group has at most {MEMBERS_MAX} members: name fewer")]
    TooManyMembers,
    #[error("{0} would be in more than {GROUPS_OF_ONE_MAX} groups: leave or delete one first")]
    TooManyOfOne(UserName),
    #[error("no such group: {0}")]
    NoSuch(GroupName),
    #[error("you are not a member of group {0}")]
    NotAMember(GroupName),
    #[error("you are in no group: `@group set NAME PEOPLE` makes one")]
    InNone,
    #[error("which group? Begin with its name: you are in {0}")]
    Which(String),
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_name: BTreeMap<GroupName, Group>,
    /// In which groups each member is, by the form in which names are compared.
    of_member: BTreeMap<String, BTreeSet<GroupName>>,
}

impl Groups {
    /// Whether this name is a member of any group.
    pub(super) fn knows(&self, member: &UserName) -> bool {
        self.of_member.contains_key(&member.key())
    }

    /// The groups that this name is a member of.
    pub(super) fn of(&self, member: &UserName) -> impl Iterator<Item = &Group> {
        let names = self.of_member.get(&member.key());
        names.into_iter().flatten().map(|name| &self.by_name[name])
    }

    pub(super) fn make(
        &mut self,
        name: GroupName,
        members: Vec<UserName>,
    ) -> Result<(Group, GroupChange), GroupError> {
        if self.by_name.contains_key(&name) {
            return Err(GroupError::Exists(name));
        }
        if self.by_name.len() >= GROUPS_MAX {
            return Err(GroupError::TooMany);
        }
        if members.len() > MEMBERS_MAX {
            return Err(GroupError::TooManyMembers);
        }
        let mut once: Vec<UserName> = Vec::with_capacity(members.len());
        for member in members {
            if !once.contains(&member) {
                once.push(member);
            }
        }
        let mut members = once.iter();
        if let Some(full) = members.find(|member| self.of(member).count() >= GROUPS_OF_ONE_MAX) {
            return Err(GroupError::TooManyOfOne(full.clone()));
        }
        let group = Group {
            name: name.clone(),
            members: once,
        };
        let change = self.change(&name, Some(group.clone()));
        Ok((group, change))
    }

    /// Takes `member` out. Gives back the group with those who are left; without any it ends.
    pub(super) fn leave(
        &mut self,
        name: &GroupName,
        member: &UserName,
    ) -> Result<(Group, GroupChange), GroupError> {
        let mut group = self.with_member(name, member)?.clone();
        group.members.retain(|m| m != member);
        let after = (!group.members.is_empty()).then(|| group.clone());
        let change = self.change(name, after);
        Ok((group, change))
    }

    /// Ends the group, as `member` asks. Gives back what it was.
    pub(super) fn delete(
        &mut self,
        name: &GroupName,
        member: &UserName,
    ) -> Result<(Group, GroupChange), GroupError> {
        let group = self.with_member(name, member)?.clone();
        let change = self.change(name, None);
        Ok((group, change))
    }

    fn with_member(&self, name: &GroupName, member: &UserName) -> Result<&Group, GroupError> {
        let group = self.by_name.get(name);
        let group = group.ok_or_else(|| GroupError::NoSuch(name.clone()))?;
        match group.members.contains(member) {
            true => Ok(group),
            false => Err(GroupError::NotAMember(group.name.clone())),
        }
    }

    /// The group that a text of this member is for, and what is left to say to it.
    pub(super) fn meant<'t>(
        &self,
        member: &UserName,
        text: &'t str,
    ) -> Result<(&Group, &'t str), GroupError> {
        let text = text.trim_start();
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let named = first.parse::<GroupName>().ok();
        let named = named.and_then(|name| self.by_name.get(&name));
        if let Some(group) = named.filter(|group| group.members.contains(member)) {
            return Ok((group, rest.trim_start()));
        }
        let mut mine = self.of(member);
        match (mine.next(), mine.next(), named) {
            // With one group all is text, whatever others are called.
            (Some(only), None, _) => Ok((only, text)),
            (_, _, Some(other)) => Err(GroupError::NotAMember(other.name.clone())),
            (None, ..) => Err(GroupError::InNone),
            (Some(_), Some(_), None) => {
                let names: Vec<_> = self.of(member).map(|g| g.name.as_str()).collect();
                Err(GroupError::Which(names.join(", ")))
            }
        }
    }

    /// Whether `before` may be called `after`, who may be a member of groups already.
    pub(super) fn may_rename(&self, before: &UserName, after: &UserName) -> Result<(), GroupError> {
        let names = [before, after].map(|name| self.of_member.get(&name.key()));
        let together: BTreeSet<_> = names.into_iter().flatten().flatten().collect();
        match together.len() > GROUPS_OF_ONE_MAX {
            true => Err(GroupError::TooManyOfOne(after.clone())),
            false => Ok(()),
        }
    }

    /// `before` is called `after` from now on. Whoever was a member already under the new name is one once.
    pub(super) fn rename(&mut self, before: &UserName, after: &UserName) -> Vec<GroupChange> {
        let mine: Vec<Group> = self.of(before).cloned().collect();
        let renamed = mine.into_iter().map(|mut group| {
            if before != after {
                group.members.retain(|m| m != after);
            }
            for member in group.members.iter_mut().filter(|m| *m == before) {
                *member = after.clone();
            }
            self.change(&group.name.clone(), Some(group))
        });
        renamed.collect()
    }

    fn change(&mut self, name: &GroupName, after: Option<Group>) -> GroupChange {
        GroupChange {
            name: name.clone(),
            before: self.put(name, after.clone()),
            after,
        }
    }

    /// Puts a group in the place of the one of this name, or nothing; gives back what was there.
    pub(super) fn put(&mut self, name: &GroupName, after: Option<Group>) -> Option<Group> {
        let before = self.by_name.remove(name);
        for member in before.iter().flat_map(|group| &group.members) {
            if let Some(names) = self.of_member.get_mut(&member.key()) {
                names.remove(name);
                if names.is_empty() {
                    self.of_member.remove(&member.key());
                }
            }
        }
        if let Some(group) = after {
            for member in &group.members {
                let names = self.of_member.entry(member.key()).or_default();
                names.insert(name.clone());
            }
            self.by_name.insert(name.clone(), group);
        }
        before
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        for (name, group) in &self.by_name {
            assert!(!group.members.is_empty());
            for member in &group.members {
                assert!(self.of_member[&member.key()].contains(name));
            }
        }
        let entries: usize = self.of_member.values().map(BTreeSet::len).sum();
        let members: usize = self.by_name.values().map(|g| g.members.len()).sum();
        assert_eq!(entries, members);
    }
}
