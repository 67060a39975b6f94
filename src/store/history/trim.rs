//! What is let go, so that all stays within the limits.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Transaction, params};

use super::writer::Room;
use super::{POSITIONS_MAX, oldest};
use crate::chat::RoomId;

/// Of origins that were not heard for so long nobody has anything any more.
const POSITION_AGE_MAX: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Lets go the positions that are too old, and of each room those that are too many.
pub(super) fn forget_positions(
    transaction: &Transaction<'_>,
    now: Timestamp,
) -> Result<(), rusqlite::Error> {
    let oldest = now.checked_sub(POSITION_AGE_MAX).unwrap_or(Timestamp::MIN);
    // How far the lobby's lines are counted does not age.
    transaction.execute(
        "DELETE FROM position WHERE heard_at < ?1 AND origin <> 0",
        [oldest.as_millisecond()],
    )?;
    transaction.execute(
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

/// Where all rooms together have too much, the one with the most lets go its oldest: so it is not the quiet rooms that pay
/// for a flood.
pub(super) fn trim_all(
    transaction: &Transaction<'_>,
    rooms: &mut BTreeMap<RoomId, Room>,
    total_bytes_max: u64,
    now: Timestamp,
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
        trim(transaction, *id, room, bytes_max, now)?;
        if room.bytes > bytes_max {
            // It has nothing left to let go.
            return Ok(());
        }
    }
}

/// Lets go the oldest entries of a room, as many as pass its limits or this one.
pub(super) fn trim(
    transaction: &Transaction<'_>,
    id: RoomId,
    room: &mut Room,
    bytes_max: u64,
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
                && room.bytes <= bytes_max
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
