//! A thread of the crowd: waits for all of its clients at once, reads each once when something is there.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent};
use nix::sys::socket::{MsgFlags, recv};

use super::client::Client;
use super::{Shared, Watch};
use crate::clock;

/// What is read at once, in bytes; no line may be longer.
const READ_BYTES: usize = 256 * 1024;

/// Events taken from the system at once.
const EVENTS: usize = 1024;

/// How long it sleeps before it looks whether it should stop, in milliseconds.
const LOOK_MS: u8 = 50;

pub(super) struct Watcher {
    shared: Arc<Shared>,
    epoll: Arc<Epoll>,
    arriving: Receiver<Client>,
    trouble: Sender<String>,
    /// At the places that their events name.
    clients: Vec<Client>,
    buffer: Vec<u8>,
    /// Lines that came as messages.
    unwrapped: Vec<u8>,
    latencies: Vec<u64>,
}

impl Watcher {
    pub(super) fn new(
        shared: Arc<Shared>,
        epoll: Arc<Epoll>,
        arriving: Receiver<Client>,
        trouble: Sender<String>,
    ) -> Self {
        Self {
            shared,
            epoll,
            arriving,
            trouble,
            clients: Vec::new(),
            buffer: vec![0; READ_BYTES],
            unwrapped: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Reads until it is told to stop; gives the latencies.
    pub(super) fn run(mut self) -> Vec<u64> {
        let mut events = vec![EpollEvent::empty(); EVENTS];
        while !self.shared.stop.load(Ordering::Relaxed) {
            let count = match self.epoll.wait(&mut events, LOOK_MS) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => {
                    self.tell(format!("waiting for the clients: {error}"));
                    break;
                }
            };
            self.clients.extend(self.arriving.try_iter());
            for event in &events[..count] {
                self.read(event.data() as usize);
            }
        }
        self.latencies
    }

    fn read(&mut self, place: usize) {
        let client = &mut self.clients[place];
        let begun = client.begun.len();
        self.buffer[..begun].copy_from_slice(&client.begun);
        let fd = client.stream.as_raw_fd();
        let length = match recv(fd, &mut self.buffer[begun..], MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN | Errno::EINTR) => return,
            // Also when a line fills the buffer.
            Ok(0) => return self.lose(place, "the server closed the connection"),
            Err(error) => return self.lose(place, error.desc()),
            Ok(length) => length,
        };
        let now = match self.shared.watch {
            Watch::Count => 0,
            Watch::Time => clock::now(),
        };
        self.shared
            .bytes
            .fetch_add(length as u64, Ordering::Relaxed);
        let read = &self.buffer[..begun + length];
        let wire = self.shared.server.wire();
        let (lines, rest) = wire.lines(read, &mut self.unwrapped);
        client.begun.clear();
        client.begun.extend_from_slice(rest);
        if let Err(reason) = client.take(lines, now, &self.shared, &mut self.latencies) {
            self.tell(reason);
        }
    }

    /// A client that is gone is not read again.
    fn lose(&mut self, place: usize, reason: &str) {
        let client = &self.clients[place];
        let _ = self.epoll.delete(&*client.stream);
        self.tell(format!("client {}: {reason}", client.number));
    }

    fn tell(&self, trouble: String) {
        // The owner goes before the threads only when all is over.
        let _ = self.trouble.send(trouble);
    }
}
