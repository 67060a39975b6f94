//! Where what was said in a room ends and what is heard there begins.

use std::time::Instant;

use crate::chat::{Dialect, HistoryPage, RoomAddress};
use crate::client::{KnownPast, OpenError, Overlap, Room, RoomOptions};

/// In a room that was joined with its history.
pub(super) struct JoinedWithPast {
    pub(super) room: Room,
    /// What was said before, if it is to be had.
    pub(super) past: Option<HistoryPage>,
    /// What of it may be heard too.
    pub(super) overlap: Overlap,
}

/// Joins a room and asks for its history, so that no line is missed between the two, and none comes twice.
///
/// # Errors
/// The room could not be joined, or `ask` failed.
pub(super) async fn join_with_past<E: From<OpenError>>(
    address: RoomAddress,
    mut options: RoomOptions,
    ask: impl AsyncFnOnce() -> Result<Option<HistoryPage>, E>,
) -> Result<JoinedWithPast, E> {
    let asked = Instant::now();
    let mut overlap = Overlap::default();
    let (room, past);
    match options.dialect {
        // It is joined where its history ends.
        Dialect::Reliable => {
            past = ask().await?;
            options.past = past.as_ref().map(|page| KnownPast {
                positions: page.positions.clone(),
                asked,
            });
            room = Room::join(address, options)?;
        }
        // What is heard meanwhile waits, and is held against the history.
        Dialect::Plain => {
            room = Room::join(address, options)?;
            past = ask().await?;
            overlap = past
                .as_ref()
                .map_or(overlap, |page| Overlap::new(page, asked));
        }
    }
    Ok(JoinedWithPast {
        room,
        past,
        overlap,
    })
}
