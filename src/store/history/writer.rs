//! The thread that writes: what came together in one commit, and within the limits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction, params};

use super::oldest;
use super::queue::{Batch, IDLE_WAIT, Item, Queue};
use super::tables::{INSERT, insert};
use crate::chat::{HistoryLimit, Position, RoomId, SessionId};

/// Of origins that were not heard for so long nobody has anything any more.
const POSITION_AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How often it is told that something could not be kept.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// Time on a busy processor goes to those who talk, as far as the system lets us say so.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

pub(super) struct Writer {
    connection: Connection,
    rooms: BTreeMap<RoomId, Room>,
    next_id: u64,
    swept: Option<Instant>,
    lost: u64,
    complained: Option<Instant>,
}

/// What is kept of a room.
#[derive(Clone, Copy, Debug)]
struct Room {
    limit: HistoryLimit,
    entries: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        limits: BTreeMap<RoomId, HistoryLimit>,
    ) -> Result<Self, rusqlite::Error> {
        let room = |limit| Room {
            limit,
            entries: 0,
            bytes: 0,
        };
        let mut rooms: BTreeMap<RoomId, Room> = limits
            .into_iter()
            .map(|(id, limit)| (id, room(limit)))
            .collect();
        let mut unknown = Vec::new();
        let last: Option<i64> =
            connection.query_row("SELECT max(id) FROM entry", [], |row| row.get(0))?;
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
        let mut writer = Self {
            connection,
            rooms,
            next_id: last.unwrap_or(0) as u64 + 1,
            swept: None,
            lost: 0,
            complained: None,
        };
        // Rooms that were deleted when there was no time left to say so here.
        let items = unknown.into_iter().map(Item::Drop).collect();
        writer.commit(items)?;
        Ok(writer)
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
        loop {
            let Batch {
                items,
                lost,
                is_last,
            } = queue.take();
            self.lost += lost;
            let entries = items.len() as u64;
            if let Err(error) = self.commit(items) {
                self.lost += entries;
                self.complain(&format!(" ({error})"));
            } else if self.lost > 0 {
                self.complain(": more is said than can be written");
            }
            queue.done();
            if is_last {
                return;
            }
        }
    }

    fn complain(&mut self, why: &str) {
        let told = self.complained;
        if told.is_none_or(|told| told.elapsed() >= COMPLAINT_INTERVAL) {
            tracing::warn!(
                "{} entries could not be kept in the history{why}",
                self.lost
            );
            self.complained = Some(Instant::now());
            self.lost = 0;
        }
    }

    /// Writes all of it, or nothing.
    fn commit(&mut self, items: Vec<Item>) -> Result<(), rusqlite::Error> {
        let is_sweep_due = self.swept.is_none_or(|at| at.elapsed() >= IDLE_WAIT);
        if items.is_empty() && !is_sweep_due {
            return Ok(());
        }
        let (rooms_before, id_before) = (self.rooms.clone(), self.next_id);
        let now = Timestamp::now();
        let transaction = self.connection.transaction()?;
        let written = write(&transaction, &mut self.rooms, &mut self.next_id, items)
            .and_then(|()| match is_sweep_due {
                true => forget_positions(&transaction, now),
                false => Ok(()),
            })
            .and_then(|()| {
                // Of others than those that are full only what is too old is let go, which can wait.
                let is_full = |room: &Room| {
                    room.entries > room.limit.entries_max() || room.bytes > room.limit.bytes_max()
                };
                let mut rooms = self.rooms.iter_mut();
                rooms.try_for_each(|(id, room)| match is_sweep_due || is_full(room) {
                    true => trim(&transaction, *id, room, now),
                    false => Ok(()),
                })
            })
            .and_then(|()| transaction.commit());
        match written {
            Ok(()) if is_sweep_due => self.swept = Some(Instant::now()),
            Ok(()) => {}
            Err(_) => (self.rooms, self.next_id) = (rooms_before, id_before),
        }
        written
    }
}

fn write(
    transaction: &Transaction<'_>,
    rooms: &mut BTreeMap<RoomId, Room>,
    next_id: &mut u64,
    items: Vec<Item>,
) -> Result<(), rusqlite::Error> {
    let mut statement = transaction.prepare_cached(INSERT)?;
    let mut reached: BTreeMap<(RoomId, SessionId), (u64, Timestamp)> = BTreeMap::new();
    let mut reach = |room, origin, next: u64, at| {
        let last = reached.entry((room, origin)).or_insert((next, at));
        *last = (last.0.max(next), at);
    };
    for item in items {
        match item {
            Item::Keep(id, entry) => {
                // One that was deleted meanwhile has none.
                let Some(room) = rooms.get_mut(&id) else {
                    continue;
                };
                if let Some(bytes) = insert(&mut statement, *next_id, id, &entry)? {
                    *next_id += 1;
                    room.entries += 1;
                    room.bytes += bytes;
                }
                if let Some(record) = entry.record {
                    let next = record.sequence.saturating_add(1);
                    reach(id, record.origin, next, entry.heard_at);
                }
            }
            Item::Position(id, position, at) if rooms.contains_key(&id) => {
                reach(id, position.origin, position.next, at);
            }
            Item::Position(..) => {}
            Item::Room(id, limit) => {
                rooms.insert(
                    id,
                    Room {
                        limit,
                        entries: 0,
                        bytes: 0,
                    },
                );
            }
            Item::Drop(id) => {
                rooms.remove(&id);
                transaction.execute("DELETE FROM entry WHERE room = ?1", [id.0])?;
                transaction.execute("DELETE FROM position WHERE room = ?1", [id.0])?;
            }
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

fn forget_positions(transaction: &Transaction<'_>, now: Timestamp) -> Result<(), rusqlite::Error> {
    let oldest = now.checked_sub(POSITION_AGE_MAX).unwrap_or(Timestamp::MIN);
    // How far the lobby's lines are counted does not age.
    transaction.execute(
        "DELETE FROM position WHERE heard_at < ?1 AND origin <> 0",
        [oldest.as_millisecond()],
    )?;
    Ok(())
}

/// Lets go the oldest entries of a room, as many as pass its limits.
fn trim(
    transaction: &Transaction<'_>,
    id: RoomId,
    room: &mut Room,
    now: Timestamp,
) -> Result<(), rusqlite::Error> {
    let oldest = oldest(room.limit, now).as_millisecond();
    let mut last = None;
    {
        let mut rows = transaction
            .prepare_cached("SELECT id, heard_at, bytes FROM entry WHERE room = ?1 ORDER BY id")?;
        let mut rows = rows.query([id.0])?;
        while let Some(row) = rows.next()? {
            let is_within = room.entries <= room.limit.entries_max()
                && room.bytes <= room.limit.bytes_max()
                && row.get::<_, i64>(1)? >= oldest;
            if is_within {
                break;
            }
            last = Some(row.get::<_, i64>(0)?);
            room.entries = room.entries.saturating_sub(1);
            room.bytes = room.bytes.saturating_sub(row.get::<_, i64>(2)? as u64);
        }
    }
    if let Some(last) = last {
        transaction
            .prepare_cached("DELETE FROM entry WHERE room = ?1 AND id <= ?2")?
            .execute(params![id.0, last])?;
    }
    Ok(())
}
