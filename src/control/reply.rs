//! What a server answers, and what it says by itself.

use crate::chat::{DialectError, NameError, Room, RoomAddressError, RoomName};

/// The answer to a request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To `hello`: the version that both will speak.
    Hello {
        /// The protocol's version.
        version: u32,
        /// The server program with its version.
        program: String,
    },
    /// Done, and nothing to tell.
    Done,
    /// To `get-directory`: all rooms in the order of making.
    Directory(Vec<Room>),
    /// To `make-room`: the room with the address it got.
    RoomMade(Room),
    /// To `delete-room`: what it was.
    RoomDeleted(Room),
}

impl Reply {
    /// The words in `"reply"`.
    pub const NAMES: [&str; 5] = ["hello", "done", "directory", "room-made", "room-deleted"];
}

/// What the server tells without being asked, to clients that speak JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A room is no longer in the directory. Those in it may go on.
    RoomDeleted {
        /// Its name.
        name: RoomName,
        /// Who deleted it, to show to a person.
        by: String,
    },
    /// Nothing was heard for long: any line keeps the connection. The text is for people.
    Idle(String),
    /// Something for the person at this client.
    Notice(String),
    /// The server is about to close this connection and stop.
    ServerStopping,
}

impl Event {
    /// The words in `"event"`.
    pub const NAMES: [&str; 4] = ["room-deleted", "idle", "notice", "server-stopping"];
}

/// Why a request was not carried out: a word for programs and a text for people, which says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people, one line.
    pub text: String,
}

impl Refusal {
    /// A refusal with this text.
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Self {
        Self::new(RefusalCode::NameNotAllowed, error.to_string())
    }
}

impl From<RoomAddressError> for Refusal {
    fn from(error: RoomAddressError) -> Self {
        Self::new(RefusalCode::AddressNotAllowed, error.to_string())
    }
}

impl From<DialectError> for Refusal {
    fn from(error: DialectError) -> Self {
        Self::new(RefusalCode::UnknownDialect, error.to_string())
    }
}

macro_rules! refusal_codes {
    ($($(#[$doc:meta])* $code:ident = $word:literal,)*) => {
        /// The words in `"error"`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RefusalCode { $($(#[$doc])* $code,)* }

        impl RefusalCode {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The word in `"error"`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => $word,)* }
            }
        }
    };
}

refusal_codes! {
    /// No such command or request.
    UnknownCommand = "unknown-command",
    /// Too few or too many words.
    WrongCount = "wrong-count",
    /// Not UTF-8, no JSON object, or a field missing or of the wrong kind.
    Malformed = "malformed",
    /// A JSON request before `hello`.
    HelloFirst = "hello-first",
    /// The server does not speak the client's version.
    VersionNotSpoken = "version-not-spoken",
    /// A name that no room or person may have.
    NameNotAllowed = "name-not-allowed",
    /// No address, outside 239.0.0.0/8, or a port outside 1 to 65535.
    AddressNotAllowed = "address-not-allowed",
    /// A dialect that this server does not know.
    UnknownDialect = "unknown-dialect",
    /// Another room has the name.
    NameTaken = "name-taken",
    /// Another room has the address with this port.
    AddressTaken = "address-taken",
    /// No address is left to pick.
    NoFreeAddress = "no-free-address",
    /// The limit on rooms is reached.
    DirectoryFull = "directory-full",
    /// No room has the name.
    NoSuchRoom = "no-such-room",
    /// The change could not be written to disk, so it was not made.
    NotSaved = "not-saved",
    /// More lines in a second than allowed; this one was not read.
    TooFast = "too-fast",
    /// A line longer than allowed; it was not read.
    LineTooLong = "line-too-long",
    /// The limit on connections is reached; this one is closed.
    ServerFull = "server-full",
    /// The server stops; the request was not carried out.
    ServerStopping = "server-stopping",
}
