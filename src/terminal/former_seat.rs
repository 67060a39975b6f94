//! Remembers, while a person is in a room, as which member: a program that was killed and started
//! again tells the others whom it goes on from, so that they do not take it for a second one of the
//! same name.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::chat::RoomAddress;

/// The file of one room. Locked: of two programs in one room only the first has it.
pub(super) struct FormerSeat(File);

impl FormerSeat {
    /// The file for this room, and the member that a program was there which did not leave.
    ///
    /// # Errors
    /// It cannot be had, or another program has it.
    pub(super) fn open(folder: &Path, room: RoomAddress) -> io::Result<(Self, Option<u64>)> {
        fs::create_dir_all(folder)?;
        let name = format!("{}_{}", room.group(), room.port());
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(folder.join(name))?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        let mut text = String::new();
        // No longer than any number; what is no number was never written here.
        (&file).take(20).read_to_string(&mut text)?;
        Ok((Self(file), text.trim().parse().ok()))
    }

    /// We are this member now.
    pub(super) fn remember(&mut self, id: u64) -> io::Result<()> {
        self.write(&id.to_string())
    }

    /// We have left; nobody goes on from us.
    pub(super) fn forget(mut self) -> io::Result<()> {
        self.write("")
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_that_was_not_left_is_remembered_and_is_one_programs_alone() {
        let folder = tempfile::tempdir().unwrap();
        let room = "239.1.1.1:6000".parse().unwrap();
        let open = || FormerSeat::open(&folder.path().join("seats"), room);
        let (mut seat, former) = open().unwrap();
        assert_eq!(former, None);
        seat.remember(u64::MAX).unwrap();
        assert!(open().is_err());
        drop(seat);
        let (seat, former) = open().unwrap();
        assert_eq!(former, Some(u64::MAX));
        seat.forget().unwrap();
        assert_eq!(open().unwrap().1, None);
    }
}
