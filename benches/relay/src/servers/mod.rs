//! The servers that are compared. A new one is a module here and an entry in [`SERVERS`].

use std::borrow::Cow;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::wire::Wire;

mod bare;
mod crds;
mod nats;
mod ngircd;

/// Where a server runs, and for whom.
pub struct Setting<'a> {
    /// A directory for its files, removed after it.
    pub scratch: &'a Path,
    /// How many clients it must take.
    pub connections: u32,
    /// The program of this project.
    pub crds: &'a Path,
}

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// In the room.
    Member,
    /// Connected, known by name where the server has names, and not in the room.
    Bystander,
}

/// What a line means to a client that waits to be let in.
#[derive(Debug, PartialEq, Eq)]
pub enum Reception {
    /// It has its seat.
    Welcome,
    /// It will not get it.
    Refused,
    /// Nothing.
    Other,
}

/// One server, and how a client speaks to it.
pub trait Server: Debug + Sync {
    /// What it is called in options and tables.
    fn name(&self) -> &'static str;

    /// What starts it. It must stay in the foreground, and listen on loopback only.
    fn command(&self, setting: &Setting<'_>) -> io::Result<Command>;

    /// What it prints before the number of its port.
    fn announcement(&self) -> &'static str;

    /// All that a client says to get its seat; each client has a number of its own.
    fn greeting(&self, client: usize, seat: Seat) -> String;

    /// What a line of the server means to a client that said this.
    fn reception(&self, line: &[u8], seat: Seat) -> Reception;

    /// What says a text to the room, its line end too.
    fn say(&self, text: &str) -> String;

    /// What a client says to a line that asks for a sign of life.
    fn answer<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>>;

    /// How lines travel to it and from it.
    fn wire(&self) -> Wire {
        Wire::Lines
    }

    /// How many line ends a delivered text comes with.
    fn line_ends(&self) -> usize {
        1
    }
}

/// All of them, the one that the others are compared to first.
pub const SERVERS: &[&dyn Server] = &[
    &bare::Bare,
    &crds::Crds {
        keeps_history: true,
        wire: Wire::Lines,
        is_hosted: false,
    },
    &ngircd::Ngircd,
    &nats::Nats,
];

/// Ours, without what it keeps.
pub const WITHOUT_HISTORY: &dyn Server = &crds::Crds {
    keeps_history: false,
    wire: Wire::Lines,
    is_hosted: false,
};

/// Ours, as pages speak to it.
pub const PAGES: &dyn Server = &crds::Crds {
    keeps_history: true,
    wire: Wire::WebSocket,
    is_hosted: false,
};

/// The same in a reliable room.
pub const HOSTED_PAGES: &dyn Server = &crds::Crds {
    keeps_history: true,
    wire: Wire::WebSocket,
    is_hosted: true,
};

/// The one that all others are compared to.
pub const BASE: &dyn Server = SERVERS[0];

/// The one whose latency is not to be exceeded.
pub const IRC: &str = "ngircd";

/// The one whose rate is to be reached.
pub const BROKER: &str = "nats";

/// Whether a line has something in it.
fn has(line: &[u8], what: &str) -> bool {
    memchr::memmem::find(line, what.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    #[test]
    fn the_mark_is_in_the_text_alone() {
        let marks = |said: &str| said.bytes().filter(|&byte| byte == text::MARK).count();
        for server in SERVERS {
            assert_eq!(marks(&server.say(&text::write(7, u64::MAX))), 1);
            assert_eq!(marks(&server.greeting(999, Seat::Member)), 0);
            assert_eq!(marks(&server.greeting(999, Seat::Bystander)), 0);
        }
    }
}
