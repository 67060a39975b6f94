//! The time for the pure layers.

use std::time::{self, Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::time::{Instant, Micros};

/// What it shows at its start. Others tell how long they have been there, up to 50 days; that moment
/// must be one that can be told.
const START: Instant = Instant::from_micros(100 * 24 * 3600 * 1_000_000);

/// It goes on while the machine sleeps, which the standard library's does not: who slept for an hour must not seem an
/// hour younger than it is.
#[cfg(target_os = "linux")]
const SYSTEM_CLOCK: ClockId = ClockId::Boottime;

/// On macOS this one goes on while the machine sleeps.
#[cfg(not(target_os = "linux"))]
const SYSTEM_CLOCK: ClockId = ClockId::Monotonic;

/// Counts microseconds, also of a machine that sleeps; never goes back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// What the system's clock showed.
    started: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            started: system_clock(),
        }
    }

    pub(super) fn now(&self) -> Instant {
        let passed = system_clock().saturating_sub(self.started).as_micros();
        START + Micros(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The same moment for the system's timers, which do not count sleep; now if it is past.
    pub(super) fn system(&self, moment: Instant) -> time::Instant {
        time::Instant::now() + Duration::from_micros(moment.since(self.now()).0)
    }
}

fn system_clock() -> Duration {
    let shown = clock_gettime(SYSTEM_CLOCK);
    Duration::new(
        shown.tv_sec.unsigned_abs(),
        shown.tv_nsec.unsigned_abs() as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_are_right_after_a_sleep() {
        let slept = Duration::from_secs(2 * 3600);
        let clock = Clock {
            started: Clock::start().started.saturating_sub(slept),
        };
        let soon = clock.system(clock.now() + Micros::from_secs(60));
        let wait = soon.saturating_duration_since(time::Instant::now());
        assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
        let past = clock.system(clock.now() - Micros::from_secs(60));
        assert!(past <= time::Instant::now());
    }
}
