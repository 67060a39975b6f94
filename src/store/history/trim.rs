//! What is let go, so that all stays within the limits.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Transaction, params};

use super::pace::{LET_GO_AT_ONCE, Pace};
use super::writer::Room;
use super::{POSITIONS_MAX, oldest};
use crate::chat::RoomId;

/// Of origins that were not heard for so long nobody has anything any more.
const POSITION_AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Lets go what passes the limits, with the pauses of a batch.
pub(super) struct Trimmer<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) pace: &'a Pace,
    pub(super) now: Timestamp,
}

impl Trimmer<'_> {
    /// Lets go of the rooms that are full what is too much; in a sweep, of all of them also what is too old.
    pub(super) fn trim(
        &self,
        rooms: &mut BTreeMap<RoomId, Room>,
        total_bytes_max: u64,
        is_sweep: bool,
    ) -> Result<(), rusqlite::Error> {
        if is_sweep {
            self.positions()?;
        }
        let is_full = |room: &Room| {
            room.entries > room.limit.entries_max() || room.bytes > room.limit.bytes_max()
        };
        for (id, room) in &mut *rooms {
            if is_sweep || is_full(room) {
                self.room(*id, room, room.limit.bytes_max())?;
            }
        }
        self.all(rooms, total_bytes_max)
    }

    /// Lets go the positions that are too old, and of each room those that are too many.
    fn positions(&self) -> Result<(), rusqlite::Error> {
        let oldest = self.now.checked_sub(POSITION_AGE_MAX);
        let oldest = oldest.unwrap_or(Timestamp::MIN);
        // How far the lobby's lines are counted does not age.
        self.transaction.execute(
            "DELETE FROM position WHERE heard_at < ?1 AND origin <> 0",
            [oldest.as_millisecond()],
        )?;
        self.transaction.execute(
            "DELETE FROM position WHERE (room, origin) IN (
                 SELECT room, origin FROM (
                     SELECT room, origin, row_number() OVER (PARTITION BY room ORDER BY heard_at DESC) AS place
                     FROM position WHERE origin <> 0
                 ) WHERE place > ?1
             )",
            [POSITIONS_MAX as i64],
        )?;
        Ok(())
    }

    /// Where all rooms together have too much, the one with the most lets go its oldest: so it is not the quiet rooms that
    /// pay for a flood.
    fn all(
        &self,
        rooms: &mut BTreeMap<RoomId, Room>,
        total_bytes_max: u64,
    ) -> Result<(), rusqlite::Error> {
        loop {
            let total_bytes: u64 = rooms.values().map(|room| room.bytes).sum();
            if total_bytes <= total_bytes_max {
                return Ok(());
            }
            let largest = rooms.iter_mut().max_by_key(|(_, room)| room.bytes);
            let Some((id, room)) = largest else {
                return Ok(());
            };
            let excess_bytes = total_bytes - total_bytes_max;
            let bytes_max = room.bytes.saturating_sub(excess_bytes);
            self.room(*id, room, bytes_max)?;
            if room.bytes > bytes_max {
                // It has nothing left to let go.
                return Ok(());
            }
        }
    }

    /// Lets go the oldest entries of a room, as many as pass its limits or this one.
    fn room(&self, id: RoomId, room: &mut Room, bytes_max: u64) -> Result<(), rusqlite::Error> {
        while let Some(last) = self.forget(id, room, bytes_max)? {
            self.transaction
                .prepare_cached("DELETE FROM entry WHERE room = ?1 AND id <= ?2")?
                .execute(params![id.0, last])?;
            self.pace.let_go();
        }
        Ok(())
    }

    /// No longer counts the oldest entries that are to be let go, as many as at a stretch. Gives the last of them; none
    /// where there are none.
    fn forget(
        &self,
        id: RoomId,
        room: &mut Room,
        bytes_max: u64,
    ) -> Result<Option<i64>, rusqlite::Error> {
        let oldest = oldest(room.limit, self.now).as_millisecond();
        let mut last = None;
        let mut rows = self.transaction.prepare_cached(
            "SELECT id, heard_at, bytes FROM entry WHERE room = ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = rows.query(params![id.0, LET_GO_AT_ONCE as i64])?;
        while let Some(row) = rows.next()? {
            let is_within = room.entries <= room.limit.entries_max()
                && room.bytes <= bytes_max
                && row.get::<_, i64>(1)? >= oldest;
            if is_within {
                break;
            }
            last = Some(row.get::<_, i64>(0)?);
            room.entries = room.entries.saturating_sub(1);
            room.bytes = room.bytes.saturating_sub(row.get::<_, i64>(2)? as u64);
        }
        Ok(last)
    }
}
