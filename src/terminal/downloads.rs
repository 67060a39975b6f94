//! The folder in which files of others are saved.

use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;

use crate::files::parts_in;

/// A part of a file with which nobody goes on for so long is removed: it is hidden, and may be large.
const PART_IDLE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// Removes old parts of files, if the folder is there; nobody waits for that.
pub(super) fn tidy(folder: &Path) {
    let folder = folder.to_owned();
    // A folder that cannot be read is told of when something is saved there.
    spawn_blocking(move || _ = parts_in(&folder, PART_IDLE_MAX));
}
