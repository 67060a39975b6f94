//! The text that is said: a mark that nothing else on the wire holds, who said it and when, then padding.

/// How long a text is, in bytes.
pub const LENGTH: usize = 60;

/// Begins each text. No protocol here has it in what stands around a text, so that marks are deliveries.
pub const MARK: u8 = b'^';

/// The stamp of a text that is not to be measured.
pub const NO_STAMP: u64 = 0;

const SPEAKER_DIGITS: usize = 2;
const STAMP_DIGITS: usize = 16;
/// The mark, and what follows it.
const HEAD: usize = 1 + SPEAKER_DIGITS + STAMP_DIGITS;

/// A text of this speaker, said at this time.
pub fn write(speaker: u8, stamp: u64) -> String {
    let mark = char::from(MARK);
    let head = format!("{mark}{speaker:0SPEAKER_DIGITS$x}{stamp:0STAMP_DIGITS$x}");
    format!("{head:x<LENGTH$}")
}

/// Speaker and stamp of the text at the begin of `bytes`, unless it is none of ours.
pub fn read(bytes: &[u8]) -> Option<(u8, u64)> {
    let head = bytes.get(1..HEAD)?;
    let head = std::str::from_utf8(head).ok()?;
    let (speaker, stamp) = head.split_at_checked(SPEAKER_DIGITS)?;
    let speaker = u8::from_str_radix(speaker, 16).ok()?;
    Some((speaker, u64::from_str_radix(stamp, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (speaker, stamp) in [(0, NO_STAMP), (1, 1), (255, u64::MAX)] {
            let text = write(speaker, stamp);
            assert_eq!(text.len(), LENGTH);
            assert_eq!(text.bytes().filter(|&byte| byte == MARK).count(), 1);
            assert_eq!(read(text.as_bytes()), Some((speaker, stamp)));
        }
    }

    #[test]
    fn what_is_cut_short_is_none_of_ours() {
        let text = write(3, 4);
        assert_eq!(read(&text.as_bytes()[..HEAD - 1]), None);
        assert_eq!(read(b"^"), None);
        assert_eq!(read("^äöüäöüäöüäöüäöü".as_bytes()), None);
    }
}
