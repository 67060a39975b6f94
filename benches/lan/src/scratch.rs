//! A directory for files that live as long as a measurement.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io, process};

/// Removed when dropped.
pub struct Scratch(PathBuf);

/// In memory: a transport that shares memory through files must not wait for a disk.
const IN_MEMORY: &str = "/dev/shm";

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    /// An empty directory.
    pub fn new() -> io::Result<Self> {
        let in_memory = Some(PathBuf::from(IN_MEMORY)).filter(|path| path.is_dir());
        Self::within(&in_memory.unwrap_or_else(env::temp_dir))
    }

    /// An empty directory in a folder that is there.
    pub fn within(parent: &Path) -> io::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!(
            "{}-{}-{number}",
            env!("CARGO_PKG_NAME"),
            process::id()
        ));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!(
                "{}: {} is left: {error}",
                env!("CARGO_PKG_NAME"),
                self.0.display()
            );
        }
    }
}
