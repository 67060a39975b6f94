//! The base: whatever a member sends goes to all other members as it is. One thread, epoll, a write a member;
//! no names, no rooms, no parsing but for line ends.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};

/// The line that makes a connection a member.
pub const JOIN: &str = "join\n";
/// What is said to a connection.
pub const READY: &str = "ready\n";
/// What is said to a new member.
pub const JOINED: &str = "joined\n";

/// What is read at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// Bytes that may wait for a member after the system takes no more; then it is dropped.
const WAITING_BYTES_MAX: usize = 1024 * 1024;

/// Events taken from the system at once.
const EVENTS: usize = 1024;

/// Where the listener is among the events; connections have their places from 0.
const LISTENER: u64 = u64::MAX;

/// Serves until it is killed.
pub fn serve() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    println!("listening on port {}", listener.local_addr()?.port());
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut room = Room {
        epoll,
        connections: Vec::new(),
        buffer: vec![0; READ_BYTES],
    };
    let mut events = vec![EpollEvent::empty(); EVENTS];
    loop {
        let count = match room.epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..count] {
            match event.data() {
                LISTENER => room.accept(&listener)?,
                place => room.serve(place as usize, event.events())?,
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    is_member: bool,
    /// Of a line that has not come whole.
    begun: Vec<u8>,
    /// What the system did not take.
    waiting: Vec<u8>,
}

struct Room {
    epoll: Epoll,
    /// Places of those that left stay empty: a run has no more than it begins with.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
}

impl Room {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let (mut stream, _) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            // A new socket has room for a line; a client that went already is seen when it is read.
            let _ = stream.write_all(READY.as_bytes());
            let place = self.connections.len() as u64;
            self.epoll
                .add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, place))?;
            self.connections.push(Some(Connection {
                stream,
                is_member: false,
                begun: Vec::new(),
                waiting: Vec::new(),
            }));
        }
    }

    fn serve(&mut self, place: usize, events: EpollFlags) -> io::Result<()> {
        if events.contains(EpollFlags::EPOLLOUT) {
            self.write_waiting(place)?;
        }
        if events != EpollFlags::EPOLLOUT {
            self.read(place)?;
        }
        Ok(())
    }

    fn read(&mut self, place: usize) -> io::Result<()> {
        let mut buffer = mem::take(&mut self.buffer);
        if let Some(connection) = &mut self.connections[place] {
            let fd = connection.stream.as_raw_fd();
            match recv(fd, &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Ok(0) | Err(_) => self.connections[place] = None,
                Ok(length) => self.take(place, &buffer[..length])?,
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Passes whole lines on.
    fn take(&mut self, place: usize, bytes: &[u8]) -> io::Result<()> {
        let Some(connection) = &mut self.connections[place] else {
            return Ok(());
        };
        let Some(end) = memchr::memrchr(b'\n', bytes) else {
            connection.begun.extend_from_slice(bytes);
            return Ok(());
        };
        let (lines, rest) = bytes.split_at(end + 1);
        let begun = mem::replace(&mut connection.begun, rest.to_vec());
        let joined;
        let mut lines = match begun.is_empty() {
            true => lines,
            false => {
                joined = [&begun, lines].concat();
                &joined
            }
        };
        if let Some(others) = lines.strip_prefix(JOIN.as_bytes()) {
            connection.is_member = true;
            self.write(place, JOINED.as_bytes())?;
            lines = others;
        }
        for member in 0..self.connections.len() {
            if member != place && !lines.is_empty() {
                self.write(member, lines)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, place: usize, bytes: &[u8]) -> io::Result<()> {
        let Some(member) = &mut self.connections[place] else {
            return Ok(());
        };
        if !member.is_member {
            return Ok(());
        }
        let mut written = 0;
        if member.waiting.is_empty() {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            written = match send(member.stream.as_raw_fd(), bytes, flags) {
                Ok(written) => written,
                Err(Errno::EAGAIN | Errno::EINTR) => 0,
                Err(_) => {
                    self.connections[place] = None;
                    return Ok(());
                }
            };
            if written < bytes.len() {
                let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT;
                let mut event = EpollEvent::new(both, place as u64);
                self.epoll.modify(&member.stream, &mut event)?;
            }
        }
        member.waiting.extend_from_slice(&bytes[written..]);
        if member.waiting.len() > WAITING_BYTES_MAX {
            self.connections[place] = None;
        }
        Ok(())
    }

    fn write_waiting(&mut self, place: usize) -> io::Result<()> {
        let Some(member) = &mut self.connections[place] else {
            return Ok(());
        };
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(member.stream.as_raw_fd(), &member.waiting, flags) {
            Ok(written) => drop(member.waiting.drain(..written)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => {
                self.connections[place] = None;
                return Ok(());
            }
        }
        if member.waiting.is_empty() {
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN, place as u64);
            self.epoll.modify(&member.stream, &mut event)?;
        }
        Ok(())
    }
}
