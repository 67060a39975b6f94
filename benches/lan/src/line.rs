//! The line that every transport carries: a sequence number and a time stamp, as printable text, for
//! there are transports that carry nothing else.

/// How long a line is, in bytes.
pub const LENGTH: usize = 200;

/// The sequence number of lines that go before the measured ones and are not counted.
pub const WARM_UP: u64 = u64::MAX;

/// Six bits a digit hold 64 bits.
const DIGITS: usize = 11;
const BITS: usize = 6;
const FIRST_DIGIT: u8 = b'0';
const STAMP_AT: usize = DIGITS;

/// A line that is written again and again.
pub struct Line {
    bytes: [u8; LENGTH],
    stamp: u64,
}

impl Line {
    /// A line whose numbers are both zero.
    pub fn new() -> Self {
        let mut bytes = [b'x'; LENGTH];
        bytes[..2 * DIGITS].fill(FIRST_DIGIT);
        Self { bytes, stamp: 0 }
    }

    /// Writes both numbers; the rest of the line stays.
    pub fn set(&mut self, sequence: u64, stamp: u64) -> &[u8] {
        write(&mut self.bytes[..DIGITS], sequence);
        // Lines said as fast as can be share stamps, and there each nanosecond counts.
        if stamp != self.stamp {
            write(&mut self.bytes[STAMP_AT..STAMP_AT + DIGITS], stamp);
            self.stamp = stamp;
        }
        &self.bytes
    }
}

/// The sequence number of a line, unless it is no line of ours.
pub fn sequence(line: &[u8]) -> Option<u64> {
    (line.len() == LENGTH).then(|| read(&line[..DIGITS]))
}

/// The time stamp of a line that has a sequence number.
pub fn stamp(line: &[u8]) -> u64 {
    read(&line[STAMP_AT..STAMP_AT + DIGITS])
}

fn write(digits: &mut [u8], value: u64) {
    for (place, digit) in digits.iter_mut().enumerate() {
        *digit = FIRST_DIGIT + ((value >> (BITS * place)) & 63) as u8;
    }
}

fn read(digits: &[u8]) -> u64 {
    let places = digits.iter().enumerate();
    places.fold(0, |value, (place, digit)| {
        value | u64::from(digit.wrapping_sub(FIRST_DIGIT)) << (BITS * place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut line = Line::new();
        for value in [0, 1, 63, 64, 1 << 40, WARM_UP] {
            let bytes = line.set(value, !value);
            assert_eq!((sequence(bytes), stamp(bytes)), (Some(value), !value));
            assert!(bytes.iter().all(u8::is_ascii_graphic));
        }
    }

    #[test]
    fn a_line_of_another_length_is_foreign() {
        assert_eq!(sequence(b"hello"), None);
    }
}
