//! Files on their way to the disk and from it, as client and server both need them: a [`PartFile`] takes what comes
//! and knows after a crash what it has; only when it is whole and its hash is right does it appear under a name that
//! is free. A [`NewFile`] comes in one go, and tells its hash at the end. A [`SourceFile`] is read for others. All calls block, and need little memory however large the file is.

mod error;
mod folder;
mod new_file;
mod part_file;
mod publish;
mod source_file;
mod trailer;

pub use error::FileError;
use folder::make_folder;
pub use folder::prepare_folder;
pub use new_file::{NewFile, remove_new_files};
pub use part_file::{FoundPart, PartFile, parts_in};
pub use publish::find_same;
pub use source_file::{SourceFile, hash_of};

/// What is read at once where a file is read for its hash, in bytes.
const READ_BYTES: usize = 64 * 1024;
