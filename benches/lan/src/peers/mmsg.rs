//! Bare datagrams, one a line, many a call: `sendmmsg` and `recvmmsg`.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg};

use super::socket::{MAX_DATAGRAM, lost_is_sent, read_until, receiving, sending};
use super::{BATCH, Place, Receiver, Sender, sleep_until};

/// The socket is connected: no datagram names its destination.
const CONNECTED: [Option<SockaddrIn>; BATCH] = [None; BATCH];

struct BatchSender {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrIn>,
    lines: Vec<Vec<u8>>,
    filled: usize,
}

struct BatchReceiver {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrIn>,
    buffers: Vec<[u8; MAX_DATAGRAM]>,
}

/// A sending end.
pub fn sender(place: &Place, _receivers: usize) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(BatchSender {
        socket: sending(place)?,
        headers: MultiHeaders::preallocate(BATCH, None),
        lines: vec![Vec::new(); BATCH],
        filled: 0,
    }))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(BatchReceiver {
        socket: receiving(place)?,
        headers: MultiHeaders::preallocate(BATCH, None),
        buffers: vec![[0; MAX_DATAGRAM]; BATCH],
    }))
}

impl BatchSender {
    fn flush(&mut self) -> io::Result<()> {
        let lines = self.lines[..self.filled].iter();
        let slices: Vec<[IoSlice; 1]> = lines.map(|line| [IoSlice::new(line)]).collect();
        self.filled = 0;
        let mut rest = slices.as_slice();
        while !rest.is_empty() {
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
            let sent = sendmmsg(fd, &mut self.headers, rest, CONNECTED, [], flags);
            let sent = sent.map(Iterator::count);
            // The datagram that there was no room for is lost; those after it are tried.
            rest = &rest[sent.unwrap_or(1)..];
            lost_is_sent(sent)?;
        }
        Ok(())
    }
}

impl Sender for BatchSender {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        let next = &mut self.lines[self.filled];
        next.clear();
        next.extend_from_slice(line);
        self.filled += 1;
        match self.filled {
            BATCH => self.flush(),
            _ => Ok(()),
        }
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        self.flush()?;
        sleep_until(until);
        Ok(())
    }
}

impl Receiver for BatchReceiver {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        read_until(until, || {
            let buffers = self.buffers.iter_mut();
            let mut slices: Vec<_> = buffers.map(|buffer| [IoSliceMut::new(buffer)]).collect();
            let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::MSG_WAITFORONE);
            for datagram in recvmmsg(fd, &mut self.headers, slices.iter_mut(), flags, None)? {
                datagram.iovs().for_each(&mut *sink);
            }
            Ok(())
        })
    }
}
