//! Lines from the standard streams, and to them.

use std::io::{self, BufRead, LineWriter, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::bars::above;
use super::signals::EndingFlag;
use crate::chat::MessageText;

/// One byte more than can be said: enough to see that a line is too long.
const LINE_BYTES_KEPT: u64 = MessageText::BYTES_MAX as u64 + 1;

/// A pipe that takes anything takes so much at once: the least `PIPE_BUF` of POSIX.
const PART_BYTES: usize = 512;

/// How often who waits for a reader looks whether it has ended.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The next line without its end, or none at the end of the input. Of a line that is too long to be
/// said only so much is kept that this shows. Bytes that are no UTF-8 become U+FFFD.
///
/// # Errors
/// The input cannot be read.
pub(super) fn read_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if input
        .by_ref()
        .take(LINE_BYTES_KEPT)
        .read_until(b'\n', &mut bytes)?
        == 0
    {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') {
        skip_to_line_end(input)?;
    }
    let line = String::from_utf8_lossy(&bytes);
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}

fn skip_to_line_end(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let waiting = input.fill_buf()?;
        let end = waiting.iter().position(|&byte| byte == b'\n');
        let used = end.map_or(waiting.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

/// Says something on standard error. Where nobody reads that, it is not worth ending for.
pub(super) fn tell(text: &str) {
    let _ = above(|| writeln!(io::stderr(), "crds: {text}"));
}

/// A standard stream of a command. Where it takes no more, as a pipe that nobody reads, who writes waits until a signal ends the
/// command; then the rest is dropped.
pub(super) struct Patient<W> {
    stream: W,
    has_ended: EndingFlag,
}

impl<W: Write + AsFd> Patient<W> {
    /// Hands on whole lines.
    pub(super) fn lines(stream: W, has_ended: EndingFlag) -> LineWriter<Self> {
        LineWriter::new(Self { stream, has_ended })
    }

    /// Waits a moment until something more is taken, or never.
    fn is_ready(&self) -> bool {
        let mut stream = [PollFd::new(&self.stream, PollFlags::OUT)];
        matches!(poll(&mut stream, Some(&LOOK)), Ok(1))
    }
}

impl<W: Write + AsFd> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while !self.is_ready() {
            if self.has_ended.is_set() {
                return Ok(bytes.len());
            }
        }
        let part = bytes.chunks(PART_BYTES).next().unwrap_or_default();
        self.stream.write_all(part)?;
        self.stream.flush()?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Each part was.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_none_stops_the_next() {
        let long = "x".repeat(3 * MessageText::BYTES_MAX);
        let mut input = Vec::new();
        input.extend_from_slice(b"one\r\ncaf\xe9\n\n");
        input.extend_from_slice(long.as_bytes());
        input.extend_from_slice(b"\nlast");
        let mut input = input.as_slice();
        let mut next = || read_line(&mut input).unwrap();
        assert_eq!(next().as_deref(), Some("one"));
        assert_eq!(next().as_deref(), Some("caf\u{fffd}"));
        assert_eq!(next().as_deref(), Some(""));
        let cut = next().unwrap();
        assert_eq!(cut.len(), MessageText::BYTES_MAX + 1);
        assert!(cut.parse::<MessageText>().is_err());
        assert_eq!(next().as_deref(), Some("last"));
        assert_eq!(next(), None);
    }
}
