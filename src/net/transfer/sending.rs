//! A file that is sent to a room.

use std::io;
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use tokio::sync::watch;

use super::block_reader::{BlockReader, ReadError};
use super::followed_socket::{FollowedSocket, Opening};
use super::give_way;
use super::stop::{Stop, Stopped, Woken, finish, stop};
use crate::chat::RoomAddress;
use crate::files::SourceFile;
use crate::multicast::content::Offer;
use crate::multicast::file::{
    Announcement, FileDatagram, Layout, ObjectId, Planned, SYMBOL_HEADER_BYTES, Sender, Step,
    Symbol, decode, encode_announcement, write_symbol_header,
};
use crate::multicast::packet::{MemberId, Role, room_tag};
use crate::net::Interface;
use crate::net::clock::Clock;
use crate::net::multicast_socket::{Batch, Hears, OpenError};
use crate::time::{Instant, Micros};

/// The largest payload of one call: segments must fit an IPv4 packet together.
const PACKED_BYTES_MAX: usize = 65_000;

/// How often those who came later are told of the file while somebody gets it, and else.
const ANNOUNCE_BUSY: Micros = Micros::from_secs(1);
const ANNOUNCE_IDLE: Micros = Micros::from_secs(5);

/// Calls for answers in a row, each for several: then something is sent, or it is looked whether this is to end.
const HEARD_AT_ONCE_MAX: usize = 64;

/// How often progress is told.
const TELL: Micros = Micros::from_millis(50);

/// That the file is no longer to be had is told so often.
const WITHDRAWALS: u32 = 3;

/// How to send a file.
#[derive(Clone, Debug)]
pub struct SendingOptions {
    /// Which member of the room sends it.
    pub member: u64,
    /// The server's seat is nobody.
    pub is_observer: bool,
    /// The room.
    pub room: RoomAddress,
    /// Where to send.
    pub interface: Interface,
    /// How many hops datagrams may go.
    pub ttl: u8,
    /// What may be sent at most, in bytes a second; none to let the members decide.
    pub rate_max: Option<u64>,
    /// Members that may answer, as far as known.
    pub expected: usize,
    /// When it was offered.
    pub said_at: Timestamp,
}

/// How far a file that is sent has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Members that have it.
    pub done: usize,
    /// Members that get it now.
    pub waiting: usize,
    /// What the slowest of these has, in bytes; the file's length if there are none.
    pub slowest_bytes: u64,
    /// How much came to these, in symbols all together.
    pub came: u64,
    /// The server has it too, for those who come later.
    pub is_kept: bool,
    /// The server gets it now.
    pub is_being_kept: bool,
    /// Why it is not sent any more.
    pub failed: Option<String>,
}

/// A file that is sent, to whoever wants it, until this is dropped.
#[derive(Debug)]
pub struct Outgoing {
    state: watch::Receiver<Sent>,
    _stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Outgoing {
    /// How far it has come, and each change of that.
    pub fn state(&self) -> watch::Receiver<Sent> {
        self.state.clone()
    }

    /// Ends it, and waits until those who get it are told; some milliseconds.
    pub async fn end(mut self) {
        let thread = self.thread.take();
        drop(self);
        finish(thread).await;
    }
}

/// Starts to send a file that was offered.
///
/// # Errors
/// The group could not be joined, or no thread started.
pub fn send(
    options: &SendingOptions,
    offer: &Offer,
    source: SourceFile,
) -> Result<Outgoing, OpenError> {
    let object = ObjectId::of(&offer.file.hash);
    let layout = Layout::of(offer);
    let (room, interface) = (options.room, &options.interface);
    let link = FollowedSocket::open(Opening {
        room,
        interface: interface.clone(),
        ttl: options.ttl,
        hears: Hears::NeedsOf(object),
        receive_wait: None,
    })?;
    let clock = Clock::start();
    let role = match options.is_observer {
        true => Role::Observer,
        false => Role::Member,
    };
    let mut sender = Sender::new(
        (MemberId(options.member), role),
        room_tag(room),
        object,
        layout,
        options.rate_max,
        clock.now(),
    );
    sender.expect(options.expected);
    let (told, state) = watch::channel(Sent::default());
    let failed = |error| OpenError::new(room, interface, error);
    let (stop, stopped) = stop().map_err(failed)?;
    let sending = Sending {
        link,
        batch: Batch::of_many(),
        clock,
        sender,
        reader: BlockReader::new(source, layout),
        layout,
        object,
        room,
        announcement: Announcement {
            is_withdrawn: false,
            offer: offer.clone(),
            said_at: options.said_at,
        },
        announce_due: clock.now() + ANNOUNCE_BUSY,
        packed: Vec::new(),
        segments: 0,
        told,
        tell_due: Instant::START,
    };
    let thread = thread::Builder::new().name("file-out".to_owned());
    let thread = thread
        .spawn(move || sending.run(&stopped))
        .map_err(failed)?;
    Ok(Outgoing {
        state,
        _stop: stop,
        thread: Some(thread),
    })
}

struct Sending {
    link: FollowedSocket,
    batch: Batch,
    clock: Clock,
    sender: Sender,
    reader: BlockReader,
    layout: Layout,
    object: ObjectId,
    /// Where those are who may not know of the file yet.
    room: RoomAddress,
    announcement: Announcement,
    announce_due: Instant,
    /// Symbols that go out in one call.
    packed: Vec<u8>,
    segments: usize,
    told: watch::Sender<Sent>,
    tell_due: Instant,
}

impl Sending {
    fn run(mut self, stopped: &Stopped) {
        give_way();
        let failed = self.serve(stopped).err();
        for _ in 0..WITHDRAWALS {
            self.announce(true);
        }
        self.told.send_modify(|state| state.failed = failed);
    }

    /// Until it is stopped. `Err` says why it cannot go on.
    fn serve(&mut self, stopped: &Stopped) -> Result<(), String> {
        loop {
            let wake = self.send_planned().map_err(|error| error.to_string())?;
            let now = self.clock.now();
            if self.announce_due <= now {
                self.link.follow(now);
                self.announce(false);
            }
            let wait = wake.min(self.announce_due).since(now);
            match stopped.wait(self.link.socket.as_fd(), wait) {
                Ok(Woken::Stopped) => return Ok(()),
                Ok(Woken::Readable) => self.hear().map_err(|error| error.to_string())?,
                Ok(Woken::Timeout) => {}
                Err(error) => return Err(error.to_string()),
            }
            self.tell();
        }
    }

    /// Sends what may be sent now, and hears answers between the calls. Gives when to look again.
    fn send_planned(&mut self) -> Result<Instant, ReadError> {
        let mut now = self.clock.now();
        loop {
            match self.sender.poll(now) {
                Step::Send(planned) => self.pack(&planned)?,
                Step::Wait(until) => {
                    self.flush();
                    return Ok(until);
                }
            }
            if self.segments >= self.segments_max() {
                self.flush();
                // What fails here shows in the next wait.
                let _ = self.hear();
                self.tell();
                now = self.clock.now();
            }
        }
    }

    fn pack(&mut self, planned: &Planned) -> Result<(), ReadError> {
        let symbol = Symbol {
            object: self.object,
            block: planned.block,
            symbol: planned.symbol,
            passed: planned.passed,
            bytes: &[],
        };
        write_symbol_header(&planned.header, &symbol, &mut self.packed);
        self.segments += 1;
        self.reader
            .append(planned.block, planned.symbol, &mut self.packed)
    }

    /// As many symbols as go out in one call: one where the interface turned out not to divide what it is given.
    fn segments_max(&self) -> usize {
        (PACKED_BYTES_MAX / self.datagram_bytes()).min(self.link.socket.segments_max())
    }

    fn datagram_bytes(&self) -> usize {
        self.layout.symbol_bytes() + SYMBOL_HEADER_BYTES
    }

    /// What the network does not take is lost, and repaired.
    fn flush(&mut self) {
        if self.segments > 0 {
            let _ = self.link.socket.send(&self.packed, self.datagram_bytes());
            self.packed.clear();
            self.segments = 0;
        }
    }

    /// Takes the answers that are there, and leaves some for later where somebody floods us with them.
    fn hear(&mut self) -> io::Result<()> {
        for _ in 0..HEARD_AT_ONCE_MAX {
            match self.link.socket.receive(&mut self.batch) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            let now = self.clock.now();
            for (_, datagram) in self.batch.datagrams() {
                if let Ok((header, FileDatagram::Need(need))) = decode(datagram) {
                    self.sender.hear(&header, &need, now);
                }
            }
        }
        Ok(())
    }

    fn announce(&mut self, is_withdrawn: bool) {
        let now = self.clock.now();
        self.announcement.is_withdrawn = is_withdrawn;
        let header = self.sender.header(false, now);
        let datagram = encode_announcement(&header, &self.announcement);
        // One that is lost is followed by others.
        let _ = self
            .link
            .socket
            .send_to(self.room, &datagram, datagram.len());
        let is_busy = self.sender.progress(now).any(|member| member.is_waiting);
        self.announce_due = match is_busy {
            true => now + ANNOUNCE_BUSY,
            false => now + ANNOUNCE_IDLE,
        };
    }

    /// Now and then, and at once when somebody has it.
    fn tell(&mut self) {
        let now = self.clock.now();
        let state = self.state(now);
        let told = self.told.borrow();
        let who = |sent: &Sent| (sent.done, sent.waiting, sent.is_kept, sent.is_being_kept);
        let is_news = who(&told) != who(&state);
        let is_due = is_news || self.tell_due <= now && *told != state;
        drop(told);
        if is_due {
            self.tell_due = now + TELL;
            self.told.send_replace(state);
        }
    }

    fn state(&self, now: Instant) -> Sent {
        let size_bytes = self.announcement.offer.file.size_bytes;
        let mut state = Sent {
            slowest_bytes: size_bytes,
            ..Sent::default()
        };
        for member in self.sender.progress(now) {
            match member.role {
                Role::Observer => {
                    state.is_kept |= member.is_done;
                    state.is_being_kept |= member.is_waiting;
                }
                Role::Member | Role::Relayed | Role::Hosted => {
                    state.done += usize::from(member.is_done);
                    state.waiting += usize::from(member.is_waiting);
                }
            }
            if member.is_waiting {
                state.slowest_bytes = state.slowest_bytes.min(member.bytes);
                state.came += member.top;
            }
        }
        // Where who took it is gone, what was told last stands.
        if state.done + state.waiting == 0 {
            state.slowest_bytes = self.told.borrow().slowest_bytes;
        }
        state
    }
}
