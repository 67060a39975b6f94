//! Bytes as they come off a connection, cut into bounded lines and the raw bytes that belong to them.

use bytes::{Buf, Bytes, BytesMut};
use serde::Deserialize;

use super::BULK_BYTES_MAX;

/// A line, and the raw bytes that followed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// The line without its end.
    pub line: String,
    /// As many bytes as the line says, if it does.
    pub bulk: Option<Bytes>,
}

/// The one field of a line that says how its end is found.
#[derive(Deserialize)]
struct WireBytes {
    bytes: Option<u64>,
}

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
    /// A line whose raw bytes have not all come, and how many those are.
    header: Option<(String, usize)>,
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
    /// More raw bytes are announced than allowed, or none: where the next line begins is not known.
    #[error("a line is followed by 1 to {BULK_BYTES_MAX} bytes, not {0}: nothing more is read")]
    BulkOutOfRange(u64),
    /// No more will come, but raw bytes are missing.
    #[error("the bytes behind the line are not all there")]
    BulkCut,
}

impl LineError {
    /// Whether nothing that follows can be read.
    pub fn is_last(self) -> bool {
        matches!(
            self,
            Self::Endless | Self::BulkOutOfRange(_) | Self::BulkCut
        )
    }
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
            header: None,
        }
    }

    /// Where a read appends.
    pub fn space(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Gives its memory back while nothing is in it.
    pub fn release(&mut self) {
        if self.is_empty() {
            self.bytes = BytesMut::new();
        }
    }

    /// What has come and is not yet a line.
    pub fn pending(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether nothing has come that was not given back.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.header.is_none()
    }

    /// The next whole line, without its end, with the raw bytes that it says follow.
    ///
    /// # Errors
    /// The line is too long, or no UTF-8; the lines after it can still be read, unless the error
    /// [is the last](LineError::is_last).
    pub fn next_framed(&mut self) -> Option<Result<Framed, LineError>> {
        if self.header.is_none() {
            let line = match self.next_line()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            match bulk_bytes(&line) {
                None => return Some(Ok(Framed { line, bulk: None })),
                Some(bytes) => match usize::try_from(bytes) {
                    Ok(length @ 1..=BULK_BYTES_MAX) => self.header = Some((line, length)),
                    _ => return Some(Err(LineError::BulkOutOfRange(bytes))),
                },
            }
        }
        let (line, length) = self.header.take_if(|(_, l)| *l <= self.bytes.len())?;
        let bulk = Some(self.bytes.split_to(length).freeze());
        Some(Ok(Framed { line, bulk }))
    }

    /// The next whole line, whatever it says.
    fn next_line(&mut self) -> Option<Result<String, LineError>> {
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
    /// As of [`LineBuffer::next_framed`].
    pub fn take_pending(&mut self) -> Option<Result<String, LineError>> {
        if self.header.take().is_some() {
            return Some(Err(LineError::BulkCut));
        }
        let line = self.bytes.split();
        self.searched = 0;
        let skipped = std::mem::take(&mut self.skipping);
        (!line.is_empty() && !skipped).then(|| self.text(&line))
    }

    /// What is wrong with the length of the line under way. While it is skipped, its bytes are let go.
    fn passed_limit(&mut self) -> Option<LineError> {
        let length = self.bytes.len();
        // One more for the `\r` that may yet turn out to be part of the line's end.
        if !self.skipping && length <= self.line_bytes_max + 1 {
            return None;
        }
        self.bytes.clear();
        self.searched = 0;
        if !std::mem::replace(&mut self.skipping, true) {
            self.skipped_bytes = length;
            return Some(LineError::TooLong(self.line_bytes_max));
        }
        self.skipped_bytes += length;
        let endless = self.skipped_bytes > SKIPPED_LIMITS_MAX * self.line_bytes_max;
        if endless {
            self.skipped_bytes = 0;
        }
        endless.then_some(LineError::Endless)
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

/// How many raw bytes a line says follow it. Only an object of JSON can say so, and a text in it
/// cannot: there the quotation marks would have backslashes before them.
fn bulk_bytes(line: &str) -> Option<u64> {
    if !line.trim_start().starts_with('{') || !line.contains("\"bytes\"") {
        return None;
    }
    serde_json::from_str::<WireBytes>(line).ok()?.bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(buffer: &mut LineBuffer, bytes: &[u8]) -> Vec<Result<Framed, LineError>> {
        buffer.space().extend_from_slice(bytes);
        std::iter::from_fn(|| buffer.next_framed()).collect()
    }

    fn lines(buffer: &mut LineBuffer, bytes: &[u8]) -> Vec<Result<String, LineError>> {
        let framed = framed(buffer, bytes).into_iter();
        framed.map(|framed| framed.map(|f| f.line)).collect()
    }

    #[test]
    fn raw_bytes_follow_the_line_that_says_so() {
        let mut buffer = LineBuffer::new(100);
        let header = r#"{"id":1,"bytes":6}"#;
        let sent = format!("{header}\nab\ncd\ngetdir\n");
        assert_eq!(
            framed(&mut buffer, sent.as_bytes()),
            [
                Ok(Framed {
                    line: header.into(),
                    bulk: Some(Bytes::from_static(b"ab\ncd\n")),
                }),
                Ok(Framed {
                    line: "getdir".into(),
                    bulk: None,
                }),
            ]
        );
        // Words and a text that only speaks of it announce nothing.
        for line in [
            r#""bytes":6"#,
            r#"{"text":"\"bytes\":6"}"#,
            r#"{"text":"bytes","id":6}"#,
        ] {
            let read = lines(&mut buffer, format!("{line}\n").as_bytes());
            assert_eq!(read, [Ok(line.to_owned())]);
        }
    }

    #[test]
    fn raw_bytes_are_bounded_and_must_all_come() {
        for bytes in [0, BULK_BYTES_MAX as u64 + 1, u64::MAX] {
            let mut buffer = LineBuffer::new(100);
            let error = LineError::BulkOutOfRange(bytes);
            assert!(error.is_last());
            let sent = format!("{{\"bytes\":{bytes}}}\n");
            assert_eq!(lines(&mut buffer, sent.as_bytes()), [Err(error)]);
        }
        let mut buffer = LineBuffer::new(100);
        assert_eq!(lines(&mut buffer, b"{\"bytes\":4}\nabc"), []);
        assert!(!buffer.is_empty());
        assert_eq!(buffer.take_pending(), Some(Err(LineError::BulkCut)));
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
        // In one read as in many.
        let mut buffer = LineBuffer::new(4);
        assert_eq!(
            lines(&mut buffer, &[b'x'; 100]),
            [Err(LineError::TooLong(4)), Err(LineError::Endless)]
        );
    }

    proptest! {
        #[test]
        fn the_cut_into_reads_does_not_matter_to_raw_bytes(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..8),
            read_bytes in 1usize..20,
        ) {
            let mut sent = Vec::new();
            for piece in &pieces {
                match piece.len() {
                    0 => sent.extend_from_slice(b"{}\n"),
                    length => sent.extend_from_slice(format!("{{\"bytes\":{length}}}\n").as_bytes()),
                }
                sent.extend_from_slice(piece);
            }
            let mut buffer = LineBuffer::new(100);
            let reads = sent.chunks(read_bytes);
            let seen: Vec<_> = reads.flat_map(|read| framed(&mut buffer, read)).collect();
            prop_assert_eq!(seen.len(), pieces.len());
            for (seen, piece) in seen.into_iter().zip(pieces) {
                prop_assert_eq!(seen.unwrap().bulk.unwrap_or_default(), piece);
            }
            prop_assert!(buffer.is_empty());
        }

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
