//! A file that is received from a room.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::followed_socket::{FollowedSocket, Opening};
use super::give_way;
use super::stop::{Stop, Stopped, Woken, finish, stop};
use crate::chat::RoomAddress;
use crate::files::{FileError, PartFile};
use crate::multicast::content::Offer;
use crate::multicast::file::{FileDatagram, Layout, ObjectId, Receiver, decode};
use crate::multicast::packet::{MemberId, Role, room_tag};
use crate::net::Interface;
use crate::net::clock::Clock;
use crate::net::multicast_socket::{Batch, Hears, OpenError};
use crate::time::{Instant, Micros};

/// Who has all goes on answering until nothing came for this.
const LINGER: Micros = Micros::from_secs(3);

/// Nothing came for this: it is told that the file does not come on.
const STALLED_AFTER: Micros = Micros::from_secs(5);

/// Nothing came for this: the interface may have another address.
const SILENT_AFTER: Micros = Micros::from_secs(1);

/// Who need not wait longer than this for datagrams had them waiting.
const AT_ONCE: Micros = Micros(50);

/// While symbols come, the call that takes them waits so long for the next: the system wakes this thread once for a burst, not for
/// each datagram of it, and a call for waiting is saved.
const FLOW_WAIT: Duration = Duration::from_millis(10);

/// So often it is looked meanwhile whether this is to end.
const LOOK: Micros = Micros::from_millis(20);

/// How often progress is told.
const TELL: Micros = Micros::from_millis(50);

/// Blocks that did not come in their order are hashed in portions of so many bytes.
const CATCH_UP_BYTES: u64 = 2 * 1024 * 1024;

/// How to receive a file.
#[derive(Clone, Debug)]
pub struct ReceivingOptions {
    /// Which member of the room receives it.
    pub member: u64,
    /// The server's seat is nobody.
    pub is_observer: bool,
    /// The room.
    pub room: RoomAddress,
    /// Where to listen.
    pub interface: Interface,
    /// How many hops datagrams may go.
    pub ttl: u8,
}

/// What becomes of a part file when there is nothing more to do.
pub trait Keeper: Send {
    /// All is there: it gets its name, if its hash is right.
    ///
    /// # Errors
    /// Why not, and what to do.
    fn finish(&mut self, part: PartFile) -> Result<PathBuf, String>;

    /// It is not gone on with here.
    fn abandon(&mut self, part: PartFile);
}

/// A file that is received appears in the folder of its part.
#[derive(Clone, Copy, Debug)]
pub struct Publish;

impl Keeper for Publish {
    fn finish(&mut self, part: PartFile) -> Result<PathBuf, String> {
        part.publish().map_err(|error| error.to_string())
    }

    /// What came stays for the next time.
    fn abandon(&mut self, part: PartFile) {
        if part.received_bytes() == 0 {
            // One that is left is removed when it is old.
            let _ = part.discard();
        }
    }
}

/// How far a file that is received has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes are there.
    Part {
        /// In bytes, with those of blocks that are not whole.
        have_bytes: u64,
        /// Nothing came for some seconds.
        is_stalled: bool,
    },
    /// All is there, under this name.
    Whole(PathBuf),
    /// It cannot go on; the text says what to do.
    Failed(String),
}

/// A file that is received until it is there, or this is dropped. What came stays for the next time.
#[derive(Debug)]
pub struct Incoming {
    state: watch::Receiver<Received>,
    _stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Incoming {
    /// How far it has come, and each change of that.
    pub fn state(&self) -> watch::Receiver<Received> {
        self.state.clone()
    }

    /// Waits until it ends by itself: when all is there, and nobody has asked for some seconds.
    pub async fn ended(&self) {
        let mut state = self.state();
        while state.changed().await.is_ok() {}
    }

    /// Ends it, and waits until nobody has the part file any more; some milliseconds.
    pub async fn end(mut self) {
        let thread = self.thread.take();
        drop(self);
        finish(thread).await;
    }
}

/// Starts to receive a file that was offered, into its part file.
///
/// # Errors
/// The group could not be joined, or no thread started.
pub fn receive(
    options: &ReceivingOptions,
    offer: &Offer,
    part: PartFile,
    keeper: Box<dyn Keeper>,
) -> Result<Incoming, OpenError> {
    let told = Received::Part {
        have_bytes: part.received_bytes(),
        is_stalled: false,
    };
    let blocks = 0..u64::from(Layout::of(offer).blocks());
    let has = blocks.map(|block| part.has(block)).collect();
    start(options, offer, has, told, Some(part), keeper)
}

/// Answers who asks for a file that it is here already, as long as who has received it does.
///
/// # Errors
/// As of [`receive`].
pub fn confirm(
    options: &ReceivingOptions,
    offer: &Offer,
    path: PathBuf,
) -> Result<Incoming, OpenError> {
    let has = vec![true; Layout::of(offer).blocks() as usize];
    let told = Received::Whole(path);
    start(options, offer, has, told, None, Box::new(Publish))
}

fn start(
    options: &ReceivingOptions,
    offer: &Offer,
    has: Vec<bool>,
    told: Received,
    part: Option<PartFile>,
    keeper: Box<dyn Keeper>,
) -> Result<Incoming, OpenError> {
    let object = ObjectId::of(&offer.file.hash);
    let (room, interface) = (options.room, &options.interface);
    let failed = |error| OpenError::new(room, interface, error);
    let link = FollowedSocket::open(Opening {
        room,
        interface: interface.clone(),
        ttl: options.ttl,
        hears: Hears::SymbolsOf(object),
        receive_wait: Some(FLOW_WAIT),
    })?;
    // The system counts what each datagram takes, which is up to twice its bytes.
    let buffer_bytes = link.socket.receive_buffer_bytes().map_err(failed)? / 2;
    let role = match options.is_observer {
        true => Role::Observer,
        false => Role::Member,
    };
    let clock = Clock::start();
    let layout = Layout::of(offer);
    let receiver = Receiver::new(
        (MemberId(options.member), role),
        room_tag(room),
        object,
        layout,
        has,
        u16::try_from(buffer_bytes / 1024).unwrap_or(u16::MAX),
        clock.now(),
    );
    let (told, state) = watch::channel(told);
    let (stop, stopped) = stop().map_err(failed)?;
    let receiving = Receiving {
        link,
        batch: Batch::of_very_many(),
        clock,
        receiver,
        layout,
        part,
        keeper,
        heard: clock.now(),
        sending_fails: false,
        free_since: clock.now(),
        flows_until: Instant::START,
        told,
        tell_due: Instant::START,
    };
    let thread = thread::Builder::new().name("file-in".to_owned());
    let thread = thread
        .spawn(move || receiving.run(&stopped))
        .map_err(failed)?;
    Ok(Incoming {
        state,
        _stop: stop,
        thread: Some(thread),
    })
}

struct Receiving {
    link: FollowedSocket,
    batch: Batch,
    clock: Clock,
    receiver: Receiver,
    layout: Layout,
    /// None when it has its name.
    part: Option<PartFile>,
    keeper: Box<dyn Keeper>,
    /// When something last came, or it was begun.
    heard: Instant,
    /// The last need did not get out.
    sending_fails: bool,
    /// When it last turned from the socket to what had come.
    free_since: Instant,
    /// Until then the call that takes symbols waits for them; over where none came.
    flows_until: Instant,
    told: watch::Sender<Received>,
    tell_due: Instant,
}

/// Why a file cannot go on.
#[derive(Debug, thiserror::Error)]
enum ReceiveError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the interface is gone ({0}): ask for the file again when it is back")]
    Network(#[from] io::Error),
    #[error("{0}")]
    NotKept(String),
}

impl Receiving {
    fn run(mut self, stopped: &Stopped) {
        give_way();
        let served = self.serve(stopped);
        if let Some(part) = self.part.take() {
            self.keeper.abandon(part);
        }
        if let Err(error) = served {
            // It may have got its name before: who sent it should know whether it is here.
            let has_name = matches!(*self.told.borrow(), Received::Whole(_));
            match has_name {
                true => self.receiver.leave(),
                false => self.receiver.give_up(),
            }
            self.answer();
            if !has_name {
                self.told.send_replace(Received::Failed(error.to_string()));
            }
        }
    }

    fn serve(&mut self, stopped: &Stopped) -> Result<(), ReceiveError> {
        loop {
            if self.receiver.is_whole() {
                self.publish()?;
            }
            self.answer();
            let now = self.clock.now();
            if self.sending_fails || self.heard + SILENT_AFTER <= now {
                self.link.follow(now);
            }
            if self.part.is_none() && self.heard + LINGER <= now {
                return Ok(());
            }
            match self.wait(stopped, now)? {
                Woken::Readable => self.hear(now)?,
                Woken::Timeout => {}
                Woken::Stopped => {
                    self.receiver.leave();
                    self.answer();
                    return Ok(());
                }
            }
            self.tell();
        }
    }

    /// Waits for symbols, or for the end; not at all where the call that takes symbols waits for them.
    fn wait(&mut self, stopped: &Stopped, now: Instant) -> io::Result<Woken> {
        if now < self.flows_until {
            return Ok(Woken::Readable);
        }
        let looked = match self.part {
            Some(_) => now + STALLED_AFTER,
            None => self.heard + LINGER,
        };
        let wake = self.receiver.wake().min(looked);
        let woken = stopped.wait(self.link.socket.as_fd(), wake.since(now))?;
        if woken == Woken::Readable {
            self.flows_until = now + LOOK;
        }
        Ok(woken)
    }

    /// Takes what is there, and writes the blocks that are whole with it.
    fn hear(&mut self, waited_from: Instant) -> Result<(), ReceiveError> {
        match self.link.socket.receive(&mut self.batch) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.flows_until = Instant::START;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        let now = self.clock.now();
        // What was there at once may have come while the blocks before were worked on.
        let came = match now.since(waited_from) < AT_ONCE {
            true => self.free_since,
            false => now,
        };
        self.free_since = now;
        // In one go: taken out one by one, the nested iterator cost this thread a twentieth of its time.
        self.batch.datagrams().try_for_each(|(_, datagram)| {
            let Ok((header, FileDatagram::Symbol(symbol))) = decode(datagram) else {
                return Ok(());
            };
            let whole = self.receiver.hear(&header, &symbol, came);
            if let (Some(whole), Some(part)) = (whole, &mut self.part) {
                let bytes = &whole.bytes[..self.layout.bytes_in(whole.block)];
                part.write_block(whole.block.into(), bytes)?;
                self.receiver.recycle(whole.bytes);
            }
            Ok::<_, ReceiveError>(())
        })?;
        // Not by what is of another file, or of none.
        self.heard = self.heard.max(self.receiver.heard().unwrap_or(self.heard));
        if let Some(part) = &mut self.part {
            part.catch_up(CATCH_UP_BYTES)?;
        }
        Ok(())
    }

    fn answer(&mut self) {
        while let Some(need) = self.receiver.poll_need(self.clock.now()) {
            // One that is lost is followed by others.
            self.sending_fails = self.link.socket.send(&need, need.len()).is_err();
        }
    }

    fn publish(&mut self) -> Result<(), ReceiveError> {
        if let Some(part) = self.part.take() {
            let path = self.keeper.finish(part);
            let path = path.map_err(ReceiveError::NotKept)?;
            self.told.send_replace(Received::Whole(path));
        }
        Ok(())
    }

    fn tell(&mut self) {
        let (now, Some(part)) = (self.clock.now(), &self.part) else {
            return;
        };
        let is_stalled = self.heard + STALLED_AFTER <= now;
        if self.tell_due <= now {
            self.tell_due = now + TELL;
            let have_bytes = part.received_bytes() + self.receiver.open_bytes();
            let state = Received::Part {
                have_bytes: have_bytes.min(part.offer().size_bytes),
                is_stalled,
            };
            self.told.send_if_modified(|told| {
                let is_news = *told != state;
                *told = state;
                is_news
            });
        }
    }
}
