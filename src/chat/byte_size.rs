//! How many bytes, as people write and read it.

use std::fmt;
use std::str::FromStr;

/// A number of bytes. Written as `off` for none, or as a number with or without a unit: `300`, `10MB`, `1.5 GiB`. Read out
/// shortly: `12 kB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// What was given is no number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a size such as 300kB, 10MB, 1.5GB or 4GiB, or `off`")]
pub struct ByteSizeError;

/// A thousand is a `kB`, 1,024 are a `KiB`; `k` alone is a `kB`.
const UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1000),
    ("m", 1_000_000),
    ("mb", 1_000_000),
    ("g", 1_000_000_000),
    ("gb", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(given: &str) -> Result<Self, ByteSizeError> {
        let given = given.trim().to_ascii_lowercase();
        if given == "off" {
            return Ok(Self(0));
        }
        let unit_at = given.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, unit) = given.split_at(unit_at.unwrap_or(given.len()));
        let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
        let (_, factor) = unit.ok_or(ByteSizeError)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let whole: u64 = whole.parse().map_err(|_| ByteSizeError)?;
        let whole = whole.checked_mul(*factor).ok_or(ByteSizeError)?;
        let part = match fraction {
            "" => 0.0,
            digits => format!("0.{digits}")
                .parse::<f64>()
                .map_err(|_| ByteSizeError)?,
        };
        // Less than one of its unit.
        let part = (part * *factor as f64) as u64;
        whole.checked_add(part).map(Self).ok_or(ByteSizeError)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = ["kB", "MB", "GB", "TB"];
        let mut size = self.0 as f64;
        let mut unit = if self.0 == 1 { "byte" } else { "bytes" };
        for step in steps {
            if size < 999.5 {
                break;
            }
            (size, unit) = (size / 1000.0, step);
        }
        let digits = usize::from(self.0 >= 1000 && size < 9.95);
        f.pad(&format!("{size:.digits$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (given, bytes) in [
            ("off", 0),
            ("0", 0),
            ("300", 300),
            ("10MB", 10_000_000),
            ("1.5 GiB", 3 << 29),
            ("4gib", 4 << 30),
            ("12k", 12_000),
        ] {
            assert_eq!(given.parse(), Ok(ByteSize(bytes)), "{given}");
        }
        for given in [
            "",
            "much",
            "-1",
            "1.2.3",
            "1 elephant",
            "99999999999TB",
            ".",
        ] {
            assert_eq!(given.parse::<ByteSize>(), Err(ByteSizeError), "{given}");
        }
    }

    #[test]
    fn sizes_are_told_shortly() {
        for (bytes, told) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (12_345, "12 kB"),
            (999_400, "999 kB"),
            (999_600, "1.0 MB"),
            (4 << 30, "4.3 GB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), told);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_an_error(text in "\\PC*|[0-9.]{1,30}[kmgtKib ]{0,4}") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
