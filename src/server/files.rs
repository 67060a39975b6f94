//! The files that the server keeps: a thread of their own has them, as the disk must be waited for.

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Shutdown;
use super::answer::stopping;
use crate::chat::{FileHash, FileOffer, MessageText};
use crate::control::{Refusal, RefusalCode, Reply};
use crate::files::FileError;
use crate::store::{FileStore, KeepError};

/// What may wait for the thread; who comes after that waits to ask.
const JOBS_WAITING_MAX: usize = 64;

/// How often it is looked for what nobody goes on with.
const TIDY_INTERVAL: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce(&mut FileStore) + Send>;

/// How connections and seats reach the files.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// None where no files are kept.
    jobs: Option<mpsc::Sender<Job>>,
}

impl Files {
    /// Starts the thread, which ends when no handle is left. Must be called on a tokio runtime.
    pub(super) fn spawn(store: Option<FileStore>, shutdown: &Shutdown) -> Self {
        let Some(store) = store else {
            return Self { jobs: None };
        };
        let (jobs, jobs_in) = mpsc::channel(JOBS_WAITING_MAX);
        let runtime = Handle::current();
        let thread = thread::Builder::new().name("files".to_owned());
        if let Err(error) = thread.spawn(move || run(store, jobs_in, &runtime)) {
            shutdown.fail(format!("cannot start the files' thread: {error}"));
        }
        Self { jobs: Some(jobs) }
    }

    /// Asks the thread; what comes back fails if it has ended.
    ///
    /// # Errors
    /// No files are kept.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut FileStore) -> T + Send + 'static,
    ) -> Result<oneshot::Receiver<T>, Refusal> {
        let jobs = self.jobs.as_ref().ok_or_else(off)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            // Who has gone needs no answer.
            let _ = answer.send(job(store));
        });
        // If the thread is gone, the answer's other end is dropped here.
        let _ = jobs.send(job).await;
        Ok(answered)
    }

    /// Asks the thread from another thread, and waits for what comes back.
    ///
    /// # Errors
    /// No files are kept, or the server ends.
    ///
    /// # Panics
    /// In a task of the runtime, which must not wait so.
    pub(super) fn ask_and_wait<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut FileStore) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let jobs = self.jobs.as_ref().ok_or_else(off)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            let _ = answer.send(job(store));
        });
        let _ = jobs.blocking_send(job);
        answered.blocking_recv().map_err(|_| stopping())
    }

    /// What a file says, asked from another thread: `Some(None)` if it is no text, nothing if it is not here.
    ///
    /// # Panics
    /// In a task of the runtime, which must not wait so.
    pub(super) fn text_and_wait(&self, hash: FileHash) -> Option<Option<MessageText>> {
        self.ask_and_wait(move |store| store.text(hash)).ok()?
    }

    /// Whether files are kept here.
    pub(super) fn are_kept(&self) -> bool {
        self.jobs.is_some()
    }

    /// A piece of a file.
    pub(super) async fn read(&self, hash: FileHash, offset: u64) -> Result<Reply, Refusal> {
        let read = self.ask(move |store| store.read(hash, offset)).await?;
        let (size_bytes, bytes) = read.await.map_err(|_| stopping())??;
        Ok(Reply::FilePiece {
            size_bytes,
            bytes: bytes.into(),
        })
    }

    /// Where the answer to a piece that came will come from.
    pub(super) async fn write(
        &self,
        offer: FileOffer,
        offset: u64,
        bytes: Bytes,
    ) -> Result<oneshot::Receiver<Result<Reply, Refusal>>, Refusal> {
        self.ask(move |store| {
            let state = store.write(&offer, offset, &bytes)?;
            Ok(Reply::FileState {
                have_bytes: state.have_bytes,
                is_kept: state.is_kept,
            })
        })
        .await
    }

    /// Whether a file may be offered: it is here as a whole.
    pub(super) async fn check(&self, offer: &FileOffer) -> Result<(), Refusal> {
        let (hash, size_bytes) = (offer.hash, offer.size_bytes);
        let found = self.ask(move |store| store.check(hash, size_bytes)).await?;
        Ok(found.await.map_err(|_| stopping())??)
    }
}

/// Between two jobs, files that came are hashed for a moment, if there are any.
fn run(mut store: FileStore, mut jobs: mpsc::Receiver<Job>, runtime: &Handle) {
    let mut is_checking = store.catch_up();
    let mut tidy_due = Instant::now() + TIDY_INTERVAL;
    loop {
        if tidy_due <= Instant::now() {
            store.tidy();
            tidy_due = Instant::now() + TIDY_INTERVAL;
        }
        let next = match is_checking {
            true => match jobs.try_recv() {
                Ok(job) => Some(job),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            },
            false => match runtime.block_on(async { timeout_at(tidy_due, jobs.recv()).await }) {
                Ok(Some(job)) => Some(job),
                Ok(None) => return,
                Err(_) => None,
            },
        };
        if let Some(job) = next {
            job(&mut store);
        }
        is_checking = store.catch_up();
    }
}

fn off() -> Refusal {
    let text = "this server keeps no files: in a room they go from member to member, to all whom multicast reaches";
    Refusal::new(RefusalCode::FilesOff, text)
}

impl From<KeepError> for Refusal {
    fn from(error: KeepError) -> Self {
        let code = match &error {
            KeepError::NoSuchFile => RefusalCode::NoSuchFile,
            KeepError::NotWhole { .. } | KeepError::LookedAt => RefusalCode::FileNotWhole,
            KeepError::TooLarge(_) => RefusalCode::FileTooLarge,
            KeepError::NoPiece(_) => RefusalCode::Malformed,
            KeepError::NoSpace | KeepError::TooMany | KeepError::File(FileError::DiskFull(_)) => {
                RefusalCode::DiskFull
            }
            KeepError::File(FileError::WrongHash(_)) => RefusalCode::HashMismatch,
            KeepError::File(_) | KeepError::Index(_) => RefusalCode::NotSaved,
        };
        if code == RefusalCode::NotSaved || code == RefusalCode::DiskFull {
            // Where it is, is the matter of who runs the server.
            tracing::warn!("A file was not kept: {error}");
        }
        let text = match (code, &error) {
            (RefusalCode::DiskFull, KeepError::File(_)) => {
                "the server's disk is full: free some space there, then try again".to_owned()
            }
            (RefusalCode::HashMismatch, _) => {
                "what came is not what its hash says, and was thrown away: send it again".to_owned()
            }
            (RefusalCode::NotSaved, _) => {
                "the server could not save it: its log tells why".to_owned()
            }
            _ => error.to_string(),
        };
        Self::new(code, text)
    }
}
