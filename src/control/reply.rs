//! What a server answers, and what it says by itself.

use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Token, Via};
use crate::chat::{
    AvatarId, DialectError, FileOffer, Followed, FollowedError, Found, GroupName,
    HistoryLimitError, HistoryPage, MemberLimitError, MessageText, MessageTextError, NameError,
    OneLine, OneLineError, RecordId, Room, RoomAddressError, RoomName, SearchWordsError, SessionId,
    Talk, UserName,
};

macro_rules! words {
    ($type:ident, $field:literal: $($variant:ident = $word:literal,)*) => {
        impl $type {
            #[doc = concat!("The words in `\"", $field, "\"`.")]
            pub const NAMES: &[&str] = &[$($word,)*];

            #[doc = concat!("The word in `\"", $field, "\"`.")]
            pub fn as_str(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word,)* }
            }
        }
    };
}

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

/// How much goes on in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// The room.
    pub room: RoomName,
    /// Who is in it, as far as the server knows.
    pub members: u64,
    /// What is kept of the talk there, if it is.
    pub talk: Option<Talk>,
}

/// People who can be spoken to together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What it is called.
    pub name: GroupName,
    /// Who is in it, online or not.
    pub members: Vec<UserName>,
}

/// What the server tells without being asked, to clients that speak JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// I have this name now, and am online.
    Welcome(UserName),
    /// Somebody is online now.
    Joined(UserName),
    /// Somebody is not online any more.
    Exited(UserName),
    /// Somebody has another name.
    Renamed {
        /// The name until now.
        before: UserName,
        /// The name from now on.
        name: UserName,
    },
    /// Somebody has another picture.
    Avatar {
        /// Who.
        name: UserName,
        /// Which; none if they have none any more.
        avatar: Option<AvatarId>,
    },
    /// A line said in a room. A client leaves out its own.
    Line {
        /// The room.
        room: RoomName,
        /// What the speaker is called; another program may use what is no user name.
        from: String,
        /// What is said.
        text: MessageText,
        /// When the server heard it.
        at: Timestamp,
        /// When it was said, by the speaker's clock.
        said_at: Timestamp,
        /// Counts what happens in the room, as its history does.
        number: u64,
    },
    /// A file, for all in a room or for me alone. The server has it.
    File {
        /// The room; none for me alone.
        room: Option<RoomName>,
        /// Who offers it.
        from: UserName,
        /// Which file.
        offer: FileOffer,
        /// When the server heard of it.
        at: Timestamp,
        /// When it was offered, by the clock of who offers it.
        said_at: Timestamp,
        /// As in [`Event::Line`]; none for me alone.
        number: Option<u64>,
    },
    /// Somebody is in my room now.
    Entered {
        /// The room.
        room: RoomName,
        /// Who.
        name: UserName,
        /// When, by the server's clock.
        at: Timestamp,
        /// As in [`Event::Line`].
        number: u64,
    },
    /// Somebody is in my room no more.
    Left {
        /// The room.
        room: RoomName,
        /// Who.
        name: UserName,
        /// When, by the server's clock.
        at: Timestamp,
        /// As in [`Event::Line`].
        number: u64,
    },
    /// A line for me alone.
    Whisper {
        /// Who says it.
        from: UserName,
        /// What is said.
        text: MessageText,
    },
    /// I am in a new group.
    Enrolled {
        /// The group.
        group: GroupName,
        /// Who made it.
        by: UserName,
    },
    /// A line for a group that I am in.
    GroupLine {
        /// The group.
        group: GroupName,
        /// Who says it.
        from: UserName,
        /// What is said.
        text: MessageText,
    },
    /// Somebody left a group that I am in.
    GroupLeft {
        /// The group.
        group: GroupName,
        /// Who left.
        by: UserName,
    },
    /// A group that I was in is no more.
    GroupDeleted {
        /// The group.
        group: GroupName,
        /// Who deleted it.
        by: UserName,
    },
    /// A line that I follow, from a room that I am not in.
    Followed {
        /// The room.
        room: RoomName,
        /// What the speaker is called.
        from: String,
        /// What is said.
        text: MessageText,
    },
    /// My room has another topic.
    Topic {
        /// The room.
        room: RoomName,
        /// What it is about now.
        topic: Option<OneLine>,
        /// Who says so.
        by: UserName,
    },
    /// A line said in the room that I am hosted in; my own too.
    Heard {
        /// The room.
        room: RoomName,
        /// What the speaker is called; another program may use what is no user name.
        from: String,
        /// What is said.
        text: MessageText,
        /// When the server heard it.
        at: Timestamp,
        /// When it was said, by the speaker's clock; in a plain room when it was heard.
        said_at: Timestamp,
        /// By which it is told from all others, in a reliable room.
        record: Option<RecordId>,
        /// I said it.
        is_own: bool,
    },
    /// A file offered in the room that I am hosted in. The server may not have it yet.
    Offered {
        /// The room.
        room: RoomName,
        /// Who offers it.
        from: String,
        /// Which file.
        offer: FileOffer,
        /// When the server heard of it.
        at: Timestamp,
        /// When it was offered, by the clock of who offers it.
        said_at: Timestamp,
        /// As in [`Event::Heard`].
        record: RecordId,
        /// I offer it.
        is_own: bool,
    },
    /// Somebody came to the room that I am hosted in.
    Came {
        /// The room.
        room: RoomName,
        /// What they are shown as.
        name: String,
        /// When, by the server's clock.
        at: Timestamp,
    },
    /// Somebody left the room that I am hosted in, or was not heard for long.
    Went {
        /// The room.
        room: RoomName,
        /// What they were shown as.
        name: String,
        /// When, by the server's clock.
        at: Timestamp,
    },
    /// How many of the others have what I said in the room that I am hosted in.
    Delivered {
        /// The room.
        room: RoomName,
        /// What I said.
        record: RecordId,
        /// So many have it.
        by: u64,
        /// Of so many that were there.
        of: u64,
    },
    /// Something about the room that I am hosted in, for the person at this client.
    RoomNotice {
        /// The room.
        room: RoomName,
        /// What.
        text: String,
    },
    /// How much goes on in rooms where that changed, for who watches.
    Activity(Vec<Activity>),
    /// There is a new room, for who watches.
    RoomMade(Box<Room>),
    /// Whether the server's own seat in a room hears this client by multicast; told when it changes.
    Reach {
        /// The room.
        room: RoomName,
        /// Whether it does.
        heard: bool,
    },
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

words! {
    Event, "event":
    Welcome = "welcome",
    Joined = "joined",
    Exited = "exited",
    Renamed = "renamed",
    Avatar = "avatar",
    Line = "line",
    File = "file",
    Entered = "entered",
    Left = "left",
    Whisper = "whisper",
    Enrolled = "enrolled",
    GroupLine = "group-line",
    GroupLeft = "group-left",
    GroupDeleted = "group-deleted",
    Followed = "followed",
    Topic = "topic",
    Heard = "line",
    Offered = "file",
    Came = "entered",
    Went = "left",
    Delivered = "delivered",
    RoomNotice = "notice",
    Activity = "activity",
    RoomMade = "room-made",
    Reach = "reach",
    RoomDeleted = "room-deleted",
    Idle = "idle",
    Notice = "notice",
    ServerStopping = "server-stopping",
}

impl Event {
    /// The message that it carries.
    pub fn message(&self) -> Option<&MessageText> {
        match self {
            Self::Line { text, .. }
            | Self::Heard { text, .. }
            | Self::Whisper { text, .. }
            | Self::GroupLine { text, .. }
            | Self::Followed { text, .. } => Some(text),
            _ => None,
        }
    }
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
