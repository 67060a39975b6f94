//! Numbers as their digits.

/// The bytes that these hexadecimal digits are, two for each byte, of either case; none of anything else.
pub fn from_hexadecimal<const BYTES: usize>(given: &str) -> Option<[u8; BYTES]> {
    let (pairs, rest) = given.as_bytes().as_chunks::<2>();
    if pairs.len() != BYTES || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

fn digit(given: u8) -> Option<u8> {
    let value = char::from(given).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_and_nothing_else_are_bytes() {
        assert_eq!(from_hexadecimal("00fF7a"), Some([0x00, 0xff, 0x7a]));
        assert_eq!(from_hexadecimal(""), Some([]));
        for bad in [
            "", "7", "7a7", "7a7a7", "+7a7", "0x7a", " 7a7", "ä7a", "7g7a",
        ] {
            assert_eq!(from_hexadecimal::<2>(bad), None, "{bad}");
        }
    }
}
