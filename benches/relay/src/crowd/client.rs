//! One client of the crowd: lines come in, texts are counted.

use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::sys::socket::{MsgFlags, send};

use super::{Shared, Watch};
use crate::servers::{Reception, Seat};
use crate::text::{self, MARK};

/// A connection.
pub(super) struct Client {
    /// Read without blocking, written by a speaker as it likes.
    pub stream: Arc<TcpStream>,
    /// Among all clients.
    pub number: usize,
    seat: Seat,
    speaker: Option<u8>,
    is_welcome: bool,
    /// How many texts it got.
    heard: u64,
    /// Of a line that has not come whole.
    pub begun: Vec<u8>,
}

impl Client {
    pub(super) fn new(
        stream: Arc<TcpStream>,
        number: usize,
        seat: Seat,
        speaker: Option<u8>,
    ) -> Self {
        Self {
            stream,
            number,
            seat,
            speaker,
            is_welcome: false,
            heard: 0,
            begun: Vec::new(),
        }
    }

    /// Takes whole lines that came at `now`. `Err` says why it can go on no longer.
    pub(super) fn take(
        &mut self,
        lines: &[u8],
        now: u64,
        shared: &Shared,
        latencies: &mut Vec<u64>,
    ) -> Result<(), String> {
        let marks = memchr::memchr_iter(MARK, lines).count();
        let ends = memchr::memchr_iter(b'\n', lines).count();
        // Most of what comes is nothing but texts, which need not be looked at one by one.
        if ends != marks * shared.server.line_ends() {
            self.read(lines, shared)?;
        }
        if marks > 0 {
            self.heard += match (shared.watch, self.speaker) {
                (Watch::Count, None) => marks as u64,
                (Watch::Count, Some(_)) => 0,
                (Watch::Time, speaker) => time(lines, speaker, now, latencies),
            };
            shared.heard[self.number].store(self.heard, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Looks for what is said to this client.
    fn read(&mut self, lines: &[u8], shared: &Shared) -> Result<(), String> {
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            if let Some(answer) = shared.server.answer(line) {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                // A server that takes no more closes the connection, which is seen then.
                let answer = shared.server.wire().written(&answer);
                let _ = send(self.stream.as_raw_fd(), &answer, flags);
            }
            if self.is_welcome {
                continue;
            }
            match shared.server.reception(line, self.seat) {
                Reception::Welcome => {
                    self.is_welcome = true;
                    shared.welcomed.fetch_add(1, Ordering::Relaxed);
                }
                Reception::Refused => {
                    let line = String::from_utf8_lossy(line);
                    return Err(format!("a client is refused: {}", line.trim_end()));
                }
                Reception::Other => {}
            }
        }
        Ok(())
    }
}

/// Keeps how long the texts of others took, of those that have a stamp; counts all of others.
fn time(lines: &[u8], me: Option<u8>, now: u64, latencies: &mut Vec<u64>) -> u64 {
    let texts = memchr::memchr_iter(MARK, lines).filter_map(|at| text::read(&lines[at..]));
    let mut count = 0;
    for (_, stamp) in texts.filter(|(speaker, _)| Some(*speaker) != me) {
        count += 1;
        if stamp != text::NO_STAMP {
            latencies.push(now.saturating_sub(stamp));
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_texts_are_not_timed_and_those_without_stamp_are_counted() {
        let texts = [(1, 100), (2, 200), (2, text::NO_STAMP)];
        let texts = texts
            .map(|(speaker, stamp)| format!(":b PRIVMSG #r :{}\r\n", text::write(speaker, stamp)));
        let lines = texts.concat();
        let mut latencies = Vec::new();
        assert_eq!(time(lines.as_bytes(), Some(1), 1000, &mut latencies), 2);
        assert_eq!(latencies, [800]);
        latencies.clear();
        assert_eq!(time(lines.as_bytes(), None, 1000, &mut latencies), 3);
        assert_eq!(latencies, [900, 800]);
    }
}
