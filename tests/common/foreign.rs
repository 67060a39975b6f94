//! Another program of the lab in a room: bare sockets on loopback.
#![allow(clippy::disallowed_types)]

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use crds::chat::RoomAddress;
use socket2::{Domain, SockRef, Socket, Type};

use crate::patience::PATIENCE;

pub fn sender() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let options = SockRef::from(&socket);
    options.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
    socket
}

/// As the programs of the lab do it: every address, the room's port, `SO_REUSEADDR` alone.
pub fn receiver(address: RoomAddress) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    let every_address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, address.port());
    socket.bind(&every_address.into()).unwrap();
    socket
        .join_multicast_v4(&address.group(), &Ipv4Addr::LOCALHOST)
        .unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.into()
}

/// Sends one datagram with exactly this.
pub fn send(sender: &UdpSocket, address: RoomAddress, text: &str) {
    let sent = sender.send_to(text.as_bytes(), address.socket_address());
    assert_eq!(sent.unwrap(), text.len());
}

/// Everything that the next datagram holds.
pub fn receive(receiver: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let length = receiver.recv(&mut buffer).expect("a datagram in time");
    String::from_utf8(buffer[..length].to_vec()).expect("UTF-8")
}
