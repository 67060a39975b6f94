//! A file that comes from its beginning to its end, and whose hash is known only then.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::part_file::MODE;
use super::{FileError, publish};
use crate::chat::{FileHash, FileName, FileOffer};

/// How its name ends until it has one; it begins with a dot, so that it is hidden.
const ENDING: &str = ".crds-new";

/// Where a file of this number is until it has its name.
pub(super) fn new_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!(".{number:016x}{ENDING}"))
}

/// A file that is written from its beginning on, hidden in the folder where it will appear. Dropping it removes it.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    hasher: blake3::Hasher,
    received_bytes: Arc<AtomicU64>,
    is_published: bool,
}

impl NewFile {
    /// An empty one in `folder`; `number` tells it from others that are written there.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn create(folder: &Path, number: u64) -> Result<Self, FileError> {
        let path = new_path(folder, number);
        let failed = |error| FileError::of(folder, error);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).open(&path);
        let file = file.map_err(failed)?;
        Ok(Self {
            file,
            path,
            folder: folder.to_owned(),
            hasher: blake3::Hasher::new(),
            received_bytes: Arc::new(AtomicU64::new(0)),
            is_published: false,
        })
    }

    /// How much of it has come.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes.load(Ordering::Relaxed)
    }

    /// The same for somebody else to look at, while it grows.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received_bytes)
    }

    /// Adds what comes next.
    ///
    /// # Errors
    /// The disk is full, or failed.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| FileError::of(&self.folder, error))?;
        self.hasher.update(bytes);
        let bytes = bytes.len() as u64;
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// What it is, if nothing more comes.
    pub fn offer(&self, name: FileName) -> FileOffer {
        FileOffer {
            name,
            size_bytes: self.received_bytes(),
            hash: FileHash(*self.hasher.finalize().as_bytes()),
        }
    }

    /// Gives it its name, or that with a number if it is taken, and tells where.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn publish(mut self, name: &FileName) -> Result<PathBuf, FileError> {
        let opened = self.file.set_permissions(Permissions::from_mode(MODE));
        opened.map_err(|error| FileError::of(&self.folder, error))?;
        let path = publish::publish(&self.path, &self.folder, name)?;
        self.is_published = true;
        Ok(path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_published {
            // What stays is found at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a crash has left in a folder that no other program writes new files into.
///
/// # Errors
/// The folder cannot be read.
pub fn remove_new_files(folder: &Path) -> Result<(), FileError> {
    let failed = |error: io::Error| FileError::of(folder, error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(ENDING) {
            let _ = fs::remove_file(&path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_new_file_gets_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = NewFile::create(folder.path(), 7).unwrap();
        for bytes in ["some", " text"] {
            new.write(bytes.as_bytes()).unwrap();
        }
        let name = FileName::of("a.txt");
        let offer = new.offer(name.clone());
        assert_eq!(offer.hash.0, *blake3::hash(b"some text").as_bytes());
        assert_eq!((offer.size_bytes, new.received_bytes()), (9, 9));
        assert!(names(folder.path())[0].starts_with('.'));
        let path = new.publish(&name).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"some text");
        assert_eq!(names(folder.path()), ["a.txt"]);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
    }

    #[test]
    fn nothing_is_left_of_one_that_did_not_come_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut new = NewFile::create(folder.path(), 7).unwrap();
        new.write(b"x").unwrap();
        drop(new);
        assert!(names(folder.path()).is_empty());
        // Nor of one that a crash has left.
        std::mem::forget(NewFile::create(folder.path(), 8).unwrap());
        fs::write(folder.path().join("kept.txt"), "x").unwrap();
        remove_new_files(folder.path()).unwrap();
        assert_eq!(names(folder.path()), ["kept.txt"]);
    }
}
