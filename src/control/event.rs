//! What a server says by itself.

use jiff::Timestamp;

use super::words::words;
use crate::chat::{
    AvatarId, FileOffer, GroupName, MessageText, OneLine, RecordId, Room, RoomName, Talk, UserName,
};

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
