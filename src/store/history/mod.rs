//! What is said in rooms, in an SQLite file of its own. A thread writes what came together; nobody who talks waits
//! for it. Who reads has a connection beside it, and sees all that was kept before.
#![allow(clippy::disallowed_methods)]

mod beside;
mod pace;
mod queue;
mod reader;
mod tables;
mod talk;
mod trim;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use jiff::Timestamp;
use rusqlite::Connection;

pub use self::beside::Beside;
use self::beside::{Settled, settle};
use self::queue::{Item, Queue};
use self::reader::Reader;
use self::talk::Talks;
use self::writer::Writer;
use super::file::OpenError;
use crate::chat::{
    FileHash, Found, Happening, HistoryEntry, HistoryLimit, HistoryQuery, MessageText, Position,
    RecordId, RoomId, RoomName, SearchWords, SessionId, Talk,
};

/// The lobby among the rooms of the directory, which begin with 1.
pub const LOBBY: RoomId = RoomId(0);

/// The most entries of one page.
pub const PAGE_ENTRIES_MAX: u32 = 500;

/// A page ends when its texts have this many bytes: it is one line to a client, and should not hold up others.
pub const PAGE_BYTES_MAX: usize = 256 * 1024;

/// What is kept of all rooms together, in bytes as entries are reckoned; the file takes about twice as much. However many
/// rooms there are, a small computer's disk can spare that.
const TOTAL_BYTES_MAX: u64 = 4 << 30;

/// Files that are read before a search; of more, the newest.
const FILES_READ_MAX: u32 = 256;

/// Origins of one room whose positions are known; of more, those heard last. Each run of a client is one.
const POSITIONS_MAX: usize = 1024;

/// Something that happened in a room, to be kept.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// When, by the clock of whom it concerns.
    pub said_at: Timestamp,
    /// When we heard it.
    pub heard_at: Timestamp,
    /// Whom it concerns.
    pub from: String,
    /// What it is.
    pub what: Happening,
    /// By which it is told from others. It is kept once, however often it comes.
    pub record: Option<RecordId>,
}

/// A room whose talk may be kept.
#[derive(Clone, Debug)]
pub struct KeptRoom {
    /// Its key in the directory.
    pub id: RoomId,
    /// What it is called.
    pub name: RoomName,
    /// How much is kept of it; none for as much as of any.
    pub limit: Option<HistoryLimit>,
}

/// A part of a room's history, as it was when it was read.
#[derive(Debug)]
pub struct Page {
    /// In order.
    pub entries: Vec<HistoryEntry>,
    /// There is more before this place.
    pub before: Option<u64>,
    /// How much is kept of the room in all; 0 in a page that goes on where another ended.
    pub kept: u64,
}

/// What could not be read. The text is for who asked.
#[derive(Debug, thiserror::Error)]
#[error("the history cannot be read ({0}): tell whoever runs the server")]
pub struct ReadError(#[from] rusqlite::Error);

/// The open history; each handle is the same one. With the last, what is queued is written.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    rooms: Mutex<BTreeMap<RoomId, Known>>,
    reader: Mutex<Reader>,
    /// One that reads for searches alone: some take long, and who enters a room must not wait for them.
    searcher: Mutex<Reader>,
    talks: Arc<Talks>,
    /// What is kept of any room.
    limit: HistoryLimit,
    /// The highest id of a room of which anything was kept when it was opened.
    last_room: Option<RoomId>,
    writer: Option<thread::JoinHandle<()>>,
}

/// What is known of a room without looking it up.
#[derive(Debug)]
struct Known {
    name: RoomName,
    limit: HistoryLimit,
    positions: BTreeMap<SessionId, Reached>,
}

/// How far an origin was heard, and when.
#[derive(Clone, Copy, Debug)]
struct Reached {
    next: u64,
    at: Timestamp,
}

impl History {
    /// Opens the history in `folder`, or makes it. What it has of other rooms than these, which the directory `beside` it
    /// had once, and of them what passes their limits, is let go.
    ///
    /// # Errors
    /// See [`OpenError`]. The history of another directory is left as it is.
    pub fn open(
        folder: &Path,
        limit: HistoryLimit,
        beside: &Beside,
        rooms: impl IntoIterator<Item = KeptRoom>,
    ) -> Result<Self, OpenError> {
        Self::open_within(folder, limit, TOTAL_BYTES_MAX, beside, rooms)
    }

    fn open_within(
        folder: &Path,
        limit: HistoryLimit,
        total_bytes_max: u64,
        beside: &Beside,
        rooms: impl IntoIterator<Item = KeptRoom>,
    ) -> Result<Self, OpenError> {
        let rooms: Vec<KeptRoom> = rooms.into_iter().collect();
        let ids = rooms.iter().map(|room| room.id).collect();
        let (connection, settled) = open_settled(folder, beside, &ids)?;
        let refused = |source| tables::HISTORY.refused(folder, &source);
        let lobby = KeptRoom {
            id: LOBBY,
            name: RoomName::lobby(),
            limit: None,
        };
        let rooms = std::iter::once(lobby).chain(rooms);
        let mut known: BTreeMap<RoomId, Known> = rooms
            .map(|room| (room.id, Known::new(room, limit)))
            .collect();
        let limits = known.iter().map(|(id, known)| (*id, known.limit));
        let talks = Arc::new(Talks::default());
        let limits = limits.collect();
        let writer = Writer::new(
            connection,
            limits,
            &settled.apart,
            total_bytes_max,
            Arc::clone(&talks),
        );
        let writer = writer.map_err(refused)?;
        for (room, position, at) in writer.positions().map_err(refused)? {
            if let Some(known) = known.get_mut(&room) {
                known.reach(position, at);
            }
        }
        let file = tables::HISTORY.path(folder);
        let reader = Reader::open(&file).map_err(refused)?;
        let searcher = Reader::open(&file).map_err(refused)?;
        let queue = Arc::new(Queue::default());
        let theirs = Arc::clone(&queue);
        let thread = thread::Builder::new().name("history".to_owned());
        let thread = thread.spawn(move || writer.run(&theirs));
        let thread = thread.map_err(|error| OpenError::Unusable {
            file: tables::HISTORY.path(folder),
            reason: format!("its thread does not start: {error}"),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                queue,
                rooms: Mutex::new(known),
                reader: Mutex::new(reader),
                searcher: Mutex::new(searcher),
                talks,
                limit,
                last_room: settled.last_room,
                writer: Some(thread),
            }),
        })
    }

    /// As [`History::open`] where nothing is to be kept: gives what [`History::last_room`] does of the history that is there.
    ///
    /// # Errors
    /// It is the history of another directory. Whatever else is wrong with it does not matter.
    pub fn settle(
        folder: &Path,
        beside: &Beside,
        rooms: &BTreeSet<RoomId>,
    ) -> Result<Option<RoomId>, OpenError> {
        if !tables::HISTORY.path(folder).exists() {
            return Ok(None);
        }
        match open_settled(folder, beside, rooms) {
            Ok((_, settled)) => Ok(settled.last_room),
            Err(error @ OpenError::OthersHistory { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The highest id of a room of which anything was kept when it was opened: no new room may have it.
    pub fn last_room(&self) -> Option<RoomId> {
        self.inner.last_room
    }

    /// A room was made.
    pub fn add_room(&self, room: KeptRoom) {
        let id = room.id;
        let known = Known::new(room, self.inner.limit);
        let limit = known.limit;
        self.rooms().insert(id, known);
        self.inner.queue.push(Item::Room(id, limit));
    }

    /// A room is no more, and with it what was said there.
    pub fn drop_room(&self, room: RoomId) {
        self.rooms().remove(&room);
        self.inner.queue.push(Item::Drop(room));
    }

    /// The room of this name, if anything of it is kept.
    pub fn find(&self, name: &RoomName) -> Option<RoomId> {
        let rooms = self.rooms();
        let mut rooms = rooms.iter();
        let found = rooms.find(|(_, known)| known.name == *name);
        found
            .filter(|(_, known)| !known.limit.is_off())
            .map(|(id, _)| *id)
    }

    /// Whether there is a room of this name, kept or not.
    pub fn is_known(&self, name: &RoomName) -> bool {
        self.rooms().values().any(|known| known.name == *name)
    }

    /// Whether anything of this room is kept.
    pub fn keeps(&self, room: RoomId) -> bool {
        let rooms = self.rooms();
        rooms.get(&room).is_some_and(|known| !known.limit.is_off())
    }

    /// Something happened in a room. It is written within 50 ms; this never waits.
    pub fn keep(&self, room: RoomId, entry: NewEntry) {
        {
            let mut rooms = self.rooms();
            let Some(known) = rooms.get_mut(&room).filter(|known| !known.limit.is_off()) else {
                return;
            };
            if let Some(RecordId { origin, sequence }) = entry.record {
                let next = sequence.saturating_add(1);
                known.reach(Position { origin, next }, entry.heard_at);
            }
        }
        self.inner.queue.push(Item::Keep(room, Box::new(entry)));
    }

    /// Somebody was heard of who may have said nothing yet: what is said from here on is still to be heard.
    pub fn note_position(&self, room: RoomId, position: Position, at: Timestamp) {
        let mut rooms = self.rooms();
        let Some(known) = rooms.get_mut(&room).filter(|known| !known.limit.is_off()) else {
            return;
        };
        known.reach(position, at);
        drop(rooms);
        self.inner.queue.push(Item::Position(room, position, at));
    }

    /// How far each origin of a room was heard; of those heard since `since`, if that is given.
    pub fn positions(&self, room: RoomId, since: Option<Timestamp>) -> Vec<Position> {
        let rooms = self.rooms();
        let positions = rooms.get(&room).into_iter().flat_map(|k| &k.positions);
        positions
            .filter(|(_, reached)| since.is_none_or(|since| reached.at >= since))
            .map(|(&origin, reached)| Position {
                origin,
                next: reached.next,
            })
            .collect()
    }

    /// How much was said in a room, as far as it is written; none if nothing of it is kept, or nothing was said.
    pub fn talk(&self, room: RoomId) -> Option<Talk> {
        self.inner.talks.get(room).filter(|_| self.keeps(room))
    }

    /// Rooms in which something was said since this was last asked.
    pub fn talked_in(&self) -> Vec<RoomId> {
        self.inner.talks.take_changed()
    }

    /// A part of a room's history, with all that was kept before this was asked. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(
        &self,
        room: RoomId,
        query: &HistoryQuery,
        now: Timestamp,
    ) -> Result<Page, ReadError> {
        self.inner.queue.flush();
        let limit = self.rooms().get(&room).map(|known| known.limit);
        let since = oldest(limit.unwrap_or(HistoryLimit::OFF), now);
        Ok(lock(&self.inner.reader).page(room, query, since, now)?)
    }

    /// What holds all of these words, in a room or in any, before this place. In order; of what fits, the newest. Files
    /// hold the words of their names and of the texts that they are: `read` gives the text, `Some(None)` for what is no
    /// text, and nothing for a file that is not there. Blocks.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn search(
        &self,
        room: Option<RoomId>,
        words: &SearchWords,
        before: Option<u64>,
        limit: Option<u32>,
        now: Timestamp,
        read: impl Fn(FileHash) -> Option<Option<MessageText>>,
    ) -> Result<(Vec<Found>, Option<u64>), ReadError> {
        self.inner.queue.index();
        let unread = lock(&self.inner.searcher).unread_files(FILES_READ_MAX)?;
        for (number, hash) in unread {
            if let Some(text) = read(hash) {
                self.inner.queue.push(Item::FileText(number, text));
            }
        }
        self.inner.queue.flush();
        let (found, before) = lock(&self.inner.searcher).search(room, words, before, limit)?;
        let rooms = self.rooms();
        let found = found.into_iter().filter_map(|(room, entry)| {
            let known = rooms.get(&room)?;
            let is_there = entry.heard_at >= oldest(known.limit, now);
            is_there.then(|| Found {
                room: known.name.clone(),
                entry,
            })
        });
        Ok((found.collect(), before))
    }

    /// Waits until what is queued is written. Blocks.
    pub fn flush(&self) {
        self.inner.queue.flush();
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<RoomId, Known>> {
        let rooms = self.inner.rooms.lock();
        rooms.unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_settled(
    folder: &Path,
    beside: &Beside,
    rooms: &BTreeSet<RoomId>,
) -> Result<(Connection, Settled), OpenError> {
    let mut connection = tables::HISTORY.open(folder)?;
    let settled = settle(&mut connection, beside, rooms);
    let settled = settled.map_err(|source| tables::HISTORY.refused(folder, &source))?;
    let settled = settled.ok_or_else(|| OpenError::OthersHistory {
        file: tables::HISTORY.path(folder),
    })?;
    if !settled.apart.is_empty() {
        tracing::warn!(
            "the history has the talk of {} rooms that crds.sqlite does not know, because it is an older copy: it is kept, \
             and seen again with a crds.sqlite that has these rooms",
            settled.apart.len()
        );
    }
    Ok((connection, settled))
}

fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    // It stays usable whatever happened to its last user.
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Known {
    fn new(room: KeptRoom, server: HistoryLimit) -> Self {
        Self {
            name: room.name,
            limit: room.limit.map_or(server, |limit| limit.within(server)),
            positions: BTreeMap::new(),
        }
    }

    fn reach(&mut self, position: Position, at: Timestamp) {
        let Position { origin, next } = position;
        let reached = self.positions.entry(origin).or_insert(Reached { next, at });
        reached.next = reached.next.max(next);
        reached.at = reached.at.max(at);
        if self.positions.len() > POSITIONS_MAX {
            let oldest = self.positions.iter().min_by_key(|(_, reached)| reached.at);
            let oldest = oldest.map(|(origin, _)| *origin);
            oldest.map(|origin| self.positions.remove(&origin));
        }
    }
}

/// What is older than this counts as let go.
fn oldest(limit: HistoryLimit, now: Timestamp) -> Timestamp {
    let age = limit.age_max();
    age.map_or(Timestamp::MIN, |age| {
        now.checked_sub(age).unwrap_or(Timestamp::MIN)
    })
}

#[cfg(test)]
mod tests;
