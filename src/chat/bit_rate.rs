//! How much may be sent in a time.

use std::fmt;
use std::str::FromStr;

/// A rate of 16 kbit/s to 100 Gbit/s, written as `200mbit`, `2.5mbit` or `500kbit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRate {
    bits_per_second: u64,
}

/// What was given is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a rate from 16kbit to 100gbit, such as 200mbit, 2mbit or 500kbit")]
pub struct BitRateError;

/// As in the units of network devices, a kilobit is 1,000 bits.
const UNITS: [(&str, f64); 3] = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)];

/// Less than this, and a single datagram would hold up the next by nearly a second.
const BITS_MIN: f64 = 16e3;
const BITS_MAX: f64 = 100e9;

impl BitRate {
    /// The rate in bytes a second.
    pub fn bytes_per_second(self) -> u64 {
        self.bits_per_second / 8
    }

    /// A rate that was a [`BitRate`] before.
    pub fn from_bytes_per_second(bytes: u64) -> Self {
        let bits_per_second = bytes.saturating_mul(8);
        Self { bits_per_second }
    }
}

impl FromStr for BitRate {
    type Err = BitRateError;

    fn from_str(given: &str) -> Result<Self, BitRateError> {
        let given = given.trim().to_ascii_lowercase();
        let unit = UNITS.iter().find(|(unit, _)| given.ends_with(unit));
        let (unit, factor) = unit.ok_or(BitRateError)?;
        let number = given.strip_suffix(unit).unwrap_or_default().trim_end();
        let bits = number.parse::<f64>().map_err(|_| BitRateError)? * factor;
        match (BITS_MIN..=BITS_MAX).contains(&bits) {
            true => Ok(Self {
                bits_per_second: bits as u64,
            }),
            false => Err(BitRateError),
        }
    }
}

impl fmt::Display for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.bits_per_second as f64;
        let unit = UNITS.iter().find(|(_, factor)| bits >= *factor);
        match unit {
            Some((unit, factor)) => write!(f, "{}{unit}", bits / factor),
            None => write!(f, "{}kbit", bits / 1e3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written() {
        let rate = |given: &str| given.parse::<BitRate>();
        assert_eq!(rate("200mbit").unwrap().bytes_per_second(), 25_000_000);
        assert_eq!(rate("500KBit").unwrap().bytes_per_second(), 62_500);
        assert_eq!(rate("2.5mbit").unwrap().to_string(), "2.5mbit");
        assert_eq!(rate("500kbit").unwrap().to_string(), "500kbit");
        for wrong in [
            "",
            "200",
            "mbit",
            "-1mbit",
            "1kbit",
            "1e30gbit",
            "NaNmbit",
            "2 m",
            "5kbitkbit",
        ] {
            assert_eq!(rate(wrong), Err(BitRateError), "{wrong}");
        }
    }
}
