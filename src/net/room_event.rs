//! What happens in a room, and what can be asked of it.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::{Interface, OpenError};
use crate::chat::{Message, RecordRange};
use crate::multicast::content::Offer;
use crate::multicast::session::MessageId;

/// What the person in a room is told. Names and texts of others are not safe to show as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomEvent {
    /// Somebody said something.
    Message(Message),
    /// Somebody offers a file.
    Offered {
        /// Who.
        from: String,
        /// When, by the clock of who offers it.
        said_at: Timestamp,
        /// The file.
        offer: Offer,
        /// It was offered before we came, or before we heard of it.
        is_again: bool,
    },
    /// A file that was offered is no longer to be had from who offered it.
    Withdrawn {
        /// Who.
        from: String,
        /// The file.
        offer: Offer,
    },
    /// A program that speaks the plain dialect said something in a reliable room: it may have been
    /// heard by some and not by others.
    Stranger(Message),
    /// Who was there already when we came.
    Present(Vec<String>),
    /// Somebody came.
    Joined(String),
    /// Somebody left, or was not heard for long.
    Left(String),
    /// Somebody is called something else.
    Renamed {
        /// What it was called.
        before: String,
        /// What it is called now.
        now: String,
    },
    /// The others see us under this name, because somebody had ours before; or under our own again.
    ShownAs(String),
    /// Something that was said can no longer be had from anyone.
    Gap {
        /// Who said it.
        from: String,
        /// How many records it was: lines, or pieces of long ones.
        records: u64,
        /// Which: a server's history may have them.
        range: RecordRange,
    },
    /// What we say goes out as slowly as this member takes it.
    Slow(String),
    /// Some members have not got a line of ours for some seconds, or several.
    Undelivered {
        /// How the first begins.
        text: String,
        /// How many it is beside that.
        more: usize,
        /// Who has not got it.
        members: Vec<String>,
    },
    /// Something about the room itself.
    Notice(String),
}

/// A text that was said, to ask who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// None in a plain room, where nobody reports.
    pub(super) id: Option<MessageId>,
}

/// A text that did not get out.
#[derive(Debug, thiserror::Error)]
pub enum SayError {
    /// The interface is down or gone; it is watched, and used again when it is back.
    #[error("not said: interface {0} is down; it will be used again when it is back")]
    InterfaceDown(String),
    /// The network did not take it.
    #[error("not said: {0}")]
    Network(String),
    /// The task has ended.
    #[error("not said: the room was left")]
    Left,
    /// The room is plain.
    #[error("files need a reliable room, and this one is plain")]
    Plain,
    /// The file is too long.
    #[error("the file has more than 1 TiB: send it in parts")]
    TooLarge,
    /// The group could not be joined for a file.
    #[error(transparent)]
    Join(#[from] OpenError),
}

/// A member of a reliable room.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomMember {
    /// What it is shown as.
    pub name: String,
    /// Where it last spoke from.
    pub address: SocketAddr,
    /// The server relays for it; the address is the server's then.
    pub is_relayed: bool,
    /// How long it has been there.
    pub there_for: Duration,
    /// To it and back; none before it was measured, which is after something was said.
    pub round_trip: Option<Duration>,
    /// The share of its datagrams that is lost on the way here, 0 to 1; none before enough came.
    pub loss_here: Option<f64>,
    /// The share of our datagrams that is lost on the way there.
    pub loss_there: Option<f64>,
}

/// What went through a seat so far.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomStats {
    /// Where the seat is now.
    pub interface: Interface,
    /// Texts said; those that did not get out do not count.
    pub said: u64,
    /// Datagrams sent, of every kind.
    pub sent_datagrams: u64,
    /// Datagrams that the network did not take.
    pub failed_datagrams: u64,
    /// Messages of others.
    pub heard: u64,
    /// Datagrams without a message for this room: blank, damaged, or of another dialect or room.
    pub ignored_datagrams: u64,
    /// Messages that came faster than they could be shown.
    pub not_shown: u64,
    /// Of a reliable room.
    pub traffic: Option<Traffic>,
}

/// How a reliable room is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// The server relays for us.
    pub is_relayed: bool,
    /// Members there, other than us.
    pub members: usize,
    /// The longest round trip to one of them.
    pub round_trip: Duration,
    /// The highest loss between one of them and us, either way, 0 to 1; none before enough came.
    pub loss: Option<f64>,
    /// How often we asked for something that was missing.
    pub nacks: u64,
    /// Records that we missed and got.
    pub recovered_records: u64,
    /// Records that we repaired for others.
    pub repaired_records: u64,
    /// What may be on the way to the slowest member at once, in bytes.
    pub window_bytes: u64,
    /// What we may send at most, in bytes a second.
    pub rate_max: Option<u64>,
    /// Bytes of texts that wait to be sent.
    pub queued_bytes: u64,
}
