//! `crds send --file`: offers a file to a room, and waits until those who take it have it.

use std::path::Path;

use crate::client::{
    Delivered, RoomFileError, RoomFiles, Shared, SourceFile, Transfer, open_source,
};
use crate::terminal::lines::tell;
use crate::terminal::progress::{FileProgress, described};

/// Why a file was not sent. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SendFileError {
    /// It cannot be read, or not be sent into the room.
    #[error(transparent)]
    Room(#[from] RoomFileError),
    /// Who took it and does not have it was not heard of any more.
    #[error("{0} of {1} who took the file have it; the others are gone, or hear nothing")]
    NotAll(usize, usize),
    /// Nobody wants it, or is there.
    #[error("nobody took the file: is anybody there who saves files (`crds listen --save DIR`)?")]
    NotTaken,
}

/// Sends a file to all who are there, and tells who has it in the end. Where multicast stops reaching them from here, the server
/// gets it for them.
pub(super) async fn send_file(files: &RoomFiles, path: &Path) -> Result<(), SendFileError> {
    let mut source = open_source(path.to_owned()).await?;
    let file = source.offer().clone();
    tell(&format!("offering {}", described(&file)));
    let mut progress = FileProgress::new("sending", &file);
    loop {
        let outgoing = match share(files, source, &mut progress).await? {
            Shared::ByMulticast(outgoing) => outgoing,
            Shared::ByServer => {
                drop(progress);
                tell("the server has the file, and sends it to the room");
                return Ok(());
            }
        };
        let delivered = files.all_have(&outgoing, |sent, took| {
            let who = format!("({} of {took} have it)", sent.done);
            progress.set(sent.slowest_bytes, &who);
        });
        let delivered = tokio::select! {
            delivered = delivered => Some(delivered),
            () = files.needs_server(&outgoing) => None,
        };
        let is_kept = outgoing.state().borrow().is_kept;
        outgoing.end().await;
        if let Some(delivered) = delivered {
            drop(progress);
            return tell_delivered(&delivered?, is_kept);
        }
        source = open_source(path.to_owned()).await?;
    }
}

/// Offers it to the room.
async fn share(
    files: &RoomFiles,
    source: SourceFile,
    progress: &mut FileProgress,
) -> Result<Shared, SendFileError> {
    let transfer = Transfer::default();
    let sharing = files.share(source, &transfer);
    tokio::pin!(sharing);
    let mut done = transfer.progress.subscribe();
    loop {
        tokio::select! {
            shared = &mut sharing => return Ok(shared?),
            Ok(()) = done.changed() => progress.set(*done.borrow_and_update(), "to the server"),
        }
    }
}

fn tell_delivered(delivered: &Delivered, is_kept: bool) -> Result<(), SendFileError> {
    let Delivered { by, of } = *delivered;
    let kept = if is_kept { "; the server keeps it" } else { "" };
    tell(&format!("{by} of {of} have the file{kept}"));
    match of {
        0 if !is_kept => Err(SendFileError::NotTaken),
        _ if by < of => Err(SendFileError::NotAll(by, of)),
        _ => Ok(()),
    }
}
