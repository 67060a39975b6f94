//! `crds send --file`: offers a file to a room, and waits until the members there have it.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::lines::tell;
use super::progress::{FileProgress, described};
use crate::client::{Delivered, FileError, Outgoing, Room, SayError, SourceFile};

/// Who wants a file has said so after this.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Who does not take a file, or stopped to, is not waited for longer.
const NOT_TAKEN_WAIT: Duration = Duration::from_secs(10);

/// How often it is looked who is there.
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
}

/// Sends a file to all who are there; who has it in the end.
pub(super) async fn send_file(room: &Room, path: &Path) -> Result<Delivered, SendFileError> {
    let path = path.to_owned();
    let opened = tokio::task::spawn_blocking(move || SourceFile::open(&path)).await;
    let source = opened.map_err(|error| SendFileError::Failed(error.to_string()))??;
    let file = source.offer().clone();
    tell(&format!("offering {}", described(&file)));
    let outgoing = room.send_file(source).await?;
    let mut progress = FileProgress::new("sending", &file);
    let delivered = watch(room, &outgoing, &mut progress).await;
    progress.end();
    tokio::task::spawn_blocking(move || outgoing.end());
    delivered
}

async fn watch(
    room: &Room,
    outgoing: &Outgoing,
    progress: &mut FileProgress,
) -> Result<Delivered, SendFileError> {
    let started = Instant::now();
    let mut state = outgoing.state();
    let mut moved = Instant::now();
    let mut before = state.borrow().clone();
    loop {
        let now = state.borrow_and_update().clone();
        if let Some(reason) = now.failed {
            return Err(SendFileError::Failed(reason));
        }
        if now != before {
            moved = Instant::now();
        }
        let there = room.members().await;
        let there = there.iter().filter(|member| !member.is_relayed).count();
        progress.set(
            now.slowest_bytes,
            &format!("({} of {there} have it)", now.done),
        );
        let is_answered = started.elapsed() >= ANSWER_WAIT;
        let all_have_it = now.done >= there && now.waiting == 0;
        let is_given_up = moved.elapsed() >= NOT_TAKEN_WAIT;
        if all_have_it && (now.done > 0 || is_answered) || is_given_up {
            return Ok(Delivered {
                by: now.done,
                of: there.max(now.done),
            });
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
