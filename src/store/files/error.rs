//! Why a file is not kept.

use std::fmt;

use crate::files::FileError;

/// The largest file that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeMax {
    /// In bytes.
    pub bytes: u64,
    /// The flag of the server that decides it.
    pub flag: &'static str,
}

impl fmt::Display for SizeMax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes ({})", self.bytes, self.flag)
    }
}

/// Why a file is not kept, or not given. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// Nothing is known of it.
    #[error("the server does not have this file (any more): ask who has it to send it again")]
    NoSuchFile,
    /// Somebody changed it on the server's disk, or the index does not have it: it is read again.
    #[error("the server looks whether it has this file still: try again")]
    LookedAt,
    /// It is on its way, or was: nobody may be going on with it.
    #[error(
        "of the file {have_bytes} of {size_bytes} bytes are there: try again, or ask who has it to send it again"
    )]
    NotWhole {
        /// So much is there.
        have_bytes: u64,
        /// How long it is.
        size_bytes: u64,
    },
    /// Larger than any that is kept.
    #[error("the file is too large: the server keeps files of at most {0}")]
    TooLarge(SizeMax),
    /// All that is allowed is taken by files on their way.
    #[error("no space is left for files on the server (--keep-files): try again later")]
    NoSpace,
    /// Too many are on their way.
    #[error("too many files are on their way to the server: try again later")]
    TooMany,
    /// No piece of the file: another length, or not where one begins.
    #[error("a file travels in pieces of {0} bytes, the last one shorter: this is none")]
    NoPiece(u32),
    /// The folder, or what came.
    #[error(transparent)]
    File(#[from] FileError),
    /// The index could not be written.
    #[error("could not be saved on the server's disk ({0}): free some space there, then try again")]
    Index(#[from] rusqlite::Error),
}
