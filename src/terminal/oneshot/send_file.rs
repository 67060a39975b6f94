//! `crds send --file`: offers a file to a room, and waits until the members there have it.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::{Delivered, FileError, Outgoing, Room, SayError, SourceFile};
use crate::terminal::lines::tell;
use crate::terminal::progress::{FileProgress, described};

/// Who takes a file has said so after this; who takes it later is not waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// So long it is waited for somebody to take it, or for who took it and was not heard of any more.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How often it is looked at the time.
const LOOK: Duration = Duration::from_millis(100);

/// Why a file was not sent. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SendFileError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It cannot be sent into the room.
    #[error(transparent)]
    Room(#[from] SayError),
    /// It stopped on the way.
    #[error("the file was not sent: {0}")]
    Failed(String),
    /// Who took it and does not have it was not heard of any more.
    #[error("{0} of {1} who took the file have it; the others are gone, or hear nothing")]
    NotAll(usize, usize),
    /// Somebody is there, and nobody wants it.
    #[error("nobody took the file: do they save files (`crds listen --save DIR`)?")]
    NotTaken,
}

/// Sends a file to all who are there, and tells who has it in the end.
pub(super) async fn send_file(room: &Room, path: &Path) -> Result<(), SendFileError> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || SourceFile::open(&path)).await;
    let source = opened.map_err(|error| SendFileError::Failed(error.to_string()))??;
    let file = source.offer().clone();
    tell(&format!("offering {}", described(&file)));
    let outgoing = room.send_file(source).await?;
    let mut progress = FileProgress::new("sending", &file);
    let delivered = watch(room, &outgoing, &mut progress).await;
    progress.end();
    // It has gone by itself if that cannot be waited for.
    let _ = tokio::task::spawn_blocking(move || outgoing.end()).await;
    let Delivered { by, of } = delivered?;
    tell(&format!("{by} of {of} have the file"));
    match of {
        0 if !room.members().await.is_empty() => Err(SendFileError::NotTaken),
        _ if by < of => Err(SendFileError::NotAll(by, of)),
        _ => Ok(()),
    }
}

/// Until all who took it have it.
async fn watch(
    room: &Room,
    outgoing: &Outgoing,
    progress: &mut FileProgress,
) -> Result<Delivered, SendFileError> {
    let started = Instant::now();
    let there = room.members().await.len();
    let mut state = outgoing.state();
    let (mut moved, mut before) = (started, state.borrow().clone());
    let mut took = 0;
    loop {
        let now = state.borrow_and_update().clone();
        if let Some(reason) = now.failed {
            return Err(SendFileError::Failed(reason));
        }
        if now != before {
            moved = Instant::now();
        }
        took = took.max(now.done + now.waiting);
        progress.set(
            now.slowest_bytes,
            &format!("({} of {took} have it)", now.done),
        );
        let delivered = Delivered {
            by: now.done,
            of: took,
        };
        let all_answered = started.elapsed() >= ANSWER_WAIT || took >= there;
        let all_have_it = now.done == took && (took > 0 || there == 0);
        if all_have_it && all_answered || moved.elapsed() >= SILENCE_MAX {
            return Ok(delivered);
        }
        before = now;
        tokio::select! {
            changed = state.changed() => {
                changed.map_err(|_| SendFileError::Failed("it was stopped".to_owned()))?;
            }
            () = sleep(LOOK) => {}
        }
    }
}
