//! What was done in memory, put on disk or taken back.

use super::HubTask;
use crate::chat::UserName;
use crate::control::{Refusal, RefusalCode};
use crate::hub::ClientId;
use crate::server::outcome::{Outcome, Undo};
use crate::server::rendered::Rendered;
use crate::store::Change;

impl HubTask {
    /// Puts all changes on disk together. If that fails they are taken back.
    pub(super) fn save(&mut self, outcomes: &mut [Outcome]) -> bool {
        let pending = outcomes.iter().flat_map(|outcome| &outcome.pending);
        let changes: Vec<Change> = pending.map(|pending| pending.change.clone()).collect();
        if changes.is_empty() {
            return true;
        }
        let Err(error) = self.store.save(&changes) else {
            return true;
        };
        tracing::warn!("{} changes {error}", changes.len());
        self.rendered = Rendered::default();
        let refusal = Refusal::new(RefusalCode::NotSaved, error.to_string());
        // Last made first undone: a name may have been deleted and made again.
        for outcome in outcomes.iter_mut().rev() {
            for pending in outcome.pending.drain(..).rev() {
                self.undo(pending.undo);
            }
            if outcome.must_save && outcome.result.is_ok() {
                outcome.result = Err(refusal.clone());
                outcome.events.clear();
                if let Some((client, before)) = outcome.renamed.take() {
                    self.undo_rename(client, before);
                }
            }
        }
        false
    }

    fn undo_rename(&mut self, client: ClientId, before: UserName) {
        self.hub.undo_rename(client, before.clone());
        if self.hub.hosted_in(client).is_some() {
            self.bridge.rename(client, before);
        }
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Unmake(name) => {
                let gone = self.directory.delete(&name);
                debug_assert!(gone.is_ok());
            }
            Undo::Restore(id, room, seats) => {
                self.directory.restore(id, room);
                self.hub.restore_seats(seats);
            }
            Undo::Topic(name, before) => {
                let set = self.directory.set_topic(&name, before);
                debug_assert!(set.is_ok());
            }
            Undo::Group(change) => self.hub.undo(change),
            Undo::Avatar(change) => self.hub.undo_avatar(change),
        }
    }
}
