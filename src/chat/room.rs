//! An entry of the directory.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use jiff::Timestamp;

use super::{HistoryLimit, OneLine, RoomAddress, RoomName, UserName, excerpt};

/// The order of making, from 1. It is also the room's key in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub i64);

/// How a room's members speak over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `name: text`, one datagram a line, as every program of the lab speaks. What is lost stays lost.
    Plain,
    /// Every line at every member once and in order; only our own program speaks it.
    Reliable,
}

/// What was given names no dialect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dialect `{0}` is not known: rooms speak `plain` or `reliable`")]
pub struct DialectError(String);

impl Dialect {
    /// The word for it, in requests and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Reliable => "reliable",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = DialectError;

    fn from_str(given: &str) -> Result<Self, DialectError> {
        match given {
            "plain" => Ok(Self::Plain),
            "reliable" => Ok(Self::Reliable),
            _ => Err(DialectError(excerpt(given, 32))),
        }
    }
}

/// Who asked for something: the address it came from, and the name if one was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What the client calls itself.
    pub name: Option<UserName>,
    /// Where its control connection comes from.
    pub address: SocketAddr,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}

/// A room of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// Unique, compared without case.
    pub name: RoomName,
    /// Unique.
    pub address: RoomAddress,
    /// How its members speak.
    pub dialect: Dialect,
    /// The most members that the server lets in.
    pub limit: Option<MemberLimit>,
    /// What it is about.
    pub topic: Option<OneLine>,
    /// How much of its talk the server keeps; none for as much as that keeps of any.
    pub history: Option<HistoryLimit>,
    /// Who made it.
    pub made_by: Origin,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A room that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRoom {
    /// Its name.
    pub name: RoomName,
    /// Its address, or none to have one picked.
    pub address: Option<RoomAddress>,
    /// How its members speak.
    pub dialect: Dialect,
    /// The most members that the server lets in.
    pub limit: Option<MemberLimit>,
    /// What it is about.
    pub topic: Option<OneLine>,
    /// How much of its talk the server keeps; none for as much as that keeps of any.
    pub history: Option<HistoryLimit>,
}

/// How many members the server lets into a room: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberLimit(u16);

/// No such limit can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a room's limit is a number of members from 1 to 10000")]
pub struct MemberLimitError;

impl MemberLimit {
    /// More members than any server here has connections for.
    pub const MEMBERS_MAX: u16 = 10_000;

    /// So many members.
    ///
    /// # Errors
    /// None, or more than [`MemberLimit::MEMBERS_MAX`].
    pub fn new(members: i64) -> Result<Self, MemberLimitError> {
        match u16::try_from(members) {
            Ok(members @ 1..=Self::MEMBERS_MAX) => Ok(Self(members)),
            _ => Err(MemberLimitError),
        }
    }

    /// The number of members.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for MemberLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MemberLimit {
    type Err = MemberLimitError;

    fn from_str(given: &str) -> Result<Self, MemberLimitError> {
        Self::new(given.parse().map_err(|_| MemberLimitError)?)
    }
}
