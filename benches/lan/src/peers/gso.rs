//! Bare datagrams, one a line, that the kernel cuts from one large buffer (`UDP_SEGMENT`) and hands over
//! as one again (`UDP_GRO`).

use std::io::{self, IoSlice, IoSliceMut};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::cmsg_space;
use nix::sys::socket::sockopt::UdpGroSegment;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
};

use super::socket::{lost_is_sent, read_until, receiving, sending};
use super::{BATCH, Place, Receiver, Sender, sleep_until};

/// The largest payload of an IPv4 datagram, and so of a buffer to cut.
const MAX_PAYLOAD: usize = 65_507;

struct SegmentSender {
    socket: UdpSocket,
    /// Lines of one length, one behind the other.
    lines: Vec<u8>,
    length: usize,
}

struct SegmentReceiver {
    socket: UdpSocket,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// A sending end.
pub fn sender(place: &Place, _receivers: usize) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(SegmentSender {
        socket: sending(place)?,
        lines: Vec::with_capacity(MAX_PAYLOAD),
        length: 0,
    }))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    let socket = receiving(place)?;
    setsockopt(&socket, UdpGroSegment, &true)?;
    Ok(Box::new(SegmentReceiver {
        socket,
        buffer: vec![0; usize::from(u16::MAX)],
        control: cmsg_space!(i32),
    }))
}

impl SegmentSender {
    fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        // No line is longer than a datagram.
        let length = self.length as u16;
        let cut = [ControlMessage::UdpGsoSegments(&length)];
        let lines = [IoSlice::new(&self.lines)];
        let fd = self.socket.as_raw_fd();
        let sent = sendmsg::<SockaddrIn>(fd, &lines, &cut, MsgFlags::empty(), None);
        self.lines.clear();
        lost_is_sent(sent)
    }

    fn has_room_for(&self, line: &[u8]) -> bool {
        line.len() == self.length && self.lines.len() + line.len() <= MAX_PAYLOAD
    }
}

impl Sender for SegmentSender {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.has_room_for(line) {
            self.flush()?;
            self.length = line.len();
        }
        self.lines.extend_from_slice(line);
        if self.lines.len() == BATCH * self.length {
            self.flush()?;
        }
        Ok(())
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        self.flush()?;
        sleep_until(until);
        Ok(())
    }
}

impl Receiver for SegmentReceiver {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        read_until(until, || {
            let (length, cut) = self.read()?;
            self.buffer[..length]
                .chunks(cut.max(1))
                .for_each(&mut *sink);
            Ok(())
        })
    }
}

impl SegmentReceiver {
    /// How many bytes came, and the length of each line in them.
    fn read(&mut self) -> io::Result<(usize, usize)> {
        let fd = self.socket.as_raw_fd();
        let mut buffer = [IoSliceMut::new(&mut self.buffer)];
        let control = Some(self.control.as_mut_slice());
        let message = recvmsg::<SockaddrIn>(fd, &mut buffer, control, MsgFlags::empty())?;
        let cut = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::UdpGroSegments(cut) => usize::try_from(cut).ok(),
            _ => None,
        });
        Ok((message.bytes, cut.unwrap_or(message.bytes)))
    }
}
