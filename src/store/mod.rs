//! What must survive a restart.

mod file;
mod history;
mod sqlite;

pub use file::OpenError;
pub use history::{History, KeptRoom, LOBBY, NewEntry, Page, ReadError};
pub use sqlite::{Change, Kept, SaveError, Store};
