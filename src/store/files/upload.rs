//! Files that come in one go, with their hash known only at their end.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::room::{DISK_BLOCK_BYTES, on_disk};
use super::{FileStore, KeepError, KeptFile, SizeMax};
use crate::chat::{FileHash, FileName, FileOffer};
use crate::files::{FileError, NewFile};

/// Files that may come so at a time.
pub const UPLOADS_MAX: usize = 32;

impl FileStore {
    /// Begins a file; `size_bytes` is what is told of its length, if anything. Nothing is removed for it, as nothing
    /// has come yet: see [`FileStore::keep_within_limits`].
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn begin_new(&mut self, size_bytes: Option<u64>) -> Result<NewFile, KeepError> {
        if let Some(size_bytes) = size_bytes {
            self.check_size(size_bytes)?;
        }
        self.uploads.retain(|upload| upload.strong_count() > 0);
        if self.uploads.len() >= UPLOADS_MAX {
            return Err(KeepError::TooMany);
        }
        self.last_upload += 1;
        let new = NewFile::create(&self.folder, self.last_upload)?;
        self.uploads.push(Arc::downgrade(&new.progress()));
        Ok(new)
    }

    /// The largest file that is kept.
    pub fn size_max(&self) -> SizeMax {
        let total_bytes = self.limits.total_bytes;
        let in_blocks_bytes = total_bytes - total_bytes % DISK_BLOCK_BYTES;
        let file_bytes_max = self.limits.file_bytes_max;
        match file_bytes_max <= in_blocks_bytes {
            true => SizeMax {
                bytes: file_bytes_max,
                flag: "--keep-file-max",
            },
            // One alone would take more than all may.
            false => SizeMax {
                bytes: in_blocks_bytes,
                flag: "--keep-files",
            },
        }
    }

    pub(super) fn uploaded_bytes(&self) -> u64 {
        let uploads = self.uploads.iter().filter_map(Weak::upgrade);
        let uploads = uploads.map(|bytes| on_disk(bytes.load(Ordering::Relaxed)));
        uploads.sum()
    }

    /// Keeps a file that has come whole. One that is here already is not kept twice.
    ///
    /// # Errors
    /// See [`KeepError`].
    pub fn adopt(&mut self, new: NewFile, name: FileName) -> Result<FileOffer, KeepError> {
        let offer = new.offer(name);
        if self.use_kept(offer.hash).is_some() {
            return Ok(offer);
        }
        self.check_size(offer.size_bytes)?;
        self.make_room(0)?;
        self.discard_what_came(offer.hash)?;
        let name = offer.name.clone();
        self.keep(offer.clone(), || new.publish(&name))?;
        Ok(offer)
    }

    /// Opens a file that is kept.
    ///
    /// # Errors
    /// [`KeepError::NotWhole`] if it is on its way, [`KeepError::NoSuchFile`] if not.
    pub fn open_kept(&mut self, hash: FileHash) -> Result<(File, FileOffer), KeepError> {
        let kept = self.use_kept(hash);
        let KeptFile { path, offer } = kept.ok_or_else(|| self.not_there(hash))?;
        let opened = File::open(&path).map_err(|error| FileError::of(&path, error))?;
        Ok((opened, offer))
    }
}
