//! The two UDP sockets of a seat in a room.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::Interface;
use crate::chat::RoomAddress;

/// A group that could not be joined. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot join {room} on {interface}: {source} (choose an interface that reaches the others with --interface NAME)"
)]
pub struct OpenError {
    room: RoomAddress,
    interface: Interface,
    source: io::Error,
}

/// What the kernel is asked to hold of datagrams not yet read, in bytes; it may give less.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// Receives a group on one interface, and sends to it from a port of its own: so each client of a
/// machine has a source of its own, and tells its echo from the others.
#[derive(Debug)]
pub(super) struct MulticastSocket {
    receiver: UdpSocket,
    sender: UdpSocket,
    room: RoomAddress,
    source: SocketAddrV4,
}

impl MulticastSocket {
    /// Joins `room` on `interface`. Datagrams go `ttl` hops far (1: this network).
    pub(super) fn open(
        room: RoomAddress,
        interface: &Interface,
        ttl: u8,
    ) -> Result<Self, OpenError> {
        let open = || {
            let receiver = receiver(room, interface)?;
            let sender = sender(interface, ttl)?;
            let source = match sender.local_addr()? {
                std::net::SocketAddr::V4(source) => source,
                std::net::SocketAddr::V6(_) => return Err(io::ErrorKind::AddrNotAvailable.into()),
            };
            Ok(Self {
                receiver,
                sender,
                room,
                source,
            })
        };
        open().map_err(|source| OpenError {
            room,
            interface: interface.clone(),
            source,
        })
    }

    pub(super) async fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.sender.send_to(bytes, self.room.socket_address());
        sent.await.map(|_| ())
    }

    /// The length of the next datagram of the group, and its source.
    pub(super) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddrV4)> {
        loop {
            if let (length, std::net::SocketAddr::V4(source)) =
                self.receiver.recv_from(buffer).await?
            {
                return Ok((length, source));
            }
        }
    }

    /// Where our own datagrams come from.
    pub(super) fn source(&self) -> SocketAddrV4 {
        self.source
    }
}

fn receiver(room: RoomAddress, interface: &Interface) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Several clients of one machine share the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Without this, Linux hands over groups that other programs of this machine joined on the port.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    // A smaller buffer than asked for is no reason to stay out of the room.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.bind(&room.socket_address().into())?;
    socket.join_multicast_v4_n(
        &room.group(),
        &InterfaceIndexOrAddress::Index(interface.index),
    )?;
    into_tokio(socket)
}

fn sender(interface: &Interface, ttl: u8) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    let address: Ipv4Addr = interface.address;
    socket.set_multicast_if_v4(&address)?;
    socket.set_multicast_loop_v4(true)?;
    socket.set_multicast_ttl_v4(ttl.into())?;
    socket.bind(&SocketAddrV4::new(address, 0).into())?;
    into_tokio(socket)
}

fn into_tokio(socket: Socket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}
