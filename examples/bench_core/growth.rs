//! What a room costs that nobody says anything in, as it grows: traffic and memory.

use std::io::{self, Write};

use crds::time::{Instant, Micros};

use super::allocator::Counts;
use super::rig::room::{DELAY, Room, START};

/// The windows in which peaks are looked for.
const PEAK: Micros = Micros::from_millis(100);

/// What a room is watched at, and to when: everyone joins at once; what became known then is reported
/// for ten seconds; then it is at rest.
const PHASES: [(&str, Instant); 3] = [
    (
        "joining at once",
        Instant::from_micros(START.as_micros() + 2_000_000),
    ),
    (
        "reporting that",
        Instant::from_micros(START.as_micros() + 10_200_000),
    ),
    (
        "settled",
        Instant::from_micros(START.as_micros() + 12_200_000),
    ),
];

/// What the signs of life of all members together should take at most, in bytes a second.
const IDLE_BYTES_GOAL: u64 = 64_000;

/// What one idle member should take at most in another's memory, in bytes.
const PEER_BYTES_GOAL: u64 = 4096;

/// Up to this size every datagram reaches everyone. In large rooms those do that were sent before any
/// was heard, so that all know of all; later ones reach [`FAN_OUT`] others. The traffic hardly
/// depends on it: one poll of many that is heard makes a member answer, and nothing is to be repaired.
const REACHED_BY_ALL_MAX: usize = 100;

/// From this size on a room is large: its members keep silent for so long that nobody is taken for
/// gone who was heard only at the join.
const LARGE_MIN: usize = 1000;

/// How many others a datagram reaches in a large room.
const FAN_OUT: usize = 5;

/// What went over the network in a time.
#[derive(Clone, Copy)]
struct Traffic {
    span: Micros,
    datagrams: u64,
    bytes: u64,
    /// The most bytes in any 100 ms.
    peak: u64,
}

/// Bytes of all sessions together.
struct Memory {
    sessions: u64,
    bytes: u64,
}

/// Reads the size of a room; those between the sizes that can be played are refused.
pub fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size @ 1..=REACHED_BY_ALL_MAX | size @ LARGE_MIN..) => Ok(size),
        _ => Err(format!(
            "1 to {REACHED_BY_ALL_MAX}, or {LARGE_MIN} and more"
        )),
    }
}

/// Prints the tables.
pub fn print(sizes: &[usize], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n## A room where nobody speaks\n")?;
    writeln!(
        out,
        "Payload of all members' datagrams together. Goal once settled: {IDLE_BYTES_GOAL} bytes/s. \
         In rooms of more than {REACHED_BY_ALL_MAX} only the first datagrams reach all, later ones \
         {FAN_OUT} members.\n"
    )?;
    writeln!(
        out,
        "| members | when | seconds | datagrams/s | bytes/s | most bytes in 100 ms |"
    )?;
    writeln!(out, "|--:|---|--:|--:|--:|--:|")?;
    let lone = memory(joined(1));
    let mut memories = Vec::new();
    for &members in sizes {
        if members <= REACHED_BY_ALL_MAX {
            joining_in_turn(members).print(members, "joining within 1 s", out)?;
        }
        let mut room = joined(members);
        let mut start = START;
        for (when, end) in PHASES {
            room.run_until(end);
            Traffic::of(&room, start, end).print(members, when, out)?;
            start = end;
        }
        let is_known = |index| room.known(index) == members - 1;
        assert!(
            (0..members).all(is_known),
            "members lost sight of each other"
        );
        memories.push(memory(room));
    }
    print_memory(&lone, &memories, out)
}

fn print_memory(lone: &Memory, memories: &[Memory], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n## Memory of idle members\n")?;
    writeln!(
        out,
        "Bytes asked for and there still. A session alone takes {}. Goal: {PEER_BYTES_GOAL} for each other member.\n",
        lone.bytes
    )?;
    writeln!(
        out,
        "| members | bytes a session | for each other member | more than alone for each |"
    )?;
    writeln!(out, "|--:|--:|--:|--:|")?;
    for memory in memories {
        let session = memory.bytes / memory.sessions;
        let others = memory.sessions.saturating_sub(1).max(1);
        let (each, more) = (
            session / others,
            session.saturating_sub(lone.bytes) / others,
        );
        writeln!(out, "| {} | {session} | {each} | {more} |", memory.sessions)?;
    }
    Ok(())
}

/// A room that all join at once.
fn joined(members: usize) -> Room {
    let mut room = Room::new();
    for _ in 0..members {
        room.join(false);
    }
    room.run_until(START + DELAY);
    if members > REACHED_BY_ALL_MAX {
        room.fan_out = FAN_OUT;
    }
    room
}

/// Everyone joins, evenly spread over a second, and is heard by all.
fn joining_in_turn(members: usize) -> Traffic {
    let mut room = Room::new();
    for member in 0..members as u64 {
        let at = Micros(1_000_000 * member / members as u64);
        room.run_until(START + at);
        room.join(false);
    }
    room.run_until(START + Micros::from_secs(2));
    Traffic::of(&room, START, room.now)
}

fn memory(room: Room) -> Memory {
    let sessions = room.into_sessions();
    let count = sessions.len() as u64;
    let with = Counts::now().live();
    drop(sessions);
    Memory {
        sessions: count,
        bytes: with - Counts::now().live(),
    }
}

impl Traffic {
    fn of(room: &Room, start: Instant, end: Instant) -> Self {
        let sent = room.sent.iter().filter(|(at, _)| start <= *at && *at < end);
        let sent: Vec<(Instant, u64)> = sent.map(|(at, bytes)| (*at, *bytes as u64)).collect();
        Self {
            span: end.since(start),
            datagrams: sent.len() as u64,
            bytes: sent.iter().map(|(_, bytes)| bytes).sum(),
            peak: peak(&sent),
        }
    }

    fn print(&self, members: usize, when: &str, out: &mut impl Write) -> io::Result<()> {
        let seconds = self.span.0 as f64 / 1e6;
        writeln!(
            out,
            "| {members} | {when} | {seconds:.3} | {:.0} | {:.0} | {} |",
            self.datagrams as f64 / seconds,
            self.bytes as f64 / seconds,
            self.peak,
        )?;
        // A large room takes a while: what is known is shown.
        out.flush()
    }
}

/// The most bytes in any window.
fn peak(sent: &[(Instant, u64)]) -> u64 {
    let (mut oldest, mut bytes, mut most) = (0, 0, 0);
    for (at, length) in sent {
        bytes += length;
        while at.since(sent[oldest].0) >= PEAK {
            bytes -= sent[oldest].1;
            oldest += 1;
        }
        most = most.max(bytes);
    }
    most
}
