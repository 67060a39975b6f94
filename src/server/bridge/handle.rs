//! The way to the server's seats, and what they are told.

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::chat::{FileOffer, Message, MessageText, Position, Room, RoomId, RoomName, UserName};
use crate::control::{Refusal, RefusalCode};
use crate::hub::ClientId;
use crate::net::Interface;
use crate::server::job::Answer;
use crate::server::outbox::{LetGo, Outbox};

/// Commands that wait, for all rooms or for one. What finds no room is a datagram that is lost, or a client
/// that is told to try again; with who comes and goes the hub waits.
pub(super) const COMMANDS_WAITING_MAX: usize = 1024;

/// Pieces of datagrams among them: at most 4 MiB. Commands always find room behind them.
const PIECES_WAITING_MAX: usize = 64;

/// Who asks is told to try again where so many commands wait: who leaves a room finds room behind them.
const ASKS_WAITING_MAX: usize = COMMANDS_WAITING_MAX / 2;

/// Who is in a room and asked the server for a way into it.
#[derive(Clone, Debug)]
pub(in crate::server) struct Guest {
    /// Its seat in a reliable room.
    pub(in crate::server) member: Option<u64>,
    /// What it is called; in a plain room it speaks as this.
    pub(in crate::server) name: UserName,
    /// Its datagrams come through the server, and it is sent those of the group.
    pub(in crate::server) is_relayed: bool,
    /// We take part in its place.
    pub(in crate::server) is_hosted: bool,
    /// Our own address of the connection with it.
    pub(in crate::server) local: IpAddr,
    /// The address of the interface that it uses for the room.
    pub(in crate::server) interface: Option<Ipv4Addr>,
    /// The way to it.
    pub(in crate::server) outbox: Outbox,
}

impl Guest {
    /// Who does not read fast enough is let go of, and repairs what it missed when it comes back. False then.
    pub(in crate::server) fn send(&self, chunk: Bytes) -> bool {
        let is_sent = self.outbox.push(chunk).is_ok();
        if !is_sent {
            self.outbox.clone().let_go(LetGo::TooSlow);
        }
        is_sent
    }
}

/// What somebody whom we take part for asks of the room.
#[derive(Debug)]
pub(in crate::server) enum RoomAsk {
    /// To say this, which was written at that time by their clock.
    Say(MessageText, Option<Timestamp>),
    /// To offer this file, which the server keeps.
    Offer(FileOffer, Option<Timestamp>),
    /// Who is there.
    Members,
}

/// A line that was said in a room.
#[derive(Debug)]
pub(in crate::server) struct Overheard {
    pub(in crate::server) room: RoomName,
    pub(in crate::server) message: Message,
}

/// The way to the seats.
#[derive(Clone, Debug)]
pub(in crate::server) struct Bridge {
    pub(super) commands: mpsc::Sender<Command>,
}

/// Why a room has no seat of ours for a guest. The text is for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::server) enum BridgeError {
    #[error("the server has too many rooms to be in: try again later")]
    TooManyRooms,
    #[error("the server is busy: try again")]
    Busy,
}

impl From<BridgeError> for Refusal {
    fn from(error: BridgeError) -> Self {
        Self::new(RefusalCode::NoRelay, error.to_string())
    }
}

/// How far a room's seat has heard its members.
#[derive(Debug)]
pub(in crate::server) struct HeardSoFar {
    /// Whether who asks is in the room.
    pub(in crate::server) is_guest: bool,
    pub(in crate::server) positions: Vec<Position>,
}

pub(super) enum Command {
    Enter(ClientId, RoomId, Box<Room>, Box<Guest>, Answer),
    /// Of this room, or of any.
    Leave(ClientId, Option<RoomName>),
    Datagrams(ClientId, RoomName, Bytes),
    Ask(ClientId, RoomName, RoomAsk, Answer),
    Rename(ClientId, UserName),
    /// Whom we take part for is at another connection.
    Move(ClientId, ClientId, Outbox),
    Follow(Vec<(RoomId, Room)>),
    Positions(ClientId, RoomId, oneshot::Sender<HeardSoFar>),
}

/// What one room's seat is told.
pub(super) enum ToRoom {
    Enter(ClientId, Guest, Option<Interface>),
    /// We take part in this one's place; in a reliable room as this member.
    Host(ClientId, Guest, Option<u64>, Option<Interface>),
    Ask(ClientId, RoomAsk, Answer),
    Rename(ClientId, UserName),
    Move(ClientId, ClientId, Outbox),
    Leave(ClientId),
    Datagrams(ClientId, Bytes),
    /// Somebody wants to hear what is said there, if there is an interface to hear it on; or nobody any more.
    Follow(bool, Option<Interface>),
    Positions(bool, oneshot::Sender<HeardSoFar>),
}

impl Bridge {
    /// A client is in this room, or tells that it takes part by another way now; in one room at a time.
    /// The answer tells which member the server's seat there is.
    pub(in crate::server) fn enter(
        &self,
        client: ClientId,
        (id, room): (RoomId, Room),
        guest: Guest,
        answer: Answer,
    ) {
        self.tell(Command::Enter(
            client,
            id,
            Box::new(room),
            Box::new(guest),
            answer,
        ));
    }

    /// A client is not in this room any more; or in none, as it is gone.
    pub(in crate::server) fn leave(&self, client: ClientId, room: Option<RoomName>) {
        self.tell(Command::Leave(client, room));
    }

    /// Datagrams of a client for the room that it is in.
    pub(in crate::server) fn carry(&self, client: ClientId, room: RoomName, piece: Bytes) {
        if has_room_for_piece(&self.commands) {
            let _ = (self.commands).try_send(Command::Datagrams(client, room, piece));
        }
    }

    /// Somebody whom we take part for asks something of this room.
    pub(in crate::server) fn ask(
        &self,
        client: ClientId,
        room: RoomName,
        ask: RoomAsk,
        answer: Answer,
    ) {
        let command = Command::Ask(client, room, ask, answer);
        if let Err(full) = self.commands.try_send(command)
            && let Command::Ask(.., answer) = full.into_inner()
        {
            let _ = answer.send(Err(BridgeError::Busy.into()));
        }
    }

    /// Somebody whom we take part for is called this now.
    pub(in crate::server) fn rename(&self, client: ClientId, name: UserName) {
        self.tell(Command::Rename(client, name));
    }

    /// Somebody whom we take part for is back on another connection.
    pub(in crate::server) fn move_hosted(&self, before: ClientId, after: ClientId, outbox: Outbox) {
        self.tell(Command::Move(before, after, outbox));
    }

    /// These rooms have followers; others have none.
    pub(in crate::server) fn follow(&self, rooms: Vec<(RoomId, Room)>) {
        self.tell(Command::Follow(rooms));
    }

    /// What must not get lost, or seats would be held for nobody. The hub's thread may wait, as the owner of the seats
    /// never waits for it.
    fn tell(&self, command: Command) {
        // Without an owner the server ends.
        let _ = self.commands.blocking_send(command);
    }

    /// How far our seat in a room has heard its members; none without a seat.
    pub(in crate::server) async fn positions(
        &self,
        client: ClientId,
        room: RoomId,
    ) -> Option<HeardSoFar> {
        let (answer, answered) = oneshot::channel();
        let asked = Command::Positions(client, room, answer);
        self.commands.send(asked).await.ok()?;
        answered.await.ok()
    }
}

/// A piece that finds no room is lost, as on any network.
pub(super) fn has_room_for_piece<T>(commands: &mpsc::Sender<T>) -> bool {
    waiting(commands) < PIECES_WAITING_MAX
}

pub(super) fn has_room_for_ask<T>(commands: &mpsc::Sender<T>) -> bool {
    waiting(commands) < ASKS_WAITING_MAX
}

fn waiting<T>(commands: &mpsc::Sender<T>) -> usize {
    COMMANDS_WAITING_MAX - commands.capacity()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn that_somebody_leaves_is_never_lost() {
        // Which of the two threads comes first is not told.
        for _ in 0..100 {
            let (commands, mut received) = mpsc::channel(1);
            let full = Command::Follow(Vec::new());
            assert!(commands.try_send(full).is_ok());
            let bridge = Bridge { commands };
            let leaving = thread::spawn(move || bridge.leave(ClientId(7), None));
            assert!(matches!(received.blocking_recv(), Some(Command::Follow(_))));
            let next = received.blocking_recv();
            assert!(matches!(next, Some(Command::Leave(ClientId(7), None))));
            leaving.join().unwrap();
        }
    }
}
