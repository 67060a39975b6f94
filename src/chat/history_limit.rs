//! How much of a room's talk is kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// So much, or nothing. Written as `off`, or as a number of entries, an age, a size, or several of them divided
/// by commas: `1000`, `7d`, `64mib`, `1000,7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimit {
    /// Entries: texts, offers of files, comings and goings. None kept if that is 0.
    entries_max: Option<u64>,
    age_max: Option<Duration>,
    bytes_max: Option<u64>,
}

/// What was given is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write how much history to keep: `off`, or entries, an age or a size, such as 1000, 7d, 64mib, or 1000,7d,64mib (ages: s, m, h, d, up to 36500d; sizes: kib, mib, gib)"
)]
pub struct HistoryLimitError;

const SIZES: [(&str, u64); 3] = [("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30)];

const AGES: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];

/// 100 years: more is a slip, and what can be reckoned with ends somewhere.
const AGE_SECONDS_MAX: u64 = 100 * 365 * 86_400;

impl HistoryLimit {
    /// Nothing is kept.
    pub const OFF: Self = Self {
        entries_max: Some(0),
        age_max: None,
        bytes_max: None,
    };

    /// What a server keeps of a room unless told otherwise: a month of talk of a lively class.
    pub const DEFAULT: Self = Self {
        entries_max: Some(10_000),
        age_max: Some(Duration::from_secs(30 * 86_400)),
        bytes_max: Some(Self::BYTES_MAX_UNSAID),
    };

    /// Bytes that a room may take where no size is given: the disk of whoever runs the server has an end.
    pub const BYTES_MAX_UNSAID: u64 = 64 * 1024 * 1024;

    /// Whether nothing is kept.
    pub fn is_off(self) -> bool {
        self.entries_max == Some(0)
    }

    /// The most entries.
    pub fn entries_max(self) -> u64 {
        self.entries_max.unwrap_or(u64::MAX)
    }

    /// How old an entry gets, if that matters.
    pub fn age_max(self) -> Option<Duration> {
        self.age_max
    }

    /// The most bytes.
    pub fn bytes_max(self) -> u64 {
        self.bytes_max.unwrap_or(Self::BYTES_MAX_UNSAID)
    }

    /// What a room may keep on a server that keeps so much: a room can have less, and never more.
    pub fn within(self, server: Self) -> Self {
        fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        Self {
            entries_max: least(self.entries_max, server.entries_max),
            age_max: least(self.age_max, server.age_max),
            bytes_max: least(self.bytes_max, server.bytes_max),
        }
    }
}

impl FromStr for HistoryLimit {
    type Err = HistoryLimitError;

    fn from_str(given: &str) -> Result<Self, HistoryLimitError> {
        let given = given.trim().to_ascii_lowercase();
        if given == "off" {
            return Ok(Self::OFF);
        }
        let mut limit = Self {
            entries_max: None,
            age_max: None,
            bytes_max: None,
        };
        for part in given.split(',') {
            let part = part.trim();
            let units_at = part.find(|c: char| !c.is_ascii_digit());
            let (number, unit) = part.split_at(units_at.unwrap_or(part.len()));
            let number: u64 = number.parse().map_err(|_| HistoryLimitError)?;
            let factor = |units: &[(&str, u64)]| {
                let found = units.iter().find(|(name, _)| *name == unit.trim());
                found.and_then(|(_, factor)| number.checked_mul(*factor))
            };
            let is_new = if number == 0 {
                false
            } else if unit.is_empty() {
                limit.entries_max.replace(number).is_none()
            } else if let Some(bytes) = factor(&SIZES) {
                limit.bytes_max.replace(bytes).is_none()
            } else if let Some(seconds) = factor(&AGES).filter(|age| *age <= AGE_SECONDS_MAX) {
                let age = Duration::from_secs(seconds);
                limit.age_max.replace(age).is_none()
            } else {
                false
            };
            if !is_new {
                return Err(HistoryLimitError);
            }
        }
        Ok(limit)
    }
}

impl fmt::Display for HistoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_off() {
            return f.pad("off");
        }
        let mut parts = Vec::new();
        parts.extend(self.entries_max.map(|entries| entries.to_string()));
        parts.extend(self.age_max.map(|age| in_units(age.as_secs(), &AGES)));
        parts.extend(self.bytes_max.map(|bytes| in_units(bytes, &SIZES)));
        f.pad(&parts.join(","))
    }
}

/// With the largest unit that divides it; what was parsed has one.
fn in_units(number: u64, units: &[(&str, u64)]) -> String {
    let unit = units
        .iter()
        .rev()
        .find(|(_, factor)| number.is_multiple_of(*factor));
    let (name, factor) = unit.unwrap_or(&units[0]);
    format!("{}{name}", number / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_written() {
        for (given, written) in [
            ("off", "off"),
            ("OFF", "off"),
            ("1000", "1000"),
            ("7d", "7d"),
            ("48h", "2d"),
            ("90m", "90m"),
            ("64MiB", "64mib"),
            ("64mib, 1000,36h", "1000,36h,64mib"),
        ] {
            let limit: HistoryLimit = given.parse().unwrap();
            assert_eq!(limit.to_string(), written);
            assert_eq!(written.parse(), Ok(limit));
        }
        for wrong in [
            "",
            ",",
            "0",
            "0d",
            "-1",
            "x",
            "7w",
            "7d,8d",
            "1,2",
            "99999999d",
            "1.5d",
            "7 d d",
        ] {
            assert_eq!(
                wrong.parse::<HistoryLimit>(),
                Err(HistoryLimitError),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_room_has_less_than_its_server_and_never_more() {
        let limit = |given: &str| given.parse::<HistoryLimit>().unwrap();
        let server = limit("1000,7d");
        assert_eq!(limit("2000,1d").within(server), limit("1000,1d"));
        assert_eq!(limit("5mib").within(server), limit("1000,7d,5mib"));
        assert!(limit("off").within(server).is_off());
        assert!(limit("10").within(HistoryLimit::OFF).is_off());
        assert_eq!(limit("7d").bytes_max(), HistoryLimit::BYTES_MAX_UNSAID);
    }
}
