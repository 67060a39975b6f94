//! What a transfer does: each is a task of its own, and tells what happens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::spawn_blocking;

use crate::chat::{ByteSize, FileOffer, MessageText};
use crate::client::{
    Delivered, FileFor, FileSource, Files, Outgoing, RoomFiles, SayError, Shared, SourceFile,
    Transfer, Turn, open_source,
};

/// Something happened to a transfer.
#[derive(Debug)]
pub(in crate::terminal) struct News {
    pub(super) id: u32,
    pub(super) what: Happened,
}

#[derive(Debug)]
pub(super) enum Happened {
    /// It goes out, or comes; its size in bytes.
    Begun(u64),
    /// So many have it.
    Who(String),
    /// All who took it have it.
    Reached {
        by: usize,
        of: usize,
    },
    Ended(Result<Done, String>),
}

/// How it ended well.
#[derive(Debug)]
pub(super) enum Done {
    Sent(ByteSize),
    Saved { path: PathBuf, text: Option<String> },
}

/// Tells of one transfer.
pub(super) struct Teller {
    pub(super) id: u32,
    pub(super) news: mpsc::UnboundedSender<News>,
}

impl Teller {
    pub(super) fn tell(&self, what: Happened) {
        // Who has gone needs not to be told.
        let _ = self.news.send(News { id: self.id, what });
    }
}

pub(super) async fn send(
    files: &Files,
    path: PathBuf,
    to: FileFor,
    transfer: &Transfer,
    news: &Teller,
) -> Result<Done, String> {
    let source = Arc::new(open(path, transfer).await?);
    news.tell(Happened::Begun(source.offer().size_bytes));
    let uploaded = files.upload(Arc::clone(&source), transfer).await;
    uploaded.map_err(|error| error.to_string())?;
    let offered = files.offer(to, source.offer().clone()).await;
    offered.map_err(|error| error.to_string())?;
    Ok(Done::Sent(ByteSize(source.offer().size_bytes)))
}

/// Reading a large file for its hash takes long: who cancels it meanwhile does not wait for that, and nobody is offered it.
async fn open(path: PathBuf, transfer: &Transfer) -> Result<SourceFile, String> {
    tokio::select! {
        biased;
        () = transfer.cancel.cancelled() => Err("cancelled".to_owned()),
        opened = open_source(path) => opened.map_err(|error| error.to_string()),
    }
}

/// Until it is cancelled.
pub(super) async fn share(
    files: &RoomFiles,
    path: PathBuf,
    transfer: &Transfer,
    news: &Teller,
) -> Result<Done, String> {
    loop {
        let source = open(path.clone(), transfer).await?;
        let size_bytes = source.offer().size_bytes;
        news.tell(Happened::Begun(size_bytes));
        let shared = files.share(source, transfer).await;
        let outgoing = match shared.map_err(|error| error.to_string())? {
            Shared::ByServer => return Ok(Done::Sent(ByteSize(size_bytes))),
            Shared::ByMulticast(outgoing) => outgoing,
        };
        let ended = tokio::select! {
            ended = send_to_all(files, &outgoing, transfer, news) => Some(ended),
            () = files.needs_server(&outgoing) => None,
            () = transfer.cancel.cancelled() => Some("cancelled".to_owned()),
        };
        outgoing.end().await;
        if let Some(ended) = ended {
            return Err(ended);
        }
    }
}

/// Tells who has it, until it can be sent no more; then why.
async fn send_to_all(
    files: &RoomFiles,
    outgoing: &Outgoing,
    transfer: &Transfer,
    news: &Teller,
) -> String {
    let reached = files.all_have(outgoing, |sent, took| {
        // Before somebody takes it there is nothing to tell.
        if took > 0 {
            transfer.progress.send_replace(sent.slowest_bytes);
            news.tell(Happened::Who(format!("({} of {took} have it)", sent.done)));
        }
    });
    match reached.await {
        Ok(Delivered { by, of }) => {
            news.tell(Happened::Reached { by, of });
            tell_of_more(outgoing, by, news).await
        }
        Err(error) => error.to_string(),
    }
}

/// Tells of those who have it later, until it can be sent no more; then why.
async fn tell_of_more(outgoing: &Outgoing, by: usize, news: &Teller) -> String {
    let mut state = outgoing.state();
    let mut told = by;
    loop {
        let now = state.borrow_and_update().clone();
        if let Some(reason) = now.failed {
            return reason;
        }
        if now.done > told {
            told = now.done;
            let of = now.done + now.waiting;
            news.tell(Happened::Reached { by: told, of });
        }
        if state.changed().await.is_err() {
            return SayError::Left.to_string();
        }
    }
}

/// Receives it, tells of that, and goes on answering for some seconds who asks for it.
pub(super) async fn receive(
    source: FileSource,
    folder: &Path,
    transfer: &Transfer,
    places: &Arc<Semaphore>,
    news: &Teller,
) {
    let mut turn = tokio::select! {
        turn = Turn::take(places) => turn,
        // It ends at once, and takes away what came before.
        () = transfer.cancel.cancelled() => Turn::alone().await,
    };
    news.tell(Happened::Begun(source.file().size_bytes));
    let fetched = source.fetch(folder, transfer, &mut turn).await;
    drop(turn);
    match fetched {
        Ok(fetched) => {
            let saved = saved(source.file(), fetched.path.clone()).await;
            news.tell(Happened::Ended(Ok(saved)));
            fetched.linger().await;
        }
        Err(error) => news.tell(Happened::Ended(Err(error.to_string()))),
    }
}

async fn saved(offer: &FileOffer, path: PathBuf) -> Done {
    let text = match offer.may_be_text() {
        true => {
            let path = path.clone();
            let read = spawn_blocking(move || std::fs::read(path)).await;
            read.ok()
                .and_then(Result::ok)
                .and_then(MessageText::of_file)
        }
        false => None,
    };
    let text = text.map(|text| text.to_string());
    Done::Saved { path, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_cancelled_while_it_is_read_for_its_hash_is_not_opened() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let transfer = Transfer::default();
        open(file.path().to_owned(), &transfer).await.unwrap();
        transfer.cancel.cancel();
        let error = open(file.path().to_owned(), &transfer).await.unwrap_err();
        assert_eq!(error, "cancelled");
    }
}
