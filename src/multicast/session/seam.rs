//! What goes into a session, and what comes out of it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::multicast::config::KEPT_BYTES_MAX;
use crate::multicast::packet::{MemberId, Role};
use crate::time::{Instant, Micros};

/// What a session is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// Tells this room's datagrams from a stray group's.
    pub room_tag: u32,
    /// What the person is called, at most 128 bytes.
    pub name: String,
    /// The sequence that every member of the room begins with: 1, but for a simulator that wants to
    /// see them wrap.
    pub first_sequence: u64,
    /// What is kept of each other member's records at most, in bytes: [`KEPT_BYTES_MAX`], but for a simulator that wants to
    /// see it full.
    pub kept_bytes_max: usize,
    /// Whether this member repairs anything; only a test of the tests switches it off.
    pub repairs: bool,
    /// What this member may send at most, in bytes a second; none to let the members decide.
    pub rate_max: Option<u64>,
    /// The member that this one goes on from, as a program does that was started again.
    pub replaces: Option<MemberId>,
    /// How it takes part; an observer has no name.
    pub role: Role,
    /// Where a history ends, if the member has one: it is handed what was said since.
    pub past: Option<Past>,
}

impl Config {
    /// A member that nobody has met, who hears from now on and may send what the members take.
    pub fn new(room_tag: u32, name: String, role: Role) -> Self {
        Self {
            room_tag,
            name,
            first_sequence: 1,
            kept_bytes_max: KEPT_BYTES_MAX,
            repairs: true,
            rate_max: None,
            replaces: None,
            role,
            past: None,
        }
    }
}

/// What a member knows of a room before it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The first record of each origin that is not known.
    pub positions: Vec<(MemberId, u64)>,
    /// When that was so, at the earliest.
    pub since: Instant,
}

/// What happens to a session.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram came.
    Datagram {
        /// Where from.
        source: SocketAddr,
        /// What it holds; hostile until parsed.
        bytes: &'a [u8],
    },
    /// The time of the last `Wait` has come, or it is time to look.
    Timeout,
}

/// What is to be done for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this datagram to the group.
    Transmit(Vec<u8>),
    /// Tell the application.
    Event(Event),
    /// Nothing more until a datagram comes, something is said, or this time.
    Wait(Instant),
}

/// A message, by whom and as which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// Who said it.
    pub origin: MemberId,
    /// The sequence of its last record.
    pub sequence: u64,
}

/// What the application is told. [`super::Session::member`] tells what a member is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A member is there.
    Joined(MemberId),
    /// A member calls itself something else than before.
    Renamed {
        /// Which.
        id: MemberId,
        /// What it was called.
        before: String,
    },
    /// A member has left, or was not heard for long.
    Left(MemberId),
    /// The others see this member under another name, because somebody had its name before; or under
    /// its own name again.
    ShownAs(String),
    /// Somebody said something.
    Message {
        /// By whom, as which.
        id: MessageId,
        /// The origin's logical clock.
        clock: u32,
        /// UTF-8 if the origin is honest.
        text: Arc<[u8]>,
    },
    /// What we say goes out as slowly as this member takes it: less than a quarter as fast as the others would.
    Slow(MemberId),
    /// So many records of this member, from this one on, can no longer be had from anyone.
    Gap {
        /// Whose.
        origin: MemberId,
        /// The first of them.
        first: u64,
        /// How many.
        records: u64,
    },
}

/// Why a text was not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Blank, or longer than the longest text with what stands before it.
    #[error("a message has 1 to 65543 bytes")]
    Length,
    /// So much waits to be sent that this has to wait too: see [`super::Session::can_say`].
    #[error("too much waits to be sent: say it a little later")]
    Busy,
    /// The session has left the room.
    #[error("the room was left")]
    Left,
}

/// What went through a session so far, in datagrams unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sent, of every kind.
    pub sent: u64,
    /// Heard from others, well formed.
    pub heard: u64,
    /// Of another dialect, version or room, or damaged.
    pub ignored: u64,
    /// Nacks sent.
    pub nacks: u64,
    /// Records repaired, our own and others'.
    pub repaired_records: u64,
    /// Records that came again.
    pub known_records: u64,
    /// Records that were missed and came later.
    pub recovered_records: u64,
}

/// Who has a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Members that reported it.
    pub by: usize,
    /// Members there.
    pub of: usize,
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberInfo {
    /// Which.
    pub id: MemberId,
    /// What it is shown as: what it calls itself, with a suffix if another did so before. Not safe to
    /// print as it is.
    pub name: String,
    /// Where it last spoke from.
    pub address: SocketAddr,
    /// When its session began.
    pub since: Instant,
    /// A relay carries its datagrams.
    pub is_relayed: bool,
    /// To it and back, smoothed; none before it was measured.
    pub round_trip: Option<Micros>,
    /// The share of its datagrams that is lost on the way here, 0 to 1.
    pub loss_here: Option<f64>,
    /// The share of our datagrams that is lost on the way there, 0 to 1.
    pub loss_there: Option<f64>,
}
