//! The directory in one SQLite file. A change is on disk when [`Store::save`] returns.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Row, TransactionBehavior, params};

use crate::chat::{Origin, Room, RoomAddress, RoomId};

/// Marks the file as ours (SQLite's `application_id`): `crds` in ASCII.
const APPLICATION_ID: i32 = 0x6372_6473;

/// What the tables look like (SQLite's `user_version`).
const SCHEMA_VERSION: i32 = 1;

const SCHEMA: &str = "
    CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL COLLATE NOCASE UNIQUE,
        address TEXT NOT NULL UNIQUE,
        dialect TEXT NOT NULL,
        made_by TEXT,
        made_from TEXT NOT NULL,
        made_at TEXT NOT NULL
    ) STRICT;";

/// The open file. One process at a time has it.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// One change of the directory.
#[derive(Clone, Debug)]
pub enum Change {
    /// A room was made.
    Made(RoomId, Room),
    /// A room was deleted.
    Deleted(RoomId),
}

/// Why the store could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder could not be made.
    #[error("cannot make the data folder {folder}: {source} (choose another with --data DIR)")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process has it open.
    #[error(
        "{file} is in use by another server: stop that one, or choose another folder with --data DIR"
    )]
    InUse {
        /// The file.
        file: PathBuf,
    },
    /// Some other program's file, or damaged. It is left as it is.
    #[error(
        "{file} is no directory of crds ({reason}): it was left as it is; move it away, or choose another folder with --data DIR"
    )]
    Foreign {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else: not readable, not writable, the disk full.
    #[error("cannot use {file}: {reason} (choose another folder with --data DIR)")]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What the system or SQLite said.
        reason: String,
    },
}

/// Changes that could not be written. None of them was.
#[derive(Debug, thiserror::Error)]
#[error("could not be saved on the server's disk ({0}): free some space there, then try again")]
pub struct SaveError(#[from] rusqlite::Error);

impl Store {
    /// Opens the store in `folder`, which is made if need be, and reads the rooms in the order of making.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(folder: &Path) -> Result<(Self, Vec<(RoomId, Room)>), OpenError> {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let file = folder.join("crds.sqlite");
        // Asked first, as SQLite does not tell why it cannot open a file.
        let writable = OpenOptions::new().create(true).append(true).open(&file);
        writable.map_err(|error| OpenError::Unusable {
            file: file.clone(),
            reason: error.to_string(),
        })?;
        let refused = |source: rusqlite::Error| refused(&file, source);
        let mut connection = Connection::open(&file).map_err(refused)?;
        prepare(&mut connection).map_err(|error| match error {
            PrepareError::Sqlite(source) => refused(source),
            PrepareError::Foreign(reason) => OpenError::Foreign {
                file: file.clone(),
                reason,
            },
        })?;
        let rooms = read_rooms(&connection).map_err(refused)?;
        Ok((Self { connection }, rooms))
    }

    /// Writes all changes, or none, and waits until they are on disk.
    ///
    /// # Errors
    /// The disk is full or read-only, or failed. Nothing has changed then.
    pub fn save(&mut self, changes: &[Change]) -> Result<(), SaveError> {
        let transaction = self.connection.transaction()?;
        for change in changes {
            match change {
                Change::Made(id, room) => insert(&transaction, *id, room)?,
                Change::Deleted(id) => {
                    transaction
                        .prepare_cached("DELETE FROM room WHERE id = ?1")?
                        .execute([id.0])?;
                }
            }
        }
        Ok(transaction.commit()?)
    }
}

enum PrepareError {
    Sqlite(rusqlite::Error),
    Foreign(String),
}

impl From<rusqlite::Error> for PrepareError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Takes the file for this process, makes the tables in a new one, refuses one that is not ours.
fn prepare(connection: &mut Connection) -> Result<(), PrepareError> {
    // Whoever has the file has it for long: waiting would only delay the answer.
    connection.busy_timeout(Duration::ZERO)?;
    // The lock is held from the first write until the process ends, however it ends.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let is_new = application == 0
        && version == 0
        && connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })? == 0;
    if !is_new && application != APPLICATION_ID {
        return Err(PrepareError::Foreign("another program's file".to_owned()));
    }
    if !is_new && version != SCHEMA_VERSION {
        return Err(PrepareError::Foreign(format!(
            "made by another version: its tables are number {version}, not {SCHEMA_VERSION}"
        )));
    }
    // Write-ahead log with a sync at each commit: one sync for all changes that share the commit.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if is_new {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    // Written each time: so a folder that cannot be written to is found now, not at the first room.
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    Ok(transaction.commit()?)
}

fn refused(file: &Path, source: rusqlite::Error) -> OpenError {
    let file = file.to_owned();
    match source.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            OpenError::InUse { file }
        }
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            OpenError::Foreign {
                file,
                reason: source.to_string(),
            }
        }
        Some(_) => OpenError::Unusable {
            file,
            reason: source.to_string(),
        },
        // Read without complaint by SQLite, but no room.
        None => OpenError::Foreign {
            file,
            reason: source.to_string(),
        },
    }
}

fn insert(connection: &Connection, id: RoomId, room: &Room) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT INTO room (id, name, address, dialect, made_by, made_from, made_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            id.0,
            room.name.as_str(),
            room.address.to_string(),
            room.dialect.as_str(),
            room.made_by.name.as_ref().map(|name| name.as_str()),
            room.made_by.address.to_string(),
            room.made_at.to_string(),
        ])?;
    Ok(())
}

fn read_rooms(connection: &Connection) -> Result<Vec<(RoomId, Room)>, rusqlite::Error> {
    connection
        .prepare(
            "SELECT id, name, address, dialect, made_by, made_from, made_at FROM room ORDER BY id",
        )?
        .query_map([], |row| {
            let made_by = match row.get::<_, Option<String>>(4)? {
                Some(_) => Some(column(row, 4)?),
                None => None,
            };
            let room = Room {
                name: column(row, 1)?,
                address: column::<RoomAddress>(row, 2)?,
                dialect: column(row, 3)?,
                limit: None,
                topic: None,
                made_by: Origin {
                    name: made_by,
                    address: column(row, 5)?,
                },
                made_at: column(row, 6)?,
            };
            Ok((RoomId(row.get(0)?), room))
        })?
        .collect()
}

/// A text column, parsed as strictly as what comes from the network.
fn column<T>(row: &Row<'_>, index: usize) -> Result<T, rusqlite::Error>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get::<_, String>(index)?
        .parse()
        .map_err(|error: T::Err| {
            rusqlite::Error::FromSqlConversionFailure(
                index,
                rusqlite::types::Type::Text,
                Box::new(error),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Dialect;

    fn room(name: &str, made_by: Option<&str>) -> Room {
        Room {
            name: name.parse().unwrap(),
            address: format!("239.1.1.{}:6000", name.len()).parse().unwrap(),
            dialect: Dialect::Plain,
            limit: None,
            topic: None,
            made_by: Origin {
                name: made_by.map(|name| name.parse().unwrap()),
                address: "[fe80::1]:5".parse().unwrap(),
            },
            made_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        }
    }

    #[test]
    fn what_was_saved_is_there_again_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let kept = [
            (RoomId(3), room("ccc", Some("Émile"))),
            (RoomId(7), room("a", None)),
        ];
        {
            let (mut store, rooms) = Store::open(folder.path()).unwrap();
            assert!(rooms.is_empty());
            let made = |(id, room): &(RoomId, Room)| Change::Made(*id, room.clone());
            store
                .save(&kept.iter().map(made).collect::<Vec<_>>())
                .unwrap();
            store
                .save(&[
                    Change::Made(RoomId(9), room("xx", None)),
                    Change::Deleted(RoomId(9)),
                ])
                .unwrap();
        }
        let (_store, rooms) = Store::open(folder.path()).unwrap();
        assert_eq!(rooms, kept);
    }

    #[test]
    fn changes_are_saved_together_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(folder.path()).unwrap();
        store
            .save(&[Change::Made(RoomId(1), room("a", None))])
            .unwrap();
        let twice = [
            Change::Made(RoomId(2), room("bb", None)),
            Change::Made(RoomId(1), room("again", None)),
        ];
        store.save(&twice).unwrap_err();
        drop(store);
        let (_, rooms) = Store::open(folder.path()).unwrap();
        assert_eq!(rooms.len(), 1);
    }

    #[test]
    fn a_second_server_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Store::open(folder.path()).unwrap();
        let error = Store::open(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    }

    #[test]
    fn a_foreign_or_damaged_file_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("crds.sqlite");
        let refused = |folder: &Path| {
            let error = Store::open(folder).unwrap_err();
            assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
        };
        std::fs::write(
            &file,
            "no database at all, but longer than a header would be".repeat(9),
        )
        .unwrap();
        let before = std::fs::read(&file).unwrap();
        refused(folder.path());
        assert_eq!(std::fs::read(&file).unwrap(), before);

        std::fs::remove_file(&file).unwrap();
        let other = Connection::open(&file).unwrap();
        other
            .execute_batch("CREATE TABLE cake (flavour TEXT)")
            .unwrap();
        drop(other);
        let before = std::fs::read(&file).unwrap();
        refused(folder.path());
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
}
