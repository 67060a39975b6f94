//! What a socket does not want, the kernel drops before it wakes anybody: of the talk, what it sent itself, which comes back
//! to its own machine for the others there; of files, what is of another file, or of another kind.

use std::io;
use std::net::{SocketAddrV4, UdpSocket};

use socket2::{SockFilter, SockRef};

use super::Hears;
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

/// What is returned: so many bytes are kept.
const NONE: u32 = 0;
const ALL: u32 = u32::MAX;

/// Something that is looked at: how it is loaded, from where, and what it may be.
type Field = (u16, u32, u32);

pub(super) fn attach(socket: &UdpSocket, own: SocketAddrV4, hears: Hears) -> io::Result<()> {
    let of_file = |kind: u8, object: u32| {
        let fields = [(LOAD_BYTE, KIND, kind.into()), (LOAD_WORD, OBJECT, object)];
        program(fields, ALL, NONE)
    };
    let program = match hears {
        Hears::Talk => {
            let port = (LOAD_HALF_WORD, UDP_SOURCE_PORT, own.port().into());
            let address = (LOAD_WORD, IP_SOURCE, own.ip().to_bits());
            program([port, address], NONE, ALL)
        }
        Hears::SymbolsOf(object) => of_file(SYMBOL, object.0),
        Hears::NeedsOf(object) => of_file(NEED, object.0),
    };
    SockRef::from(socket).attach_filter(&program)
}

/// Keeps so many bytes of what has both fields, and so many of the rest.
fn program(fields: [Field; 2], both: u32, rest: u32) -> [SockFilter; 6] {
    let [first, second] = fields;
    // A jump skips so many instructions where the field is another: to the last.
    let load = |(load, offset, _): Field| SockFilter::new(load, 0, 0, offset);
    let jump = |(_, _, value): Field, over: u8| SockFilter::new(JUMP_IF_EQUAL, 0, over, value);
    [
        load(first),
        jump(first, 3),
        load(second),
        jump(second, 1),
        SockFilter::new(RETURN, 0, 0, both),
        SockFilter::new(RETURN, 0, 0, rest),
    ]
}
