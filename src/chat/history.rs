//! What was said in a room before somebody came, as a server keeps it.

use jiff::Timestamp;

use super::{FileOffer, MessageText, RoomName, SessionId};

/// Something that a room's history holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its place: later entries have higher ones.
    pub number: u64,
    /// When, by the clock of whom it concerns; where that is not told, by the server's.
    pub said_at: Timestamp,
    /// When the server heard it, by its own clock.
    pub heard_at: Timestamp,
    /// Whom it concerns. Not safe to show before [`printable`](super::printable).
    pub from: String,
    /// What it is.
    pub what: Happening,
    /// By which it is told from every other of its room, wherever it was heard.
    pub record: Option<RecordId>,
}

/// What happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A message was said.
    Text(MessageText),
    /// A file was offered.
    File(FileOffer),
    /// Somebody came.
    Joined,
    /// Somebody left.
    Left,
    /// Somebody is called this now.
    Renamed(String),
}

impl Happening {
    /// Whether somebody said something, or offered it.
    pub fn is_talk(&self) -> bool {
        matches!(self, Self::Text(_) | Self::File(_))
    }
}

/// The session that said a message, and the sequence of its last record. In the lobby, whose lines the server counts,
/// the origin is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId {
    /// The session that said it.
    pub origin: SessionId,
    /// Which of its records.
    pub sequence: u64,
}

/// How far a history has what one origin says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Whose.
    pub origin: SessionId,
    /// The first record that is not in it yet.
    pub next: u64,
}

/// Records of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRange {
    /// Whose.
    pub origin: SessionId,
    /// The first.
    pub first: u64,
    /// The one after the last.
    pub end: u64,
}

impl RecordRange {
    /// What comes after this record.
    pub fn after(record: RecordId) -> Self {
        Self {
            origin: record.origin,
            first: record.sequence.saturating_add(1),
            end: u64::MAX,
        }
    }
}

/// As precise as times are kept and told: shorter on the wire.
pub fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// From when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So many milliseconds ago.
    Ago(u64),
    /// A moment, by the server's clock.
    At(Timestamp),
}

/// Which part of a room's history is wanted. Of what fits, the newest; in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only what the server heard since then.
    pub since: Option<Since>,
    /// Only what stands before this place.
    pub before: Option<u64>,
    /// Only these.
    pub of: Option<RecordRange>,
    /// So many at most; the server has a limit of its own.
    pub limit: Option<u32>,
}

/// A part of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// In the order in which the server heard it.
    pub entries: Vec<HistoryEntry>,
    /// Ask for what stands before this place for more; none if there is no more.
    pub before: Option<u64>,
    /// How much is kept of the room in all; 0 in a page that goes on where another ended.
    pub kept: u64,
    /// What is said from here on is not in it. Who joins with these gets it from the members.
    pub positions: Vec<Position>,
    /// The server's time.
    pub now: Timestamp,
}

/// Texts and files in a room's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// The number of the newest.
    pub last: u64,
    /// How many there ever were, kept or not any more.
    pub total: u64,
}

/// Something that was looked for, and where it was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The room.
    pub room: RoomName,
    /// What.
    pub entry: HistoryEntry,
}

/// Words to look for, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchWords(String);

/// There is nothing to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what to look for? Write a word or several, of letters and digits, in at most 240 bytes")]
pub struct SearchWordsError;

impl SearchWords {
    /// The most bytes.
    pub const BYTES_MAX: usize = 240;

    /// As they were written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words. One that ends with `*` stands for all that begin so.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split_whitespace().filter(|word| is_word(word))
    }
}

fn is_word(word: &str) -> bool {
    word.contains(char::is_alphanumeric)
}

impl std::str::FromStr for SearchWords {
    type Err = SearchWordsError;

    fn from_str(given: &str) -> Result<Self, SearchWordsError> {
        let given = given.trim();
        let has_word = given.split_whitespace().any(is_word);
        match has_word && given.len() <= Self::BYTES_MAX && !given.contains('\0') {
            true => Ok(Self(given.to_owned())),
            false => Err(SearchWordsError),
        }
    }
}

impl std::fmt::Display for SearchWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_has_a_word() {
        let words = |given: &str| {
            let words = given.parse::<SearchWords>().ok()?;
            Some(words.words().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(
            words(" free  print* -- ").unwrap(),
            ["free", "print*"].map(str::to_owned)
        );
        assert_eq!(words("?!"), None);
        assert_eq!(words(""), None);
        assert_eq!(words(&"x".repeat(241)), None);
    }
}
