//! A file on its way.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::trailer::{self, Layout, THERE};
use super::{FileError, READ_BYTES, make_folder, publish};
use crate::chat::FileOffer;

/// How a part file's name ends; it begins with a dot, so that it is hidden.
const ENDING: &str = ".crds-part";

/// So many programs may save one file into one folder at a time, each with a part file of its own.
const SAVING_AT_ONCE_MAX: u32 = 16;

/// So often is a part file opened again that somebody else finished between its opening and its locking.
const OPEN_TRIES_MAX: u32 = 16;

/// Who may read a file that was received, and write it: everyone may read it, its owner may write it.
pub(super) const MODE: u32 = 0o644;

/// A file on its way, in a hidden file of the folder where it will appear. What is written is there again after a
/// crash of the program. Dropping it leaves it for later; no other program uses it meanwhile.
#[derive(Debug)]
pub struct PartFile {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    offer: FileOffer,
    layout: Layout,
    /// One byte for each block, as in the file.
    map: Vec<u8>,
    received_bytes: Arc<AtomicU64>,
    /// So many blocks from the first on are there without a gap.
    run_blocks: u64,
    hasher: blake3::Hasher,
    /// So many blocks went through the hasher.
    hashed_blocks: u64,
}

impl PartFile {
    /// Opens the part file of what is offered in `folder`, which is made if need be. What an earlier one has of the
    /// same file is kept, also where it was cut into blocks of another length: all blocks that are there as a whole.
    ///
    /// # Errors
    /// See [`FileError`]; [`FileError::DiskFull`] also where the rest would not fit.
    ///
    /// # Panics
    /// Blocks of no length.
    pub fn open(folder: &Path, offer: &FileOffer, block_bytes: u32) -> Result<Self, FileError> {
        assert!(block_bytes > 0, "blocks of no length");
        make_folder(folder)?;
        let (file, path) = take_free(folder, offer)?;
        let layout = Layout {
            size_bytes: offer.size_bytes,
            block_bytes,
        };
        let failed = |error| FileError::of(folder, error);
        if !has_space(folder, &file, offer.size_bytes).map_err(failed)? {
            if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                let _ = fs::remove_file(&path);
            }
            return Err(FileError::DiskFull(folder.to_owned()));
        }
        let before = trailer::read(&file).map_err(failed)?;
        let map = map_before(&file, before.as_ref(), offer, layout).map_err(failed)?;
        let received_bytes = received(layout, &map);
        // A crash while it is written loses what was there, so it is not written for nothing.
        if before.is_none_or(|(before, cut, _)| (&before, cut) != (offer, layout)) {
            trailer::write(&file, offer, layout, &map).map_err(failed)?;
        }
        let mut part = Self {
            file,
            path,
            folder: folder.to_owned(),
            offer: offer.clone(),
            layout,
            map,
            received_bytes: Arc::new(AtomicU64::new(received_bytes)),
            run_blocks: 0,
            hasher: blake3::Hasher::new(),
            hashed_blocks: 0,
        };
        part.extend_run();
        Ok(part)
    }

    /// Removes the part file of what was offered in `folder`, also where the disk is full.
    ///
    /// # Errors
    /// The folder is not writable.
    pub fn remove(folder: &Path, offer: &FileOffer) -> Result<(), FileError> {
        let (_file, path) = take_free(folder, offer)?;
        fs::remove_file(&path).map_err(|error| FileError::of(&path, error))
    }

    /// What it is a part of.
    pub fn offer(&self) -> &FileOffer {
        &self.offer
    }

    /// The length of its blocks but the last.
    pub fn block_bytes(&self) -> u32 {
        self.layout.block_bytes
    }

    /// How many blocks the file has.
    pub fn blocks(&self) -> u64 {
        self.layout.blocks()
    }

    /// The length of a block: the last may be shorter.
    pub fn bytes_of(&self, block: u64) -> usize {
        usize::try_from(self.layout.bytes_of(block)).unwrap_or(usize::MAX)
    }

    /// Whether a block is there.
    pub fn has(&self, block: u64) -> bool {
        self.map[index(block)] == THERE
    }

    /// How much of the file is there.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// The same for somebody else to look at, while it grows.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received_bytes)
    }

    /// How much of it is there from its beginning on, without a gap.
    pub fn run_bytes(&self) -> u64 {
        self.layout
            .size_bytes
            .min(self.layout.block_at(self.run_blocks))
    }

    /// Whether all that is there without a gap went through the hash.
    pub fn is_hashed(&self) -> bool {
        self.hashed_blocks == self.run_blocks
    }

    /// Whether all of it is there. Its hash is looked at by [`PartFile::publish`].
    pub fn is_whole(&self) -> bool {
        self.run_blocks == self.blocks()
    }

    /// Writes a block as a whole; one that is there already stays as it is. Blocks that come in their order are
    /// hashed on the way.
    ///
    /// # Errors
    /// The disk is full, or failed. What was there stays.
    ///
    /// # Panics
    /// These are not as many bytes as the block has.
    pub fn write_block(&mut self, block: u64, bytes: &[u8]) -> Result<(), FileError> {
        assert_eq!(bytes.len(), self.bytes_of(block), "not a whole block");
        if self.has(block) {
            return Ok(());
        }
        self.write_at(self.layout.block_at(block), bytes)?;
        self.mark(block)?;
        if block == self.hashed_blocks {
            self.hasher.update(bytes);
            self.hashed_blocks += 1;
        }
        Ok(())
    }

    /// Writes some of a block that is not there yet; [`PartFile::mark`] says when all of it is.
    ///
    /// # Errors
    /// The disk is full, or failed.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), FileError> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| self.failed(error))
    }

    /// Notes that a block is there.
    ///
    /// # Errors
    /// The disk failed.
    pub fn mark(&mut self, block: u64) -> Result<(), FileError> {
        if self.has(block) {
            return Ok(());
        }
        self.write_at(self.layout.size_bytes + block, &[THERE])?;
        self.map[index(block)] = THERE;
        let bytes = self.layout.bytes_of(block);
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.extend_run();
        Ok(())
    }

    fn extend_run(&mut self) {
        let rest = self.map[index(self.run_blocks)..].iter();
        self.run_blocks += rest.take_while(|there| **there == THERE).count() as u64;
    }

    /// Fills `bytes` with what stands at `offset`, which must be there.
    ///
    /// # Errors
    /// The disk failed.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), FileError> {
        let read = self.file.read_exact_at(bytes, offset);
        read.map_err(|error| self.failed(error))
    }

    /// Hashes blocks that did not come in their order, or before a restart, until about so many bytes were read:
    /// so that there is little left to do in the end. Tells whether there are more that could be hashed now.
    ///
    /// # Errors
    /// The disk failed.
    pub fn catch_up(&mut self, bytes_max: u64) -> Result<bool, FileError> {
        if self.is_hashed() {
            return Ok(false);
        }
        let mut buffer = vec![0; READ_BYTES];
        let mut read_bytes = 0;
        while self.hashed_blocks < self.run_blocks && read_bytes < bytes_max {
            let block_bytes = self.layout.bytes_of(self.hashed_blocks);
            let block_at = self.layout.block_at(self.hashed_blocks);
            let mut offset = 0;
            while offset < block_bytes {
                let piece = (block_bytes - offset).min(READ_BYTES as u64);
                let bytes = &mut buffer[..usize::try_from(piece).unwrap_or(READ_BYTES)];
                self.read_at(bytes, block_at + offset)?;
                self.hasher.update(bytes);
                offset += piece;
            }
            self.hashed_blocks += 1;
            read_bytes += block_bytes;
        }
        Ok(!self.is_hashed())
    }

    /// Makes it a file under its name, or with a number if that is taken, and tells where. With a wrong hash it is
    /// removed. Reads what [`PartFile::catch_up`] would still read.
    ///
    /// # Errors
    /// See [`FileError`]. Where it is not for the file's content, it is left as it was.
    pub fn publish(mut self) -> Result<PathBuf, FileError> {
        if !self.is_whole() {
            return Err(FileError::NotWhole {
                name: self.offer.name.clone(),
                have_bytes: self.received_bytes(),
                size_bytes: self.offer.size_bytes,
            });
        }
        self.catch_up(u64::MAX)?;
        if self.hasher.finalize().as_bytes() != &self.offer.hash.0 {
            let name = self.offer.name.clone();
            self.discard()?;
            return Err(FileError::WrongHash(name));
        }
        let trimmed = self.file.set_len(self.offer.size_bytes);
        trimmed.map_err(|error| self.failed(error))?;
        let opened = self.file.set_permissions(Permissions::from_mode(MODE));
        opened.map_err(|error| self.failed(error))?;
        publish::publish(&self.path, &self.folder, &self.offer.name).inspect_err(|_| {
            // It can be taken up where it was: without its end it would be no part file.
            let _ = trailer::write(&self.file, &self.offer, self.layout, &self.map);
        })
    }

    /// Removes it.
    ///
    /// # Errors
    /// The folder is not writable any more.
    pub fn discard(self) -> Result<(), FileError> {
        fs::remove_file(&self.path).map_err(|error| self.failed(error))
    }

    /// Its own name is hidden, and nothing to a person.
    fn failed(&self, error: io::Error) -> FileError {
        FileError::of(&self.folder, error)
    }
}

/// A block's place in the map, which is in memory.
fn index(block: u64) -> usize {
    usize::try_from(block).unwrap_or(usize::MAX)
}

/// How much of the file is there.
fn received(layout: Layout, map: &[u8]) -> u64 {
    let there = (0..layout.blocks()).filter(|block| map[index(*block)] == THERE);
    there.map(|block| layout.bytes_of(block)).sum()
}

/// The name of an offer's part file, of so many. It tells hash and size, so that no other offer, which may claim the same
/// hash, has this name.
fn part_name(offer: &FileOffer, number: u32) -> String {
    let (hash, size_bytes) = (&offer.hash, offer.size_bytes);
    match number {
        1 => format!(".{hash}-{size_bytes}{ENDING}"),
        _ => format!(".{hash}-{size_bytes}-{number}{ENDING}"),
    }
}

/// Opens and locks the first part file of this offer that no other program has.
fn take_free(folder: &Path, offer: &FileOffer) -> Result<(File, PathBuf), FileError> {
    for number in 1..=SAVING_AT_ONCE_MAX {
        let path = folder.join(part_name(offer, number));
        if let Some(file) = take(&path).map_err(|error| FileError::of(folder, error))? {
            return Ok((file, path));
        }
    }
    Err(FileError::InUse(folder.to_owned()))
}

/// Opens and locks a part file; `None` if another has it.
fn take(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..OPEN_TRIES_MAX {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let opened = file.metadata()?;
        if !opened.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        // Whoever had it may have finished it meanwhile: then this is the finished file, not to be touched.
        match fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) => {}
            // The finished file has this name still, where a crash came between.
            Ok(_) if opened.nlink() > 1 => fs::remove_file(path)?,
            Ok(_) => return Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Which blocks of this layout are there as a whole from an earlier time, as the file's end tells.
fn map_before(
    file: &File,
    before: Option<&(FileOffer, Layout, Vec<u8>)>,
    offer: &FileOffer,
    layout: Layout,
) -> io::Result<Vec<u8>> {
    let blocks = index(layout.blocks());
    // It was whole, and the crash came just before it got its name.
    if file.metadata()?.len() == offer.size_bytes {
        return Ok(vec![THERE; blocks]);
    }
    let Some((before, layout_before, map)) = before else {
        return Ok(vec![0; blocks]);
    };
    if (before.hash, before.size_bytes) != (offer.hash, offer.size_bytes) {
        return Ok(vec![0; blocks]);
    }
    if *layout_before == layout {
        return Ok(map.clone());
    }
    let is_there = |block: u64| {
        let from = layout.block_at(block);
        let to = from + layout.bytes_of(block);
        let before_bytes = u64::from(layout_before.block_bytes);
        let covering = index(from / before_bytes)..index(to.div_ceil(before_bytes));
        map[covering].iter().all(|there| *there == THERE)
    };
    let there = |block| if is_there(block) { THERE } else { 0 };
    Ok((0..layout.blocks()).map(there).collect())
}

/// Whether a file of this size fits, as far as the system tells, where a part of it may be there.
fn has_space(folder: &Path, file: &File, size_bytes: u64) -> io::Result<bool> {
    // Counted in these by every system.
    const COUNTED_BYTES: u64 = 512;
    let there_bytes = file.metadata()?.blocks().saturating_mul(COUNTED_BYTES);
    let Ok(statistics) = rustix::fs::statvfs(folder) else {
        return Ok(true);
    };
    let free_bytes = statistics.f_bavail.saturating_mul(statistics.f_frsize);
    Ok(size_bytes <= free_bytes.saturating_add(there_bytes))
}

/// A part file that nobody has open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPart {
    /// What it is a part of.
    pub offer: FileOffer,
    /// The length of its blocks but the last.
    pub block_bytes: u32,
    /// How much of the file is there.
    pub received_bytes: u64,
}

/// What is on its way in a folder, first that with which nobody has gone on for longest. Removes what nobody has gone on
/// with for this long.
///
/// # Errors
/// The folder cannot be read. One that is not there has none.
pub fn parts_in(folder: &Path, idle_max: Duration) -> Result<Vec<FoundPart>, FileError> {
    let failed = |error| FileError::of(folder, error);
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut parts = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with('.') && name.ends_with(ENDING)) {
            continue;
        }
        // One that another program has, or that cannot be opened, is that program's matter.
        let Ok(Some(file)) = take(&path) else {
            continue;
        };
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        let modified = modified.ok();
        let idle = modified.and_then(|at| at.elapsed().ok());
        if idle.is_some_and(|idle| idle >= idle_max) {
            let _ = fs::remove_file(&path);
        } else if let Ok(Some((offer, layout, map))) = trailer::read(&file) {
            let found = FoundPart {
                offer,
                block_bytes: layout.block_bytes,
                received_bytes: received(layout, &map),
            };
            parts.push((modified, found));
        }
    }
    parts.sort_by_key(|(modified, _)| *modified);
    Ok(parts.into_iter().map(|(_, found)| found).collect())
}

#[cfg(test)]
mod tests;
