//! The clients that listen: many connections, few threads, nothing parsed that need not be.

use std::error::Error;
use std::io::Write;
use std::net::{SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};

mod client;
mod watcher;

use crate::interrupt;
use crate::servers::{Seat, Server};
use client::Client;
use watcher::Watcher;

/// Clients that wait for their seats at once: ngircd has its system hold 10 at most, and a client beyond waits a
/// second.
const ARRIVING_MAX: usize = 8;

/// How long all clients together may take to get their seats: each is told to all before.
const ARRIVAL: Duration = Duration::from_secs(120);

/// How often something that is waited for is looked at. Short, so that a sender that waits for its receivers
/// does not let them run dry.
const LOOK: Duration = Duration::from_micros(100);

/// A second in which the crowd gets less than this has brought nothing but signs of life.
const QUIET_BYTES_A_SECOND: u64 = 64 * 1024;

/// How long it must be quiet.
const QUIET: Duration = Duration::from_millis(500);

/// How long it may take to get quiet.
const QUIET_WAIT: Duration = Duration::from_secs(30);

/// What is done with texts that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// They are counted; what a speaker gets is not looked at.
    Count,
    /// Those of others are counted, and how long each took is kept.
    Time,
}

/// What the threads and the owner of the crowd both see.
struct Shared {
    server: &'static dyn Server,
    watch: Watch,
    /// How many texts each client got.
    heard: Vec<AtomicU64>,
    welcomed: AtomicU64,
    /// Bytes that all clients together got.
    bytes: AtomicU64,
    stop: AtomicBool,
}

/// Clients of one server. Their threads end when it is dropped.
pub struct Crowd {
    shared: Arc<Shared>,
    address: SocketAddrV4,
    threads: Vec<Thread>,
    /// How many there are.
    clients: usize,
    troubles: Receiver<String>,
}

struct Thread {
    epoll: Arc<Epoll>,
    arrivals: Sender<Client>,
    /// How many it has.
    clients: u64,
    /// Gives the latencies that it kept.
    handle: JoinHandle<Vec<u64>>,
}

impl Crowd {
    /// Nobody, with room for that many.
    pub fn new(
        server: &'static dyn Server,
        address: SocketAddrV4,
        watch: Watch,
        places: usize,
        threads: u8,
    ) -> Result<Self, Box<dyn Error>> {
        let shared = Arc::new(Shared {
            server,
            watch,
            heard: (0..places).map(|_| AtomicU64::new(0)).collect(),
            welcomed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let (trouble, troubles) = mpsc::channel();
        let threads = (0..threads).map(|_| {
            let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
            let (arrivals, arriving) = mpsc::channel();
            let (shared, trouble) = (Arc::clone(&shared), trouble.clone());
            let watcher = Watcher::new(shared, Arc::clone(&epoll), arriving, trouble);
            Ok(Thread {
                epoll,
                arrivals,
                clients: 0,
                handle: thread::spawn(|| watcher.run()),
            })
        });
        let threads = threads.collect::<Result<_, Box<dyn Error>>>()?;
        Ok(Self {
            shared,
            address,
            threads,
            clients: 0,
            troubles,
        })
    }

    /// Lets so many more listeners take that seat.
    pub fn seat(&mut self, count: u32, seat: Seat) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + ARRIVAL;
        for _ in 0..count {
            self.admit(seat, None)?;
            self.await_welcome(ARRIVING_MAX - 1, until)?;
        }
        self.await_welcome(0, until)
    }

    /// A member that speaks under this number; its connection is for writing.
    pub fn seat_speaker(&mut self, speaker: u8) -> Result<Arc<TcpStream>, Box<dyn Error>> {
        let stream = self.admit(Seat::Member, Some(speaker))?;
        self.await_welcome(0, Instant::now() + ARRIVAL)?;
        Ok(stream)
    }

    fn admit(&mut self, seat: Seat, speaker: Option<u8>) -> Result<Arc<TcpStream>, Box<dyn Error>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let greeting = self.shared.server.greeting(self.clients, seat);
        let wire = self.shared.server.wire();
        wire.open(&stream)?;
        (&stream).write_all(&wire.written(greeting.as_bytes()))?;
        let stream = Arc::new(stream);
        let turn = self.clients % self.threads.len();
        let thread = &mut self.threads[turn];
        let client = Client::new(Arc::clone(&stream), self.clients, seat, speaker);
        // It must be there before its first event.
        let arrived = thread.arrivals.send(client);
        arrived.map_err(|_| "a thread of the crowd ended")?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, thread.clients);
        thread.epoll.add(&*stream, event)?;
        thread.clients += 1;
        self.clients += 1;
        Ok(stream)
    }

    fn await_welcome(&self, missing: usize, until: Instant) -> Result<(), Box<dyn Error>> {
        let enough = self.clients.saturating_sub(missing) as u64;
        let is_enough = || self.shared.welcomed.load(Ordering::Relaxed) >= enough;
        match self.wait(until, is_enough)? {
            true => Ok(()),
            false => Err("the clients do not get their seats".into()),
        }
    }

    /// Waits until only signs of life come.
    pub fn await_quiet(&self) -> Result<(), Box<dyn Error>> {
        let until = Instant::now() + QUIET_WAIT;
        let mut before = self.bytes();
        while Instant::now() < until {
            self.wait(Instant::now() + QUIET, || false)?;
            let now = self.bytes();
            if ((now - before) as f64) < QUIET_BYTES_A_SECOND as f64 * QUIET.as_secs_f64() {
                return Ok(());
            }
            before = now;
        }
        Err("the server does not come to rest".into())
    }

    fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// Whether a condition came to hold in time. Fails when a client lost its connection.
    pub fn wait(
        &self,
        until: Instant,
        mut condition: impl FnMut() -> bool,
    ) -> Result<bool, Box<dyn Error>> {
        loop {
            if interrupt::happened() {
                return Err("interrupted".into());
            }
            if let Ok(trouble) = self.troubles.try_recv() {
                return Err(trouble.into());
            }
            if condition() {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            thread::sleep(LOOK);
        }
    }

    /// How many texts each client got, in the order in which they came.
    pub fn heard(&self) -> impl Iterator<Item = u64> {
        let heard = self.shared.heard[..self.clients].iter();
        heard.map(|heard| heard.load(Ordering::Relaxed))
    }

    /// Ends the threads; gives how long each text took, in nanoseconds.
    pub fn finish(mut self) -> Vec<u64> {
        self.end()
    }

    fn end(&mut self) -> Vec<u64> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.drain(..);
        let latencies = threads.filter_map(|thread| thread.handle.join().ok());
        latencies.flatten().collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
    }
}
