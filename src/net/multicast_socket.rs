//! The two UDP sockets of a seat in a room.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

#[cfg(target_os = "linux")]
use nix::sys::socket::{
    setsockopt,
    sockopt::{IpRecvTos, Ipv4PacketInfo, ReceiveTimestampns},
};
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};

use super::Interface;
use crate::chat::RoomAddress;
use crate::multicast::file::ObjectId;

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

/// The largest UDP payload over IPv4, in bytes; also what the kernel puts together of several.
const PAYLOAD_BYTES_MAX: usize = 65_535;

/// Buffers that one call fills: each with a datagram, or with many of one length that the kernel has
/// put together.
const BATCH_BUFFERS: usize = 8;

/// The same for symbols of a file.
const BATCH_BUFFERS_MAX: usize = 32;

/// Receives a group on one interface, and sends to it from a port of its own: so each client of a
/// machine has a source of its own, and tells its echo from the others.
#[derive(Debug)]
pub struct MulticastSocket {
    receiver: UdpSocket,
    receiving: UdpSocketState,
    sender: UdpSocket,
    sending: UdpSocketState,
    room: RoomAddress,
    source: SocketAddrV4,
}

/// What a socket is for. Where the system can, it is not even woken up for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// All but what is of files.
    Talk,
    /// The symbols of this file.
    SymbolsOf(ObjectId),
    /// What members need of this file.
    NeedsOf(ObjectId),
}

/// Datagrams that were received in one call.
pub struct Batch {
    bytes: Vec<u8>,
    buffers: usize,
    meta: [RecvMeta; BATCH_BUFFERS_MAX],
    filled: usize,
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
            let receiving = UdpSocketState::new((&receiver).into())?;
            #[cfg(target_os = "linux")]
            let _ = ask_for_bytes_alone(&receiver);
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
        let transmit = Transmit {
            destination: self.room.socket_address().into(),
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

    /// Receives what is there, without waiting unless that is allowed. Who waits must have a single buffer:
    /// the system would wait for all of them to be filled.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there; others where the interface is gone.
    pub fn receive(&self, batch: &mut Batch) -> io::Result<()> {
        batch.filled = 0;
        let mut chunks = batch.bytes.chunks_exact_mut(PAYLOAD_BYTES_MAX);
        let mut buffers: [IoSliceMut<'_>; BATCH_BUFFERS_MAX] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let buffers = &mut buffers[..batch.buffers];
        let socket = (&self.receiver).into();
        batch.filled = self.receiving.recv(socket, buffers, &mut batch.meta)?;
        Ok(())
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

impl Batch {
    /// Several calls in one: as many buffers as are of use.
    pub fn of_many() -> Self {
        Self::of(BATCH_BUFFERS)
    }

    /// For a flow that is as fast as the network.
    pub fn of_very_many() -> Self {
        Self::of(BATCH_BUFFERS_MAX)
    }

    /// A single buffer, for who waits.
    pub fn of_one() -> Self {
        Self::of(1)
    }

    fn of(buffers: usize) -> Self {
        Self {
            // The system gives memory to what is written to, which is little in most rooms.
            bytes: vec![0; buffers * PAYLOAD_BYTES_MAX],
            buffers,
            meta: [RecvMeta::default(); BATCH_BUFFERS_MAX],
            filled: 0,
        }
    }

    /// The datagrams, each with where it came from. Those that the kernel put together are taken apart.
    pub fn datagrams(&self) -> impl Iterator<Item = (SocketAddrV4, &[u8])> {
        let buffers = self.bytes.chunks_exact(PAYLOAD_BYTES_MAX);
        let filled = self.meta[..self.filled].iter().zip(buffers);
        filled.flat_map(|(meta, buffer)| {
            let source = match meta.addr {
                SocketAddr::V4(source) => Some(source),
                SocketAddr::V6(_) => None,
            };
            let whole = &buffer[..meta.len.min(buffer.len())];
            // A datagram without content has no stride.
            let segments = whole.chunks(meta.stride.max(1));
            source.into_iter().flat_map(move |source| {
                let segments = segments.clone();
                segments.map(move |segment| (source, segment))
            })
        })
    }
}

/// What QUIC needs to know of each datagram (when it came, to which address, its marks), and we do not: it took a tenth of the
/// time that receiving takes.
#[cfg(target_os = "linux")]
fn ask_for_bytes_alone(socket: &UdpSocket) -> nix::Result<()> {
    setsockopt(socket, ReceiveTimestampns, &false)?;
    setsockopt(socket, Ipv4PacketInfo, &false)?;
    setsockopt(socket, IpRecvTos, &false)
}

#[cfg(target_os = "linux")]
mod filter {
    //! What a socket does not want, the kernel drops before it wakes anybody: what it sent itself, which comes back to
    //! its own machine for the others there, and datagrams of another kind.

    use std::io;
    use std::net::{SocketAddrV4, UdpSocket};

    use socket2::{SockFilter, SockRef};

    use super::Hears;
    use crate::multicast::config::RELIABLE_FIRST_BYTE;
    use crate::multicast::packet::{FILE_HEADER_BYTES, NEED, SYMBOL};

    // The kernel's names are BPF_LD | BPF_H | BPF_ABS and so on (linux/filter.h).
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HALF_WORD: u16 = 0x28;
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;

    /// Offsets count from the UDP header; with this added, from the IP header (SKF_NET_OFF).
    const IP_HEADER: u32 = 0xfff0_0000;
    const IP_SOURCE: u32 = IP_HEADER + 12;
    const UDP_SOURCE_PORT: u32 = 0;
    const FIRST_BYTE: u32 = 8;
    const KIND: u32 = FIRST_BYTE + 2;
    const OBJECT: u32 = FIRST_BYTE + FILE_HEADER_BYTES as u32;

    /// Something that is looked at: how it is loaded, from where, and what it may be.
    type Field = (u16, u32, u32);

    pub(super) fn attach(socket: &UdpSocket, own: SocketAddrV4, hears: Hears) -> io::Result<()> {
        let mut program = Vec::new();
        let port = (LOAD_HALF_WORD, UDP_SOURCE_PORT, own.port().into());
        let address = (LOAD_WORD, IP_SOURCE, own.ip().to_bits());
        drop_if(&[port, address], &mut program);
        let reliable = (LOAD_BYTE, FIRST_BYTE, RELIABLE_FIRST_BYTE.into());
        let kind = |kind: u8| (LOAD_BYTE, KIND, kind.into());
        match hears {
            Hears::Talk => {
                drop_if(&[reliable, kind(SYMBOL)], &mut program);
                drop_if(&[reliable, kind(NEED)], &mut program);
            }
            Hears::SymbolsOf(object) | Hears::NeedsOf(object) => {
                let wanted = match hears {
                    Hears::SymbolsOf(_) => SYMBOL,
                    _ => NEED,
                };
                let object = (LOAD_WORD, OBJECT, object.0);
                for field in [reliable, kind(wanted), object] {
                    drop_unless(field, &mut program);
                }
            }
        }
        program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
        SockRef::from(socket).attach_filter(&program)
    }

    /// Drops what has all of these.
    fn drop_if(fields: &[Field], program: &mut Vec<SockFilter>) {
        let rest = (1..=fields.len()).rev();
        for ((load, offset, value), rest) in fields.iter().zip(rest) {
            program.push(SockFilter::new(*load, 0, 0, *offset));
            // Over the other fields, and what drops it.
            let over = 2 * (rest as u8 - 1) + 1;
            program.push(SockFilter::new(JUMP_IF_EQUAL, 0, over, *value));
        }
        program.push(SockFilter::new(RETURN, 0, 0, 0));
    }

    fn drop_unless((load, offset, value): Field, program: &mut Vec<SockFilter>) {
        program.push(SockFilter::new(load, 0, 0, offset));
        program.push(SockFilter::new(JUMP_IF_EQUAL, 1, 0, value));
        program.push(SockFilter::new(RETURN, 0, 0, 0));
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
