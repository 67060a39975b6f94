//! The fuzz targets with seeded bytes, so that they are tried wherever tests run. `cargo fuzz` looks
//! deeper: see `fuzz/`.

#[path = "../fuzz/bodies.rs"]
mod bodies;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Byte strings that each target is tried with.
const SEEDS: u64 = 300;

fn bytes(seed: u64, most: usize) -> Vec<u8> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut bytes = vec![0; random.random_range(0..most)];
    random.fill_bytes(&mut bytes);
    bytes
}

#[test]
fn no_bytes_shake_the_datagrams() {
    for seed in 0..SEEDS {
        let mut bytes = bytes(seed, 1500);
        bodies::packet(&bytes);
        // As a datagram of every kind.
        for kind in 0..10 {
            if let Some(first) = bytes.first_chunk_mut() {
                *first = [0xff, 1, kind];
            }
            bodies::packet(&bytes);
        }
    }
}

#[test]
fn no_script_shakes_a_session() {
    let mut all = bodies::Seen::default();
    for seed in 0..SEEDS {
        let seen = bodies::session(&bytes(seed, 1200));
        all.well_formed += seen.well_formed;
        all.heard += seen.heard;
        all.lines += seen.lines;
        all.gaps += seen.gaps;
        all.new += seen.new;
        all.repairs += seen.repairs;
        all.nacks += seen.nacks;
    }
    // A script that is understood no more, as after a change of the datagrams, would try nothing.
    let traffic = [all.well_formed, all.heard, all.new];
    let work = [all.lines, all.repairs, all.nacks];
    assert!(
        traffic.iter().chain(&work).all(|&count| count > SEEDS),
        "{all:?}"
    );
    assert!(all.gaps > 0, "{all:?}");
}

/// A script of one step: a heartbeat that claims 65,000 records. The script's numbers seldom reach so
/// far.
#[test]
fn a_claim_of_many_records_does_not_make_a_session_spin() {
    bodies::session(&[1, 11, 255, 255, 0, 0, 0xfd, 0xe8, 1, 2, 1, 2, 0]);
}
