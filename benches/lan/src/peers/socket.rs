//! The UDP sockets of the bare transports.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Instant;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Place, RECEIVE_TIMEOUT};

/// What the kernel is asked to hold in each direction; it may give less.
pub const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// More than any line takes.
pub const MAX_DATAGRAM: usize = 1500;

/// A socket whose `send` goes to the group.
pub fn sending(place: &Place) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_send_buffer_size(BUFFER_BYTES)?;
    socket.set_multicast_if_v4(&place.interface)?;
    socket.set_multicast_ttl_v4(1)?;
    // Nobody on the sender's own host listens.
    socket.set_multicast_loop_v4(false)?;
    socket.bind(&SocketAddrV4::new(place.interface, 0).into())?;
    socket.connect(&place.group.into())?;
    Ok(socket.into())
}

/// A member of the group, whose reads end after a while without a datagram, or at once to spin on.
pub fn receiving(place: &Place) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.set_nonblocking(place.spin)?;
    socket.set_read_timeout(Some(RECEIVE_TIMEOUT))?;
    socket.bind(&place.group.into())?;
    let group: &Ipv4Addr = place.group.ip();
    socket.join_multicast_v4(group, &place.interface)?;
    Ok(socket.into())
}

/// Calls `read` until it is time. That nothing came is no failure.
pub fn read_until(until: Instant, mut read: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match read() {
            Err(error) if is_no_failure(&error) => {}
            other => other?,
        }
        if Instant::now() >= until {
            return Ok(());
        }
    }
}

fn is_no_failure(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// A datagram that the kernel had no room for is a lost one, as it would be on the way.
pub fn lost_is_sent(sent: nix::Result<usize>) -> io::Result<()> {
    match sent {
        Ok(_) | Err(nix::errno::Errno::ENOBUFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
