//! The bare base: one call a line on either side.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::sys::socket::{MsgFlags, send};

use super::socket::{MAX_DATAGRAM, lost_is_sent, read_until, receiving, sending};
use super::{Place, Receiver, Sender, sleep_until};

struct Plain(UdpSocket);

/// A sending end.
pub fn sender(place: &Place, _receivers: usize) -> io::Result<Box<dyn Sender>> {
    Ok(Box::new(Plain(sending(place)?)))
}

/// A receiving end.
pub fn receiver(place: &Place) -> io::Result<Box<dyn Receiver>> {
    Ok(Box::new(Plain(receiving(place)?)))
}

impl Sender for Plain {
    fn say(&mut self, line: &[u8]) -> io::Result<()> {
        lost_is_sent(send(self.0.as_raw_fd(), line, MsgFlags::empty()))
    }

    fn drive(&mut self, until: Instant) -> io::Result<()> {
        sleep_until(until);
        Ok(())
    }
}

impl Receiver for Plain {
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut datagram = [0; MAX_DATAGRAM];
        read_until(until, || {
            let length = self.0.recv(&mut datagram)?;
            sink(&datagram[..length]);
            Ok(())
        })
    }
}
