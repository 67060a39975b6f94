//! Reads beside the writer.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OpenFlags, params};

use super::tables::{columns, read};
use super::{PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, Page};
use crate::chat::{
    FileHash, Happening, HistoryEntry, HistoryQuery, MessageText, RecordRange, RoomId, SearchWords,
    Since,
};

#[derive(Debug)]
pub(super) struct Reader {
    connection: Connection,
}

/// Entries of rooms in order, and the place before which there is more.
type Part = (Vec<(RoomId, HistoryEntry)>, Option<u64>);

/// What a page has so far, the newest first.
#[derive(Default)]
struct Filling {
    entries: Vec<(RoomId, HistoryEntry)>,
    bytes: usize,
    /// There is more than fits.
    is_full: bool,
}

impl Reader {
    pub(super) fn open(file: &Path) -> Result<Self, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        Ok(Self { connection })
    }

    /// Of what the server heard since `oldest`.
    pub(super) fn page(
        &mut self,
        room: RoomId,
        query: &HistoryQuery,
        oldest: Timestamp,
        now: Timestamp,
    ) -> Result<Page, rusqlite::Error> {
        // So that both answers are of the same moment.
        let transaction = self.connection.transaction()?;
        let oldest_ms = oldest.as_millisecond();
        // Who reads page after page knows it from the first: of many entries it takes long.
        let kept: i64 = match query.before {
            Some(_) => 0,
            None => transaction
                .prepare_cached("SELECT count(*) FROM entry WHERE room = ?1 AND heard_at >= ?2")?
                .query_row(params![room.0, oldest_ms], |row| row.get(0))?,
        };
        let since = query.since.map_or(oldest, |since| moment(since, now));
        let since_ms = since.max(oldest).as_millisecond();
        let before = as_kept(query.before.unwrap_or(u64::MAX));
        let mut filling = Filling::default();
        let limit = query.limit;
        match query.of {
            None => {
                let mut rows = transaction.prepare_cached(concat!(
                    "SELECT ",
                    columns!(),
                    " FROM entry WHERE room = ?1 AND id < ?2 AND heard_at >= ?3 ORDER BY id DESC"
                ))?;
                let rows = rows.query(params![room.0, before, since_ms])?;
                filling.fill(rows, limit)?;
            }
            Some(RecordRange { origin, first, end }) => {
                let mut rows = transaction.prepare_cached(concat!(
                    "SELECT ",
                    columns!(),
                    " FROM entry WHERE room = ?1 AND id < ?2 AND heard_at >= ?3
                      AND origin = ?4 AND sequence >= ?5 AND sequence < ?6 ORDER BY sequence DESC"
                ))?;
                let (first, end) = (as_kept(first), as_kept(end));
                let rows = rows.query(params![
                    room.0,
                    before,
                    since_ms,
                    origin.0 as i64,
                    first,
                    end
                ])?;
                filling.fill(rows, limit)?;
            }
        }
        let (entries, before) = filling.done();
        Ok(Page {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
            before,
            kept: kept as u64,
        })
    }

    /// Files of which it is not known yet whether they are texts, but may be: their places, the newest first.
    pub(super) fn unread_files(&self, limit: u32) -> Result<Vec<(u64, FileHash)>, rusqlite::Error> {
        // Without its words an entry has no place in their index yet.
        let mut rows = self.connection.prepare_cached(
            "SELECT id, hash FROM entry WHERE kind = 2 AND is_read = 0
             AND size <= ?1 AND id <= (SELECT id FROM indexed) ORDER BY id DESC LIMIT ?2",
        )?;
        let bytes_max = MessageText::BYTES_MAX as i64;
        let rows = rows.query_map(params![bytes_max, limit], |row| {
            Ok((row.get::<_, i64>(0)? as u64, FileHash(row.get(1)?)))
        })?;
        rows.collect()
    }

    pub(super) fn search(
        &mut self,
        room: Option<RoomId>,
        words: &SearchWords,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<Part, rusqlite::Error> {
        let mut rows = self.connection.prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM entry_words JOIN entry ON entry.id = entry_words.rowid
              WHERE entry_words MATCH ?1 AND (?2 IS NULL OR room = ?2) AND entry_words.rowid < ?3
              ORDER BY entry_words.rowid DESC"
        ))?;
        let before = as_kept(before.unwrap_or(u64::MAX));
        let room = room.map(|room| room.0);
        let rows = rows.query(params![match_all(words), room, before])?;
        let mut filling = Filling::default();
        filling.fill(rows, limit)?;
        Ok(filling.done())
    }
}

impl Filling {
    fn fill(
        &mut self,
        mut rows: rusqlite::Rows<'_>,
        limit: Option<u32>,
    ) -> Result<(), rusqlite::Error> {
        let entries_max = limit.unwrap_or(PAGE_ENTRIES_MAX).min(PAGE_ENTRIES_MAX) as usize;
        while let Some(row) = rows.next()? {
            let Some((room, entry)) = read(row)? else {
                continue;
            };
            let bytes = match &entry.what {
                Happening::Text(text) => text.as_str().len(),
                _ => 0,
            };
            // An entry larger than a page gets a page of its own.
            let fits = self.entries.is_empty() || self.bytes + bytes <= PAGE_BYTES_MAX;
            if self.entries.len() >= entries_max || !fits {
                self.is_full = true;
                return Ok(());
            }
            self.bytes += bytes;
            self.entries.push((room, entry));
        }
        Ok(())
    }

    /// In order, and where the rest ends.
    fn done(self) -> Part {
        let mut entries = self.entries;
        entries.reverse();
        let first = entries.first().map(|(_, entry)| entry.number);
        (entries, first.filter(|_| self.is_full))
    }
}

fn moment(since: Since, now: Timestamp) -> Timestamp {
    match since {
        Since::At(moment) => moment,
        Since::Ago(millis) => {
            let millis = i64::try_from(millis).unwrap_or(i64::MAX);
            let ago = now.checked_sub(SignedDuration::from_millis(millis));
            ago.unwrap_or(Timestamp::MIN)
        }
    }
}

/// Numbers of places and records stay far below what a number with a sign holds; what is beyond stands for the end.
fn as_kept(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What FTS5 takes for: all of these words, each as it stands.
fn match_all(words: &SearchWords) -> String {
    let quoted = words.words().map(|word| {
        let (word, star) = match word.strip_suffix('*') {
            Some(start) => (start, "*"),
            None => (word, ""),
        };
        format!("\"{}\"{star}", word.replace('"', "\"\""))
    });
    quoted.collect::<Vec<_>>().join(" ")
}
