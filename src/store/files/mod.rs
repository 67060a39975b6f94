//! The files that a server keeps: in a folder under their names, found by their hashes. What is on its way stands
//! beside them, hidden. Within a limit on all together; then the one that was not used for longest goes.
#![allow(clippy::disallowed_methods)]

mod error;
mod index;
mod lent;
mod part;
mod restore;
mod room;
#[cfg(test)]
mod tests;
mod unknown;
mod upkeep;
mod upload;

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::file::OpenError;
use crate::chat::{FileHash, FileOffer, MessageText};
use crate::files::{FileError, PartFile, parts_in, prepare_folder, remove_new_files};
pub use error::{KeepError, SizeMax};
use index::Index;
use part::Part;
use room::on_disk;
use unknown::{Known, State, Unknown};
pub use upload::UPLOADS_MAX;

/// The folder with the files, in the data folder.
const FOLDER: &str = "downloads";

/// Files that may be on their way at a time.
pub const PARTS_MAX: usize = 256;

/// A part with which nobody goes on for so long makes place for another file; after a day it is removed anyway.
const PART_REST: Duration = Duration::from_secs(60);
const PART_IDLE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is read for a hash before somebody else has a turn, in bytes: some milliseconds.
const CATCH_UP_BYTES: u64 = 4 * 1024 * 1024;

/// Files that are kept at a time. Each takes some hundred bytes of memory, and all are looked at when one is added or makes
/// room: with so many, for about a millisecond.
pub const KEPT_FILES_MAX: usize = 50_000;

/// Files that could not be kept, of which who sent them may not have heard yet.
const FAILED_MAX: usize = 64;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepLimits {
    /// All files together, in bytes of the disk; what is on its way counts as far as it is there.
    pub total_bytes: u64,
    /// How many files are kept.
    pub files_max: usize,
    /// One file, in bytes.
    pub file_bytes_max: u64,
}

/// A file that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFile {
    /// Where.
    pub path: PathBuf,
    /// As it was offered first.
    pub offer: FileOffer,
}

/// How much of a file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileState {
    /// So many bytes from the beginning on, without a gap.
    pub have_bytes: u64,
    /// All is there, and its hash is right.
    pub is_kept: bool,
}

/// A file that is to be received by another way than pieces.
#[derive(Debug)]
pub enum Begun {
    /// It is here already.
    Kept(KeptFile),
    /// Its blocks go into this; then [`FileStore::finish`], [`FileStore::abandon`] or [`FileStore::lost`].
    Part(Box<PartFile>),
}

/// The files of one server. All calls block.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    limits: KeepLimits,
    piece_bytes: u32,
    index: Index,
    kept: BTreeMap<FileHash, Kept>,
    kept_bytes: u64,
    last_used: u64,
    parts: BTreeMap<FileHash, Part>,
    /// Whole parts whose hash is still looked at, in the order of coming.
    checking: VecDeque<FileHash>,
    /// Files in the folder of which it is not known what they hold; then, what was known of some of them.
    unknown: VecDeque<Unknown>,
    before: BTreeMap<FileHash, Known>,
    /// What could not be kept when it was whole: told to who asks next.
    failed: VecDeque<(FileHash, KeepError)>,
    /// How much has come of files whose hash is not known yet.
    uploads: Vec<Weak<AtomicU64>>,
    last_upload: u64,
}

#[derive(Debug)]
struct Kept {
    offer: FileOffer,
    /// In the folder.
    kept_as: String,
    used: u64,
    /// When it was written last, see [`State`].
    modified: i64,
}

impl FileStore {
    /// Opens index and folder in `data`, and brings them together after a crash. Files come and go in pieces of
    /// `piece_bytes`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data: &Path, limits: KeepLimits, piece_bytes: u32) -> Result<Self, OpenError> {
        let folder = data.join(FOLDER);
        let (index, rows) = Index::open(data)?;
        prepare_folder(&folder)?;
        remove_new_files(&folder)?;
        let found = parts_in(&folder, PART_IDLE_MAX)?;
        // They come in the order of their age, and stay so.
        let parts = found.into_iter().map(|found| {
            let hash = found.offer.hash;
            (hash, Part::just_asleep(found.offer, found.received_bytes))
        });
        let mut store = Self {
            folder,
            limits,
            piece_bytes,
            index,
            kept: BTreeMap::new(),
            kept_bytes: 0,
            last_used: rows.iter().map(|row| row.used).max().unwrap_or(0),
            parts: parts.collect(),
            checking: VecDeque::new(),
            unknown: VecDeque::new(),
            before: BTreeMap::new(),
            failed: VecDeque::new(),
            uploads: Vec::new(),
            last_upload: 0,
        };
        let restored = store.restore(rows);
        restored.map_err(|error| FileError::of(&store.folder, error))?;
        // Less may be allowed than before.
        let _ = store.make_room(0);
        Ok(store)
    }

    fn insert(&mut self, kept: Kept) {
        self.kept_bytes += on_disk(kept.offer.size_bytes);
        self.kept.insert(kept.offer.hash, kept);
    }

    /// Why a file is not given that is not kept.
    fn not_there(&self, hash: FileHash) -> KeepError {
        match self.parts.get(&hash) {
            Some(part) => part.not_whole(),
            None if self.before.contains_key(&hash) => KeepError::LookedAt,
            None => KeepError::NoSuchFile,
        }
    }

    /// A file that is kept, as far as is known.
    pub fn find(&self, hash: FileHash) -> Option<KeptFile> {
        self.kept.get(&hash).map(|kept| KeptFile {
            path: self.folder.join(&kept.kept_as),
            offer: kept.offer.clone(),
        })
    }

    /// How long a file is, and the piece of it that begins at `offset`; nothing at its end.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn read(&mut self, hash: FileHash, offset: u64) -> Result<(u64, Vec<u8>), KeepError> {
        let kept = self.find_sound(hash);
        let kept = kept.ok_or_else(|| self.not_there(hash))?;
        let size_bytes = kept.offer.size_bytes;
        let rest = size_bytes.checked_sub(offset);
        let piece = rest.ok_or(KeepError::NoPiece(self.piece_bytes))?;
        let piece = piece.min(self.piece_bytes.into());
        let mut bytes = vec![0; usize::try_from(piece).unwrap_or(usize::MAX)];
        let file = File::open(&kept.path);
        let read = file.and_then(|file| file.read_exact_at(&mut bytes, offset));
        read.map_err(|error| FileError::of(&kept.path, error))?;
        self.note_use(hash, offset == 0);
        Ok((size_bytes, bytes))
    }

    /// What a kept file says: `Some(None)` if it is no text that can be said, nothing if it cannot be read.
    pub fn text(&mut self, hash: FileHash) -> Option<Option<MessageText>> {
        let kept = self.find_sound(hash)?;
        match kept.offer.may_be_text() {
            true => fs::read(kept.path).ok().map(MessageText::of_file),
            false => Some(None),
        }
    }

    /// Looks whether a file of this length is kept.
    ///
    /// # Errors
    /// [`KeepError::NotWhole`] if it is on its way, [`KeepError::NoSuchFile`] if not.
    pub fn check(&mut self, hash: FileHash, size_bytes: u64) -> Result<(), KeepError> {
        match self.find_sound(hash) {
            Some(kept) if kept.offer.size_bytes == size_bytes => Ok(()),
            Some(_) => Err(KeepError::NoSuchFile),
            None => Err(self.not_there(hash)),
        }
    }

    /// A file that is kept, and is used now: others make room first.
    pub fn use_kept(&mut self, hash: FileHash) -> Option<KeptFile> {
        let kept = self.find_sound(hash)?;
        self.note_use(hash, true);
        Some(kept)
    }

    fn note_use(&mut self, hash: FileHash, is_first: bool) {
        self.last_used += 1;
        if let Some(kept) = self.kept.get_mut(&hash) {
            kept.used = self.last_used;
        }
        // Not for each piece. If it fails, it may go a little early after a restart.
        if is_first {
            let _ = self.index.used(hash, self.last_used);
        }
    }

    /// Takes a piece of a file, and tells how much of it is there; without bytes it only tells. When the last piece
    /// is there and the hash right, the file is kept.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn write(
        &mut self,
        offer: &FileOffer,
        offset: u64,
        bytes: &[u8],
    ) -> Result<FileState, KeepError> {
        if self.find_sound(offer.hash).is_some() {
            return Ok(FileState {
                have_bytes: offer.size_bytes,
                is_kept: true,
            });
        }
        self.check_size(offer.size_bytes)?;
        if let Some(at) = self.failed.iter().position(|(hash, _)| *hash == offer.hash)
            && let Some((_, error)) = self.failed.remove(at)
        {
            return Err(error);
        }
        let is_question = bytes.is_empty() && offer.size_bytes > 0;
        if is_question && !self.parts.contains_key(&offer.hash) {
            return Ok(FileState {
                have_bytes: 0,
                is_kept: false,
            });
        }
        let mut part = self.take(offer)?;
        if !is_question && let Err(error) = self.write_piece(&mut part, offset, bytes) {
            match part.received_bytes() {
                0 => part.discard()?,
                _ => self.put_back(part),
            }
            return Err(error);
        }
        let have_bytes = part.run_bytes();
        let is_kept = part.is_whole() && part.is_hashed();
        if is_kept {
            self.publish(*part)?;
        } else {
            if part.is_whole() && !self.checking.contains(&offer.hash) {
                self.checking.push_back(offer.hash);
            }
            self.put_back(part);
        }
        Ok(FileState {
            have_bytes,
            is_kept,
        })
    }

    fn put_back(&mut self, part: Box<PartFile>) {
        let touched = Instant::now();
        let hash = part.offer().hash;
        self.parts.insert(hash, Part::Here { part, touched });
    }

    fn check_size(&self, size_bytes: u64) -> Result<(), KeepError> {
        let max = self.size_max();
        match size_bytes <= max.bytes {
            true => Ok(()),
            false => Err(KeepError::TooLarge(max)),
        }
    }

    /// Takes a part out, to be put back; a new one if there is none.
    fn take(&mut self, offer: &FileOffer) -> Result<Box<PartFile>, KeepError> {
        match self.parts.remove(&offer.hash) {
            Some(Part::Here { part, .. }) if part.offer().size_bytes == offer.size_bytes => {
                return Ok(part);
            }
            Some(other) => _ = self.parts.insert(offer.hash, other),
            None => {}
        }
        self.open_part(offer, self.piece_bytes).map(Box::new)
    }

    /// Opens a part that nobody has, if it and all with which somebody goes on may become whole together.
    fn open_part(&mut self, offer: &FileOffer, block_bytes: u32) -> Result<PartFile, KeepError> {
        if let Some(lent @ Part::Lent { .. }) = self.parts.get(&offer.hash) {
            return Err(lent.not_whole());
        }
        self.rest();
        let others = self.parts.iter().filter(|(hash, _)| **hash != offer.hash);
        let promised = others.map(|(_, part)| part.promised_bytes());
        let whole_bytes = on_disk(offer.size_bytes);
        if promised.fold(whole_bytes, u64::saturating_add) > self.limits.total_bytes {
            return Err(KeepError::NoSpace);
        }
        let before = match self.parts.remove(&offer.hash) {
            Some(before) => before.asleep(),
            None => {
                self.make_place()?;
                None
            }
        };
        let opened = PartFile::open(&self.folder, offer, block_bytes);
        match (&opened, before) {
            (Err(_), Some(before)) => _ = self.parts.insert(offer.hash, before),
            // An offer of the same hash and another size has a part file of its own: only one of them counts here.
            (Ok(_), Some(Part::Asleep { offer: other, .. }))
                if other.size_bytes != offer.size_bytes =>
            {
                PartFile::remove(&self.folder, &other)?;
            }
            _ => {}
        }
        Ok(opened?)
    }

    fn write_piece(
        &mut self,
        part: &mut PartFile,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), KeepError> {
        if part.blocks() == 0 {
            return Ok(());
        }
        let no_piece = KeepError::NoPiece(self.piece_bytes);
        let block_bytes = u64::from(part.block_bytes());
        let block = offset / block_bytes;
        let is_piece = offset.is_multiple_of(block_bytes)
            && block < part.blocks()
            && bytes.len() == part.bytes_of(block);
        if !is_piece {
            return Err(no_piece);
        }
        if part.has(block) {
            return Ok(());
        }
        self.make_room(on_disk(part.received_bytes() + bytes.len() as u64))?;
        Ok(part.write_block(block, bytes)?)
    }

    fn forget(&mut self, hash: FileHash) -> Result<(), KeepError> {
        if let Some(kept) = self.kept.remove(&hash) {
            self.kept_bytes -= on_disk(kept.offer.size_bytes);
        }
        Ok(self.index.forget(hash)?)
    }

    fn discard(&mut self, hash: FileHash) -> Result<(), KeepError> {
        match self.parts.remove(&hash) {
            Some(Part::Asleep { offer, .. }) => Ok(PartFile::remove(&self.folder, &offer)?),
            Some(Part::Here { part, .. }) => Ok(part.discard()?),
            Some(Part::Lent { .. }) | None => Ok(()),
        }
    }

    /// What came of a file by another way is not needed any more; what still comes finds that it is here.
    fn discard_what_came(&mut self, hash: FileHash) -> Result<(), KeepError> {
        match self.parts.get(&hash) {
            Some(Part::Lent { .. }) => Ok(()),
            _ => self.discard(hash),
        }
    }

    /// A whole part becomes a file.
    fn publish(&mut self, part: PartFile) -> Result<KeptFile, KeepError> {
        if let Some(kept) = self.find_sound(part.offer().hash) {
            // It came by another way meanwhile.
            part.discard()?;
            return Ok(kept);
        }
        let offer = part.offer().clone();
        let kept = self.keep(offer.clone(), || part.publish());
        if let Err(error) = &kept {
            self.leave_whole(offer, error);
        }
        kept
    }

    /// All of it is there still, unless it is damaged, and can be kept when what is wrong is put right.
    fn leave_whole(&mut self, offer: FileOffer, error: &KeepError) {
        let is_damaged = matches!(error, KeepError::File(FileError::WrongHash(_)));
        if !is_damaged && !self.kept.contains_key(&offer.hash) {
            let (hash, received_bytes) = (offer.hash, offer.size_bytes);
            let asleep = Part::just_asleep(offer, received_bytes);
            self.parts.insert(hash, asleep);
        }
    }

    /// A file gets its name in the folder, and is kept.
    fn keep(
        &mut self,
        offer: FileOffer,
        publish: impl FnOnce() -> Result<PathBuf, FileError>,
    ) -> Result<KeptFile, KeepError> {
        self.make_place_to_keep()?;
        self.last_used += 1;
        self.index.announce(&offer, self.last_used)?;
        let path = match publish() {
            Ok(path) => path,
            Err(error) => {
                self.index.forget(offer.hash)?;
                return Err(error.into());
            }
        };
        let state = State::of(&path).map_err(|error| FileError::of(&path, error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Whatever had this name was taken out of the folder by somebody.
        let mut others = self.kept.iter().filter(|(_, other)| other.kept_as == name);
        if let Some(gone) = others.next().map(|(hash, _)| *hash) {
            self.forget(gone)?;
        }
        // Without it the file is found when the server starts again.
        let noted = self.index.kept(offer.hash, &name, state.modified);
        self.insert(Kept {
            offer: offer.clone(),
            kept_as: name.into_owned(),
            used: self.last_used,
            modified: state.modified,
        });
        noted?;
        Ok(KeptFile { path, offer })
    }
}
