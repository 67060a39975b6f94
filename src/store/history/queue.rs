//! What waits to be written. Whoever puts something in never waits; what finds no room is counted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::NewEntry;
use crate::chat::{Happening, HistoryLimit, MessageText, Position, RoomId};

/// How long the first of what is written together waits for more. With the writing itself, which takes its time, it
/// stays below 50 ms.
const COMMIT_WAIT: Duration = Duration::from_millis(30);

/// How long the writer sleeps when there is nothing to write; then it looks for what is too old.
pub(super) const IDLE_WAIT: Duration = Duration::from_secs(60);

/// The same while there are words to index.
pub(super) const IDLE_WAIT_SHORT: Duration = Duration::from_millis(500);

/// Bytes that may wait: what a disk that hangs for a second leaves of a flood. Beyond, entries are lost.
const QUEUED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// With so many bytes the writer does not wait for more.
const QUEUED_BYTES_MANY: usize = QUEUED_BYTES_MAX / 4;

/// What an entry takes in the queue beside its text, about.
const ITEM_BYTES: usize = 160;

#[derive(Debug)]
pub(super) enum Item {
    Keep(RoomId, Box<NewEntry>),
    Position(RoomId, Position, Timestamp),
    Room(RoomId, HistoryLimit),
    Drop(RoomId),
    /// Somebody searches: all words are to be indexed.
    Index,
    /// What the file of this entry says; none if that is no text.
    FileText(u64, Option<MessageText>),
}

impl Item {
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Keep(_, entry) => match &entry.what {
                Happening::Text(text) => text.as_str().len(),
                _ => 0,
            },
            Self::FileText(_, text) => text.as_ref().map_or(0, |text| text.as_str().len()),
            _ => 0,
        };
        ITEM_BYTES + text
    }
}

/// What is written together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// Entries that found no room before it.
    pub(super) lost: u64,
    /// Somebody waits for it.
    pub(super) is_urgent: bool,
    /// Nothing will follow.
    pub(super) is_last: bool,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// For the writer.
    filled: Condvar,
    /// For those who wait until something is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    items: Vec<Item>,
    bytes: usize,
    lost: u64,
    /// Since when the first of them waits.
    since: Option<Instant>,
    /// Somebody waits for what is queued.
    is_urgent: bool,
    is_closed: bool,
    /// Batches that the writer has taken, that it has written, and after which it has indexed all words too.
    taken: u64,
    written: u64,
    indexed: u64,
}

impl Queue {
    pub(super) fn push(&self, item: Item) {
        let mut state = self.state();
        let bytes = item.bytes();
        // That a room is made or gone must not get lost; there are few of these.
        let may_be_lost = !matches!(item, Item::Room(..) | Item::Drop(_) | Item::Index);
        if may_be_lost && state.bytes + bytes > QUEUED_BYTES_MAX {
            state.lost += 1;
            return;
        }
        let was_empty = state.items.is_empty();
        let had_many = state.bytes >= QUEUED_BYTES_MANY;
        state.bytes += bytes;
        state.items.push(item);
        if was_empty {
            state.since = Some(Instant::now());
        }
        // Between the two the writer wakes up by itself.
        if was_empty || !had_many && state.bytes >= QUEUED_BYTES_MANY {
            self.filled.notify_one();
        }
    }

    /// Waits until all that was pushed before is written, or will never be.
    pub(super) fn flush(&self) {
        self.wait_for(|state| state.written);
    }

    /// The same until all words are indexed too, which takes far longer: only who searches waits for it.
    pub(super) fn index(&self) {
        self.push(Item::Index);
        self.wait_for(|state| state.indexed);
    }

    fn wait_for(&self, batches_done: impl Fn(&State) -> u64) {
        let mut state = self.state();
        let target = state.taken + u64::from(!state.items.is_empty());
        if !state.items.is_empty() {
            state.is_urgent = true;
            self.filled.notify_one();
        }
        while batches_done(&state) < target && !state.is_closed {
            let waited = self.written.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What is queued is the last.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_one();
        self.written.notify_all();
    }

    /// What is to be written now; empty after this time without anything.
    pub(super) fn take(&self, idle_wait: Duration) -> Batch {
        let mut state = self.state();
        let idle_until = Instant::now() + idle_wait;
        loop {
            let is_due = state.is_urgent || state.is_closed || state.bytes >= QUEUED_BYTES_MANY;
            let until = state.since.map_or(idle_until, |since| since + COMMIT_WAIT);
            let left = until.saturating_duration_since(Instant::now());
            if is_due || left.is_zero() {
                break;
            }
            let waited = self.filled.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.taken += 1;
        let is_urgent = std::mem::take(&mut state.is_urgent) || state.is_closed;
        state.since = None;
        state.bytes = 0;
        Batch {
            is_urgent,
            items: std::mem::take(&mut state.items),
            lost: std::mem::take(&mut state.lost),
            is_last: state.is_closed,
        }
    }

    /// The last batch that was taken is written. Whoever waits for the index goes on waiting, unless `is_indexed`.
    pub(super) fn done(&self, is_indexed: bool) {
        let mut state = self.state();
        state.written = state.taken;
        if is_indexed {
            state.indexed = state.taken;
        }
        self.written.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Far longer than anything takes here.
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn who_reads_does_not_wait_for_the_index_and_who_searches_does() {
        let queue = Arc::new(Queue::default());
        let (done, which) = mpsc::channel();
        let waiting = |name: &'static str, wait: fn(&Queue)| {
            let (queue, done) = (Arc::clone(&queue), done.clone());
            thread::spawn(move || {
                wait(&queue);
                done.send(name).unwrap();
            });
        };
        waiting("search", Queue::index);
        let batch = queue.take(PATIENCE);
        assert!(matches!(batch.items[..], [Item::Index]));
        waiting("read", Queue::flush);
        queue.done(false);
        assert_eq!(which.recv_timeout(PATIENCE), Ok("read"));
        assert!(which.try_recv().is_err());
        queue.done(true);
        assert_eq!(which.recv_timeout(PATIENCE), Ok("search"));
    }
}
