//! Datagrams of a room as the relay carries them: several in one piece, each with where it came from.
//!
//! ```text
//!  0        1        2        3        4        5        6        7        8
//! +--------+--------+--------+--------+--------+--------+--------+--------+--------
//! | source address                    | source port     | length          | datagram ...
//! +--------+--------+--------+--------+--------+--------+--------+--------+--------
//! ```
//!
//! A client leaves the source at zero: the server knows it.

use std::net::{Ipv4Addr, SocketAddrV4};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::chat::RoomName;

/// The longest piece, in bytes.
pub const PIECE_BYTES_MAX: usize = 65_536;

/// The longest datagram in a piece, in bytes: what Ethernet carries.
pub const RELAYED_DATAGRAM_BYTES_MAX: usize = 1472;

/// What stands before each datagram, in bytes.
const HEAD_BYTES: usize = 8;

/// Where a client's own datagrams come from, as it writes them.
pub const NO_SOURCE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);

/// What stands before a piece.
#[derive(Serialize, Deserialize)]
struct WireHead {
    datagrams: String,
    bytes: usize,
}

/// The line that announces a piece, and the piece; the same both ways, and not answered.
pub fn line(room: &RoomName, piece: &[u8]) -> Bytes {
    let head = WireHead {
        datagrams: room.to_string(),
        bytes: piece.len(),
    };
    let head = serde_json::to_string(&head).expect("strings and numbers always serialise");
    let mut line = BytesMut::with_capacity(head.len() + 1 + piece.len());
    line.put_slice(head.as_bytes());
    line.put_u8(b'\n');
    line.put_slice(piece);
    line.freeze()
}

/// The room whose datagrams a line announces; none if it is another line.
pub fn announced(line: &str) -> Option<RoomName> {
    // Most lines are, where there are any: so they are told apart before they are read.
    if !line.starts_with("{\"datagrams\"") {
        return None;
    }
    let head: WireHead = serde_json::from_str(line).ok()?;
    head.datagrams.parse().ok()
}

/// Puts a datagram behind those that are there. False, and nothing is changed, if it does not fit.
pub fn push(piece: &mut Vec<u8>, source: SocketAddrV4, datagram: &[u8]) -> bool {
    let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
    let fits = (1..=RELAYED_DATAGRAM_BYTES_MAX).contains(&datagram.len())
        && piece.len() + HEAD_BYTES + datagram.len() <= PIECE_BYTES_MAX;
    if fits {
        piece.put_slice(&source.ip().octets());
        piece.put_u16(source.port());
        piece.put_u16(length);
        piece.put_slice(datagram);
    }
    fits
}

/// The datagrams of a piece, up to one that is malformed.
pub fn read(mut piece: &[u8]) -> impl Iterator<Item = (SocketAddrV4, &[u8])> {
    std::iter::from_fn(move || read_one(&mut piece))
}

/// None at the end, and where something else begins: what follows cannot be told apart.
fn read_one<'a>(piece: &mut &'a [u8]) -> Option<(SocketAddrV4, &'a [u8])> {
    let (mut head, rest) = piece.split_at_checked(HEAD_BYTES)?;
    let address = Ipv4Addr::from_bits(head.get_u32());
    let source = SocketAddrV4::new(address, head.get_u16());
    let length = usize::from(head.get_u16());
    let is_allowed = (1..=RELAYED_DATAGRAM_BYTES_MAX).contains(&length);
    let (datagram, rest) = rest.split_at_checked(length).filter(|_| is_allowed)?;
    *piece = rest;
    Some((source, datagram))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(
            datagrams in prop::collection::vec(
                (any::<u32>(), any::<u16>(), prop::collection::vec(any::<u8>(), 1..1472)),
                0..40,
            )
        ) {
            let mut piece = Vec::new();
            for (address, port, datagram) in &datagrams {
                let source = SocketAddrV4::new(Ipv4Addr::from_bits(*address), *port);
                prop_assert!(push(&mut piece, source, datagram));
            }
            let read: Vec<_> = read(&piece).collect();
            prop_assert_eq!(read.len(), datagrams.len());
            for ((source, bytes), (address, port, datagram)) in read.iter().zip(&datagrams) {
                prop_assert_eq!(source.ip().to_bits(), *address);
                prop_assert_eq!(source.port(), *port);
                prop_assert_eq!(bytes, datagram);
            }
        }

        #[test]
        fn nothing_panics_on_any_piece(piece in prop::collection::vec(any::<u8>(), 0..4000)) {
            let datagrams: usize = read(&piece).map(|(_, bytes)| bytes.len()).sum();
            prop_assert!(datagrams <= piece.len());
        }
    }

    #[test]
    fn a_piece_follows_its_line() {
        let room = "lab1".parse().unwrap();
        let line = line(&room, b"\x00\nx");
        let at = line.iter().position(|b| *b == b'\n').unwrap();
        let head = std::str::from_utf8(&line[..at]).unwrap();
        assert_eq!(announced(head), Some(room));
        assert_eq!(&line[at + 1..], b"\x00\nx");
        for other in [
            r#"{"id":1,"request":"names"}"#,
            r#"{"datagrams":7}"#,
            "getdir",
        ] {
            assert_eq!(announced(other), None);
        }
    }

    #[test]
    fn a_piece_has_a_limit() {
        let mut piece = Vec::new();
        while push(&mut piece, NO_SOURCE, &[7; 1472]) {}
        assert!(piece.len() <= PIECE_BYTES_MAX && piece.len() > PIECE_BYTES_MAX - 1480);
        assert!(!push(&mut piece, NO_SOURCE, &[]));
        assert!(!push(&mut Vec::new(), NO_SOURCE, &[7; 1473]));
    }
}
