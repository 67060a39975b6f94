//! Bytes as they come off a connection, cut into bounded lines.

use bytes::{Buf, BytesMut};

/// Collects what is read and gives it back line by line. Holds at most one line's limit and one read.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: BytesMut,
    /// No line end before here.
    searched: usize,
    line_bytes_max: usize,
    /// Inside a line that passed the limit: everything up to its end is dropped.
    skipping: bool,
    /// How much of that line was dropped.
    skipped_bytes: usize,
}

/// A line this many times longer than the limit is not waited for.
const SKIPPED_LIMITS_MAX: usize = 16;

/// Why a line cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line passed the limit; told once, the rest of the line is dropped.
    #[error("the line has more than {0} bytes: it was not read")]
    TooLong(usize),
    /// The line is no UTF-8.
    #[error("the line is no UTF-8: it was not read")]
    NotUtf8,
    /// The line passed 16 times the limit and still has no end.
    #[error("the line has no end: nothing more is read")]
    Endless,
}

impl LineBuffer {
    /// Lines of at most `line_bytes_max` bytes, not counting `\n` or `\r\n`.
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            bytes: BytesMut::new(),
            searched: 0,
            line_bytes_max,
            skipping: false,
            skipped_bytes: 0,
        }
    }

    /// Where a read appends.
    pub fn space(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// What has come and is not yet a line.
    pub fn pending(&self) -> &[u8] {
        &self.bytes
    }

    /// The next whole line, without its end.
    ///
    /// # Errors
    /// The line is too long, or no UTF-8; the lines after it can still be read.
    pub fn next_line(&mut self) -> Option<Result<String, LineError>> {
        loop {
            let found = self.bytes[self.searched..].iter().position(|&b| b == b'\n');
            let Some(at) = found.map(|at| at + self.searched) else {
                self.searched = self.bytes.len();
                return self.passed_limit().map(Err);
            };
            let line = self.bytes.split_to(at);
            self.bytes.advance(1);
            self.searched = 0;
            if !std::mem::take(&mut self.skipping) {
                return Some(self.text(&line));
            }
        }
    }

    /// What is left when no more will come, as a line; nothing if there is nothing.
    ///
    /// # Errors
    /// As [`LineBuffer::next_line`].
    pub fn take_pending(&mut self) -> Option<Result<String, LineError>> {
        let line = self.bytes.split();
        self.searched = 0;
        let skipped = std::mem::take(&mut self.skipping);
        (!line.is_empty() && !skipped).then(|| self.text(&line))
    }

    /// What is wrong with the length of the line under way. While it is skipped, its bytes are let go.
    fn passed_limit(&mut self) -> Option<LineError> {
        let length = self.bytes.len();
        // One more for the `\r` that may yet turn out to be part of the line's end.
        if length == 0 || (!self.skipping && length <= self.line_bytes_max + 1) {
            return None;
        }
        self.bytes.clear();
        self.searched = 0;
        if !std::mem::replace(&mut self.skipping, true) {
            self.skipped_bytes = length;
            return Some(LineError::TooLong(self.line_bytes_max));
        }
        self.skipped_bytes += length;
        (self.skipped_bytes > SKIPPED_LIMITS_MAX * self.line_bytes_max)
            .then_some(LineError::Endless)
    }

    fn text(&self, line: &[u8]) -> Result<String, LineError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.line_bytes_max {
            return Err(LineError::TooLong(self.line_bytes_max));
        }
        match std::str::from_utf8(line) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(LineError::NotUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(buffer: &mut LineBuffer, bytes: &[u8]) -> Vec<Result<String, LineError>> {
        buffer.space().extend_from_slice(bytes);
        std::iter::from_fn(|| buffer.next_line()).collect()
    }

    #[test]
    fn line_ends_with_and_without_carriage_return() {
        let mut buffer = LineBuffer::new(10);
        assert_eq!(
            lines(&mut buffer, b"a\r\nb\n\nc"),
            [Ok("a".into()), Ok("b".into()), Ok("".into())]
        );
        assert_eq!(buffer.take_pending(), Some(Ok("c".into())));
        assert_eq!(buffer.take_pending(), None);
    }

    #[test]
    fn a_long_line_is_told_once_and_the_next_is_read() {
        let mut buffer = LineBuffer::new(4);
        assert_eq!(lines(&mut buffer, b"1234\r\n"), [Ok("1234".into())]);
        assert_eq!(
            lines(&mut buffer, b"123456789"),
            [Err(LineError::TooLong(4))]
        );
        assert_eq!(lines(&mut buffer, b"still the same line"), []);
        assert!(buffer.pending().is_empty());
        assert_eq!(lines(&mut buffer, b"\nok\n"), [Ok("ok".into())]);
        assert_eq!(
            lines(&mut buffer, b"12345\nok\n"),
            [Err(LineError::TooLong(4)), Ok("ok".into())]
        );
        assert_eq!(lines(&mut buffer, b"\xff\n"), [Err(LineError::NotUtf8)]);
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut buffer = LineBuffer::new(4);
        let told: Vec<_> = (0..20)
            .flat_map(|_| lines(&mut buffer, b"123456"))
            .collect();
        assert_eq!(
            told[..2],
            [Err(LineError::TooLong(4)), Err(LineError::Endless)]
        );
    }

    proptest! {
        #[test]
        fn the_cut_into_reads_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..120),
            read_bytes in 1usize..20,
        ) {
            let mut whole = LineBuffer::new(8);
            let mut pieces = LineBuffer::new(8);
            let expected = lines(&mut whole, &bytes);
            let mut seen = Vec::new();
            for piece in bytes.chunks(read_bytes) {
                seen.extend(lines(&mut pieces, piece));
                prop_assert!(pieces.pending().len() <= 8 + 1);
            }
            // A line that is both too long and still open is told at once in either case.
            prop_assert_eq!(seen, expected);
            prop_assert_eq!(pieces.take_pending(), whole.take_pending());
        }
    }
}
