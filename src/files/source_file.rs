//! A file that is sent.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{FileError, READ_BYTES};
use crate::chat::{FileHash, FileName, FileOffer};

/// A file of this machine, open to be sent. It stays the same file when its name is given to another.
#[derive(Debug)]
pub struct SourceFile {
    file: File,
    path: PathBuf,
    offer: FileOffer,
    /// Its length and when it was written last, as it was opened.
    before: (u64, i64, i64),
}

impl SourceFile {
    /// Opens a file and reads it once, for its hash.
    ///
    /// # Errors
    /// It is not there, not readable, no regular file, or was changed meanwhile.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let (file, metadata) = open_regular(path)?;
        let failed = |error| FileError::of(path, error);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let hash = hash_of(&file, metadata.len()).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => FileError::Changed(path.to_owned()),
            _ => failed(error),
        })?;
        let source = Self {
            offer: FileOffer {
                name: FileName::of(&name),
                size_bytes: metadata.len(),
                hash,
            },
            file,
            path: path.to_owned(),
            before: state(&metadata),
        };
        source.check_unchanged()?;
        Ok(source)
    }

    /// Opens a file whose hash is known, as that of one that is kept is: of it only the length is looked at.
    ///
    /// # Errors
    /// It is not there, not readable, no regular file, or has another length.
    pub fn open_kept(path: &Path, offer: &FileOffer) -> Result<Self, FileError> {
        let (file, metadata) = open_regular(path)?;
        match metadata.len() == offer.size_bytes {
            true => Ok(Self {
                offer: offer.clone(),
                file,
                path: path.to_owned(),
                before: state(&metadata),
            }),
            false => Err(FileError::Changed(path.to_owned())),
        }
    }

    /// What to offer.
    pub fn offer(&self) -> &FileOffer {
        &self.offer
    }

    /// Fills `bytes` with what stands at `offset`.
    ///
    /// # Errors
    /// It became shorter, or cannot be read.
    pub fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<(), FileError> {
        let read = self.file.read_exact_at(bytes, offset);
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => FileError::Changed(self.path.clone()),
            _ => FileError::of(&self.path, error),
        })
    }

    /// Looks whether it is still as it was opened, as far as its length and time tell.
    ///
    /// # Errors
    /// It is not.
    pub fn check_unchanged(&self) -> Result<(), FileError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| FileError::of(&self.path, error))?;
        match state(&metadata) == self.before {
            true => Ok(()),
            false => Err(FileError::Changed(self.path.clone())),
        }
    }
}

pub(super) fn open_regular(path: &Path) -> Result<(File, Metadata), FileError> {
    let failed = |error| FileError::of(path, error);
    // Opening a pipe would wait for its other end.
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(no_wait).open(path);
    let file = file.map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(FileError::Folder(path.to_owned()));
    }
    // What the kernel makes as it is read, as in /proc, has no length before.
    let is_made = metadata.len() == 0 && file.read_at(&mut [0], 0).is_ok_and(|read| read > 0);
    match metadata.is_file() && !is_made {
        true => Ok((file, metadata)),
        false => Err(FileError::NoRegularFile(path.to_owned())),
    }
}

fn state(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// The hash of the first so many bytes of a file.
///
/// # Errors
/// It cannot be read, or has fewer.
pub fn hash_of(file: &File, size_bytes: u64) -> io::Result<FileHash> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = 0;
    while offset < size_bytes {
        let piece = (size_bytes - offset).min(READ_BYTES as u64);
        let bytes = &mut buffer[..usize::try_from(piece).unwrap_or(READ_BYTES)];
        file.read_exact_at(bytes, offset)?;
        hasher.update(bytes);
        offset += piece;
    }
    Ok(FileHash(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_offered_by_its_name_length_and_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        let content = vec![7; 3 * READ_BYTES + 5];
        std::fs::write(&path, &content).unwrap();
        let source = SourceFile::open(&path).unwrap();
        let offer = FileOffer {
            name: FileName::of("notes.txt"),
            size_bytes: content.len() as u64,
            hash: FileHash(*blake3::hash(&content).as_bytes()),
        };
        assert_eq!(source.offer(), &offer);
        let mut read = [0; 5];
        source.read_at(&mut read, 10).unwrap();
        assert_eq!(read, [7; 5]);
        source.check_unchanged().unwrap();
    }

    #[test]
    fn what_is_no_file_and_what_changes_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        let error = SourceFile::open(&path).unwrap_err();
        assert!(matches!(error, FileError::NotFound(_)), "{error}");
        let error = SourceFile::open(folder.path()).unwrap_err();
        assert!(matches!(error, FileError::Folder(_)), "{error}");
        let mut none = vec!["/dev/null"];
        if cfg!(target_os = "linux") {
            none.push("/proc/self/status");
        }
        for none in none {
            let error = SourceFile::open(Path::new(none)).unwrap_err();
            assert!(matches!(error, FileError::NoRegularFile(_)), "{error}");
        }
        std::fs::write(&path, "long enough").unwrap();
        let source = SourceFile::open(&path).unwrap();
        std::fs::write(&path, "short").unwrap();
        let error = source.check_unchanged().unwrap_err();
        assert!(matches!(error, FileError::Changed(_)), "{error}");
        let error = source.read_at(&mut [0; 11], 0).unwrap_err();
        assert!(matches!(error, FileError::Changed(_)), "{error}");
        let error = SourceFile::open_kept(&path, source.offer()).unwrap_err();
        assert!(matches!(error, FileError::Changed(_)), "{error}");
    }
}
