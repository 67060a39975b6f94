//! Where in the program the person is.

use crate::chat::{RoomName, ServerAddress, UserName};

/// The three modes of the interactive client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// No connection, no room.
    Main,
    /// Connected to this server.
    Connected(ServerAddress),
    /// In this room, under this name; with or without a connection.
    Chat(RoomName, UserName),
}

impl Mode {
    pub(super) fn prompt(&self) -> String {
        match self {
            Self::Main => "crds> ".to_owned(),
            Self::Connected(server) => format!("crds {server}> "),
            Self::Chat(room, name) => format!("[{room}] {name}> "),
        }
    }

    pub(super) fn is_chat(&self) -> bool {
        matches!(self, Self::Chat(..))
    }
}
