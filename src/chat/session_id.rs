//! A member's session in a reliable room, as the server knows it.

use std::fmt;
use std::str::FromStr;

use super::from_hexadecimal;

/// The number by which a reliable room knows a member; written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// This is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a member is 16 hexadecimal digits")]
pub struct SessionIdError;

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(given: &str) -> Result<Self, SessionIdError> {
        let bytes = from_hexadecimal(given).ok_or(SessionIdError)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_digits_and_nothing_else() {
        let id = SessionId(0xab);
        assert_eq!(id.to_string(), "00000000000000ab");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["ab", "+0000000000000ab", "00000000000000ag", ""] {
            assert_eq!(bad.parse::<SessionId>(), Err(SessionIdError), "{bad}");
        }
    }
}
