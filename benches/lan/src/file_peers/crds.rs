//! This project's program, as people run it: `crds send --file` and `crds listen --save`, without a server.

use std::env;
use std::ffi::OsString;

use super::{End, Ends, FilePeer, Words, words};

/// Both ends.
pub const ENDS: Ends = Ends::Programs { sender, receiver };

/// Where the program is; by default where `cargo build --release` puts it.
const PROGRAM: &str = "CRDS_PROGRAM";
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/release/crds");

/// What a receiver is told besides where to listen and to save: to take any file without being asked.
const RECEIVER_FLAGS: &[&str] = &["--auto-accept", "1gib"];

fn sender(peer: &FilePeer, end: &End) -> Words {
    let mut words = command("send", "sender", end);
    if let Some(megabits) = peer.megabits {
        words.extend(["--rate-max".into(), format!("{megabits}mbit").into()]);
    }
    words.extend(["--file".into(), end.path.clone().into()]);
    words
}

fn receiver(_: &FilePeer, end: &End) -> Words {
    let mut words = command("listen", &format!("receiver{}", end.host), end);
    words.extend(["--save".into(), end.path.clone().into()]);
    words.extend(RECEIVER_FLAGS.iter().map(|&flag| flag.into()));
    words
}

fn command(command: &str, name: &str, end: &End) -> Words {
    let program = env::var_os(PROGRAM).unwrap_or_else(|| OsString::from(BUILT));
    let mut words = words(program, &["--name", name, command]);
    words.extend(["--group".into(), end.group.to_string().into()]);
    words.extend(["--interface".into(), end.interface.to_string().into()]);
    words
}
