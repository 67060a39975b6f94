//! The server's own seats: one in each room that has a client who asked for a way into it, or a follower.

mod handle;
mod hosted;
mod keep_file;
mod kept;
mod room_bridge;
mod room_files;
mod send_kept;
mod talk_log;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::files::Files;
use super::job::{Answer, Job};
use super::outbox::Outbox;
use crate::chat::{Dialect, Room, RoomId, RoomName, SessionId};
use crate::control::{Refusal, Reply};
use crate::hub::ClientId;
use crate::net::{Interface, Towards, new_member};
use crate::store::History;
pub(super) use handle::{Bridge, Guest, Overheard, RoomAsk};
use handle::{
    BridgeError, COMMANDS_WAITING_MAX, Command, HeardSoFar, ToRoom, has_room_for_ask,
    has_room_for_piece,
};
use kept::{Kept, RoomHistory};
use room_bridge::RoomBridge;
use room_files::Places;
pub(super) use room_files::TRANSFER_FILES_MAX;

/// Rooms that the server has a seat in at once.
pub(super) const SEATS_MAX: usize = 256;

/// Files that a seat takes on one interface.
pub(super) const SEAT_FILES: usize = 3;

/// A seat whose history is kept stays taken for so long after the last guest has left: its last words are on their
/// way, and it may come back. While others are heard there it stays.
const LINGER: Duration = Duration::from_secs(3);

/// How often it is looked whether such a seat is needed.
const LINGER_LOOK: Duration = Duration::from_millis(500);

/// How long what the system says of its interfaces is believed: when a server comes back, all its clients enter
/// their rooms at once.
const INTERFACES_KNOWN: Duration = Duration::from_secs(1);

/// Rooms that it listens in because somebody follows; others stay free for guests.
const FOLLOWED_SEATS_MAX: usize = 128;

impl Bridge {
    /// Starts the owner of the seats. `interface` is where they are taken; none for where their guests are.
    /// It ends with the last handle, and leaves all rooms. Must be called on a tokio runtime.
    pub(super) fn spawn(
        interface: Option<String>,
        jobs: mpsc::WeakSender<Job>,
        history: Option<History>,
        files: Files,
    ) -> (Self, JoinHandle<()>) {
        let (commands, received) = mpsc::channel(COMMANDS_WAITING_MAX);
        let task = BridgeTask {
            interface,
            jobs,
            history,
            files,
            places: Places::default(),
            seats: BTreeMap::new(),
            at: BTreeMap::new(),
            left: Vec::new(),
            known: BTreeMap::new(),
            known_since: Instant::now(),
        };
        (Self { commands }, tokio::spawn(task.run(received)))
    }
}

/// The member that the server's seat in a reliable room is, and the one that is hosted from now on.
type Entered = Result<(Option<u64>, Option<u64>), BridgeError>;

/// A room that is deleted and made again, perhaps at the address of another, is another one: those in it may have
/// stayed.
type Place = (RoomId, RoomName);

struct BridgeTask {
    interface: Option<String>,
    /// To the owner of the hub, who ends when nobody else has one.
    jobs: mpsc::WeakSender<Job>,
    /// Where what is heard is kept, if it is.
    history: Option<History>,
    /// Where files that are offered are kept, and how many travel at a time.
    files: Files,
    places: Places,
    seats: BTreeMap<Place, Seat>,
    /// Where each client is.
    at: BTreeMap<ClientId, Place>,
    /// Seats that were left, and tell so.
    left: Vec<JoinHandle<()>>,
    /// What the system said of late of which interface leads to whom.
    known: BTreeMap<(IpAddr, Option<Ipv4Addr>), Option<Interface>>,
    known_since: Instant,
}

fn place_of((id, room): &(RoomId, Room)) -> Place {
    (*id, room.name.clone())
}

struct Seat {
    to_room: mpsc::Sender<ToRoom>,
    task: JoinHandle<()>,
    member: Option<u64>,
    /// And whether we take part in their place.
    guests: BTreeMap<ClientId, bool>,
    is_followed: bool,
    /// Nobody else is heard there.
    is_alone: Arc<AtomicBool>,
    /// It stays for its history alone.
    lingers_since: Option<Instant>,
}

impl Seat {
    fn is_needed(&self) -> bool {
        self.is_followed || !self.guests.is_empty()
    }
}

impl BridgeTask {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut look = interval(LINGER_LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let lingers = self.seats.values().any(|seat| seat.lingers_since.is_some());
            let command = tokio::select! {
                command = commands.recv() => command,
                _ = look.tick(), if lingers => {
                    self.get_up_after_lingering();
                    continue;
                }
            };
            let Some(command) = command else { break };
            match command {
                Command::Enter(client, id, room, guest, answer) => {
                    let hosted_in = guest.is_hosted.then(|| room.name.clone());
                    match self.enter(client, (id, *room), *guest) {
                        Ok((bridge, member)) => {
                            // Whoever asked may be gone.
                            let _ = answer.send(Ok(Reply::Entered {
                                bridge: bridge.map(SessionId),
                                member: member.map(SessionId),
                            }));
                        }
                        Err(error) => self.refuse(client, hosted_in, error, answer),
                    }
                }
                Command::Leave(client, room) => self.leave(client, room.as_ref()),
                Command::Datagrams(client, room, piece) => self.carry(client, &room, piece),
                Command::Ask(client, room, ask, answer) => self.ask(client, &room, ask, answer),
                Command::Rename(client, name) => {
                    if let Some(seat) = self.seat_of(client) {
                        let _ = seat.to_room.try_send(ToRoom::Rename(client, name));
                    }
                }
                Command::Move(before, after, outbox) => self.move_hosted(before, after, outbox),
                Command::Follow(rooms) => self.follow(rooms),
                Command::Positions(client, room, answer) => {
                    self.tell_positions(client, room, answer)
                }
            }
        }
        // Their senders of commands go, and so they leave.
        self.left
            .extend(self.seats.into_values().map(|seat| seat.task));
        for task in self.left {
            let _ = task.await;
        }
    }

    /// Whom we cannot take part for is not in the room. The hub is told so before who asked, by a task of its own: the seats
    /// never wait for the hub.
    fn refuse(
        &self,
        client: ClientId,
        hosted_in: Option<RoomName>,
        error: BridgeError,
        answer: Answer,
    ) {
        let jobs = self.jobs.upgrade();
        tokio::spawn(async move {
            if let (Some(room), Some(jobs)) = (hosted_in, jobs) {
                let _ = jobs.send(Job::NotHosted(client, room)).await;
            }
            let _ = answer.send(Err(Refusal::from(error)));
        });
    }

    fn carry(&self, client: ClientId, room: &RoomName, piece: Bytes) {
        let place = self.at.get(&client).filter(|(_, name)| name == room);
        if let Some(seat) = place.and_then(|place| self.seats.get(place))
            && has_room_for_piece(&seat.to_room)
        {
            let _ = seat.to_room.try_send(ToRoom::Datagrams(client, piece));
        }
    }

    /// The seat in the room where this client is.
    fn seat_of(&self, client: ClientId) -> Option<&Seat> {
        self.seats.get(self.at.get(&client)?)
    }

    fn ask(&self, client: ClientId, room: &RoomName, ask: RoomAsk, answer: Answer) {
        let is_there = self.at.get(&client).is_some_and(|(_, name)| name == room);
        let Some(seat) = self.seat_of(client).filter(|_| is_there) else {
            let _ = answer.send(Err(hosted::not_there()));
            return;
        };
        match has_room_for_ask(&seat.to_room) {
            // Only its end may come between.
            true => _ = (seat.to_room).try_send(ToRoom::Ask(client, ask, answer)),
            false => _ = answer.send(Err(BridgeError::Busy.into())),
        }
    }

    fn move_hosted(&mut self, before: ClientId, after: ClientId, outbox: Outbox) {
        let Some(place) = self.at.remove(&before) else {
            return;
        };
        if let Some(seat) = self.seats.get_mut(&place) {
            let is_hosted = seat.guests.remove(&before).unwrap_or(false);
            seat.guests.insert(after, is_hosted);
            let _ = seat.to_room.try_send(ToRoom::Move(before, after, outbox));
        }
        self.at.insert(after, place);
    }

    fn tell_positions(&self, client: ClientId, room: RoomId, answer: oneshot::Sender<HeardSoFar>) {
        let seat = self.seats.iter().find(|((id, _), _)| *id == room);
        if let Some((_, seat)) = seat {
            let is_guest = seat.guests.contains_key(&client);
            // Where it finds no room, who asked is told of none.
            let _ = seat.to_room.try_send(ToRoom::Positions(is_guest, answer));
        }
    }

    /// The hub has taken the client out of the room before, so it leaves that also where this one is refused.
    fn enter(&mut self, client: ClientId, room: (RoomId, Room), guest: Guest) -> Entered {
        let place = place_of(&room);
        if self.at.get(&client) != Some(&place) {
            self.leave(client, None);
        }
        let interface = self.interface_of(guest.local, guest.interface);
        let is_hosted = guest.is_hosted;
        let member = match (is_hosted, room.1.dialect) {
            (true, Dialect::Reliable) => Some(new_member().map_err(|_| BridgeError::Busy)?),
            _ => None,
        };
        let seat = self.seat(room)?;
        let to_room = match is_hosted {
            false => ToRoom::Enter(client, guest, interface),
            true => ToRoom::Host(client, guest, member, interface),
        };
        // One that was just taken has room.
        let entered = seat.to_room.try_send(to_room);
        entered.map_err(|_| BridgeError::Busy)?;
        // Who is hosted already stays the same one.
        let was_hosted = seat.guests.insert(client, is_hosted) == Some(true);
        seat.lingers_since = None;
        let entered = (seat.member, member.filter(|_| !was_hosted));
        self.at.insert(client, place);
        Ok(entered)
    }

    fn leave(&mut self, client: ClientId, room: Option<&RoomName>) {
        let is_there = |(_, name): &Place| room.is_none_or(|room| room == name);
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

    /// A seat that nobody needs is left, at once or, for its history, a little later.
    fn get_up(&mut self, place: &Place) {
        let keeps = |history: &History| history.keeps(place.0);
        let lingers = self.history.as_ref().is_some_and(keeps);
        match self.seats.get_mut(place) {
            Some(seat) if seat.is_needed() => {}
            Some(seat) if lingers => seat.lingers_since = Some(Instant::now()),
            _ => self.remove(place),
        }
    }

    /// Its task ends with the last sender of commands.
    fn remove(&mut self, place: &Place) {
        self.left.retain(|task| !task.is_finished());
        let seat = self.seats.remove(place);
        self.left.extend(seat.map(|seat| seat.task));
    }

    fn get_up_after_lingering(&mut self) {
        let is_over = |seat: &Seat| {
            let since = seat.lingers_since.filter(|_| !seat.is_needed());
            since.is_some_and(|since| since.elapsed() >= LINGER) && seat.is_alone.load(Relaxed)
        };
        let over = self.seats.iter().filter(|(_, seat)| is_over(seat));
        let over: Vec<Place> = over.map(|(place, _)| place.clone()).collect();
        over.iter().for_each(|place| self.remove(place));
    }

    /// Makes room for somebody who needs it: of the seats that linger the first goes.
    fn make_room(&mut self) {
        let lingering = self.seats.iter().filter(|(_, seat)| !seat.is_needed());
        let first = lingering.min_by_key(|(_, seat)| seat.lingers_since);
        if let Some(place) = first.map(|(place, _)| place.clone()) {
            self.remove(&place);
        }
    }

    fn follow(&mut self, rooms: Vec<(RoomId, Room)>) {
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
                seat.lingers_since = None;
                let _ = seat
                    .to_room
                    .try_send(ToRoom::Follow(true, interface.clone()));
            }
        }
    }

    /// The seat in a room, taken if need be.
    fn seat(&mut self, room: (RoomId, Room)) -> Result<&mut Seat, BridgeError> {
        let place = place_of(&room);
        if !self.seats.contains_key(&place) {
            if self.seats.len() >= SEATS_MAX {
                self.make_room();
            }
            if self.seats.len() >= SEATS_MAX {
                return Err(BridgeError::TooManyRooms);
            }
            let (to_room, commands) = mpsc::channel(COMMANDS_WAITING_MAX);
            let (id, room) = room;
            let history = self.history.clone().filter(|history| history.keeps(id));
            let history = history.map(|history| RoomHistory { history, room: id });
            let is_alone = Arc::new(AtomicBool::new(true));
            let kept = Kept {
                history,
                files: self.files.clone(),
                places: self.places.clone(),
            };
            let bridge = RoomBridge::new(room, self.jobs.clone(), kept, Arc::clone(&is_alone));
            let (bridge, pieces) = bridge.map_err(|_| BridgeError::Busy)?;
            let seat = Seat {
                to_room,
                member: bridge.member(),
                task: tokio::spawn(bridge.run(commands, pieces)),
                guests: BTreeMap::new(),
                is_followed: false,
                is_alone,
                lingers_since: None,
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
