//! How long to wait before a server that is gone is tried again.

use std::time::Duration;

/// Before the first try: a server that was only restarted is back by then.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before jitter: about as long as a person looks on before doing something else.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The share by which a wait is shorter or longer at most, so that the clients of one server do not
/// all come back in the same moment.
const JITTER: f64 = 0.25;

/// The wait before try number `attempt`, counted from 0. It doubles each time up to a limit; `chance`, drawn
/// evenly from 0 to 1, makes it shorter or longer.
pub(super) fn wait_before(attempt: u32, chance: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt));
    doubled
        .min(LONGEST_WAIT)
        .mul_f64(1.0 - JITTER + 2.0 * JITTER * chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_fifteen_seconds() {
        let waits: Vec<f64> = (0..8)
            .map(|attempt| wait_before(attempt, 0.5).as_secs_f64())
            .collect();
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]);
        let edges = [0.0, 1.0].map(|chance| wait_before(1, chance).as_secs_f64());
        assert_eq!(edges, [0.75, 1.25]);
    }

    proptest! {
        #[test]
        fn no_wait_is_more_than_a_quarter_off(attempt: u32, chance in 0.0..=1.0) {
            let (wait, middle) = (wait_before(attempt, chance), wait_before(attempt, 0.5));
            prop_assert!(wait >= middle.mul_f64(0.75) && wait <= middle.mul_f64(1.25));
            prop_assert!(middle <= LONGEST_WAIT);
        }
    }
}
