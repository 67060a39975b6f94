//! UDPcast: `udp-sender` and `udp-receiver`.

use std::ffi::OsString;

use super::{End, Ends, FilePeer, Words, words};

/// Both ends.
pub const ENDS: Ends = Ends::Programs { sender, receiver };

/// In milliseconds: a receiver whose greeting was lost hears the sender's.
const HELLO_INTERVAL: &str = "200";

/// What it sends before it waits for all receivers: with slices that fit into a switch's queue, and the next one on
/// its way meanwhile, it fills a narrow link and loses little. Elsewhere it is faster as it is.
const SMALL_SLICES: [&str; 3] = ["--full-duplex", "--slice-size", "48"];

/// What a receiver's socket asks for, as those of the others here do; with the default more is lost.
const SOCKET_BUFFER: &str = "4194304";

fn sender(peer: &FilePeer, end: &End) -> Words {
    let mut words = common("udp-sender", end);
    let mut option = |name: &str, value: String| words.extend([name.into(), value.into()]);
    option("--mcast-data-address", end.group.ip().to_string());
    option("--min-receivers", end.receivers.to_string());
    option("--rexmit-hello-interval", HELLO_INTERVAL.to_owned());
    if let Some(megabits) = peer.megabits {
        option("--max-bitrate", format!("{megabits}m"));
    }
    if peer.adapts {
        words.extend(SMALL_SLICES.map(OsString::from));
    }
    words.extend(["--file".into(), end.path.clone().into()]);
    words
}

fn receiver(_: &FilePeer, end: &End) -> Words {
    let mut words = common("udp-receiver", end);
    words.extend(["--rcvbuf".into(), SOCKET_BUFFER.into()]);
    // It writes in order: a file of the whole length is whole.
    words.extend(["--file".into(), end.received().into()]);
    words
}

fn common(program: &str, end: &End) -> Words {
    let mut words = words(
        program,
        &["--nokbd", "--no-progress", "--interface", "eth0"],
    );
    // The next port is used, too.
    words.extend(["--portbase".into(), end.group.port().to_string().into()]);
    words
}
