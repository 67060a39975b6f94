//! The way to end a thread that waits for datagrams.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::task::spawn_blocking;

use crate::time::Micros;

/// The owner's end: what waits at the other end is woken when this is dropped.
#[derive(Debug)]
pub(super) struct Stop {
    _writer: PipeWriter,
}

/// The thread's end.
#[derive(Debug)]
pub(super) struct Stopped {
    reader: PipeReader,
}

pub(super) fn stop() -> io::Result<(Stop, Stopped)> {
    let (reader, writer) = io::pipe()?;
    Ok((Stop { _writer: writer }, Stopped { reader }))
}

/// Waits for a thread that was told to end.
pub(super) async fn finish(thread: Option<JoinHandle<()>>) {
    // Neither has it anything to say when it has panicked, nor is there anything to do where it cannot be waited for.
    let _ = spawn_blocking(move || thread.map(JoinHandle::join)).await;
}

/// What a thread was woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Datagrams are there.
    Readable,
    /// The time is over.
    Timeout,
    /// It is to end.
    Stopped,
}

impl Stopped {
    /// Waits for datagrams, for the end, or so long.
    pub(super) fn wait(&self, socket: BorrowedFd<'_>, wait: Micros) -> io::Result<Woken> {
        let timeout = Timespec {
            tv_sec: (wait.0 / 1_000_000) as i64,
            tv_nsec: (wait.0 % 1_000_000 * 1000) as _,
        };
        let mut watched = [
            PollFd::from_borrowed_fd(socket, PollFlags::IN),
            PollFd::from_borrowed_fd(self.reader.as_fd(), PollFlags::IN),
        ];
        match poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| !watched[at].revents().is_empty();
        Ok(match (is_ready(0), is_ready(1)) {
            (_, true) => Woken::Stopped,
            (true, false) => Woken::Readable,
            (false, false) => Woken::Timeout,
        })
    }
}
