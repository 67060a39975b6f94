//! UFTP: `uftp`, which sends, and its daemon `uftpd`, which receives.

use super::{End, Ends, FilePeer, Words, words};
use crate::lan::Lan;

/// Both ends.
pub const ENDS: Ends = Ends::Programs { sender, receiver };

/// What sockets ask for, as those of the others here do; with the default, 256 kB, more is lost.
const SOCKET_BUFFER: &str = "4194304";

/// Bytes of the file in a datagram: with the headers an Ethernet frame is full, nearly. The default is 1300.
const BLOCK: &str = "1440";

/// The round trip that it starts from, in seconds, and the least and most that it then reckons with. By default it
/// starts from 0.5, which is how long it waits for the last receivers.
const ROUND_TRIP: &str = "0.05:0.01:15";

fn sender(peer: &FilePeer, end: &End) -> Words {
    let mut words = words(
        "uftp",
        &["-B", SOCKET_BUFFER, "-b", BLOCK, "-r", ROUND_TRIP],
    );
    let rate = peer.megabits.map(|megabits| megabits * 1000);
    let group = end.group.ip().to_string();
    let mut option = |name: &str, value: String| words.extend([name.into(), value.into()]);
    match peer.adapts {
        true => option("-C", "tfmcc".to_owned()),
        // Without a limit as fast as the interface takes it.
        false => option("-R", rate.map_or("-1".to_owned(), |rate| rate.to_string())),
    }
    // Who is to receive: it need not wait for others that may be there.
    let receivers = (1..=end.receivers).map(id).collect::<Vec<_>>();
    option("-H", receivers.join(","));
    option("-I", end.interface.to_string());
    option("-p", end.group.port().to_string());
    option("-M", group.clone());
    option("-P", group);
    words.push(end.path.clone().into());
    words
}

fn receiver(_: &FilePeer, end: &End) -> Words {
    // In the foreground; the file gets its name when it is whole; no names are looked up. A larger cache than the
    // default (`-c`) makes it lose more: it does not read while it writes.
    let mut words = words("uftpd", &["-d", "-t", "-q", "-B", SOCKET_BUFFER]);
    let mut option = |name: &str, value: String| words.extend([name.into(), value.into()]);
    option("-U", id(end.host));
    option("-I", end.interface.to_string());
    option("-p", end.group.port().to_string());
    option("-M", end.group.ip().to_string());
    words.push("-D".into());
    words.push(end.path.clone().into());
    words
}

/// What a receiver is called: its address, in hexadecimal digits.
fn id(host: usize) -> String {
    format!("0x{:08X}", Lan::address(host).to_bits())
}
