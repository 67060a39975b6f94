//! Groups that no other test uses at the same time.

use std::hash::{BuildHasher, RandomState};
use std::net::Ipv4Addr;

use crds::chat::RoomAddress;

/// Random in address and port, so that tests that run side by side, and reruns, do not meet. The ports
/// lie below those that the system gives to sockets without a port of their own.
pub fn free_group() -> RoomAddress {
    // Seeded anew by the system each time.
    let random = RandomState::new().hash_one(0);
    let [a, b, c, d, e, ..] = random.to_le_bytes();
    let port = 10_000 + u16::from_le_bytes([d, e]) % 20_000;
    RoomAddress::new(Ipv4Addr::new(239, a, b, c), port).expect("in the range for rooms")
}
