//! What a client may ask.

use std::net::Ipv4Addr;

use bytes::Bytes;
use jiff::Timestamp;

use super::Token;
use crate::chat::{
    FileHash, FileOffer, Followed, GroupName, HistoryQuery, MessageText, NewRoom, OneLine,
    RoomName, SearchWords, SessionId, UserName,
};

/// A request, whichever way it was spoken. Valid once built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first JSON line of a connection.
    Hello {
        /// The version that the client speaks.
        version: u32,
        /// The token of an earlier connection of this client that broke: who was there, is here now.
        resume: Option<Token>,
    },
    /// What the person at this client is called, for all to see.
    Name(UserName),
    /// Who is online.
    Names,
    /// Who is online, from where, since when and in which room.
    Report,
    /// I am in this room.
    Enter {
        /// A room of the directory, or the lobby.
        room: RoomName,
        /// How its lines reach me.
        via: Via,
        /// Who I am in a reliable room.
        member: Option<SessionId>,
        /// The address of the interface that I use for the room, where the server may be on the same machine.
        interface: Option<Ipv4Addr>,
        /// What I speak as, where I am not online: a command in a pipe.
        name: Option<UserName>,
    },
    /// I am not in this room any more.
    Leave(RoomName),
    /// A line for all in a room.
    Say {
        /// The lobby, or the room that I am hosted in.
        room: RoomName,
        /// What is said.
        text: MessageText,
        /// When, by my clock; none for when the server hears it.
        said_at: Option<Timestamp>,
    },
    /// Who is in a room: the lobby, or the one that I am hosted in.
    Members(RoomName),
    /// I want to hear how much goes on in all rooms.
    Watch,
    /// A line for one person alone.
    Whisper {
        /// Who is to hear it.
        to: UserName,
        /// What is said.
        text: MessageText,
    },
    /// A new group.
    GroupSet {
        /// Its name.
        group: GroupName,
        /// Who is in it; at least one.
        members: Vec<UserName>,
    },
    /// A line for the other members of a group, whose name may be its first word.
    GroupSend(MessageText),
    /// I am not in this group any more.
    GroupLeave(GroupName),
    /// A group's end.
    GroupDelete(GroupName),
    /// The groups that I am in.
    Groups,
    /// Lines of this person, or with this word, are to reach me from any room.
    Follow(Followed),
    /// They are not any more.
    Unfollow(Followed),
    /// What I follow.
    Following,
    /// I am away, for this reason; or I am back.
    Away(Option<OneLine>),
    /// What a room is about; or nothing any more.
    Topic {
        /// The room.
        room: RoomName,
        /// Its topic.
        topic: Option<OneLine>,
    },
    /// What was said in a room before.
    History {
        /// A room of the directory, or the lobby.
        room: RoomName,
        /// Which part.
        query: HistoryQuery,
    },
    /// What was said with these words in it.
    Search {
        /// In this room; none for all.
        room: Option<RoomName>,
        /// All of them.
        words: SearchWords,
        /// Only what stands before this place.
        before: Option<u64>,
        /// So many entries at most; the server has a limit of its own.
        limit: Option<u32>,
    },
    /// The whole directory.
    GetDirectory,
    /// A new room.
    MakeRoom(NewRoom),
    /// A room's end.
    DeleteRoom(RoomName),
    /// A piece of a file that the server keeps, or gets.
    GetFile {
        /// Which file.
        hash: FileHash,
        /// Where in it.
        offset: u64,
    },
    /// A piece of a file that the server is to keep; without bytes only a question how much of it is there.
    PutFile {
        /// Which file.
        offer: FileOffer,
        /// Where in it: a whole number of pieces.
        offset: u64,
        /// A whole piece, or the rest.
        bytes: Bytes,
    },
    /// A file that the server keeps is for these.
    OfferFile {
        /// Who is to hear of it.
        to: FileFor,
        /// Which file.
        offer: FileOffer,
        /// As in [`Request::Say`].
        said_at: Option<Timestamp>,
    },
    /// A sign of life.
    Ping,
    /// The end of the connection.
    Bye,
}

impl Request {
    /// The message that it carries.
    pub fn message(&self) -> Option<&MessageText> {
        match self {
            Self::Say { text, .. } | Self::Whisper { text, .. } | Self::GroupSend(text) => {
                Some(text)
            }
            _ => None,
        }
    }

    /// The raw bytes that follow its line.
    pub fn raw_bytes(&self) -> Option<&Bytes> {
        match self {
            Self::PutFile { bytes, .. } => Some(bytes).filter(|bytes| !bytes.is_empty()),
            _ => None,
        }
    }
}

/// Who hears of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFor {
    /// All in a room: the lobby, or the one that I am hosted in.
    Room(RoomName),
    /// One person alone.
    Person(UserName),
}

/// How a room's lines reach somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// From member to member.
    Multicast,
    /// Over the server.
    Relay,
    /// The server takes part in my place, and tells me what happens.
    Hosted,
}

/// What was given is no way into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a room is entered via `multicast`, `relay` or `hosted`")]
pub struct ViaError;

impl Via {
    /// The word in `"via"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Multicast => "multicast",
            Self::Relay => "relay",
            Self::Hosted => "hosted",
        }
    }
}

impl std::str::FromStr for Via {
    type Err = ViaError;

    fn from_str(given: &str) -> Result<Self, ViaError> {
        match given {
            "multicast" => Ok(Self::Multicast),
            "relay" => Ok(Self::Relay),
            "hosted" => Ok(Self::Hosted),
            _ => Err(ViaError),
        }
    }
}

macro_rules! request_kinds {
    ($($kind:ident = $word:literal,)*) => {
        /// The requests that JSON lines know, by the word in `"request"`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum RequestKind { $(
            #[doc = concat!("[`Request::", stringify!($kind), "`]")]
            $kind,
        )* }

        impl Request {
            /// Which of the requests this is.
            pub fn kind(&self) -> RequestKind {
                match self { $(Self::$kind { .. } => RequestKind::$kind,)* }
            }
        }

        impl RequestKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The word in `"request"`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

request_kinds! {
    Hello = "hello",
    Name = "name",
    Names = "names",
    Report = "report",
    Enter = "enter",
    Leave = "leave",
    Say = "say",
    Members = "members",
    Watch = "watch",
    Whisper = "whisper",
    GroupSet = "group-set",
    GroupSend = "group-send",
    GroupLeave = "group-leave",
    GroupDelete = "group-delete",
    Groups = "groups",
    Follow = "follow",
    Unfollow = "unfollow",
    Following = "following",
    Away = "away",
    Topic = "topic",
    History = "history",
    Search = "search",
    GetDirectory = "get-directory",
    MakeRoom = "make-room",
    DeleteRoom = "delete-room",
    GetFile = "get-file",
    PutFile = "put-file",
    OfferFile = "offer-file",
    Ping = "ping",
    Bye = "bye",
}
