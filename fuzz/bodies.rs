//! What is tried with arbitrary bytes: by `cargo fuzz` with those that it finds, and by
//! `tests/fuzz.rs` with seeded ones.

// Each target uses its part of it.
#![allow(dead_code)]

mod player;
mod script;
mod wire;

use crds::multicast::config::DATAGRAM_BYTES_MAX;

use player::Player;
pub use player::Seen;
use script::{Script, Step};

/// Reads bytes as a datagram. What is read is written back and read again as the same. True if they
/// are well formed.
pub fn packet(bytes: &[u8]) -> bool {
    let is_read = wire::is_read(bytes);
    // Longer ones are read as they come but are never written.
    if is_read && bytes.len() <= DATAGRAM_BYTES_MAX {
        wire::assert_reads_back(bytes);
    }
    is_read
}

/// Reads bytes as what happens to one session, and holds it to its bounds all along. Its datagrams
/// are tried by themselves too: bytes that were drawn blindly are hardly ever well formed.
pub fn session(bytes: &[u8]) -> Seen {
    let mut script = Script::new(bytes);
    let mut player = Player::new(script.first_sequence());
    let mut well_formed = 0;
    while let Some(step) = script.next_step() {
        if let Step::Datagram(bytes) = &step {
            well_formed += u64::from(packet(bytes));
        }
        player.play(&step);
    }
    player.rest();
    Seen {
        well_formed,
        ..player.seen()
    }
}
