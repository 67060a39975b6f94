//! How lines travel: as they are, or each as a message of a WebSocket.

use std::borrow::Cow;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

/// What a connection carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Lines, each with its end.
    Lines,
    /// Text messages, each a line without its end.
    WebSocket,
}

/// A final text message.
const TEXT: u8 = 0x81;

/// A client masks what it says, which it may do with zeros.
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0; 4];

/// Lengths that do not fit into the second byte follow it, in two bytes or in eight.
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;

/// The longest answer to a request for a WebSocket.
const ANSWER_BYTES_MAX: usize = 4096;

impl Wire {
    /// Does what comes before the first line.
    pub fn open(self, mut stream: &TcpStream) -> Result<(), Box<dyn Error>> {
        if self == Self::Lines {
            return Ok(());
        }
        let host = stream.peer_addr()?;
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            answer.push(byte[0]);
            if answer.len() > ANSWER_BYTES_MAX {
                return Err("the answer to a WebSocket has no end".into());
            }
        }
        match answer.starts_with(b"HTTP/1.1 101 ") {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&answer).into()),
        }
    }

    /// Lines as they are written.
    pub fn written(self, lines: &[u8]) -> Cow<'_, [u8]> {
        if self == Self::Lines {
            return Cow::Borrowed(lines);
        }
        let mut messages = Vec::new();
        for line in lines.split(|&byte| byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            messages.push(TEXT);
            match line.len() {
                length if length < LENGTH_IN_2.into() => messages.push(MASKED | length as u8),
                length => {
                    messages.push(MASKED | LENGTH_IN_2);
                    messages.extend((length as u16).to_be_bytes());
                }
            }
            messages.extend(MASK);
            messages.extend(line);
        }
        Cow::Owned(messages)
    }

    /// The whole lines in what was read, and the rest.
    pub fn lines<'a>(self, read: &'a [u8], unwrapped: &'a mut Vec<u8>) -> (&'a [u8], &'a [u8]) {
        if self == Self::Lines {
            let end = memchr::memrchr(b'\n', read).map_or(0, |at| at + 1);
            return read.split_at(end);
        }
        unwrapped.clear();
        let mut rest = read;
        while let Some((line, after)) = message(rest) {
            unwrapped.extend_from_slice(line);
            unwrapped.push(b'\n');
            rest = after;
        }
        (unwrapped, rest)
    }
}

/// The first message of a server, and what follows it.
fn message(read: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, length) = match *read.get(1)? {
        LENGTH_IN_2 => {
            let length = read.get(2..4)?.try_into().ok()?;
            (4, u16::from_be_bytes(length).into())
        }
        LENGTH_IN_8 => {
            let length = read.get(2..10)?.try_into().ok()?;
            (10, usize::try_from(u64::from_be_bytes(length)).ok()?)
        }
        length => (2, usize::from(length)),
    };
    read.get(head..)?.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wrapped_and_unwrapped() {
        let long = "x".repeat(300);
        let said = format!("a\n{long}\n");
        assert_eq!(Wire::Lines.written(said.as_bytes()), said.as_bytes());
        let written = Wire::WebSocket.written(said.as_bytes());
        assert_eq!(written[..7], [TEXT, MASKED | 1, 0, 0, 0, 0, b'a']);
        // A server does not mask.
        let mut read = vec![TEXT, 1, b'a', TEXT, LENGTH_IN_2, 1, 44];
        read.extend_from_slice(long.as_bytes());
        read.extend([TEXT, 3, b'b']);
        let mut unwrapped = Vec::new();
        let (lines, rest) = Wire::WebSocket.lines(&read, &mut unwrapped);
        assert_eq!(lines, said.as_bytes());
        assert_eq!(rest, [TEXT, 3, b'b']);
    }
}
