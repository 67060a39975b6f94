//! What a server answers.

use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;

use super::words::words;
use super::{Token, Via};
use crate::chat::{
    AvatarId, DialectError, Followed, FollowedError, Found, GroupName, HistoryLimitError,
    HistoryPage, MemberLimitError, MessageTextError, NameError, OneLine, OneLineError, RecordId,
    Room, RoomAddressError, RoomName, SearchWordsError, SessionId, UserName,
};

/// The answer to a request that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To `hello`: the version that both will speak.
    Hello {
        /// The protocol's version.
        version: u32,
        /// The server program with its version.
        program: String,
        /// What a later `hello` takes this connection's place with, should it break.
        token: Token,
        /// The name of the presence that was taken over from a broken connection.
        name: Option<UserName>,
    },
    /// Done, and nothing to tell.
    Done,
    /// To `names`: who is online, in the order of coming.
    Names {
        /// What they are called.
        names: Vec<UserName>,
        /// Who of them has a picture, and which.
        avatars: Vec<(UserName, AvatarId)>,
    },
    /// To `report`: the same with all that is known of them.
    Report(Vec<Online>),
    /// To `enter`: in the room.
    Entered {
        /// The server's own seat in a reliable room, if it has one.
        bridge: Option<SessionId>,
        /// The member that I am in a reliable room that I am hosted in.
        member: Option<SessionId>,
    },
    /// To `say` and `offer-file` in a reliable room that I am hosted in: as which record it goes out.
    Said(RecordId),
    /// To `members`: who is in the room, as far as is known.
    Members(Vec<Present>),
    /// To `groups`: those that I am in.
    Groups(Vec<Group>),
    /// To `following`: what I follow.
    Following(Vec<Followed>),
    /// To `history`: a part of a room's.
    History(HistoryPage),
    /// To `search`: what holds the words, in order.
    Found {
        /// Of what fits, the newest.
        found: Vec<Found>,
        /// Ask for what stands before this place for more; none if there is no more.
        before: Option<u64>,
    },
    /// To `get-directory`: all rooms in the order of making.
    Directory(Vec<Room>),
    /// To `make-room`: the room with the address it got.
    RoomMade(Room),
    /// To `delete-room`: what it was.
    RoomDeleted(Room),
    /// To `get-file`: a piece of it.
    FilePiece {
        /// How long the whole file is.
        size_bytes: u64,
        /// As many of its bytes as a piece has, or the rest; none at its end.
        bytes: Bytes,
    },
    /// To `put-file`: how much of it the server has.
    FileState {
        /// So many bytes from the beginning on, without a gap.
        have_bytes: u64,
        /// All is there, and its hash is right.
        is_kept: bool,
    },
}

impl Reply {
    /// The raw bytes that follow its line.
    pub fn raw_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::FilePiece { bytes, .. } => Some(bytes).filter(|bytes| !bytes.is_empty()),
            _ => None,
        }
    }
}

words! {
    Reply, "reply":
    Hello = "hello",
    Done = "done",
    Names = "names",
    Report = "report",
    Entered = "entered",
    Said = "said",
    Members = "members",
    Groups = "groups",
    Following = "following",
    History = "history",
    Found = "found",
    Directory = "directory",
    RoomMade = "room-made",
    RoomDeleted = "room-deleted",
    FilePiece = "file-piece",
    FileState = "file-state",
}

/// Somebody who is online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Online {
    /// What they are called.
    pub name: UserName,
    /// Where their control connection comes from.
    pub address: SocketAddr,
    /// When they came.
    pub since: Timestamp,
    /// The room that they are in; the lobby only if they are in no other.
    pub room: Option<RoomName>,
    /// How its lines reach them.
    pub via: Option<Via>,
    /// Why they are away, if they are.
    pub away: Option<OneLine>,
    /// Which picture they have, if any.
    pub avatar: Option<AvatarId>,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// What they are shown as; another program may use what is no user name.
    pub name: String,
    /// How the room's lines reach them: from member to member, or over the server.
    pub via: Via,
    /// It is I.
    pub is_own: bool,
}

/// People who can be spoken to together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is called.
    pub name: GroupName,
    /// Who is in it, online or not.
    pub members: Vec<UserName>,
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
        let code = match error {
            NameError::Group { .. } => RefusalCode::GroupNameNotAllowed,
            NameError::Room { .. } | NameError::User { .. } => RefusalCode::NameNotAllowed,
        };
        Self::new(code, error.to_string())
    }
}

macro_rules! refused_as {
    ($($error:ty => $code:ident,)*) => { $(
        impl From<$error> for Refusal {
            fn from(error: $error) -> Self {
                Self::new(RefusalCode::$code, error.to_string())
            }
        }
    )* };
}

refused_as! {
    MessageTextError => TextNotAllowed,
    OneLineError => TextNotAllowed,
    FollowedError => TextNotAllowed,
    MemberLimitError => LimitNotAllowed,
    HistoryLimitError => LimitNotAllowed,
    SearchWordsError => TextNotAllowed,
    RoomAddressError => AddressNotAllowed,
    DialectError => UnknownDialect,
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
    /// Somebody online has the name.
    NameInUse = "name-in-use",
    /// Only who has a name may do this.
    NameFirst = "name-first",
    /// A text that is blank or too long, or has a line break where there may be none.
    TextNotAllowed = "text-not-allowed",
    /// A limit that no room may have: of members, or of what is kept.
    LimitNotAllowed = "limit-not-allowed",
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
    /// As many are in the room, or online, as may be.
    RoomFull = "room-full",
    /// Only who is in the room may do this.
    EnterFirst = "enter-first",
    /// The server takes no lines for this room.
    NotRelayed = "not-relayed",
    /// Nobody online has the name.
    NotOnline = "not-online",
    /// A name that no group may have.
    GroupNameNotAllowed = "group-name-not-allowed",
    /// Another group has the name.
    GroupExists = "group-exists",
    /// The limit on groups, or on the members of one, is reached.
    TooManyGroups = "too-many-groups",
    /// No group has the name.
    NoSuchGroup = "no-such-group",
    /// Only members may do this.
    NotAMember = "not-a-member",
    /// Several groups could be meant.
    WhichGroup = "which-group",
    /// The limit on what one client may follow is reached.
    TooManyFollowed = "too-many-followed",
    /// The server keeps no history, or none of this room; or it cannot be read.
    NoHistory = "no-history",
    /// The change could not be written to disk, so it was not made.
    NotSaved = "not-saved",
    /// The server has no such file, and none on its way.
    NoSuchFile = "no-such-file",
    /// Not all of the file is there, or its hash is still looked at.
    FileNotWhole = "file-not-whole",
    /// Larger than the server keeps.
    FileTooLarge = "file-too-large",
    /// The server keeps no files.
    FilesOff = "files-off",
    /// No space is left for it.
    DiskFull = "disk-full",
    /// What came is not what its hash says: it was thrown away.
    HashMismatch = "hash-mismatch",
    /// More lines in a second than allowed; this one was not read.
    TooFast = "too-fast",
    /// A line longer than allowed; it was not read.
    LineTooLong = "line-too-long",
    /// The server has no seat in the room, and so no relay.
    NoRelay = "no-relay",
    /// The limit on connections is reached; this one is closed.
    ServerFull = "server-full",
    /// The server stops; the request was not carried out.
    ServerStopping = "server-stopping",
}
