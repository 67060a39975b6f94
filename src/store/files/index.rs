//! Which files are kept, in an SQLite file: found by hash, the one longest not used first.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::chat::{FileHash, FileName, FileOffer};
use crate::store::file::{Kind, OpenError};
use crate::store::sqlite::{column, column_if_there};

const INDEX: Kind = Kind {
    name: "files.sqlite",
    what: "index of files",
    // `crdf` in ASCII.
    application_id: 0x6372_6466,
    versions: &[SCHEMA_1, SCHEMA_2],
    is_exclusive: true,
    // What the last moments before the power went away brought may be kept without being found.
    synchronous: "NORMAL",
};

/// `kept_as` is the name in the folder; none from before a file gets it until it is known.
const SCHEMA_1: &str = "
    CREATE TABLE file (
        hash TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        size INTEGER NOT NULL,
        used INTEGER NOT NULL,
        kept_as TEXT UNIQUE
    ) STRICT;";

/// When the file was written last, in nanoseconds: one that was changed since is not what its hash says.
const SCHEMA_2: &str = "ALTER TABLE file ADD COLUMN modified INTEGER;";

/// The open index. One process at a time has it.
#[derive(Debug)]
pub(super) struct Index {
    connection: Connection,
}

/// A file that the index knows.
pub(super) struct Row {
    pub(super) offer: FileOffer,
    /// Greater than that of all that were used before.
    pub(super) used: u64,
    pub(super) kept_as: Option<String>,
    pub(super) modified: Option<i64>,
}

impl Index {
    /// Opens the index in `data`, and reads it.
    pub(super) fn open(data: &Path) -> Result<(Self, Vec<Row>), OpenError> {
        let connection = INDEX.open(data)?;
        let rows = read(&connection).map_err(|error| INDEX.refused(data, &error))?;
        Ok((Self { connection }, rows))
    }

    /// A file is about to get a name in the folder.
    pub(super) fn announce(&self, offer: &FileOffer, used: u64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO file (hash, name, size, used) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                offer.hash.to_string(),
                offer.name.as_str(),
                offer.size_bytes.cast_signed(),
                used.cast_signed(),
            ])?;
        Ok(())
    }

    /// It has this name there.
    pub(super) fn kept(
        &self,
        hash: FileHash,
        kept_as: &str,
        modified: i64,
    ) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE file SET kept_as = ?2, modified = ?3 WHERE hash = ?1")?
            .execute(params![hash.to_string(), kept_as, modified])?;
        Ok(())
    }

    pub(super) fn used(&self, hash: FileHash, used: u64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE file SET used = ?2 WHERE hash = ?1")?
            .execute(params![hash.to_string(), used.cast_signed()])?;
        Ok(())
    }

    /// For tests: changes what a crash would leave.
    #[cfg(test)]
    pub(super) fn execute(&self, sql: &str, hash: &str) -> usize {
        self.connection.execute(sql, [hash]).unwrap()
    }

    pub(super) fn forget(&self, hash: FileHash) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("DELETE FROM file WHERE hash = ?1")?
            .execute([hash.to_string()])?;
        Ok(())
    }
}

fn read(connection: &Connection) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare("SELECT hash, name, size, used, kept_as, modified FROM file")?
        .query_map([], |row| {
            Ok(Row {
                offer: FileOffer {
                    hash: column(row, 0)?,
                    name: FileName::of(&row.get::<_, String>(1)?),
                    size_bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                },
                used: row.get::<_, i64>(3)?.cast_unsigned(),
                kept_as: column_if_there(row, 4)?,
                modified: row.get(5)?,
            })
        })?
        .collect()
}
