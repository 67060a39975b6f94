//! A file that comes in one go over something else than a control connection.

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::answer::stopping;
use super::files::Files;
use crate::chat::{FileName, FileOffer};
use crate::control::Refusal;
use crate::files::NewFile;
use crate::store::{KeepError, SizeMax};

/// What is gathered before it is written and hashed, in bytes: some milliseconds of work, and few changes of threads.
const GATHERED_BYTES: usize = 512 * 1024;

/// A file on its way to the server. Dropping it removes what has come.
#[derive(Debug)]
pub struct Upload {
    files: Files,
    /// Not while it is written.
    file: Option<Box<NewFile>>,
    max: SizeMax,
    told_bytes: u64,
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
}

impl Upload {
    pub(super) async fn begin(files: Files, size_bytes: Option<u64>) -> Result<Self, Refusal> {
        let begun = files.ask(move |store| {
            let new = store.begin_new(size_bytes)?;
            Ok::<_, KeepError>((Box::new(new), store.size_max()))
        });
        let (file, max) = begun.await?.await.map_err(|_| stopping())??;
        Ok(Self {
            files,
            file: Some(file),
            max,
            told_bytes: 0,
            gathered: Vec::new(),
            gathered_bytes: 0,
        })
    }

    /// Adds what comes next.
    ///
    /// # Errors
    /// It is too large, or cannot be written.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        self.told_bytes += bytes.len() as u64;
        if self.told_bytes > self.max.bytes {
            return Err(KeepError::TooLarge(self.max).into());
        }
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        match self.gathered_bytes < GATHERED_BYTES {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    /// Keeps it under this name, and tells what it is.
    ///
    /// # Errors
    /// It cannot be kept.
    pub async fn finish(mut self, name: FileName) -> Result<FileOffer, Refusal> {
        self.flush().await?;
        let file = self.file.take().ok_or_else(stopping)?;
        let kept = self.files.ask(move |store| store.adopt(*file, name));
        Ok(kept.await?.await.map_err(|_| stopping())??)
    }

    async fn flush(&mut self) -> Result<(), Refusal> {
        let mut file = self.file.take().ok_or_else(stopping)?;
        let gathered = std::mem::take(&mut self.gathered);
        self.gathered_bytes = 0;
        let written = spawn_blocking(move || {
            let mut pieces = gathered.iter();
            pieces
                .try_for_each(|bytes| file.write(bytes))
                .map(|()| file)
        });
        let written = written.await.map_err(|_| stopping())?;
        self.file = Some(written.map_err(KeepError::from)?);
        let room = self.files.ask(|store| store.keep_within_limits()).await?;
        Ok(room.await.map_err(|_| stopping())??)
    }
}
