//! A seat in a room as its owner has it: how it is taken, and what it can be asked.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Interface;
use super::relay::RelayLink;
use super::room_event::{RoomEvent, RoomMember, RoomStats, Said, SayError};
use super::transfer::{Incoming, Outgoing};
use crate::chat::{Dialect, FileOffer, MessageText, Position, UserName};
use crate::files::{PartFile, SourceFile};
use crate::multicast::content::Offer;
use crate::multicast::session::Delivered;

/// How to join.
#[derive(Debug)]
pub struct RoomOptions {
    /// Where to send and listen.
    pub interface: Interface,
    /// How many hops datagrams may go; 1 is this network only.
    pub ttl: u8,
    /// The name to speak under.
    pub name: UserName,
    /// How the room's members speak.
    pub dialect: Dialect,
    /// What a reliable seat may send at most, in bytes a second; none to let the members decide.
    pub rate_max: Option<u64>,
    /// The member of a reliable room that this one goes on from, as a program does that was started
    /// again: the others take that one as gone.
    pub replaces: Option<u64>,
    /// Which member of a reliable room to be: one that nobody has met, see [`new_member`](super::new_member); none to have
    /// one drawn.
    pub id: Option<u64>,
    /// The way through the server, if there is one.
    pub relay: Option<RelayLink>,
    /// What a server's history has of a reliable room: it goes on from there. None to begin with what is said now.
    pub past: Option<KnownPast>,
}

impl RoomOptions {
    /// A seat on this network only, with nothing that need not be.
    pub fn new(interface: Interface, name: UserName, dialect: Dialect) -> Self {
        Self {
            interface,
            ttl: 1,
            name,
            dialect,
            rate_max: None,
            replaces: None,
            id: None,
            relay: None,
            past: None,
        }
    }
}

/// How far a history reaches.
#[derive(Clone, Debug)]
pub struct KnownPast {
    /// As the history has them.
    pub positions: Vec<Position>,
    /// When it was asked for.
    pub asked: Instant,
}

/// What the task is asked.
#[derive(Debug)]
pub enum RoomCommand {
    /// Say this, and answer when it is handed to the network.
    Say(MessageText, oneshot::Sender<Result<Said, SayError>>),
    /// Offer this file, and send it to whoever wants it.
    SendFile(Box<SourceFile>, oneshot::Sender<Result<Outgoing, SayError>>),
    /// Offer this file, which the server has and sends.
    OfferKept(FileOffer, oneshot::Sender<Result<(), SayError>>),
    /// Receive a file that was offered.
    ReceiveFile(
        Offer,
        Box<PartFile>,
        oneshot::Sender<Result<Incoming, SayError>>,
    ),
    /// Tell who sends this file that it is here already.
    ConfirmFile(Offer, PathBuf, oneshot::Sender<Result<Incoming, SayError>>),
    /// Answer when every member there has what was said, or after this time.
    AwaitDelivery(Said, Duration, oneshot::Sender<Delivered>),
    /// Speak under this name from now on.
    Rename(UserName),
    /// A server is there now that would relay.
    UseRelay(RelayLink),
    /// Answer when it is known whether multicast works here.
    AwaitWay(oneshot::Sender<()>),
    /// Tell who is there.
    Members(oneshot::Sender<Vec<RoomMember>>),
    /// Tell the counters.
    Stats(oneshot::Sender<RoomStats>),
}

/// A seat that was taken.
pub struct Seated {
    /// Which member of a reliable room it is.
    pub id: Option<u64>,
    /// The way to command it.
    pub commands: mpsc::Sender<RoomCommand>,
    /// What happens.
    pub events: mpsc::Receiver<RoomEvent>,
    /// Its end.
    pub task: JoinHandle<()>,
}
