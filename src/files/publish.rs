//! The moment in which a part file becomes a file: it gets a name that is free, and nothing that is there is
//! touched.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::source_file::open_regular;
use super::{FileError, READ_BYTES, SourceFile};
use crate::chat::{FileName, FileOffer};

/// So many files of one name are told apart by a number.
const COPIES_MAX: u32 = 10_000;

/// So many of them, as long as the one that is looked for, are read to see whether they are it. One that is not found comes
/// once more, and gets no second name.
const READ_MAX: usize = 64;

/// Moves `part` to `NAME`, `NAME (2)` or so on in `folder`, whichever is free first. Where one of them is this very file, as it
/// came by another way meanwhile, that stays, and `part` is removed.
pub(super) fn publish(part: &Path, folder: &Path, name: &FileName) -> Result<PathBuf, FileError> {
    for copy in 1..=COPIES_MAX {
        let path = folder.join(copy_name(name, copy));
        match move_to_free(part, &path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if is_same(part, &path).unwrap_or(false) {
                    // What stays is removed when it is old.
                    let _ = fs::remove_file(part);
                    return Ok(path);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FileError::Removed {
                    folder: folder.to_owned(),
                    name: name.clone(),
                });
            }
            Err(error) => return Err(FileError::of(&path, error)),
        }
    }
    Err(FileError::NoFreeName {
        folder: folder.to_owned(),
        name: name.clone(),
    })
}

/// Whether two files hold the same. Where they do not that shows soon: most differ in their first bytes.
fn is_same(part: &Path, there: &Path) -> Result<bool, FileError> {
    let (part_file, part_metadata) = open_regular(part)?;
    let (there_file, there_metadata) = open_regular(there)?;
    let size_bytes = part_metadata.len();
    if there_metadata.len() != size_bytes {
        return Ok(false);
    }
    let mut buffers = [vec![0; READ_BYTES], vec![0; READ_BYTES]];
    let mut offset = 0;
    while offset < size_bytes {
        let piece = (size_bytes - offset).min(READ_BYTES as u64);
        let piece_bytes = usize::try_from(piece).unwrap_or(READ_BYTES);
        let [ours, theirs] = buffers.each_mut().map(|bytes| &mut bytes[..piece_bytes]);
        let read = part_file.read_exact_at(ours, offset);
        read.map_err(|error| FileError::of(part, error))?;
        let read = there_file.read_exact_at(theirs, offset);
        read.map_err(|error| FileError::of(there, error))?;
        if ours != theirs {
            return Ok(false);
        }
        offset += piece;
    }
    Ok(true)
}

/// Where this very file is already under its name, or under that with a number.
pub fn find_same(folder: &Path, offer: &FileOffer) -> Option<PathBuf> {
    let paths = (1..=COPIES_MAX).map(|copy| folder.join(copy_name(&offer.name, copy)));
    let there = paths.take_while(|path| path.exists());
    let as_long = there.filter(|path| SourceFile::open_kept(path, offer).is_ok());
    as_long
        .take(READ_MAX)
        .find(|path| SourceFile::open(path).is_ok_and(|same| same.offer().hash == offer.hash))
}

/// `notes.txt`, then `notes (2).txt`.
fn copy_name(name: &FileName, copy: u32) -> String {
    let (stem, ending) = name.parts();
    match copy {
        1 => name.to_string(),
        _ => format!("{stem} ({copy}){ending}"),
    }
}

/// Moves a file unless something is there. In one step where the system can, so that no crash leaves two names.
fn move_to_free(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system can: some say it is no valid flag, some no known call.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            done => return Ok(done?),
        }
    }
    link_to_free(from, to)
}

/// The same in two steps: [`super::PartFile::open`] never goes on with a part that has two names.
fn link_to_free(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    // It has its name; the other is removed when the part is opened again.
    let _ = fs::remove_file(from);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_gets_a_number_before_its_ending() {
        let name = FileName::of("a.tar.gz");
        assert_eq!(copy_name(&name, 1), "a.tar.gz");
        assert_eq!(copy_name(&name, 2), "a.tar (2).gz");
        assert_eq!(copy_name(&FileName::of("README"), 3), "README (3)");
    }

    #[test]
    fn a_file_that_is_there_is_found_by_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("a.txt", "other");
        let offer = FileOffer {
            name: FileName::of("a.txt"),
            size_bytes: 4,
            hash: crate::chat::FileHash(*blake3::hash(b"same").as_bytes()),
        };
        assert_eq!(find_same(folder.path(), &offer), None);
        write("a (2).txt", "some");
        write("a (3).txt", "same");
        let found = folder.path().join("a (3).txt");
        assert_eq!(find_same(folder.path(), &offer), Some(found));
    }

    #[test]
    fn the_same_file_does_not_get_a_second_name_and_another_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let name = FileName::of("a.bin");
        let content = vec![7; 2 * READ_BYTES + 5];
        let mut other = content.clone();
        other[2 * READ_BYTES + 4] = 8;
        fs::write(path("a.bin"), &content).unwrap();
        for (part, appears_as) in [
            (&content, "a.bin"),
            (&other, "a (2).bin"),
            (&other, "a (2).bin"),
            (&content, "a.bin"),
        ] {
            fs::write(path("part"), part).unwrap();
            let published = publish(&path("part"), folder.path(), &name).unwrap();
            assert_eq!(published, path(appears_as));
            assert_eq!(&fs::read(&published).unwrap(), part);
            assert!(!path("part").exists());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn nothing_is_replaced_whichever_way_a_file_is_moved() {
        let folder = tempfile::tempdir().unwrap();
        for way in [move_to_free, link_to_free] {
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            fs::write(&from, "new").unwrap();
            fs::write(&to, "old").unwrap();
            let error = way(&from, &to).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&to).unwrap(), b"old");
            fs::remove_file(&to).unwrap();
            way(&from, &to).unwrap();
            assert_eq!(fs::read(&to).unwrap(), b"new");
            assert!(!from.exists());
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (part, elsewhere) = (folder.path().join("part"), folder.path().join("elsewhere"));
        fs::write(&part, "new").unwrap();
        std::os::unix::fs::symlink(&elsewhere, folder.path().join("a.txt")).unwrap();
        let path = publish(&part, folder.path(), &FileName::of("a.txt")).unwrap();
        assert_eq!(path, folder.path().join("a (2).txt"));
        assert!(!elsewhere.exists());
    }
}
