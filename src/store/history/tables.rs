//! What the file holds, and how a row is written and read.

use jiff::Timestamp;
use rusqlite::{Row, Statement, params};

use super::NewEntry;
use crate::chat::{
    FileHash, FileName, FileOffer, Happening, HistoryEntry, RecordId, RoomId, SessionId,
};
use crate::store::file::Kind;

pub(super) const HISTORY: Kind = Kind {
    name: "history.sqlite",
    what: "history",
    // `crdh` in ASCII.
    application_id: 0x6372_6468,
    versions: &[SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4],
    // It is read beside the writing. One server has the folder, as it has the directory.
    is_exclusive: false,
    // A commit is safe from our own end, however it comes; only the machine's may take the last of it.
    synchronous: "NORMAL",
};

/// Times are in milliseconds since 1970. Ids of sessions and sequences are numbers of 64 bits without a sign, kept
/// with one. The words of texts and of files' names are indexed, but not at once: up to which entry stands in `indexed`.
const SCHEMA_1: &str = "
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        room INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        said_at INTEGER NOT NULL,
        heard_at INTEGER NOT NULL,
        origin INTEGER,
        sequence INTEGER,
        sender TEXT NOT NULL,
        text TEXT NOT NULL,
        size INTEGER,
        hash BLOB,
        bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX entry_of_room ON entry (room, id);
    CREATE UNIQUE INDEX entry_of_origin ON entry (room, origin, sequence) WHERE origin IS NOT NULL;
    CREATE TABLE position (
        room INTEGER NOT NULL,
        origin INTEGER NOT NULL,
        next INTEGER NOT NULL,
        heard_at INTEGER NOT NULL,
        PRIMARY KEY (room, origin)
    ) STRICT, WITHOUT ROWID;
    CREATE VIRTUAL TABLE entry_words USING fts5 (
        text, content = 'entry', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
    );
    CREATE TABLE indexed (id INTEGER NOT NULL) STRICT;
    INSERT INTO indexed VALUES (0);
    CREATE TRIGGER entry_gone AFTER DELETE ON entry
    WHEN old.kind <= 2 AND old.id <= (SELECT id FROM indexed) BEGIN
        INSERT INTO entry_words (entry_words, rowid, text) VALUES ('delete', old.id, old.text);
    END;";

/// How much was ever said in each room: who counts what is new to them must not be misled by what is let go.
const SCHEMA_2: &str = "
    CREATE TABLE talk (
        room INTEGER PRIMARY KEY,
        last INTEGER NOT NULL,
        total INTEGER NOT NULL
    ) STRICT;
    INSERT INTO talk SELECT room, max(id), count(*) FROM entry WHERE kind <= 2 GROUP BY room;";

/// A file's words are its name and, where it is a text that is kept here, what it says. So the index has no longer what it
/// was made from at hand, and is made once more.
const SCHEMA_3: &str = "
    DROP TRIGGER entry_gone;
    DROP TABLE entry_words;
    CREATE VIRTUAL TABLE entry_words USING fts5 (
        text, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
    );
    UPDATE indexed SET id = 0;
    CREATE TRIGGER entry_gone AFTER DELETE ON entry
    WHEN old.kind <= 2 AND old.id <= (SELECT id FROM indexed) BEGIN
        DELETE FROM entry_words WHERE rowid = old.id;
    END;
    ALTER TABLE entry ADD COLUMN is_read INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX unread_file ON entry (id) WHERE kind = 2 AND is_read = 0;";

/// Of which directory the rooms are, once that is known, and rooms that this has never had, because it is an older copy.
const SCHEMA_4: &str = "
    CREATE TABLE directory (id BLOB NOT NULL) STRICT;
    CREATE TABLE apart (room INTEGER PRIMARY KEY) STRICT;";

// The kinds of entries; those with words come first.
const TEXT: i64 = 1;
const FILE: i64 = 2;
const JOINED: i64 = 3;
const LEFT: i64 = 4;
const RENAMED: i64 = 5;

/// What an entry counts beside its texts, in bytes: its numbers, and its share of the indexes. One of a file that may be
/// a text counts the file's length besides, as its words are indexed.
const ENTRY_BYTES: usize = 64;

pub(super) const INSERT: &str = "
    INSERT OR IGNORE INTO entry
        (id, room, kind, said_at, heard_at, origin, sequence, sender, text, size, hash, bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";

/// Writes a row. Gives the bytes that it is reckoned at; none if it was there already.
pub(super) fn insert(
    statement: &mut Statement<'_>,
    id: u64,
    room: RoomId,
    entry: &NewEntry,
) -> Result<Option<u64>, rusqlite::Error> {
    let (kind, text, file) = match &entry.what {
        Happening::Text(text) => (TEXT, text.as_str(), None),
        Happening::File(file) => (FILE, file.name.as_str(), Some(file)),
        Happening::Joined => (JOINED, "", None),
        Happening::Left => (LEFT, "", None),
        Happening::Renamed(name) => (RENAMED, name.as_str(), None),
    };
    let indexed = file.filter(|file| file.may_be_text());
    let indexed_bytes = indexed.map_or(0, |file| file.size_bytes);
    let bytes = (ENTRY_BYTES + entry.from.len() + text.len()) as u64 + indexed_bytes;
    let rows = statement.execute(params![
        id as i64,
        room.0,
        kind,
        entry.said_at.as_millisecond(),
        entry.heard_at.as_millisecond(),
        entry.record.map(|record| record.origin.0 as i64),
        entry.record.map(|record| record.sequence as i64),
        entry.from,
        text,
        file.map(|file| file.size_bytes as i64),
        file.map(|file| file.hash.0),
        bytes as i64,
    ])?;
    Ok((rows == 1).then_some(bytes))
}

/// The columns that [`read`] takes, of `entry`.
macro_rules! columns {
    () => {
        "entry.id, entry.room, kind, said_at, heard_at, origin, sequence, sender, entry.text, size, hash"
    };
}
pub(super) use columns;

/// A row as it was written; none of one that nobody could have said.
pub(super) fn read(row: &Row<'_>) -> Result<Option<(RoomId, HistoryEntry)>, rusqlite::Error> {
    let text: String = row.get(8)?;
    let what = match row.get::<_, i64>(2)? {
        TEXT => text.parse().ok().map(Happening::Text),
        FILE => {
            let hash: Option<[u8; 32]> = row.get(10)?;
            hash.map(FileHash)
                .zip(row.get::<_, Option<i64>>(9)?)
                .map(|(hash, size)| {
                    Happening::File(FileOffer {
                        name: FileName::of(&text),
                        size_bytes: size as u64,
                        hash,
                    })
                })
        }
        JOINED => Some(Happening::Joined),
        LEFT => Some(Happening::Left),
        RENAMED => Some(Happening::Renamed(text)),
        _ => None,
    };
    let time = |column| row.get(column).map(Timestamp::from_millisecond);
    let origin: Option<i64> = row.get(5)?;
    let sequence: Option<i64> = row.get(6)?;
    let record = origin.zip(sequence).map(|(origin, sequence)| RecordId {
        origin: SessionId(origin as u64),
        sequence: sequence as u64,
    });
    let (Some(what), Ok(said_at), Ok(heard_at)) = (what, time(3)?, time(4)?) else {
        return Ok(None);
    };
    let entry = HistoryEntry {
        number: row.get::<_, i64>(0)? as u64,
        said_at,
        heard_at,
        from: row.get(7)?,
        what,
        record,
    };
    Ok(Some((RoomId(row.get(1)?), entry)))
}
