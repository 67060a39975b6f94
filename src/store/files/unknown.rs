//! Files in the folder of which it is not known what they hold: somebody changed them, or the index does not have them. They
//! are read between requests, and kept as what they are.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{CATCH_UP_BYTES, FileStore, KeepError, Kept, KeptFile};
use crate::chat::{FileHash, FileName, FileOffer};

/// By which it is seen that a file was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) size_bytes: u64,
    /// When it was written last, in nanoseconds.
    pub(super) modified: i64,
}

impl State {
    /// Of a file; anything else is none.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        match metadata.is_file() {
            true => Ok(Self::from(&metadata)),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl From<&Metadata> for State {
    fn from(metadata: &Metadata) -> Self {
        let seconds = metadata.mtime().saturating_mul(1_000_000_000);
        Self {
            size_bytes: metadata.len(),
            modified: seconds.saturating_add(metadata.mtime_nsec()),
        }
    }
}

/// What was known of a file.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) offer: FileOffer,
    pub(super) used: u64,
}

/// A file of which it is not known what it holds.
#[derive(Debug)]
pub(super) struct Unknown {
    /// In the folder.
    name: String,
    /// None before its turn.
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    file: File,
    /// As it was opened.
    state: State,
    hasher: blake3::Hasher,
}

impl Unknown {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            reading: None,
        }
    }

    /// Reads on for some milliseconds; its hash when it was read to its end.
    fn read(&mut self, folder: &Path) -> io::Result<Option<(FileHash, State)>> {
        let path = folder.join(&self.name);
        let reading = match &mut self.reading {
            Some(reading) => reading,
            none => none.insert(Reading {
                state: State::of(&path)?,
                file: File::open(&path)?,
                hasher: blake3::Hasher::new(),
            }),
        };
        let part = Read::by_ref(&mut reading.file).take(CATCH_UP_BYTES);
        let before = reading.hasher.count();
        reading.hasher.update_reader(part)?;
        if reading.hasher.count() - before == CATCH_UP_BYTES {
            return Ok(None);
        }
        // Who changes it meanwhile has it looked at when the server starts again.
        if State::of(&path)? != reading.state {
            return Err(io::Error::other("it is being changed"));
        }
        let hash = FileHash(*reading.hasher.finalize().as_bytes());
        Ok(Some((hash, reading.state)))
    }
}

impl FileStore {
    /// A file that is kept and is as it was. What somebody has changed is forgotten, and looked at.
    pub(super) fn find_sound(&mut self, hash: FileHash) -> Option<KeptFile> {
        let kept = self.kept.get(&hash)?;
        let found = State::of(&self.folder.join(&kept.kept_as));
        let expected = State {
            size_bytes: kept.offer.size_bytes,
            modified: kept.modified,
        };
        if found.as_ref().is_ok_and(|found| *found == expected) {
            return self.find(hash);
        }
        tracing::warn!("{} is not there any more as it was", kept.kept_as);
        if found.is_ok() {
            let known = Known {
                offer: kept.offer.clone(),
                used: kept.used,
            };
            self.unknown.push_back(Unknown::new(kept.kept_as.clone()));
            self.before.insert(hash, known);
        }
        self.forget_or_warn(hash);
        None
    }

    /// The index is put right when the server starts again.
    pub(super) fn forget_or_warn(&mut self, hash: FileHash) {
        if let Err(error) = self.forget(hash) {
            tracing::warn!("The index of files could not be written: {error}");
        }
    }

    /// Goes on with the first that is unknown, for some milliseconds. Tells whether there is more to do.
    pub(super) fn look_at_unknown(&mut self) -> bool {
        if let Some(mut unknown) = self.unknown.pop_front() {
            match unknown.read(&self.folder) {
                Ok(None) => self.unknown.push_front(unknown),
                Ok(Some((hash, state))) => {
                    if let Err(error) = self.keep_found(&unknown.name, hash, state) {
                        tracing::warn!("{} could not be kept: {error}", unknown.name);
                    }
                }
                Err(error) => tracing::warn!("{} could not be looked at: {error}", unknown.name),
            }
        }
        if self.unknown.is_empty() {
            self.before.clear();
        }
        !self.unknown.is_empty()
    }

    fn keep_found(&mut self, name: &str, hash: FileHash, state: State) -> Result<(), KeepError> {
        // It got this name again meanwhile, or came once more and has another.
        let mut kept = self.kept.values();
        if kept.any(|kept| kept.kept_as == name) || self.kept.contains_key(&hash) {
            return Ok(());
        }
        let known = self.before.remove(&hash).unwrap_or_else(|| Known {
            offer: FileOffer {
                name: FileName::of(name),
                size_bytes: state.size_bytes,
                hash,
            },
            // What is known was used later.
            used: 0,
        });
        self.discard_what_came(hash)?;
        self.make_place_to_keep()?;
        self.index.announce(&known.offer, known.used)?;
        self.index.kept(hash, name, state.modified)?;
        self.insert(Kept {
            offer: known.offer,
            kept_as: name.to_owned(),
            used: known.used,
            modified: state.modified,
        });
        self.make_room(0)
    }
}
