//! History: entries, pages and what was found, to and from their fields.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{JsonError, parsed, required};
use crate::chat::{FileName, FileOffer, Found, Happening, HistoryEntry, Position, RecordId};

/// An entry; which fields it has depends on `what`.
#[derive(Serialize, Deserialize)]
pub(super) struct WireEntry {
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    number: u64,
    what: String,
    from: String,
    said_at: Timestamp,
    heard_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<WireFile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireFile {
    name: FileName,
    size: u64,
    hash: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WirePosition {
    origin: String,
    next: u64,
}

impl From<&HistoryEntry> for WireEntry {
    fn from(entry: &HistoryEntry) -> Self {
        let mut wire = Self {
            room: None,
            number: entry.number,
            what: String::new(),
            from: entry.from.clone(),
            said_at: entry.said_at,
            heard_at: entry.heard_at,
            text: None,
            file: None,
            name: None,
            origin: entry.record.map(|record| record.origin.to_string()),
            sequence: entry.record.map(|record| record.sequence),
        };
        let what = match &entry.what {
            Happening::Text(text) => {
                wire.text = Some(text.to_string());
                "text"
            }
            Happening::File(file) => {
                wire.file = Some(WireFile {
                    name: file.name.clone(),
                    size: file.size_bytes,
                    hash: file.hash.to_string(),
                });
                "file"
            }
            Happening::Joined => "joined",
            Happening::Left => "left",
            Happening::Renamed(name) => {
                wire.name = Some(name.clone());
                "renamed"
            }
        };
        what.clone_into(&mut wire.what);
        wire
    }
}

impl TryFrom<WireEntry> for HistoryEntry {
    type Error = JsonError;

    fn try_from(wire: WireEntry) -> Result<Self, JsonError> {
        let what = match wire.what.as_str() {
            "text" => Happening::Text(parsed(&required(wire.text, "text")?)?),
            "file" => {
                let file = required(wire.file, "file")?;
                Happening::File(FileOffer {
                    name: file.name,
                    size_bytes: file.size,
                    hash: parsed(&file.hash)?,
                })
            }
            "joined" => Happening::Joined,
            "left" => Happening::Left,
            "renamed" => Happening::Renamed(required(wire.name, "name")?),
            other => return Err(JsonError::Field(format!("unknown entry `{other}`"))),
        };
        let record = match (wire.origin, wire.sequence) {
            (Some(origin), Some(sequence)) => Some(RecordId {
                origin: parsed(&origin)?,
                sequence,
            }),
            _ => None,
        };
        Ok(Self {
            number: wire.number,
            said_at: wire.said_at,
            heard_at: wire.heard_at,
            from: wire.from,
            what,
            record,
        })
    }
}

impl From<&Found> for WireEntry {
    fn from(found: &Found) -> Self {
        Self {
            room: Some(found.room.to_string()),
            ..Self::from(&found.entry)
        }
    }
}

impl TryFrom<WireEntry> for Found {
    type Error = JsonError;

    fn try_from(wire: WireEntry) -> Result<Self, JsonError> {
        Ok(Self {
            room: parsed(required(wire.room.as_deref(), "room")?)?,
            entry: wire.try_into()?,
        })
    }
}

impl From<&Position> for WirePosition {
    fn from(position: &Position) -> Self {
        Self {
            origin: position.origin.to_string(),
            next: position.next,
        }
    }
}

impl TryFrom<WirePosition> for Position {
    type Error = JsonError;

    fn try_from(wire: WirePosition) -> Result<Self, JsonError> {
        Ok(Self {
            origin: parsed(&wire.origin)?,
            next: wire.next,
        })
    }
}
