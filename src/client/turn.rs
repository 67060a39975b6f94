//! Whose turn it is, where only so many files are received at a time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place among the files that are received at a time.
#[derive(Debug)]
pub struct Turn {
    places: Arc<Semaphore>,
    place: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Waits for a place; who asks first has it first.
    pub async fn take(places: &Arc<Semaphore>) -> Self {
        let mut turn = Self {
            places: Arc::clone(places),
            place: None,
        };
        turn.pass_on().await;
        turn
    }

    /// A place for which nobody else waits.
    pub async fn alone() -> Self {
        Self::take(&Arc::new(Semaphore::new(2))).await
    }

    /// Whether others may wait: all places are taken.
    pub(super) fn may_be_wanted(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Lets those who wait go first, and waits for the next place.
    pub(super) async fn pass_on(&mut self) {
        self.place = None;
        // It is never closed.
        self.place = Arc::clone(&self.places).acquire_owned().await.ok();
    }
}
