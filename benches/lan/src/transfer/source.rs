//! The file that is brought to all.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::file_peers::FILE_NAME;
use crate::scratch::Scratch;

/// Random bytes; removed when dropped.
pub struct Source {
    path: PathBuf,
    bytes: u64,
    hash: blake3::Hash,
    _folder: Scratch,
}

impl Source {
    /// Makes it, in a folder of its own.
    pub fn new(dir: &Path, bytes: u64) -> io::Result<Self> {
        let folder = Scratch::within(dir)?;
        let path = folder.path().join(FILE_NAME);
        let mut random = File::open("/dev/urandom")?.take(bytes);
        io::copy(&mut random, &mut File::create(&path)?)?;
        Ok(Self {
            bytes,
            hash: hash(&path)?,
            path,
            _folder: folder,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How large it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the file there has the same bytes.
    pub fn is_at(&self, path: &Path) -> bool {
        let length = fs::metadata(path).map(|metadata| metadata.len());
        length.is_ok_and(|length| length == self.bytes)
            && hash(path).is_ok_and(|hash| hash == self.hash)
    }
}

fn hash(path: &Path) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(hasher.finalize())
}
