//! What a client may ask.

use crate::chat::{Dialect, RoomAddress, RoomName, UserName};

/// A request, whichever way it was spoken. Valid once built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first JSON line of a connection.
    Hello {
        /// The version that the client speaks.
        version: u32,
    },
    /// What the person at this client is called.
    Name(UserName),
    /// The whole directory.
    GetDirectory,
    /// A new room, at `address` or at a free one.
    MakeRoom {
        /// Its name.
        name: RoomName,
        /// Its address, or none to have one picked.
        address: Option<RoomAddress>,
        /// How its members speak.
        dialect: Dialect,
    },
    /// A room's end.
    DeleteRoom(RoomName),
    /// A sign of life.
    Ping,
    /// The end of the connection.
    Bye,
}

/// The requests that JSON lines know, by the word in `"request"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// [`Request::Hello`]
    Hello,
    /// [`Request::Name`]
    Name,
    /// [`Request::GetDirectory`]
    GetDirectory,
    /// [`Request::MakeRoom`]
    MakeRoom,
    /// [`Request::DeleteRoom`]
    DeleteRoom,
    /// [`Request::Ping`]
    Ping,
    /// [`Request::Bye`]
    Bye,
}

impl RequestKind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Hello,
        Self::Name,
        Self::GetDirectory,
        Self::MakeRoom,
        Self::DeleteRoom,
        Self::Ping,
        Self::Bye,
    ];

    /// The word in `"request"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Name => "name",
            Self::GetDirectory => "get-directory",
            Self::MakeRoom => "make-room",
            Self::DeleteRoom => "delete-room",
            Self::Ping => "ping",
            Self::Bye => "bye",
        }
    }
}
