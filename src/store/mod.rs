//! What must survive a restart.

mod file;
mod files;
mod history;
mod sqlite;

pub use file::OpenError;
pub use files::{
    Begun, FileState, FileStore, KEPT_FILES_MAX, KeepError, KeepLimits, KeptFile, PARTS_MAX,
    SizeMax, UPLOADS_MAX,
};
pub use history::{Beside, History, KeptRoom, LOBBY, NewEntry, Page, ReadError};
pub use sqlite::{Change, DirectoryId, Kept, SaveError, Store};
