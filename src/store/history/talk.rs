//! How much was said in each room, for who wants to know without reading it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::chat::{RoomId, Talk};

/// As the writer has written it.
#[derive(Debug, Default)]
pub(super) struct Talks {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    talks: BTreeMap<RoomId, Talk>,
    changed: BTreeSet<RoomId>,
}

impl Talks {
    pub(super) fn get(&self, room: RoomId) -> Option<Talk> {
        self.state().talks.get(&room).copied()
    }

    /// Something was said.
    pub(super) fn set(&self, room: RoomId, talk: Talk) {
        let mut state = self.state();
        if state.talks.insert(room, talk) != Some(talk) {
            state.changed.insert(room);
        }
    }

    /// The room is no more.
    pub(super) fn remove(&self, room: RoomId) {
        self.state().talks.remove(&room);
    }

    pub(super) fn take_changed(&self) -> Vec<RoomId> {
        std::mem::take(&mut self.state().changed)
            .into_iter()
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
