//! Room for what comes: how much the files take, and which of them go.

use std::fs;
use std::io;

use super::part::Part;
use super::{FileStore, KeepError, PARTS_MAX};
use crate::chat::FileHash;
use crate::files::FileError;

/// What the disk takes for a file at least, in bytes, and in what steps it grows: what most file systems do. So a flood of
/// tiny files fills no disk.
pub(super) const DISK_BLOCK_BYTES: u64 = 4096;

impl FileStore {
    /// Lets the part rest with which nobody went on for longest, if there are too many.
    pub(super) fn make_place(&mut self) -> Result<(), KeepError> {
        if self.parts.len() < PARTS_MAX {
            return Ok(());
        }
        self.rest();
        let hash = self.first_asleep().ok_or(KeepError::TooMany)?;
        self.discard(hash)
    }

    /// Makes place for one more file that is kept.
    pub(super) fn make_place_to_keep(&mut self) -> Result<(), KeepError> {
        while self.kept.len() >= self.limits.files_max && self.evict_oldest()? {}
        Ok(())
    }

    /// Makes room for so many bytes of the disk within what all files may take: removes what was not used for longest, first
    /// of what is kept, then of what nobody goes on with. Nothing, if all of that is not enough.
    pub(super) fn make_room(&mut self, needed_bytes: u64) -> Result<(), KeepError> {
        self.rest();
        let staying_bytes = self.taken_bytes(false) + self.uploaded_bytes();
        let needed_bytes = staying_bytes.saturating_add(needed_bytes);
        if needed_bytes > self.limits.total_bytes {
            return Err(KeepError::NoSpace);
        }
        loop {
            let removable_bytes = self.kept_bytes + self.taken_bytes(true);
            if needed_bytes + removable_bytes <= self.limits.total_bytes {
                return Ok(());
            }
            if self.evict_oldest()? {
                continue;
            }
            let asleep = self.first_asleep();
            self.discard(asleep.ok_or(KeepError::NoSpace)?)?;
        }
    }

    /// What is on its way takes of the disk, where nobody goes on with it or where somebody does.
    fn taken_bytes(&self, is_asleep: bool) -> u64 {
        let parts = self.parts.values();
        let parts = parts.filter(|part| part.is_asleep() == is_asleep);
        parts.map(Part::taken_bytes).sum()
    }

    /// The part with which nobody went on for longest.
    fn first_asleep(&self) -> Option<FileHash> {
        let asleep = self.parts.iter().filter_map(|(hash, part)| match part {
            Part::Asleep { touched, .. } => Some((*touched, *hash)),
            Part::Here { .. } | Part::Lent { .. } => None,
        });
        asleep.min().map(|(_, hash)| hash)
    }

    /// Removes what was not used for longest; false if nothing is kept.
    pub(super) fn evict_oldest(&mut self) -> Result<bool, KeepError> {
        let oldest = self.kept.iter().min_by_key(|(_, kept)| kept.used);
        let oldest = oldest.map(|(hash, _)| *hash);
        oldest.map(|hash| self.evict(hash)).transpose()?;
        Ok(oldest.is_some())
    }

    fn evict(&mut self, hash: FileHash) -> Result<(), KeepError> {
        if let Some(kept) = self.find(hash) {
            tracing::info!("{} makes room for others", kept.path.display());
            match fs::remove_file(&kept.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(FileError::of(&kept.path, error).into());
                }
                _ => {}
            }
        }
        self.forget(hash)
    }
}

/// What a file of this length is reckoned at.
pub(super) fn on_disk(bytes: u64) -> u64 {
    let blocks = bytes.div_ceil(DISK_BLOCK_BYTES).max(1);
    blocks.saturating_mul(DISK_BLOCK_BYTES)
}
