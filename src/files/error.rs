//! What can be wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

use crate::chat::FileName;

/// Why a file could not be read or kept. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// No space, or no more is allowed.
    #[error("the disk with {0} is full: free some space there, then try again")]
    DiskFull(PathBuf),
    /// The system does not allow it.
    #[error("no permission for {0}: change it, or choose another place")]
    NotPermitted(PathBuf),
    /// There is no such file.
    #[error("there is no file {0}")]
    NotFound(PathBuf),
    /// Files cannot come into it.
    #[error("{0} is no folder: choose another place")]
    NoFolder(PathBuf),
    /// A folder goes as one file.
    #[error("{0} is a folder: pack it into one file first, with `zip` or `tar`")]
    Folder(PathBuf),
    /// A device, a pipe, something that the system makes as it is read.
    #[error("{0} has no length of its own: write what comes of it into a file, and send that")]
    NoRegularFile(PathBuf),
    /// So many programs save this file into the same folder at once that there is no part file left for this one.
    #[error(
        "other programs are saving the same file into {0}: wait for them, or choose another folder"
    )]
    InUse(PathBuf),
    /// So many files are called like this already.
    #[error("too many files in {folder} are called like {name}: move some away")]
    NoFreeName {
        /// Where it should appear.
        folder: PathBuf,
        /// What it should be called.
        name: FileName,
    },
    /// Some of it has not come yet.
    #[error("{name} is not whole: {have_bytes} of {size_bytes} bytes are there")]
    NotWhole {
        /// What it is called.
        name: FileName,
        /// So much of it came.
        have_bytes: u64,
        /// How long it is.
        size_bytes: u64,
    },
    /// What came is not what was offered. The part file is removed.
    #[error("{0} arrived damaged (its hash is wrong) and was thrown away: ask for it again")]
    WrongHash(FileName),
    /// Somebody removed what had come, or all the folder.
    #[error("what had come of {name} was removed from {folder} meanwhile: ask for it again")]
    Removed {
        /// Where it was.
        folder: PathBuf,
        /// What it should be called.
        name: FileName,
    },
    /// It became another while it was sent.
    #[error("{0} was changed while it was sent: offer it again")]
    Changed(PathBuf),
    /// Anything else.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl FileError {
    /// What the system said about a path, told apart by what can be done about it.
    pub fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::DiskFull(path),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotPermitted(path)
            }
            io::ErrorKind::NotFound => Self::NotFound(path),
            _ => Self::Io { path, source },
        }
    }
}
