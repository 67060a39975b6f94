//! A member of a reliable room on its sockets, without a runtime: whoever has it calls it.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Interface;
use super::clock::SessionClock;
use super::multicast_socket::{Batch, Hears, MulticastSocket, OpenError};
use super::relay::RelayQueue;
use super::room_seat::KnownPast;
use crate::chat::{Position, RoomAddress, UserName};
use crate::multicast::config::RELIABLE_FIRST_BYTE;
use crate::multicast::packet::{MemberId, Role, is_heartbeat, room_tag};
use crate::multicast::session::{
    Config, Event, Input, MessageId, Output, Past, SendError, Session,
};
use crate::time::{Instant, Micros};

/// How a member joins a reliable room.
#[derive(Clone, Debug)]
pub struct SeatOptions {
    /// How many hops datagrams may go; 1 is this network only.
    pub ttl: u8,
    /// The name to speak under.
    pub name: UserName,
    /// What may be sent at most, in bytes a second; none to let the members decide.
    pub rate_max: Option<u64>,
    /// The member that this one goes on from, as a program does that was started again.
    pub replaces: Option<u64>,
}

/// Where a member's datagrams go.
pub(super) struct Outlet<'a> {
    /// None while the interface is down.
    pub(super) socket: Option<&'a MulticastSocket>,
    /// With it they go to the server. Only signs of life go by multicast too: by them the server notices
    /// when that works.
    pub(super) relay: Option<&'a mut RelayQueue>,
}

/// A session with the time and the datagrams of the real world; sockets come from outside, as they
/// change when the interface does.
pub(super) struct Member {
    id: MemberId,
    session: Session,
    clock: SessionClock,
    /// Datagrams of one length that go out in one call, the last perhaps shorter.
    packed: Vec<u8>,
    segment_bytes: usize,
    segments: usize,
    /// What went wrong with sending since this was last asked.
    failure: Option<io::Error>,
    pub(super) failed_datagrams: u64,
}

/// What a history has of a room, as a session takes it.
pub(super) fn known_past(positions: &[Position], since: Instant) -> Past {
    let positions = positions.iter();
    let positions = positions.map(|position| (MemberId(position.origin.0), position.next));
    Past {
        positions: positions.collect(),
        since,
    }
}

/// The id of a member that nobody has met.
///
/// # Errors
/// The system gives no random numbers.
pub fn new_member() -> io::Result<u64> {
    // 0 stands for nobody.
    Ok(getrandom::u64()?.max(1))
}

/// How long the socket itself waits. The system counts this in ticks of 1 to 4 ms.
const RECEIVE_WAIT: std::time::Duration = std::time::Duration::from_millis(4);

/// Up to this it is waited to the microsecond.
const RECEIVE_WAIT_PRECISE: Micros = Micros::from_millis(10);

/// The largest payload of one call: segments must fit an IPv4 packet together.
const PACKED_BYTES_MAX: usize = 65_000;

impl Member {
    /// As the member with this id, or as one that nobody has met.
    pub(super) fn new(
        room: RoomAddress,
        options: &SeatOptions,
        id: Option<u64>,
        past: Option<KnownPast>,
    ) -> io::Result<Self> {
        let clock = SessionClock::start();
        let config = Config {
            rate_max: options.rate_max,
            replaces: options.replaces.map(MemberId),
            past: past.map(|past| {
                let since = clock.now() - Micros(past.asked.elapsed().as_micros() as u64);
                known_past(&past.positions, since)
            }),
            ..Config::new(room_tag(room), options.name.to_string(), Role::Member)
        };
        let id = MemberId(id.map_or_else(new_member, Ok)?);
        let seed = getrandom::u64()?;
        Ok(Self {
            id,
            session: Session::new(id, config, seed, clock.now()),
            clock,
            packed: Vec::new(),
            segment_bytes: 0,
            segments: 0,
            failure: None,
            failed_datagrams: 0,
        })
    }

    pub(super) fn id(&self) -> MemberId {
        self.id
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn say(&mut self, text: &[u8]) -> Result<MessageId, SendError> {
        self.session.say(text, self.clock.now())
    }

    pub(super) fn rename(&mut self, name: &UserName) {
        self.session.rename(name.to_string(), self.clock.now());
    }

    pub(super) fn leave(&mut self) {
        self.session.leave(self.clock.now());
    }

    pub(super) fn set_relayed(&mut self, is_relayed: bool) {
        self.session.set_relayed(is_relayed, self.clock.now());
    }

    /// Takes a datagram. False if it is of another dialect.
    pub(super) fn hear(&mut self, source: SocketAddrV4, bytes: &[u8], now: Instant) -> bool {
        if bytes.first() != Some(&RELIABLE_FIRST_BYTE) {
            return false;
        }
        let source = source.into();
        self.session
            .handle_input(Input::Datagram { source, bytes }, now);
        true
    }

    /// The time of the last wait may have come.
    pub(super) fn look(&mut self) {
        self.session.handle_input(Input::Timeout, self.clock.now());
    }

    /// Sends what is to be sent and hands out what happened. Gives when to look again. What has nowhere to go
    /// is lost.
    pub(super) fn flush(
        &mut self,
        mut outlet: Outlet<'_>,
        mut on_event: impl FnMut(&Session, Event),
    ) -> Instant {
        loop {
            match self.session.poll_output() {
                Output::Transmit(datagram) => self.transmit(&datagram, &mut outlet),
                Output::Event(event) => on_event(&self.session, event),
                Output::Wait(until) => {
                    self.send_packed(outlet.socket);
                    outlet.relay.into_iter().for_each(RelayQueue::send);
                    return until;
                }
            }
        }
    }

    fn transmit(&mut self, datagram: &[u8], outlet: &mut Outlet<'_>) {
        match &mut outlet.relay {
            None => self.pack(datagram, outlet.socket),
            Some(relay) => {
                relay.push(datagram);
                if let Some(socket) = outlet.socket.filter(|_| is_heartbeat(datagram)) {
                    // Where multicast does not work this may fail, which is no news.
                    let _ = socket.send(datagram, datagram.len());
                }
            }
        }
    }

    /// Datagrams of the same length travel to the system together; a shorter one may be the last.
    fn pack(&mut self, datagram: &[u8], socket: Option<&MulticastSocket>) {
        let segments_max = socket.map_or(1, MulticastSocket::segments_max);
        let fits = self.segments < segments_max
            && datagram.len() <= self.segment_bytes
            && self.packed.len() == self.segments * self.segment_bytes
            && self.packed.len() + datagram.len() <= PACKED_BYTES_MAX;
        if !fits {
            self.send_packed(socket);
            self.segment_bytes = datagram.len();
        }
        self.packed.extend_from_slice(datagram);
        self.segments += 1;
    }

    fn send_packed(&mut self, socket: Option<&MulticastSocket>) {
        if self.packed.is_empty() {
            return;
        }
        let sent = socket.map(|socket| socket.send(&self.packed, self.segment_bytes));
        if !matches!(sent, Some(Ok(()))) {
            self.failed_datagrams += self.segments as u64;
        }
        if let Some(Err(error)) = sent {
            self.failure = Some(error);
        }
        self.packed.clear();
        self.segments = 0;
    }

    /// Why datagrams did not get out since this was last asked.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    pub(super) fn system_time(&self, moment: Instant) -> std::time::Instant {
        self.clock.system(moment)
    }
}

/// A seat in a reliable room for a program without a runtime. Nothing happens but in its calls: a seat
/// that is not called for some seconds is taken as gone by the others.
pub struct Seat {
    member: Member,
    socket: MulticastSocket,
    batch: Batch,
    wake: Instant,
    /// Something was said that is not out yet.
    has_said: bool,
}

impl Seat {
    /// Joins `room` on `interface`.
    ///
    /// # Errors
    /// The group could not be joined.
    pub fn join(
        room: RoomAddress,
        interface: &Interface,
        options: &SeatOptions,
    ) -> Result<Self, OpenError> {
        let socket = MulticastSocket::open(room, interface, options.ttl, Hears::Talk)?;
        let failed = |error| OpenError::new(room, interface, error);
        socket.let_receive_wait(RECEIVE_WAIT).map_err(failed)?;
        let member = Member::new(room, options, None, None).map_err(failed)?;
        let wake = member.now();
        Ok(Self {
            member,
            socket,
            batch: Batch::of_one(),
            wake,
            has_said: false,
        })
    }

    /// Says a text of 1 byte to 64 KiB. It goes out with the next [`Seat::run`], together with others
    /// said before that.
    ///
    /// # Errors
    /// See [`SendError`]; when busy, run it and say it again.
    pub fn say(&mut self, text: &[u8]) -> Result<MessageId, SendError> {
        self.has_said = true;
        self.member.say(text)
    }

    /// Whether there is room for one more text.
    pub fn can_say(&self) -> bool {
        self.member.session.can_say()
    }

    /// Sends what is to be sent, receives what is there, and waits for more, at most so long. Returns
    /// after the first datagrams, or when the time is over.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn run(
        &mut self,
        wait_max: Micros,
        mut on_event: impl FnMut(&Session, Event),
    ) -> io::Result<()> {
        let mut now = self.member.now();
        let end = now + wait_max;
        loop {
            let is_due = self.wake <= now;
            if is_due {
                self.member.look();
            }
            if is_due || std::mem::take(&mut self.has_said) {
                self.flush(&mut on_event);
            }
            if self.receive(self.wake.min(end).since(now))? {
                self.hear_batch(&mut on_event);
                return Ok(());
            }
            now = self.member.now();
            if now >= end {
                return Ok(());
            }
        }
    }

    fn hear_batch(&mut self, on_event: &mut impl FnMut(&Session, Event)) {
        let now = self.member.now();
        for (source, bytes) in self.batch.datagrams() {
            self.member.hear(source, bytes, now);
        }
        self.flush(on_event);
    }

    fn flush(&mut self, on_event: &mut impl FnMut(&Session, Event)) {
        let outlet = Outlet {
            socket: Some(&self.socket),
            relay: None,
        };
        self.wake = self.member.flush(outlet, on_event);
    }

    /// Receives what comes within that time; false if nothing did.
    fn receive(&mut self, wait: Micros) -> io::Result<bool> {
        // The long way is precise, the short way wakes up a call sooner.
        if wait <= RECEIVE_WAIT_PRECISE && !self.is_readable(wait)? {
            return Ok(false);
        }
        match self.socket.receive(&mut self.batch) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether something came, within that time.
    fn is_readable(&self, wait: Micros) -> io::Result<bool> {
        let timeout = Timespec {
            tv_sec: (wait.0 / 1_000_000) as i64,
            tv_nsec: (wait.0 % 1_000_000 * 1000) as _,
        };
        let mut sockets = [PollFd::from_borrowed_fd(self.socket.as_fd(), PollFlags::IN)];
        match poll(&mut sockets, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The session, to ask for members, counters and deliveries.
    pub fn session(&self) -> &Session {
        self.member.session()
    }

    /// Leaves the room: tells the others, and waits until that is out; within a second.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn leave(mut self, mut on_event: impl FnMut(&Session, Event)) -> io::Result<()> {
        self.member.leave();
        self.wake = self.member.now();
        while !self.session().is_over() {
            self.run(Micros::from_millis(10), &mut on_event)?;
        }
        Ok(())
    }
}
