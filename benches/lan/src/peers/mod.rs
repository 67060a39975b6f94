//! The transports that are compared. A new one is a module here and an entry in [`PEERS`].

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "aeron")]
mod aeron;
mod crds;
#[cfg(feature = "epgm")]
mod epgm;
mod gso;
mod mmsg;
mod program;
mod sendmsg;
mod socket;

/// Where an end of a transport is.
pub struct Place {
    /// The multicast group and its port.
    pub group: SocketAddrV4,
    /// The address of the interface to use.
    pub interface: Ipv4Addr,
    /// Whether to wait by asking again and again instead of sleeping.
    pub spin: bool,
    /// A directory for files of this run, removed after it.
    #[cfg_attr(
        not(feature = "aeron"),
        expect(dead_code, reason = "the others need no files")
    )]
    pub scratch: PathBuf,
}

/// The end that says lines.
pub trait Sender {
    /// Says one line. May block while the transport can take no more; may keep the line until the next
    /// [`Sender::drive`].
    fn say(&mut self, line: &[u8]) -> io::Result<()>;

    /// Sends what was kept, then does the transport's own work (repairs) until `until`, and no less long.
    fn drive(&mut self, until: Instant) -> io::Result<()>;
}

/// The end that lines are delivered at.
pub trait Receiver {
    /// Gives every line that is delivered to `sink`; returns a little after `until`.
    fn receive(&mut self, until: Instant, sink: &mut dyn FnMut(&[u8])) -> io::Result<()>;
}

/// Makes the sending end and waits until that many receivers can hear it, if the transport can know.
type OpenSender = fn(&Place, usize) -> io::Result<Box<dyn Sender>>;
/// Makes a receiving end, ready when this returns.
type OpenReceiver = fn(&Place) -> io::Result<Box<dyn Receiver>>;

/// One transport.
#[derive(Debug)]
pub struct Peer {
    /// What it is called in options and tables.
    pub name: &'static str,
    /// Whether it repairs losses.
    pub reliable: bool,
    /// Makes its sending end.
    pub sender: OpenSender,
    /// Makes its receiving end.
    pub receiver: OpenReceiver,
}

/// Every transport of this build, the one that the others are compared to first.
pub const PEERS: &[Peer] = &[
    Peer {
        name: "sendmsg",
        reliable: false,
        sender: sendmsg::sender,
        receiver: sendmsg::receiver,
    },
    Peer {
        name: "mmsg",
        reliable: false,
        sender: mmsg::sender,
        receiver: mmsg::receiver,
    },
    Peer {
        name: "gso",
        reliable: false,
        sender: gso::sender,
        receiver: gso::receiver,
    },
    Peer {
        name: "crds",
        reliable: true,
        sender: crds::sender,
        receiver: crds::receiver,
    },
    Peer {
        name: "program",
        reliable: false,
        sender: program::sender,
        receiver: program::receiver,
    },
    #[cfg(feature = "epgm")]
    Peer {
        name: "epgm",
        reliable: true,
        sender: epgm::sender,
        receiver: epgm::receiver,
    },
    #[cfg(feature = "aeron")]
    Peer {
        name: "aeron",
        reliable: true,
        sender: aeron::sender,
        receiver: aeron::receiver,
    },
];

/// What all others are compared to.
pub const BASE: &Peer = &PEERS[0];

impl Peer {
    /// The transport of this name, if this build has it.
    pub fn named(name: &str) -> Option<&'static Self> {
        PEERS.iter().find(|peer| peer.name == name)
    }
}

/// How many lines a batching transport passes to the kernel at once.
const BATCH: usize = 32;

/// How long a receiving end may sleep in the kernel before it looks at the time again.
const RECEIVE_TIMEOUT: Duration = Duration::from_millis(20);

/// What `drive` is for a transport that has no work of its own, or does it in another thread.
fn sleep_until(until: Instant) {
    thread::sleep(until.saturating_duration_since(Instant::now()));
}
