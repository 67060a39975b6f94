//! Files that a command saves: those that are offered, and those of the history.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::chat::{ByteSize, FileHash, FileOffer, Happening, HistoryEntry};
use crate::client::{
    Fetched, FileSource, Files, Offer, RoomEvent, RoomFileError, RoomFiles, Transfer, Turn,
};
use crate::terminal::downloads::tidy;
use crate::terminal::lines::tell;
use crate::terminal::offerers::Offerers;
use crate::terminal::progress::{FileProgress, TELL, described, stuck};

/// Files that are received at a time; others wait.
const RUNNING_MAX: usize = 8;

/// Files that wait for that; anybody may offer as many as they like.
const OFFERED_MAX: usize = 1024;

/// Who offers a file that nobody is taking says so every five seconds: twice that.
const OFFERED_STILL_WAIT: Duration = Duration::from_secs(11);

/// What became of a file.
pub(super) struct Saved {
    pub(super) from: String,
    pub(super) file: FileOffer,
    pub(super) result: Result<PathBuf, String>,
    /// It came, or should have come, from the history.
    is_past: bool,
}

/// A file that comes from all who offer it.
struct OnItsWay {
    offered_by: Offerers,
    /// Ends the waiting for it.
    withdrawn: CancellationToken,
    /// It was offered again since, and by whom.
    again: Option<(String, Offer)>,
}

/// Saves files into a folder.
pub(super) struct Saver {
    files: RoomFiles,
    /// Which has those of the history; none without a server.
    server: Option<Files>,
    place: Place,
    /// Files of the history that are here or on their way, and where it is told who offers one of them still.
    past: HashMap<FileHash, mpsc::Sender<Offer>>,
    /// Files that are on their way from who offers them.
    offered: HashMap<FileHash, OnItsWay>,
    /// All that was begun and is not done with: whose it is, by hash and whether it comes from the history.
    begun: BTreeMap<(FileHash, bool), (String, FileOffer)>,
    saved: mpsc::UnboundedSender<Saved>,
    saved_out: mpsc::UnboundedReceiver<Saved>,
    /// They end with this.
    running: JoinSet<()>,
}

impl Saver {
    pub(super) fn new(files: RoomFiles, server: Option<Files>, folder: &Path) -> Self {
        tidy(folder);
        let (saved, saved_out) = mpsc::unbounded_channel();
        Self {
            files,
            server,
            place: Place {
                folder: folder.to_owned(),
                running: Arc::new(Semaphore::new(RUNNING_MAX)),
            },
            past: HashMap::new(),
            offered: HashMap::new(),
            begun: BTreeMap::new(),
            saved,
            saved_out,
            running: JoinSet::new(),
        }
    }

    /// Starts to receive a file that is offered, unless it is on its way already; `is_again` if it was offered before we came,
    /// so that the history may have it.
    pub(super) fn take(&mut self, from: String, offer: Offer, is_again: bool) {
        let hash = offer.file.hash;
        if is_again && let Some(past) = self.past.get(&hash) {
            // One is enough, and none is needed any more if it is here.
            let _ = past.try_send(offer);
            return;
        }
        if let Some(coming) = self.offered.get_mut(&hash) {
            coming.offered_by.add(from.clone());
            if coming.withdrawn.is_cancelled() {
                coming.again = Some((from, offer));
            }
            return;
        }
        if self.offered.len() >= OFFERED_MAX {
            self.refuse(from, offer.file);
            return;
        }
        let withdrawn = CancellationToken::new();
        let mut coming = OnItsWay {
            offered_by: Offerers::default(),
            withdrawn: withdrawn.clone(),
            again: None,
        };
        coming.offered_by.add(from.clone());
        self.offered.insert(hash, coming);
        let (file, place) = (offer.file.clone(), self.place.clone());
        let source = FileSource::Room(self.files.clone(), offer);
        self.start(from, file, false, async move {
            place.fetch(&source, withdrawn).await
        });
    }

    fn refuse(&self, from: String, file: FileOffer) {
        let why =
            format!("{OFFERED_MAX} files are on their way: ask for it again when they are here");
        // It is read as long as there is a saver.
        let _ = self.saved.send(Saved {
            from,
            file,
            result: Err(why),
            is_past: false,
        });
    }

    /// Something happens in the room: what nobody offers any more is waited for no longer.
    pub(super) fn note(&mut self, event: &RoomEvent) {
        for (hash, coming) in &mut self.offered {
            if coming.offered_by.note(event, *hash) {
                coming.withdrawn.cancel();
            }
        }
    }

    /// Starts to fetch the files of the history, each once; not what an earlier call has saved here.
    pub(super) fn take_past(&mut self, entries: &[HistoryEntry]) {
        let Some(server) = self.server.clone() else {
            return;
        };
        for entry in entries {
            let Happening::File(file) = &entry.what else {
                continue;
            };
            if self.past.contains_key(&file.hash) {
                continue;
            }
            let (offered, offered_still) = mpsc::channel(1);
            self.past.insert(file.hash, offered);
            let source = FileSource::Server(server.clone(), file.clone());
            let (files, place) = (self.files.clone(), self.place.clone());
            self.start(entry.from.to_string(), file.clone(), true, async move {
                place.fetch_past(&source, files, offered_still).await
            });
        }
    }

    fn start(
        &mut self,
        from: String,
        file: FileOffer,
        is_past: bool,
        fetching: impl Future<Output = Result<Fetched, RoomFileError>> + Send + 'static,
    ) {
        let whose = (from.clone(), file.clone());
        self.begun.insert((file.hash, is_past), whose);
        let saved = self.saved.clone();
        // Those that have ended are done with.
        while self.running.try_join_next().is_some() {}
        self.running.spawn(async move {
            let (result, lingering) = match fetching.await {
                Ok(fetched) => (Ok(fetched.path.clone()), Some(fetched)),
                Err(error) => (Err(error.to_string()), None),
            };
            let _ = saved.send(Saved {
                from,
                file,
                result,
                is_past,
            });
            if let Some(lingering) = lingering {
                lingering.linger().await;
            }
        });
    }

    /// The next file that is done with, one way or the other. May be dropped without losing any.
    pub(super) async fn next(&mut self) -> Option<Saved> {
        loop {
            let saved = self.saved_out.recv().await?;
            self.begun.remove(&(saved.file.hash, saved.is_past));
            // By the other way it may still be coming.
            let coming = match saved.is_past {
                true => None,
                false => self.offered.remove(&saved.file.hash),
            };
            if saved.result.is_ok() {
                return Some(saved);
            }
            if saved.is_past {
                self.past.remove(&saved.file.hash);
            }
            match coming.and_then(|coming| coming.again) {
                Some((from, offer)) => self.take(from, offer, false),
                None => return Some(saved),
            }
        }
    }

    /// Those that are done with by now.
    pub(super) fn done(&mut self) -> Vec<Saved> {
        let mut done = Vec::new();
        while let Ok(saved) = self.saved_out.try_recv() {
            self.begun.remove(&(saved.file.hash, saved.is_past));
            done.push(saved);
        }
        done
    }

    /// When the room is left: those that were saved meanwhile, and those that were still on their way, whatever they say of a
    /// room that is left.
    pub(super) fn rest(&mut self) -> Vec<Saved> {
        let mut rest = Vec::new();
        while let Ok(saved) = self.saved_out.try_recv() {
            if saved.result.is_ok() {
                self.begun.remove(&(saved.file.hash, saved.is_past));
                rest.push(saved);
            }
        }
        let begun = std::mem::take(&mut self.begun).into_iter();
        rest.extend(begun.map(|((_, is_past), (from, file))| Saved {
            from,
            file,
            result: Err("it was still coming; what came is kept for the next time".to_owned()),
            is_past,
        }));
        rest
    }
}

/// Where files go, and how many at a time.
#[derive(Clone)]
struct Place {
    folder: PathBuf,
    running: Arc<Semaphore>,
}

impl Place {
    /// Fetches a file, and shows how far it is.
    async fn fetch(
        &self,
        source: &FileSource,
        withdrawn: CancellationToken,
    ) -> Result<Fetched, RoomFileError> {
        let mut turn = Turn::take(&self.running).await;
        let transfer = Transfer {
            withdrawn,
            ..Transfer::default()
        };
        let fetching = source.fetch(&self.folder, &transfer, &mut turn);
        tokio::pin!(fetching);
        let mut progress = FileProgress::new("receiving", source.file());
        let mut done = transfer.progress.subscribe();
        let mut look = interval(TELL);
        let mut is_told = false;
        loop {
            tokio::select! {
                _ = look.tick() => {
                    let bytes = *done.borrow();
                    if progress.is_stuck(bytes) {
                        tell(&stuck(source.file(), matches!(source, FileSource::Server(..))));
                    }
                }
                fetched = &mut fetching => return fetched,
                Ok(()) = done.changed() => {
                    let bytes = *done.borrow_and_update();
                    if let Some(resumed_bytes) = transfer.resumed_bytes.get()
                        && !std::mem::replace(&mut is_told, true)
                        && (1..source.file().size_bytes).contains(resumed_bytes)
                    {
                        tell_of_resuming(source.file(), *resumed_bytes);
                    }
                    progress.set(bytes, "");
                }
            }
        }
    }

    /// What the server does not have may come from who offers it still.
    async fn fetch_past(
        &self,
        source: &FileSource,
        files: RoomFiles,
        mut offered_still: mpsc::Receiver<Offer>,
    ) -> Result<Fetched, RoomFileError> {
        let never = CancellationToken::new();
        let error = match self.fetch(source, never.clone()).await {
            Err(error) if error.is_not_there() => error,
            ended => return ended,
        };
        match timeout(OFFERED_STILL_WAIT, offered_still.recv()).await {
            Ok(Some(offer)) => self.fetch(&FileSource::Room(files, offer), never).await,
            _ => Err(error),
        }
    }
}

fn tell_of_resuming(file: &FileOffer, bytes: u64) {
    let there = ByteSize(bytes);
    tell(&format!(
        "going on with {}: {there} are there",
        described(file)
    ));
}
