//! Whether the history belongs to the directory beside it: the same numbers stand for rooms in both. Nothing is let go of
//! rooms that the directory has never had, and none of its own later rooms gets their numbers.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::chat::RoomId;
use crate::store::sqlite::DirectoryId;

/// What the history has to know of the directory.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Which one it is.
    pub id: DirectoryId,
    /// The last id that it gave to a room, if it gave any.
    pub last_room: Option<RoomId>,
}

/// A history that belongs to the directory.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// The highest id of a room of which it has anything.
    pub(super) last_room: Option<RoomId>,
    /// Rooms that the directory has never had, because it is an older copy: they are kept until it has them again.
    pub(super) apart: BTreeSet<RoomId>,
}

/// None if the history is another directory's, and has rooms; nothing is changed then.
pub(super) fn settle(
    connection: &mut Connection,
    beside: &Beside,
    rooms: &BTreeSet<RoomId>,
) -> Result<Option<Settled>, rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let owner = transaction.query_row("SELECT id FROM directory", [], |row| row.get(0));
    let owner: Option<Vec<u8>> = owner.optional()?;
    // Greatest numbers are found in the indexes, without reading all.
    let last: Option<i64> = transaction.query_row(
        "SELECT max(last) FROM (
             SELECT max(room) AS last FROM entry
             UNION ALL SELECT max(room) FROM position
             UNION ALL SELECT max(room) FROM talk
         )",
        [],
        |row| row.get(0),
    )?;
    let last_room = last.filter(|last| *last > 0).map(RoomId);
    let is_others = match &owner {
        Some(owner) => *owner != beside.id.0,
        // Of a time when that was not noted.
        None => beside.last_room.is_none(),
    };
    if is_others && last_room.is_some() {
        return Ok(None);
    }
    if owner.as_ref() != Some(&beside.id.0) {
        transaction.execute("DELETE FROM directory", [])?;
        transaction.execute("INSERT INTO directory (id) VALUES (?1)", [&beside.id.0])?;
    }
    transaction.execute(
        "INSERT OR IGNORE INTO apart (room)
             SELECT room FROM entry WHERE room > ?1
             UNION SELECT room FROM position WHERE room > ?1
             UNION SELECT room FROM talk WHERE room > ?1",
        [beside.last_room.map_or(0, |last| last.0)],
    )?;
    let mut apart = read_apart(&transaction)?;
    for room in rooms {
        if apart.remove(room) {
            transaction.execute("DELETE FROM apart WHERE room = ?1", [room.0])?;
        }
    }
    transaction.commit()?;
    Ok(Some(Settled { last_room, apart }))
}

fn read_apart(connection: &Connection) -> Result<BTreeSet<RoomId>, rusqlite::Error> {
    let mut apart = connection.prepare("SELECT room FROM apart")?;
    let apart = apart.query_map([], |row| row.get(0).map(RoomId))?;
    apart.collect()
}
