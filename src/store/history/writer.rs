//! The thread that writes: what came together in one commit, and within the limits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::pace::{PAUSES_MAX, Pace};
use super::queue::{IDLE_WAIT, IDLE_WAIT_SHORT, Item, Queue};
use super::tables::{INSERT, insert};
use super::talk::Talks;
use super::trim::Trimmer;
use crate::chat::{HistoryLimit, MessageText, Position, RoomId, SessionId, Talk};

/// How often it is told that something could not be kept.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// Time on a busy processor goes to those who talk, as far as the system lets us say so.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// Entries whose words are indexed in one commit: when there is nothing else to do, some milliseconds; beside few entries, as
/// where somebody says something now and then all day long; and for a search, which must not keep what is said from the disk.
const INDEXED_WHEN_IDLE: i64 = 128;
const INDEXED_BESIDE: i64 = 32;
const INDEXED_FOR_SEARCH: i64 = 4096;

/// So few entries are few.
const FEW: usize = 16;

/// What stands in the way for a moment, such as another program that writes to the file, is waited for so long.
const RETRY_MAX: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Writer {
    connection: Connection,
    rooms: BTreeMap<RoomId, Room>,
    /// What is kept of all rooms together.
    total_bytes_max: u64,
    next_id: u64,
    /// The last entry whose words are indexed. That takes five times as long as keeping them, and so has time until
    /// nothing else is to be done, or somebody searches.
    indexed: u64,
    swept: Option<Instant>,
    /// Entries that could not be kept and were not told of, and why the last of them could not.
    lost: u64,
    why: String,
    complained: Option<Instant>,
    /// For who wants to know how much was said.
    talks: Arc<Talks>,
}

/// What is kept of a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) limit: HistoryLimit,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    talk: Talk,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        limits: BTreeMap<RoomId, HistoryLimit>,
        apart: &BTreeSet<RoomId>,
        total_bytes_max: u64,
        talks: Arc<Talks>,
    ) -> Result<Self, rusqlite::Error> {
        let room = |limit| Room {
            limit,
            entries: 0,
            bytes: 0,
            talk: Talk::default(),
        };
        let mut rooms: BTreeMap<RoomId, Room> = limits
            .into_iter()
            .map(|(id, limit)| (id, room(limit)))
            .collect();
        let mut unknown = Vec::new();
        let last: Option<i64> =
            connection.query_row("SELECT max(id) FROM entry", [], |row| row.get(0))?;
        let indexed: i64 = connection.query_row("SELECT id FROM indexed", [], |row| row.get(0))?;
        {
            let mut kept =
                connection.prepare("SELECT room, count(*), sum(bytes) FROM entry GROUP BY room")?;
            let mut kept = kept.query([])?;
            while let Some(row) = kept.next()? {
                let id = RoomId(row.get(0)?);
                match rooms.get_mut(&id) {
                    Some(room) => {
                        room.entries = row.get::<_, i64>(1)? as u64;
                        room.bytes = row.get::<_, i64>(2)? as u64;
                    }
                    None => unknown.push(id),
                }
            }
        }
        unknown.extend(read_talks(&connection, &mut rooms)?);
        {
            // One of which nothing is kept any more may still have these.
            let mut heard = connection.prepare("SELECT DISTINCT room FROM position")?;
            let heard = heard.query_map([], |row| row.get(0).map(RoomId))?;
            let heard = heard.collect::<Result<Vec<_>, _>>()?;
            unknown.extend(heard.into_iter().filter(|id| !rooms.contains_key(id)));
        }
        let said_last = rooms.values().map(|room| room.talk.last).max();
        let mut writer = Self {
            connection,
            // Also where the last of those that were indexed is gone.
            next_id: (last.unwrap_or(0).max(indexed) as u64).max(said_last.unwrap_or(0)) + 1,
            rooms,
            total_bytes_max,
            indexed: indexed as u64,
            swept: None,
            lost: 0,
            why: String::new(),
            complained: None,
            talks,
        };
        // Rooms that were deleted when there was no time left to say so here.
        let gone = unknown.into_iter().filter(|id| !apart.contains(id));
        let items: Vec<Item> = gone.map(Item::Drop).collect();
        writer.commit(&items, INDEXED_WHEN_IDLE, Duration::ZERO)?;
        writer.note_talks(&BTreeMap::new());
        Ok(writer)
    }

    fn is_indexed(&self) -> bool {
        self.indexed + 1 >= self.next_id
    }

    /// How far each origin was heard.
    pub(super) fn positions(&self) -> Result<Vec<(RoomId, Position, Timestamp)>, rusqlite::Error> {
        let mut rows = self
            .connection
            .prepare("SELECT room, origin, next, heard_at FROM position")?;
        let rows = rows.query_map([], |row| {
            let position = Position {
                origin: SessionId(row.get::<_, i64>(1)? as u64),
                next: row.get::<_, i64>(2)? as u64,
            };
            let at = Timestamp::from_millisecond(row.get(3)?);
            Ok((RoomId(row.get(0)?), position, at.unwrap_or_default()))
        })?;
        rows.collect()
    }

    /// Until the queue is closed.
    pub(super) fn run(mut self, queue: &Queue) {
        #[cfg(target_os = "linux")]
        {
            // For this thread alone. Where it is not allowed it is no loss.
            let _ = rustix::process::nice(NICENESS);
        }
        // Of a batch that could not be written.
        let mut owed = Vec::new();
        let mut is_searched = false;
        loop {
            let batch = queue.take(match (is_searched, self.is_indexed()) {
                (true, _) => Duration::ZERO,
                (false, true) => IDLE_WAIT,
                (false, false) => IDLE_WAIT_SHORT,
            });
            let mut items = std::mem::take(&mut owed);
            items.extend(batch.items);
            is_searched |= items.iter().any(|item| matches!(item, Item::Index));
            if batch.lost > 0 {
                self.lose(batch.lost, ": more is said than can be written".to_owned());
            }
            let to_index = match (is_searched, items.len()) {
                (true, _) => INDEXED_FOR_SEARCH,
                (false, 0) => INDEXED_WHEN_IDLE,
                (false, ..=FEW) => INDEXED_BESIDE,
                (false, _) => 0,
            };
            let pauses = match batch.is_urgent {
                true => Duration::ZERO,
                false => PAUSES_MAX,
            };
            if let Err(error) = self.commit_in_time(&items, to_index, pauses) {
                let entries = items.iter().filter(|item| matches!(item, Item::Keep(..)));
                self.lose(entries.count() as u64, format!(" ({error})"));
                items.retain(|item| matches!(item, Item::Room(..) | Item::Drop(_)));
                owed = items;
                is_searched = false;
            }
            self.complain();
            is_searched &= !self.is_indexed();
            queue.done(!is_searched);
            if batch.is_last {
                return;
            }
        }
    }

    /// As [`Writer::commit`], also where something is in the way for a moment.
    fn commit_in_time(
        &mut self,
        items: &[Item],
        to_index: i64,
        pauses: Duration,
    ) -> Result<(), rusqlite::Error> {
        let end = Instant::now() + RETRY_MAX;
        loop {
            match self.commit(items, to_index, pauses) {
                Err(_) if Instant::now() < end => thread::sleep(RETRY_PAUSE),
                done => return done,
            }
        }
    }

    /// Tells how much was said, where that is other than before.
    fn note_talks(&self, before: &BTreeMap<RoomId, Room>) {
        for (id, room) in &self.rooms {
            let was = before.get(id).map(|room| room.talk);
            if was.unwrap_or_default() != room.talk {
                self.talks.set(*id, room.talk);
            }
        }
        for id in before.keys().filter(|id| !self.rooms.contains_key(id)) {
            self.talks.remove(*id);
        }
    }

    fn lose(&mut self, entries: u64, why: String) {
        self.lost += entries;
        self.why = why;
    }

    fn complain(&mut self) {
        let told = self.complained;
        if self.lost > 0 && told.is_none_or(|told| told.elapsed() >= COMPLAINT_INTERVAL) {
            tracing::warn!(
                "{} entries could not be kept in the history{}",
                self.lost,
                self.why
            );
            self.complained = Some(Instant::now());
            self.lost = 0;
        }
    }

    /// Writes all of it, or nothing, with pauses for so long, and indexes the words of so many entries.
    fn commit(
        &mut self,
        items: &[Item],
        to_index: i64,
        pauses: Duration,
    ) -> Result<(), rusqlite::Error> {
        let is_sweep_due = self.swept.is_none_or(|at| at.elapsed() >= IDLE_WAIT);
        if items.is_empty() && !is_sweep_due && self.is_indexed() {
            return Ok(());
        }
        let before = (self.rooms.clone(), self.next_id, self.indexed);
        let now = Timestamp::now();
        let mut pace = Pace::new(pauses);
        let transaction = self.connection.transaction()?;
        let written = write(
            &transaction,
            &mut self.rooms,
            &mut self.next_id,
            items,
            &mut pace,
        );
        let trimmer = Trimmer {
            transaction: &transaction,
            pace: &pace,
            now,
        };
        let done = written
            .and_then(|()| trimmer.trim(&mut self.rooms, self.total_bytes_max, is_sweep_due))
            .and_then(|()| match to_index {
                0 => Ok(()),
                to_index => {
                    let last = self.next_id - 1;
                    index(&transaction, &mut self.indexed, last, to_index)
                }
            })
            .and_then(|()| transaction.commit());
        match done {
            Ok(()) => {
                if is_sweep_due {
                    self.swept = Some(Instant::now());
                }
                self.note_talks(&before.0);
            }
            Err(_) => (self.rooms, self.next_id, self.indexed) = before,
        }
        done
    }
}

/// How much was said in each room before. Gives the rooms that are no more.
fn read_talks(
    connection: &Connection,
    rooms: &mut BTreeMap<RoomId, Room>,
) -> Result<Vec<RoomId>, rusqlite::Error> {
    let mut unknown = Vec::new();
    let mut rows = connection.prepare("SELECT room, last, total FROM talk")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let id = RoomId(row.get(0)?);
        let talk = Talk {
            last: row.get::<_, i64>(1)? as u64,
            total: row.get::<_, i64>(2)? as u64,
        };
        match rooms.get_mut(&id) {
            Some(room) => room.talk = talk,
            None => unknown.push(id),
        }
    }
    Ok(unknown)
}

fn write(
    transaction: &Transaction<'_>,
    rooms: &mut BTreeMap<RoomId, Room>,
    next_id: &mut u64,
    items: &[Item],
    pace: &mut Pace,
) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    let mut reached: BTreeMap<(RoomId, SessionId), (u64, Timestamp)> = BTreeMap::new();
    let mut talked = BTreeSet::new();
    let mut reach = |room, origin, next: u64, at| {
        let last = reached.entry((room, origin)).or_insert((next, at));
        *last = (last.0.max(next), at);
    };
    for item in items {
        match item {
            Item::Keep(id, entry) => {
                // One that was deleted meanwhile has none.
                let Some(room) = rooms.get_mut(id) else {
                    continue;
                };
                if let Some(bytes) = insert(&mut statement, *next_id, *id, entry)? {
                    *next_id += 1;
                    room.entries += 1;
                    room.bytes += bytes;
                    if entry.what.is_talk() {
                        room.talk.last = *next_id - 1;
                        room.talk.total += 1;
                        talked.insert(*id);
                    }
                }
                if let Some(record) = entry.record {
                    let next = record.sequence.saturating_add(1);
                    reach(*id, record.origin, next, entry.heard_at);
                }
                pace.written();
            }
            Item::Position(id, position, at) if rooms.contains_key(id) => {
                reach(*id, position.origin, position.next, *at);
            }
            Item::Position(..) | Item::Index => {}
            Item::FileText(id, text) => note_file_text(transaction, *id, text.as_ref())?,
            Item::Room(id, limit) => {
                rooms.insert(
                    *id,
                    Room {
                        limit: *limit,
                        entries: 0,
                        bytes: 0,
                        talk: Talk::default(),
                    },
                );
            }
            Item::Drop(id) => {
                rooms.remove(id);
                transaction.execute("DELETE FROM entry WHERE room = ?1", [id.0])?;
                transaction.execute("DELETE FROM position WHERE room = ?1", [id.0])?;
                transaction.execute("DELETE FROM talk WHERE room = ?1", [id.0])?;
            }
        }
    }
    let mut statement = transaction
        .prepare_cached("INSERT OR REPLACE INTO talk (room, last, total) VALUES (?1, ?2, ?3)")?;
    for id in talked {
        if let Some(Room { talk, .. }) = rooms.get(&id) {
            statement.execute(params![id.0, talk.last as i64, talk.total as i64])?;
        }
    }
    let mut statement = transaction.prepare_cached(
        "INSERT INTO position (room, origin, next, heard_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET next = max(next, excluded.next), heard_at = excluded.heard_at",
    )?;
    for ((room, origin), (next, at)) in reached {
        if rooms.contains_key(&room) {
            let (origin, next) = (origin.0 as i64, next as i64);
            statement.execute(params![room.0, origin, next, at.as_millisecond()])?;
        }
    }
    Ok(())
}

/// A file is found by what it says too, from now on.
fn note_file_text(
    transaction: &Transaction<'_>,
    id: u64,
    text: Option<&MessageText>,
) -> Result<(), rusqlite::Error> {
    // It may be gone meanwhile, or read for somebody else who searches.
    let read = transaction
        .prepare_cached("UPDATE entry SET is_read = 1 WHERE id = ?1 AND is_read = 0")?
        .execute([id as i64])?;
    if let Some(text) = text.filter(|_| read == 1) {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO entry_words (rowid, text)
                 SELECT id, text || char(10) || ?2 FROM entry WHERE id = ?1",
            )?
            .execute(params![id as i64, text.as_str()])?;
    }
    Ok(())
}

/// Indexes the words of so many entries.
fn index(
    transaction: &Transaction<'_>,
    indexed: &mut u64,
    last: u64,
    entries: i64,
) -> Result<(), rusqlite::Error> {
    let from = *indexed as i64;
    let end: Option<i64> = transaction
        .prepare_cached(
            "SELECT max(id) FROM (SELECT id FROM entry WHERE id > ?1 ORDER BY id LIMIT ?2)",
        )?
        .query_row([from, entries], |row| row.get(0))?;
    // Where all that was left was let go, that is all.
    let end = end.unwrap_or(last as i64);
    transaction
        .prepare_cached(
            "INSERT INTO entry_words (rowid, text)
             SELECT id, text FROM entry WHERE id > ?1 AND id <= ?2 AND kind <= 2",
        )?
        .execute([from, end])?;
    transaction
        .prepare_cached("UPDATE indexed SET id = ?1")?
        .execute([end])?;
    *indexed = end as u64;
    Ok(())
}
