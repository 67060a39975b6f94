//! The time for the pure layers.

use std::time::{self, Duration};

use rustix::time::{ClockId, clock_gettime};

use crate::time::{Instant, Micros};

/// What they show at their start. Others tell how long they have been there, up to 50 days; that moment
/// must be one that can be told.
const START: Instant = Instant::from_micros(100 * 24 * 3600 * 1_000_000);

/// Counts microseconds, but not those for which the machine sleeps, in which others seem silent; never goes back.
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
        self.started + Duration::from_micros(moment.since(START).0)
    }
}

/// It goes on while the machine sleeps, which the standard library's does not.
#[cfg(target_os = "linux")]
const SESSION_CLOCK: ClockId = ClockId::Boottime;

/// On macOS this one goes on while the machine sleeps.
#[cfg(not(target_os = "linux"))]
const SESSION_CLOCK: ClockId = ClockId::Monotonic;

/// Counts microseconds, also while the machine sleeps: a session must not seem younger to others than it is. Never goes
/// back.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionClock {
    /// What the system's clock showed.
    started: Duration,
}

impl SessionClock {
    pub(super) fn start() -> Self {
        Self { started: shown() }
    }

    pub(super) fn now(&self) -> Instant {
        let passed = shown().saturating_sub(self.started).as_micros();
        START + Micros(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// The same moment for the system's timers, which do not count sleep; now if it is past.
    pub(super) fn system(&self, moment: Instant) -> time::Instant {
        time::Instant::now() + Duration::from_micros(moment.since(self.now()).0)
    }
}

fn shown() -> Duration {
    let shown = clock_gettime(SESSION_CLOCK);
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
        let clock = SessionClock {
            started: shown().saturating_sub(slept),
        };
        let soon = clock.system(clock.now() + Micros::from_secs(60));
        let wait = soon.saturating_duration_since(time::Instant::now());
        assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
        let past = clock.system(clock.now() - Micros::from_secs(60));
        assert!(past <= time::Instant::now());
    }
}
