//! What must survive a restart.

mod sqlite;

pub use sqlite::{Change, Kept, OpenError, SaveError, Store};
