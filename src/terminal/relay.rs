//! How a room gets a way through the server.

use crate::chat::{Dialect, Room, SessionId, TransportChoice, UserName};
use crate::client::{Connection, Entry, Interface, Refusal, RefusalCode, RelayLink, RequestError};

/// Tells the server that we are in a room as this member, and asks for its relay. `name` is what we speak as if
/// we are not online. A room needs no server, so only its word that the room is full keeps us out.
///
/// # Errors
/// The room is full.
pub(super) async fn ask_for_relay(
    connection: &Connection,
    choice: TransportChoice,
    room: &Room,
    member: u64,
    interface: &Interface,
    name: Option<UserName>,
) -> Result<Option<RelayLink>, Refusal> {
    let entry = Entry {
        room: room.name.clone(),
        member: (room.dialect == Dialect::Reliable).then_some(SessionId(member)),
        interface: interface.address,
        name,
    };
    match connection
        .enter(entry, choice.for_dialect(room.dialect))
        .await
    {
        Ok(link) => Ok(Some(link)),
        Err(RequestError::Refusal(refusal)) if refusal.code == RefusalCode::RoomFull => {
            Err(refusal)
        }
        Err(_) => Ok(None),
    }
}
