//! Where what passes in a room is kept.

use jiff::Timestamp;

use super::room_files::Places;
use crate::chat::{Happening, RecordId, RoomId};
use crate::server::files::Files;
use crate::store::{History, NewEntry};

/// Where what passes in a room is kept.
pub(super) struct Kept {
    pub(super) history: Option<RoomHistory>,
    pub(super) files: Files,
    pub(super) places: Places,
}

/// Where what is said in a room is kept.
pub(super) struct RoomHistory {
    pub(super) history: History,
    pub(super) room: RoomId,
}

impl RoomHistory {
    pub(super) fn keep(
        &self,
        from: String,
        what: Happening,
        (heard_at, said_at): (Timestamp, Option<Timestamp>),
        record: Option<RecordId>,
    ) {
        let said_at = said_at.unwrap_or(heard_at);
        self.history.keep(
            self.room,
            NewEntry {
                said_at,
                heard_at,
                from,
                what,
                record,
            },
        );
    }
}
