//! Files that a command saves as they are offered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use crate::chat::{ByteSize, FileOffer};
use crate::client::{Offer, RoomFiles, Transfer};
use crate::terminal::lines::tell;
use crate::terminal::progress::{FileProgress, described};

/// What became of a file.
pub(super) struct Saved {
    pub(super) from: String,
    pub(super) offer: Offer,
    pub(super) result: Result<PathBuf, String>,
}

/// Saves files into a folder.
pub(super) struct Saver {
    files: RoomFiles,
    folder: PathBuf,
    saved: mpsc::UnboundedSender<Saved>,
    done: mpsc::UnboundedReceiver<Saved>,
    /// They end with this.
    running: JoinSet<()>,
    places: Arc<Semaphore>,
}

/// Files that are received at a time; others wait.
const RUNNING_MAX: usize = 8;

impl Saver {
    pub(super) fn new(files: RoomFiles, folder: &Path) -> Self {
        let (saved, done) = mpsc::unbounded_channel();
        Self {
            files,
            folder: folder.to_owned(),
            saved,
            done,
            running: JoinSet::new(),
            places: Arc::new(Semaphore::new(RUNNING_MAX)),
        }
    }

    /// Starts to receive a file.
    pub(super) fn take(&mut self, from: String, offer: Offer) {
        let (files, folder, saved) = (self.files.clone(), self.folder.clone(), self.saved.clone());
        let places = Arc::clone(&self.places);
        self.running.spawn(async move {
            // It is never closed.
            let place = places.acquire().await;
            let transfer = Transfer::default();
            let fetched = {
                let fetching = files.fetch(&offer, &folder, &transfer);
                tokio::pin!(fetching);
                let mut progress = FileProgress::new("receiving", &offer.file);
                let mut done = transfer.progress.subscribe();
                let mut is_begun = false;
                let fetched = loop {
                    tokio::select! {
                        fetched = &mut fetching => break fetched,
                        Ok(()) = done.changed() => {
                            let bytes = *done.borrow_and_update();
                            if !std::mem::replace(&mut is_begun, true) && bytes > 0 {
                                tell_of_resuming(&offer.file, bytes);
                            }
                            progress.set(bytes, "");
                        }
                    }
                };
                drop(progress);
                fetched
            };
            drop(place);
            let (result, lingering) = match fetched {
                Ok(fetched) => (Ok(fetched.path.clone()), Some(fetched)),
                Err(error) => (Err(error.to_string()), None),
            };
            let _ = saved.send(Saved {
                from,
                offer,
                result,
            });
            if let Some(lingering) = lingering {
                lingering.linger().await;
            }
        });
    }

    /// The next file that is done with, one way or the other.
    pub(super) async fn next(&mut self) -> Option<Saved> {
        self.done.recv().await
    }
}

fn tell_of_resuming(file: &FileOffer, bytes: u64) {
    let there = ByteSize(bytes);
    tell(&format!(
        "going on with {}: {there} are there",
        described(file)
    ));
}
