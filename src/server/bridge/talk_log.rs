//! What the server's log and screen say of the talk in one room, and of its files.

use std::fmt;
use std::time::Instant;

use crate::chat::{Room, RoomName, printable};
use crate::server::line_budget::{LineBudget, Verdict};

/// Lines of one room that are logged in a second, as many as one client may say in the lobby. A flow of more is not
/// there to be read, and would push everything else out of the log.
const LINES_PER_SECOND_MAX: u32 = 500;

/// Logs what is said, unless it comes too fast, or nothing is to be kept of the room.
pub(super) struct TalkLog {
    is_off: bool,
    budget: LineBudget,
    /// Lines that came too fast since the last one that did not.
    left_out: u64,
}

impl TalkLog {
    pub(super) fn new(room: &Room, now: Instant) -> Self {
        Self {
            is_off: is_off(room),
            budget: LineBudget::new(LINES_PER_SECOND_MAX, now),
            left_out: 0,
        }
    }

    pub(super) fn said(&mut self, room: &Room, from: &str, text: &str, now: Instant) {
        let Some(left_out) = self.admit(now) else {
            return;
        };
        if left_out > 0 {
            tracing::info!("[{}] {left_out} lines came too fast to log them", room.name);
        }
        tracing::info!("[{}] {}: {}", room.name, printable(from), printable(text));
    }

    /// Whether to log a line; and how many before it were left out.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.is_off {
            return None;
        }
        if self.budget.spend(now) == Verdict::Read {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

fn is_off(room: &Room) -> bool {
    room.history.is_some_and(|limit| limit.is_off())
}

/// Logs what is done with files, unless nothing is to be kept of the room.
#[derive(Clone, Debug)]
pub(super) struct FileLog {
    room: RoomName,
    is_off: bool,
}

impl FileLog {
    pub(super) fn new(room: &Room) -> Self {
        Self {
            room: room.name.clone(),
            is_off: is_off(room),
        }
    }

    pub(super) fn say(&self, what: fmt::Arguments<'_>) {
        if !self.is_off {
            tracing::info!("Room {}: {what}", self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::chat::{Dialect, Origin};

    fn room(history: Option<&str>) -> Room {
        Room {
            name: "lab".parse().unwrap(),
            address: "239.1.1.1:6000".parse().unwrap(),
            dialect: Dialect::Reliable,
            limit: None,
            topic: None,
            history: history.map(|limit| limit.parse().unwrap()),
            made_by: Origin {
                name: None,
                address: "127.0.0.1:5".parse().unwrap(),
            },
            made_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_comes_too_fast_is_counted() {
        let start = Instant::now();
        let mut log = TalkLog::new(&room(None), start);
        let logged = (0..10_000).filter(|_| log.admit(start).is_some()).count();
        assert_eq!(logged, LINES_PER_SECOND_MAX as usize);
        let left_out = 10_000 - u64::from(LINES_PER_SECOND_MAX);
        let later = start + Duration::from_millis(10);
        assert_eq!(log.admit(later), Some(left_out));
        assert_eq!(log.admit(later), Some(0));
    }

    #[test]
    fn of_a_room_without_history_nothing_is_logged() {
        let start = Instant::now();
        assert_eq!(TalkLog::new(&room(Some("off")), start).admit(start), None);
        assert_eq!(TalkLog::new(&room(Some("7d")), start).admit(start), Some(0));
    }
}
