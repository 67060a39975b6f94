//! The time for the pure layers.

use std::time;

use crate::time::{Instant, Micros};

/// What it shows at its start. Others tell how long they have been there, up to 50 days; that moment
/// must be one that can be told.
const START: Instant = Instant::from_micros(100 * 24 * 3600 * 1_000_000);

/// Counts microseconds; never goes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: time::Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: time::Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        let passed = u64::try_from(self.started.elapsed().as_micros());
        START + Micros(passed.unwrap_or(u64::MAX))
    }

    /// The same moment as the system counts it.
    pub(super) fn system(&self, moment: Instant) -> time::Instant {
        self.started + time::Duration::from_micros(moment.since(START).0)
    }
}
