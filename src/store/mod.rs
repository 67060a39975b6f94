//! What must survive a restart.

mod sqlite;

pub use sqlite::{Change, OpenError, SaveError, Store};
