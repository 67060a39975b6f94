//! The server's own seats: one in each room that has a client who asked for a way into it, or a follower.

mod room_bridge;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::job::{Answer, Job};
use super::outbox::{LetGo, Outbox};
use crate::chat::{Message, Room, RoomAddress, RoomName, SessionId};
use crate::control::{Refusal, RefusalCode, Reply};
use crate::hub::ClientId;
use crate::net::{Interface, Towards};
use room_bridge::RoomBridge;

/// Commands that wait, for all rooms or for one. What finds no room is a datagram that is lost, or a client
/// that is told to try again.
const COMMANDS_WAITING_MAX: usize = 1024;

/// Pieces of datagrams among them: at most 4 MiB. Commands always find room behind them.
const PIECES_WAITING_MAX: usize = 64;

/// Rooms that the server has a seat in at once.
pub(super) const SEATS_MAX: usize = 256;

/// Files that a seat takes on one interface.
pub(super) const SEAT_FILES: usize = 3;

/// How long what the system says of its interfaces is believed: when a server comes back, all its clients enter
/// their rooms at once.
const INTERFACES_KNOWN: Duration = Duration::from_secs(1);

/// Rooms that it listens in because somebody follows; others stay free for guests.
const FOLLOWED_SEATS_MAX: usize = 128;

/// Who is in a room and asked the server for a way into it.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    /// Its seat in a reliable room.
    pub(super) member: Option<u64>,
    /// What it speaks as in a plain room.
    pub(super) name: String,
    /// Its datagrams come through the server, and it is sent those of the group.
    pub(super) is_relayed: bool,
    /// Our own address of the connection with it.
    pub(super) local: IpAddr,
    /// The address of the interface that it uses for the room.
    pub(super) interface: Option<Ipv4Addr>,
    /// The way to it.
    pub(super) outbox: Outbox,
}

impl Guest {
    /// Who does not read fast enough is let go of, and repairs what it missed when it comes back. False then.
    fn send(&self, chunk: Bytes) -> bool {
        let is_sent = self.outbox.push(chunk).is_ok();
        if !is_sent {
            self.outbox.clone().let_go(LetGo::TooSlow);
        }
        is_sent
    }
}

/// A line that was said in a room.
#[derive(Debug)]
pub(super) struct Overheard {
    pub(super) room: RoomName,
    pub(super) message: Message,
}

/// The way to the seats.
#[derive(Clone, Debug)]
pub(super) struct Bridge {
    commands: mpsc::Sender<Command>,
}

/// Why a room has no seat of ours for a guest. The text is for the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BridgeError {
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

/// The member that the server's seat in a reliable room is.
type Entered = Result<Option<u64>, BridgeError>;

enum Command {
    Enter(ClientId, Box<Room>, Box<Guest>, Answer),
    /// Of this room, or of any.
    Leave(ClientId, Option<RoomName>),
    Datagrams(ClientId, RoomName, Bytes),
    Follow(Vec<Room>),
}

/// What one room's seat is told.
enum ToRoom {
    Enter(ClientId, Guest, Option<Interface>),
    Leave(ClientId),
    Datagrams(ClientId, Bytes),
    /// Somebody wants to hear what is said there, if there is an interface to hear it on; or nobody any more.
    Follow(bool, Option<Interface>),
}

impl Bridge {
    /// Starts the owner of the seats. `interface` is where they are taken; none for where their guests are.
    /// It ends with the last handle, and leaves all rooms. Must be called on a tokio runtime.
    pub(super) fn spawn(
        interface: Option<String>,
        jobs: mpsc::WeakSender<Job>,
    ) -> (Self, JoinHandle<()>) {
        let (commands, received) = mpsc::channel(COMMANDS_WAITING_MAX);
        let task = BridgeTask {
            interface,
            jobs,
            seats: BTreeMap::new(),
            at: BTreeMap::new(),
            left: Vec::new(),
            known: BTreeMap::new(),
            known_since: Instant::now(),
        };
        (Self { commands }, tokio::spawn(task.run(received)))
    }

    /// A client is in this room, or tells that it takes part by another way now; in one room at a time.
    /// The answer tells which member the server's seat there is.
    pub(super) fn enter(&self, client: ClientId, room: Room, guest: Guest, answer: Answer) {
        let command = Command::Enter(client, Box::new(room), Box::new(guest), answer);
        if let Err(full) = self.commands.try_send(command)
            && let Command::Enter(.., answer) = full.into_inner()
        {
            let _ = answer.send(Err(BridgeError::Busy.into()));
        }
    }

    /// A client is not in this room any more; or in none, as it is gone.
    pub(super) fn leave(&self, client: ClientId, room: Option<RoomName>) {
        // Where this finds no room, the seat notices when the connection ends.
        let _ = self.commands.try_send(Command::Leave(client, room));
    }

    /// Datagrams of a client for the room that it is in.
    pub(super) fn carry(&self, client: ClientId, room: RoomName, piece: Bytes) {
        if has_room_for_piece(&self.commands) {
            let _ = (self.commands).try_send(Command::Datagrams(client, room, piece));
        }
    }

    /// These rooms have followers; others have none.
    pub(super) fn follow(&self, rooms: Vec<Room>) {
        let _ = self.commands.try_send(Command::Follow(rooms));
    }
}

/// A piece that finds no room is lost, as on any network.
fn has_room_for_piece<T>(commands: &mpsc::Sender<T>) -> bool {
    COMMANDS_WAITING_MAX - commands.capacity() < PIECES_WAITING_MAX
}

/// A room that is deleted and made again, perhaps at the address of another, is another one: those in it may have
/// stayed.
type Place = (RoomAddress, RoomName, &'static str);

struct BridgeTask {
    interface: Option<String>,
    /// To the owner of the hub, who ends when nobody else has one.
    jobs: mpsc::WeakSender<Job>,
    seats: BTreeMap<Place, Seat>,
    /// Where each client is.
    at: BTreeMap<ClientId, Place>,
    /// Seats that were left, and tell so.
    left: Vec<JoinHandle<()>>,
    /// What the system said of late of which interface leads to whom.
    known: BTreeMap<(IpAddr, Option<Ipv4Addr>), Option<Interface>>,
    known_since: Instant,
}

fn place_of(room: &Room) -> Place {
    (room.address, room.name.clone(), room.dialect.as_str())
}

struct Seat {
    to_room: mpsc::Sender<ToRoom>,
    task: JoinHandle<()>,
    member: Option<u64>,
    guests: BTreeSet<ClientId>,
    is_followed: bool,
}

impl BridgeTask {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.recv().await {
            match command {
                Command::Enter(client, room, guest, answer) => {
                    // Whoever asked may be gone.
                    let entered = self.enter(client, *room, *guest);
                    let entered = entered.map(|bridge| Reply::Entered {
                        bridge: bridge.map(SessionId),
                    });
                    let _ = answer.send(entered.map_err(Refusal::from));
                }
                Command::Leave(client, room) => self.leave(client, room.as_ref()),
                Command::Datagrams(client, room, piece) => self.carry(client, &room, piece),
                Command::Follow(rooms) => self.follow(rooms),
            }
        }
        // Their senders of commands go, and so they leave.
        self.left
            .extend(self.seats.into_values().map(|seat| seat.task));
        for task in self.left {
            let _ = task.await;
        }
    }

    fn carry(&self, client: ClientId, room: &RoomName, piece: Bytes) {
        let place = self.at.get(&client).filter(|(_, name, _)| name == room);
        if let Some(seat) = place.and_then(|place| self.seats.get(place))
            && has_room_for_piece(&seat.to_room)
        {
            let _ = seat.to_room.try_send(ToRoom::Datagrams(client, piece));
        }
    }

    fn enter(&mut self, client: ClientId, room: Room, guest: Guest) -> Entered {
        let place = place_of(&room);
        if self.at.get(&client).is_some_and(|at| *at != place) {
            self.leave(client, None);
        }
        let interface = self.interface_of(guest.local, guest.interface);
        let seat = self.seat(room)?;
        seat.guests.insert(client);
        let entered = seat
            .to_room
            .try_send(ToRoom::Enter(client, guest, interface));
        let member = seat.member;
        self.at.insert(client, place);
        entered.map_err(|_| BridgeError::Busy).map(|()| member)
    }

    fn leave(&mut self, client: ClientId, room: Option<&RoomName>) {
        let is_there = |(_, name, _): &Place| room.is_none_or(|room| room == name);
        if !self.at.get(&client).is_some_and(is_there) {
            return;
        }
        let Some(place) = self.at.remove(&client) else {
            return;
        };
        if let Some(seat) = self.seats.get_mut(&place) {
            seat.guests.remove(&client);
            let _ = seat.to_room.try_send(ToRoom::Leave(client));
        }
        self.get_up(&place);
    }

    /// A seat that nobody needs is left: its task ends with the last sender of commands.
    fn get_up(&mut self, place: &Place) {
        let is_needed = |seat: &Seat| seat.is_followed || !seat.guests.is_empty();
        if !self.seats.get(place).is_some_and(is_needed) {
            self.left.retain(|task| !task.is_finished());
            let seat = self.seats.remove(place);
            self.left.extend(seat.map(|seat| seat.task));
        }
    }

    fn follow(&mut self, rooms: Vec<Room>) {
        let wanted: BTreeSet<Place> = rooms.iter().map(place_of).collect();
        let there: Vec<Place> = self.seats.keys().cloned().collect();
        for place in there {
            if !wanted.contains(&place)
                && let Some(seat) = self.seats.get_mut(&place)
                && std::mem::take(&mut seat.is_followed)
            {
                let _ = seat.to_room.try_send(ToRoom::Follow(false, None));
                self.get_up(&place);
            }
        }
        let interface = Interface::choose(
            self.interface.as_deref(),
            Towards::Server(Ipv4Addr::LOCALHOST.into()),
        );
        let interface = interface.ok();
        for room in rooms {
            let is_there = self.seats.contains_key(&place_of(&room));
            if !is_there && self.seats.len() >= FOLLOWED_SEATS_MAX {
                continue;
            }
            if let Ok(seat) = self.seat(room)
                && !std::mem::replace(&mut seat.is_followed, true)
            {
                let _ = seat
                    .to_room
                    .try_send(ToRoom::Follow(true, interface.clone()));
            }
        }
    }

    /// The seat in a room, taken if need be.
    fn seat(&mut self, room: Room) -> Result<&mut Seat, BridgeError> {
        let place = place_of(&room);
        if !self.seats.contains_key(&place) {
            if self.seats.len() >= SEATS_MAX {
                return Err(BridgeError::TooManyRooms);
            }
            let (to_room, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
            let bridge = RoomBridge::new(room, self.jobs.clone());
            let (bridge, pieces) = bridge.map_err(|_| BridgeError::Busy)?;
            let seat = Seat {
                to_room,
                member: bridge.member(),
                task: tokio::spawn(bridge.run(commands, pieces)),
                guests: BTreeSet::new(),
                is_followed: false,
            };
            self.seats.insert(place.clone(), seat);
        }
        self.seats.get_mut(&place).ok_or(BridgeError::Busy)
    }

    /// Where a guest's group is heard here: on the interface that it named, if that is one of this machine, else
    /// on the one that its connection came in by.
    fn interface_of(&mut self, local: IpAddr, named: Option<Ipv4Addr>) -> Option<Interface> {
        if self.known_since.elapsed() > INTERFACES_KNOWN {
            self.known.clear();
            self.known_since = Instant::now();
        }
        let found = || match &self.interface {
            Some(wanted) => Interface::named(wanted).ok(),
            None => {
                let same_machine = named.map(|address| Interface::named(&address.to_string()));
                let same_machine = same_machine.and_then(Result::ok);
                same_machine.or_else(|| Interface::choose(None, Towards::Server(local)).ok())
            }
        };
        let known = self.known.entry((local, named));
        known.or_insert_with(found).clone()
    }
}
