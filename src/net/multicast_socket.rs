//! The two UDP sockets of a seat in a room.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use quinn_udp::{Transmit, UdpSocketState};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};

pub use self::batch::Batch;
#[cfg(target_os = "linux")]
use self::receiving_many::Receiving;
#[cfg(not(target_os = "linux"))]
use self::receiving_one::Receiving;
use super::Interface;
use crate::chat::RoomAddress;
use crate::multicast::file::ObjectId;

mod batch;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod receiving_many;
#[cfg(not(target_os = "linux"))]
mod receiving_one;

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

impl OpenError {
    pub(super) fn new(room: RoomAddress, interface: &Interface, source: io::Error) -> Self {
        Self {
            room,
            interface: interface.clone(),
            source,
        }
    }
}

/// What the kernel is asked to hold of datagrams not yet read, in bytes; it may give less.
const RECEIVE_BUFFER_BYTES: usize = 1024 * 1024;

/// The same for symbols of a file, which come as fast as the network carries them.
const RECEIVE_BUFFER_BYTES_FILE: usize = 4 * 1024 * 1024;

/// How long a datagram may wait for an interface that has its hands full, before it counts as lost.
const SEND_WAIT: Duration = Duration::from_millis(50);

/// Receives a group on one interface, and sends to it from a port of its own: so each client of a
/// machine has a source of its own, and tells its echo from the others.
#[derive(Debug)]
pub struct MulticastSocket {
    receiver: UdpSocket,
    receiving: Receiving,
    sender: UdpSocket,
    sending: UdpSocketState,
    room: RoomAddress,
    source: SocketAddrV4,
}

/// What a socket is for. Where the system can, it is not even woken up for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// All that comes to the group, but what it sent itself.
    Talk,
    /// The symbols of this file.
    SymbolsOf(ObjectId),
    /// What members need of this file.
    NeedsOf(ObjectId),
}

impl MulticastSocket {
    /// Joins `room` on `interface`. Datagrams go `ttl` hops far (1: this network).
    ///
    /// # Errors
    /// The group could not be joined.
    pub fn open(
        room: RoomAddress,
        interface: &Interface,
        ttl: u8,
        hears: Hears,
    ) -> Result<Self, OpenError> {
        let open = || {
            let receiver = receiver(room, interface, hears)?;
            let sender = sender(interface, ttl)?;
            let source = match sender.local_addr()? {
                SocketAddr::V4(source) => source,
                SocketAddr::V6(_) => return Err(io::ErrorKind::AddrNotAvailable.into()),
            };
            // Without it we are only woken up for nothing.
            #[cfg(target_os = "linux")]
            let _ = filter::attach(&receiver, source, hears);
            let receiving = Receiving::new(&receiver)?;
            let sending = UdpSocketState::new((&sender).into())?;
            // The driver above has nothing better to do than to wait for the interface.
            sender.set_nonblocking(false)?;
            sender.set_write_timeout(Some(SEND_WAIT))?;
            Ok(Self {
                receiver,
                receiving,
                sender,
                sending,
                room,
                source,
            })
        };
        open().map_err(|source| OpenError::new(room, interface, source))
    }

    /// Sends `bytes` as datagrams of `segment_bytes` each, the last perhaps shorter, in one call. At most
    /// [`MulticastSocket::segments_max`] of them.
    ///
    /// # Errors
    /// The network did not take them.
    pub fn send(&self, bytes: &[u8], segment_bytes: usize) -> io::Result<()> {
        self.send_to(self.room, bytes, segment_bytes)
    }

    /// The same to another group, without joining it.
    ///
    /// # Errors
    /// The network did not take them.
    pub fn send_to(&self, room: RoomAddress, bytes: &[u8], segment_bytes: usize) -> io::Result<()> {
        let transmit = Transmit {
            destination: room.socket_address().into(),
            ecn: None,
            contents: bytes,
            segment_size: (bytes.len() > segment_bytes).then_some(segment_bytes),
            src_ip: None,
        };
        self.sending.try_send((&self.sender).into(), &transmit)
    }

    /// How many datagrams the system takes in one call: one where it knows no segmentation.
    pub fn segments_max(&self) -> usize {
        self.sending.max_gso_segments()
    }

    /// Lets [`MulticastSocket::receive`] wait for so long.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn let_receive_wait(&self, wait: Duration) -> io::Result<()> {
        self.receiver.set_nonblocking(false)?;
        self.receiver.set_read_timeout(Some(wait))
    }

    /// Receives what is there, without waiting for the first of it unless that is allowed.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; others where the interface is gone.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        self.receiving.receive(&self.receiver, batch)
    }

    /// The receiving socket once more, for a runtime to watch.
    ///
    /// # Errors
    /// The process has too many files open.
    pub fn clone_receiver(&self) -> io::Result<UdpSocket> {
        self.receiver.try_clone()
    }

    /// What the system holds of datagrams that were not yet read, in bytes, with what each takes there beside its own.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn receive_buffer_bytes(&self) -> io::Result<usize> {
        SockRef::from(&self.receiver).recv_buffer_size()
    }

    /// Where our own datagrams come from.
    pub fn source(&self) -> SocketAddrV4 {
        self.source
    }
}

impl AsFd for MulticastSocket {
    /// The receiving socket's, to wait for datagrams.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

fn receiver(room: RoomAddress, interface: &Interface, hears: Hears) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    // Several clients of one machine share the port.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Without this, Linux hands over groups that other programs of this machine joined on the port.
    #[cfg(target_os = "linux")]
    socket.set_multicast_all_v4(false)?;
    // A smaller buffer than asked for is no reason to stay out of the room.
    let _ = socket.set_recv_buffer_size(match hears {
        Hears::SymbolsOf(_) => RECEIVE_BUFFER_BYTES_FILE,
        Hears::Talk | Hears::NeedsOf(_) => RECEIVE_BUFFER_BYTES,
    });
    socket.bind(&room.socket_address().into())?;
    socket.join_multicast_v4_n(
        &room.group(),
        &InterfaceIndexOrAddress::Index(interface.index),
    )?;
    Ok(socket.into())
}

fn sender(interface: &Interface, ttl: u8) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    let address: Ipv4Addr = interface.address;
    socket.set_multicast_if_v4(&address)?;
    socket.set_multicast_loop_v4(true)?;
    socket.set_multicast_ttl_v4(ttl.into())?;
    socket.bind(&SocketAddrV4::new(address, 0).into())?;
    Ok(socket.into())
}
