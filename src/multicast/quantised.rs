//! A time and a number in one byte each, coarse as all members of a group need to agree on them, as the
//! building block for NACK-based protocols (RFC 5401) has them.

use crate::time::Micros;

/// The shortest time that can be told, in seconds.
const SECONDS_MIN: f64 = 1.0e-6;
/// The longest, in seconds.
const SECONDS_MAX: f64 = 1000.0;
/// Times up to so many times the shortest are told exactly.
const EXACT_MAX: f64 = 33.0;
/// Steps of the logarithmic scale for each factor of e.
const STEPS: f64 = 13.0;

/// A round trip: exact to 33 µs, then in steps of 8 %, to 1,000 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuantisedTime(pub u8);

impl QuantisedTime {
    /// The nearest that is not shorter.
    pub fn of(time: Micros) -> Self {
        let seconds = (time.0 as f64 / 1e6).clamp(SECONDS_MIN, SECONDS_MAX);
        if seconds < EXACT_MAX * SECONDS_MIN {
            return Self((seconds / SECONDS_MIN) as u8 - 1);
        }
        let steps = 255.0 - STEPS * (SECONDS_MAX / seconds).ln();
        Self(steps.ceil() as u8)
    }

    /// The time that was told.
    pub fn time(self) -> Micros {
        let q = f64::from(self.0);
        let seconds = match q < EXACT_MAX - 1.0 {
            true => (q + 1.0) * SECONDS_MIN,
            false => SECONDS_MAX / ((255.0 - q) / STEPS).exp(),
        };
        Micros((seconds * 1e6) as u64)
    }
}

/// The size of a group: 10, 50, 100, 500 … 500,000,000. One bit says 1 or 5, three the power of ten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuantisedSize(pub u8);

impl QuantisedSize {
    /// The smallest that is not below.
    pub fn of(size: usize) -> Self {
        let fitting = (0..8_u8).flat_map(|exponent| [exponent, exponent | 8]);
        let fitting = fitting.map(Self).find(|q| q.size() >= size);
        fitting.unwrap_or(Self(15))
    }

    /// The size that was told.
    pub fn size(self) -> usize {
        let mantissa = if self.0 & 8 == 0 { 1 } else { 5 };
        mantissa * 10_usize.pow(u32::from(self.0 & 7) + 1)
    }
}

/// A share, 0 to 1, in steps of 1/65,534; or that none is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuantisedShare(pub u16);

impl QuantisedShare {
    const UNKNOWN: u16 = u16::MAX;
    const WHOLE: f64 = (u16::MAX - 1) as f64;

    /// The nearest that is not above.
    pub fn of(share: Option<f64>) -> Self {
        let steps = share.map(|share| (share.clamp(0.0, 1.0) * Self::WHOLE) as u16);
        Self(steps.unwrap_or(Self::UNKNOWN))
    }

    /// The share that was told.
    pub fn share(self) -> Option<f64> {
        (self.0 != Self::UNKNOWN).then(|| f64::from(self.0) / Self::WHOLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_a_little_longer_at_most() {
        for micros in [1, 20, 33, 100, 500, 1_000, 40_000, 2_000_000, 1_000_000_000] {
            let told = QuantisedTime::of(Micros(micros)).time().0;
            let (low, high) = (micros - micros.min(1), micros + micros / 10 + 2);
            assert!((low..=high).contains(&told), "{micros} µs came as {told}");
        }
        for q in 1..=255 {
            assert!(
                QuantisedTime(q).time() >= QuantisedTime(q - 1).time(),
                "{q}"
            );
        }
    }

    #[test]
    fn shares_come_back() {
        let told = |share| QuantisedShare::of(share).share();
        assert_eq!([told(None), told(Some(0.0))], [None, Some(0.0)]);
        assert_eq!(told(Some(7.0)), Some(1.0));
        assert!((told(Some(0.2)).unwrap() - 0.2).abs() < 1e-4);
    }

    #[test]
    fn sizes_come_back_rounded_up() {
        let told = |size| QuantisedSize::of(size).size();
        assert_eq!([told(1), told(10), told(11), told(60)], [10, 10, 50, 100]);
        assert_eq!(told(1001), 5000);
        assert_eq!(told(usize::MAX), 500_000_000);
    }
}
