//! The one place that reads and writes datagrams.

use crds::multicast::config::DATAGRAM_BYTES_MAX;
use crds::multicast::packet::{Body, HEADER_BYTES, Header, MemberId, Role, decode, encode};

/// The room of all sessions here.
pub const ROOM_TAG: u32 = 7;

/// Where a datagram says what kind it is.
const KIND_AT: usize = 2;

/// Whether bytes are a well-formed datagram.
pub fn is_read(bytes: &[u8]) -> bool {
    decode(bytes).is_ok()
}

/// A well-formed datagram survives being written and read again.
pub fn assert_reads_back(bytes: &[u8]) {
    let (header, body) = decode(bytes).expect("it was well formed");
    let again = encode(&header, &body);
    assert!(again.len() <= bytes.len(), "it grew");
    assert_eq!(decode(&again), Ok((header, body)));
}

/// A datagram of this room with an honest header and this kind and content, whatever they are.
pub fn datagram(from: u64, kind: u8, asks: u8, age_ms: u32, content: &[u8]) -> Vec<u8> {
    let header = Header {
        number: 1,
        stamp_us: 1,
        age_ms,
        role: match asks / 4 % 4 {
            0 => Role::Relayed,
            1 => Role::Observer,
            _ => Role::Member,
        },
        poll: asks.is_multiple_of(4),
        wants_report: asks % 4 == 1,
        ..Header::new(ROOM_TAG, MemberId(from))
    };
    let mut bytes = encode(&header, &Body::Report(Vec::new()));
    bytes.truncate(HEADER_BYTES);
    bytes[KIND_AT] = kind;
    bytes.extend_from_slice(content);
    bytes
}

/// What a session sent, as far as its bounds depend on it.
pub enum Sent {
    /// Own records, up to the one with these low 32 bits.
    Records(u32),
    /// Records once more that were asked for.
    Repair,
    /// A question for what is missing.
    Nack,
    /// Anything else.
    Other,
}

/// What a session sent is well formed, its own, and no longer than may be.
pub fn sent(bytes: &[u8], me: MemberId) -> Sent {
    assert!(bytes.len() <= DATAGRAM_BYTES_MAX, "{} bytes", bytes.len());
    let (header, body) = decode(bytes).expect("what a session sends is well formed");
    assert_eq!((header.room_tag, header.transmitter), (ROOM_TAG, me));
    match body {
        Body::Data(records) => match records.into_iter().last() {
            Some(last) => Sent::Records(last.sequence),
            None => Sent::Other,
        },
        Body::Repair(_) => Sent::Repair,
        Body::Nack(_) => Sent::Nack,
        _ => Sent::Other,
    }
}
