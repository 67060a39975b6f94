//! The folder into which files come.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process;

use super::FileError;
use super::new_file::new_path;

/// Makes the folder, if need be.
pub(super) fn make_folder(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            FileError::NoFolder(folder.to_owned())
        }
        _ => FileError::of(folder, error),
    })
}

/// Makes the folder, if need be, and looks whether files can come into it: so that this is known before one does.
///
/// # Errors
/// They cannot.
pub fn prepare_folder(folder: &Path) -> Result<(), FileError> {
    make_folder(folder)?;
    // Permissions alone do not tell: the disk may be read-only, or another machine's.
    let path = new_path(folder, process::id().into());
    let made = File::create(&path).and_then(|_| fs::remove_file(&path));
    made.map_err(|error| FileError::of(folder, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_into_which_nothing_can_come_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new/folder");
        prepare_folder(&new).unwrap();
        assert_eq!(fs::read_dir(&new).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        for no_folder in [file.clone(), file.join("below")] {
            let error = prepare_folder(&no_folder).unwrap_err();
            assert!(matches!(error, FileError::NoFolder(_)), "{error}");
        }
        // Nobody may write there, not even root.
        if cfg!(target_os = "linux") {
            let error = prepare_folder(Path::new("/sys")).unwrap_err();
            assert!(matches!(error, FileError::NotPermitted(_)), "{error}");
        }
    }
}
