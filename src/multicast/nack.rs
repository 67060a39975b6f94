//! How long to wait before asking, so that few ask for the same.

use rand::RngExt;
use rand::rngs::SmallRng;

use super::config::{
    NACK_ATTEMPTS_FAST, NACK_RETRY_FIRST, NACK_RETRY_MAX, NACK_RETRY_VAIN_MAX, NACK_SPREAD_MIN,
    ROUND_TRIP_FIRST, SMALL_GROUP_MAX,
};
use crate::time::Micros;

/// The truncated exponential back-off of RFC 5401, section 3.2.2: most of a large group wait long, few
/// wait briefly, and whoever hears another's nack for the same keeps silent.
pub(super) fn group_backoff(members: usize, round_trip: Micros, random: &mut SmallRng) -> Micros {
    let k = if members <= SMALL_GROUP_MAX { 1.0 } else { 4.0 };
    let spread = (NACK_SPREAD_MIN.0 as f64).max(k * round_trip.0 as f64);
    let lambda = (members.max(1) as f64).ln() + 1.0;
    let floor = lambda / (spread * (lambda.exp() - 1.0));
    let x = random.random_range(0.0..lambda / spread) + floor;
    let wait = spread / lambda * (x * (lambda.exp() - 1.0) * spread / lambda).ln();
    Micros(wait.clamp(0.0, spread) as u64)
}

/// How long to wait for a repair before asking again, after so many times. Who was asked in vain for
/// long is asked less and less, so that a claim of what nobody ever said costs little.
///
/// `spread`, about 1, is drawn once for what is asked for together, so that it stays together.
pub(super) fn retry_wait(attempts: u32, round_trip: Micros, spread: f64) -> Micros {
    let growth = 1.5_f64.powi(attempts.saturating_sub(1).min(20) as i32);
    let wait = NACK_RETRY_FIRST.mul_f64(growth).min(NACK_RETRY_MAX);
    // The waits are made for a local network; where the way is longer they grow with it.
    let scale = (round_trip.0 as f64 / ROUND_TRIP_FIRST.0 as f64).max(1.0);
    let in_vain = attempts.saturating_sub(NACK_ATTEMPTS_FAST).min(20);
    let wait = Micros(wait.mul_f64(scale).0 << in_vain).min(NACK_RETRY_VAIN_MAX);
    wait.mul_f64(spread)
}

/// A spread for [`retry_wait`].
pub(super) fn retry_spread(random: &mut SmallRng) -> f64 {
    random.random_range(0.75..1.25)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn waits_stay_in_their_bounds_and_few_of_a_large_group_wait_briefly() {
        let mut random = SmallRng::seed_from_u64(1);
        for members in [1, 2, 16, 17, 1000] {
            let spread = if members <= 16 { 1000 } else { 4000 };
            let waits: Vec<u64> = (0..1000)
                .map(|_| group_backoff(members, Micros::from_millis(1), &mut random).0)
                .collect();
            assert!(waits.iter().all(|&wait| wait <= spread), "{members}");
            if members == 1000 {
                let brief = waits.iter().filter(|&&wait| wait < spread / 4).count();
                assert!(brief < 50, "{brief} of 1000 wait briefly");
            }
        }
        for attempts in 0..100 {
            let wait = retry_wait(attempts, Micros(500), retry_spread(&mut random));
            let most = if attempts <= NACK_ATTEMPTS_FAST {
                10_000
            } else {
                1_250_000
            };
            assert!((1_875..=most).contains(&wait.0), "{wait}");
            let far = retry_wait(attempts, Micros::from_secs(2), retry_spread(&mut random));
            assert!(far.0 <= 1_250_000, "{far}");
        }
    }
}
