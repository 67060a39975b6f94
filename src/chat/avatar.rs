//! The picture of a person.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::from_hexadecimal;

/// Which picture; written as 16 hexadecimal digits. It is made from the picture, so one that is shown under it does not
/// change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AvatarId(u64);

/// This is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an avatar is 16 hexadecimal digits")]
pub struct AvatarIdError;

/// The picture of a person, as a server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    /// Which it is.
    pub id: AvatarId,
    /// A PNG or a JPEG.
    pub picture: Bytes,
    /// Greater than that of all that were set before.
    pub number: u64,
}

impl AvatarId {
    /// Of this picture.
    pub fn of(picture: &[u8]) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(picture).as_bytes()[..8]);
        Self(u64::from_be_bytes(first))
    }
}

impl fmt::Display for AvatarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for AvatarId {
    type Err = AvatarIdError;

    fn from_str(given: &str) -> Result<Self, AvatarIdError> {
        let bytes = from_hexadecimal(given).ok_or(AvatarIdError)?;
        Ok(Self(u64::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_picture_it_is_is_read_as_it_is_written() {
        let id = AvatarId::of(b"a picture");
        assert_eq!(id.to_string().len(), 16);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_ne!(id, AvatarId::of(b"another"));
        for bad in ["ab", "+0000000000000ab", "00000000000000ag", ""] {
            assert_eq!(bad.parse::<AvatarId>(), Err(AvatarIdError), "{bad}");
        }
    }
}
