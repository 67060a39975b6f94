//! Those who hear the same things.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ClientId;

/// Who is to hear something. Cheap to copy, however many they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    clients: Arc<[ClientId]>,
    but: Option<ClientId>,
}

impl Audience {
    /// These alone.
    pub fn of(clients: impl IntoIterator<Item = ClientId>) -> Self {
        Self {
            clients: clients.into_iter().collect(),
            but: None,
        }
    }

    /// All of these but one.
    pub fn but(mut self, client: ClientId) -> Self {
        self.but = Some(client);
        self
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = ClientId> + '_ {
        let all = self.clients.iter().copied();
        all.filter(move |client| Some(*client) != self.but)
    }

    /// Whether these are certainly the same: lines for the same audience can be sent together.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.clients, &other.clients) && self.but == other.but
    }
}

/// A set of clients that often hear something together.
#[derive(Debug, Default)]
pub(super) struct Circle {
    clients: BTreeSet<ClientId>,
    /// Made when it is first asked for, and kept until somebody comes or goes.
    listed: Option<Arc<[ClientId]>>,
}

impl Circle {
    pub(super) fn insert(&mut self, client: ClientId) -> bool {
        self.listed = None;
        self.clients.insert(client)
    }

    pub(super) fn remove(&mut self, client: ClientId) -> bool {
        self.listed = None;
        self.clients.remove(&client)
    }

    /// `after` takes the place of `before`, if that is in here.
    pub(super) fn replace(&mut self, before: ClientId, after: ClientId) {
        if self.remove(before) {
            self.insert(after);
        }
    }

    pub(super) fn contains(&self, client: ClientId) -> bool {
        self.clients.contains(&client)
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len()
    }

    pub(super) fn audience(&mut self) -> Audience {
        let clients = &self.clients;
        let listed = self
            .listed
            .get_or_insert_with(|| clients.iter().copied().collect());
        Audience {
            clients: Arc::clone(listed),
            but: None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.clients.iter().copied()
    }
}
