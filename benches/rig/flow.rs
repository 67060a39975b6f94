//! Lines that one member says to another, and what that looks like to each of the two.

use std::rc::Rc;

use crds::time::{Instant, Micros};

use super::room::Room;
use super::trace::{Origin, Step, Trace};

/// Bytes of a line.
pub const LINE_BYTES: usize = 200;

/// Lines that bring both to their steady state, in which old records make room for new ones: more
/// than are kept for repairs.
const WARM_UP_LINES: u64 = 42_000;

/// Lines that are measured.
pub const MEASURED_LINES: u64 = 20_000;

/// How lines are said.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// What to call it.
    pub name: &'static str,
    /// So many at a time.
    burst: u64,
    /// The time from one burst to the next.
    gap: Micros,
}

/// More at once than may be on the way: the sender packs and paces it as it likes.
pub const FLOOD: Pace = Pace {
    name: "flood",
    burst: 1000,
    gap: Micros::from_millis(5),
};

/// Talk: each line is a datagram of its own, with those before it riding along.
pub const SINGLE: Pace = Pace {
    name: "one by one",
    burst: 1,
    gap: Micros::from_millis(2),
};

/// Both ends of a flow.
pub struct Flow {
    /// What happened to the one that spoke.
    pub sender: Trace,
    /// What happened to the one that listened.
    pub receiver: Trace,
}

/// A flow waits so long for its last lines before it is taken as stuck.
const STUCK: Micros = Micros::from_secs(600);

impl Flow {
    /// Plays a flow between two members until every line was heard.
    pub fn play(pace: Pace) -> Self {
        let mut room = Room::new();
        room.join(true);
        room.join(true);
        // The first lines should find a room at rest.
        room.run_until(room.now + Micros::from_secs(2));
        let line: Rc<[u8]> = vec![b'x'; LINE_BYTES].into();
        let half = flow(&mut room, pace, &line, WARM_UP_LINES);
        let end = flow(&mut room, pace, &line, WARM_UP_LINES + MEASURED_LINES);
        let mut trace = |index| trace(room.take_record(index), half, end);
        Self {
            sender: trace(0),
            receiver: trace(1),
        }
    }
}

/// Says lines until so many were heard. Gives the time of that.
fn flow(room: &mut Room, pace: Pace, line: &Rc<[u8]>, lines: u64) -> Instant {
    // Later than all before: the time tells what belongs where.
    room.run_until(room.now + Micros(1));
    let stuck = room.now + STUCK;
    let mut said = room.heard(1);
    while room.heard(1) < lines {
        // What may not be said now is said with the next burst.
        said += room.say(0, line, pace.burst.min(lines - said));
        room.run_until(room.now + pace.gap);
        assert!(
            room.now < stuck,
            "{said} lines said, {} heard",
            room.heard(1)
        );
    }
    room.now
}

fn trace((origin, steps): (Origin, Vec<(Instant, Step)>), half: Instant, end: Instant) -> Trace {
    let mut warm_up = steps;
    warm_up.retain(|(at, _)| *at <= end);
    let at = warm_up.partition_point(|(at, _)| *at <= half);
    let measured = warm_up.split_off(at);
    Trace {
        origin,
        warm_up,
        measured,
    }
}
