//! Files that a command saves as they are offered.

use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::chat::printable;
use crate::client::{FileError, Incoming, Layout, Offer, PartFile, Received, Room, SayError};
use crate::terminal::lines::tell;
use crate::terminal::progress::FileProgress;

/// What became of a file.
pub(super) struct Saved {
    pub(super) from: String,
    pub(super) offer: Offer,
    pub(super) result: Result<PathBuf, String>,
}

/// Why a file is not received.
#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Room(#[from] SayError),
    #[error("it was not finished")]
    Unfinished,
}

/// Saves files into a folder.
pub(super) struct Saver {
    folder: PathBuf,
    saved: mpsc::UnboundedSender<Saved>,
    done: mpsc::UnboundedReceiver<Saved>,
    /// They end with this.
    running: JoinSet<()>,
}

impl Saver {
    pub(super) fn new(folder: &Path) -> Self {
        let (saved, done) = mpsc::unbounded_channel();
        Self {
            folder: folder.to_owned(),
            saved,
            done,
            running: JoinSet::new(),
        }
    }

    /// Starts to receive a file.
    pub(super) async fn take(&mut self, room: &Room, from: String, offer: Offer) {
        let saved = self.saved.clone();
        match self.begin(room, &offer).await {
            Ok(incoming) => {
                _ = self.running.spawn(async move {
                    let result = watch(incoming, &offer).await;
                    let _ = saved.send(Saved {
                        from,
                        offer,
                        result,
                    });
                });
            }
            Err(error) => {
                let result = Err(error.to_string());
                let _ = saved.send(Saved {
                    from,
                    offer,
                    result,
                });
            }
        }
    }

    async fn begin(&self, room: &Room, offer: &Offer) -> Result<Incoming, SaveError> {
        let (folder, file) = (self.folder.clone(), offer.file.clone());
        let block_bytes = Layout::of(offer).block_bytes() as u32;
        let open = move || PartFile::open(&folder, &file, block_bytes);
        let opened = tokio::task::spawn_blocking(open).await;
        let part = opened.map_err(|_| SaveError::Unfinished)??;
        if part.received_bytes() > 0 {
            let name = printable(offer.file.name.as_str());
            let (have, all) = (part.received_bytes(), offer.file.size_bytes);
            tell(&format!(
                "going on with {name}: {have} of {all} bytes are there"
            ));
        }
        Ok(room.receive_file(offer.clone(), part).await?)
    }

    /// The next file that is done with, one way or the other.
    pub(super) async fn next(&mut self) -> Option<Saved> {
        self.done.recv().await
    }
}

/// Until the file is there. It goes on answering for a while, for who has not heard that.
async fn watch(incoming: Incoming, offer: &Offer) -> Result<PathBuf, String> {
    let mut state = incoming.state();
    let mut progress = FileProgress::new("receiving", &offer.file);
    let result = loop {
        let now = state.borrow_and_update().clone();
        match now {
            Received::Whole(path) => break Ok(path),
            Received::Failed(reason) => break Err(reason),
            Received::Part {
                have_bytes,
                is_stalled,
            } => progress.set(have_bytes, if is_stalled { "waiting" } else { "" }),
        }
        if state.changed().await.is_err() {
            break Err(SaveError::Unfinished.to_string());
        }
    };
    progress.end();
    if result.is_ok() {
        tokio::spawn(async move {
            while state.changed().await.is_ok() {}
            drop(incoming);
        });
    }
    result
}
