//! Who follows whom, and which words.

use std::collections::{BTreeMap, BTreeSet};

use super::ClientId;
use crate::chat::{Followed, TopicWord, UserName};

/// What one client may follow: more than anybody reads.
const FOLLOWED_MAX: usize = 64;

/// No more can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("you follow {FOLLOWED_MAX} people and words already: unfollow one first")]
pub(super) struct TooManyFollowed;

#[derive(Debug, Default)]
pub(super) struct Follows {
    by_follower: BTreeMap<ClientId, BTreeSet<Followed>>,
    /// A line is looked up by its speaker and its words, however many follow others.
    followers: BTreeMap<Followed, BTreeSet<ClientId>>,
}

impl Follows {
    pub(super) fn follow(
        &mut self,
        client: ClientId,
        what: Followed,
    ) -> Result<(), TooManyFollowed> {
        let followed = self.by_follower.entry(client).or_default();
        if followed.len() >= FOLLOWED_MAX && !followed.contains(&what) {
            return Err(TooManyFollowed);
        }
        followed.insert(what.clone());
        self.followers.entry(what).or_default().insert(client);
        Ok(())
    }

    pub(super) fn unfollow(&mut self, client: ClientId, what: &Followed) {
        if let Some(followed) = self.by_follower.get_mut(&client) {
            followed.remove(what);
            if followed.is_empty() {
                self.by_follower.remove(&client);
            }
        }
        if let Some(followers) = self.followers.get_mut(what) {
            followers.remove(&client);
            if followers.is_empty() {
                self.followers.remove(what);
            }
        }
    }

    /// What this client follows.
    pub(super) fn of(&self, client: ClientId) -> impl Iterator<Item = &Followed> {
        self.by_follower.get(&client).into_iter().flatten()
    }

    /// Whether nobody follows anything.
    pub(super) fn is_empty(&self) -> bool {
        self.followers.is_empty()
    }

    /// This client follows nothing any more.
    pub(super) fn forget(&mut self, client: ClientId) {
        for what in self.by_follower.remove(&client).unwrap_or_default() {
            self.unfollow(client, &what);
        }
    }

    /// `after` follows what `before` followed.
    pub(super) fn replace(&mut self, before: ClientId, after: ClientId) {
        let followed = self.by_follower.remove(&before).unwrap_or_default();
        for what in &followed {
            if let Some(followers) = self.followers.get_mut(what) {
                followers.remove(&before);
                followers.insert(after);
            }
        }
        if !followed.is_empty() {
            self.by_follower.insert(after, followed);
        }
    }

    /// Who follows this speaker, or a word of the text.
    pub(super) fn followers(&self, speaker: Option<&UserName>, text: &str) -> BTreeSet<ClientId> {
        if self.followers.is_empty() {
            return BTreeSet::new();
        }
        let speaker = speaker.map(|name| Followed::User(name.clone()));
        let words = TopicWord::all_of(text).into_iter().map(Followed::Word);
        let reasons = speaker.into_iter().chain(words);
        let followers = reasons.filter_map(|what| self.followers.get(&what));
        followers.flatten().copied().collect()
    }

    #[cfg(test)]
    pub(super) fn clients(&self) -> impl Iterator<Item = ClientId> + '_ {
        let followers = self.followers.values().flatten();
        self.by_follower.keys().chain(followers).copied()
    }
}
