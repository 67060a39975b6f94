//! The floor: the file's bytes in bare datagrams, as large packets that are cut late (`UDP_SEGMENT`) and handed over
//! as one again (`UDP_GRO`), many written at once. Nothing says which bytes they are, nothing is repaired.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::sys::socket::sockopt::{RcvBufForce, UdpGroSegment};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg, setsockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::{End, Ends, FilePeer};

/// Both ends.
pub const ENDS: Ends = Ends::Own { sender, receiver };

/// What fills an Ethernet frame.
const DATAGRAM: usize = 1472;

/// As many as a packet of IPv4 has room for.
const PACKET: usize = DATAGRAM * 44;

/// For the whole file: who sends without asking must not overrun anyone. The kernel counts more than the bytes.
const RECEIVE_BUFFER: usize = 1 << 30;

/// Bytes that are written at once.
const GATHERED: usize = 512 * 1024;

fn sender(_: &FilePeer, end: &End) -> io::Result<()> {
    let socket = UdpSocket::bind((end.interface, 0))?;
    let socket = Socket::from(socket);
    socket.set_multicast_if_v4(&end.interface)?;
    socket.connect(&end.group.into())?;
    let mut file = File::open(&end.path)?;
    let mut packet = vec![0; PACKET];
    let datagram = DATAGRAM as u16;
    loop {
        let length = file.read(&mut packet)?;
        if length == 0 {
            return Ok(());
        }
        let cut = [ControlMessage::UdpGsoSegments(&datagram)];
        let bytes = [IoSlice::new(&packet[..length])];
        sendmsg::<SockaddrIn>(socket.as_raw_fd(), &bytes, &cut, MsgFlags::empty(), None)?;
    }
}

fn receiver(_: &FilePeer, end: &End) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER)?;
    setsockopt(&socket, UdpGroSegment, &true)?;
    socket.bind(&end.group.into())?;
    let group: &Ipv4Addr = end.group.ip();
    socket.join_multicast_v4(group, &end.interface)?;
    let socket = UdpSocket::from(socket);
    let mut file = File::create(end.received())?;
    let mut gathered = vec![0; GATHERED];
    let (mut filled, mut missing) = (0, end.bytes);
    while missing > 0 {
        let length = socket.recv(&mut gathered[filled..])?;
        filled += length;
        missing = missing.saturating_sub(length as u64);
        if GATHERED - filled < usize::from(u16::MAX) || missing == 0 {
            file.write_all(&gathered[..filled])?;
            filled = 0;
        }
    }
    Ok(())
}
