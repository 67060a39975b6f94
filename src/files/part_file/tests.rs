use super::*;
use crate::chat::{FileHash, FileName};

const BLOCK: u32 = 100;

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 7 % 251) as u8).collect()
}

fn offer(name: &str, content: &[u8]) -> FileOffer {
    FileOffer {
        name: FileName::of(name),
        size_bytes: content.len() as u64,
        hash: FileHash(*blake3::hash(content).as_bytes()),
    }
}

fn write(part: &mut PartFile, content: &[u8], blocks: impl IntoIterator<Item = u64>) {
    for block in blocks {
        let from = block as usize * part.block_bytes() as usize;
        let bytes = &content[from..from + part.bytes_of(block)];
        part.write_block(block, bytes).unwrap();
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn blocks_may_come_in_any_order_and_the_file_appears_when_all_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(1034);
    let offer = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    assert_eq!((part.blocks(), part.bytes_of(10)), (11, 34));
    write(&mut part, &content, [3, 0, 1, 10]);
    assert_eq!((part.run_bytes(), part.received_bytes()), (200, 334));
    assert!(!part.is_whole());
    write(&mut part, &content, [2, 2]);
    assert_eq!((part.run_bytes(), part.received_bytes()), (400, 434));
    assert!(!part.catch_up(u64::MAX).unwrap());
    write(&mut part, &content, 4..10);
    assert!(part.is_whole());
    assert_eq!(names_in(folder.path()).len(), 1);
    assert!(names_in(folder.path())[0].starts_with('.'));
    let path = part.publish().unwrap();
    assert_eq!(names_in(folder.path()), ["a.bin"]);
    assert_eq!(fs::read(&path).unwrap(), content);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, MODE);
}

#[test]
fn a_block_in_pieces_is_hashed_from_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(150);
    let offer = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    part.write_at(60, &content[60..100]).unwrap();
    part.write_at(0, &content[..60]).unwrap();
    assert!(!part.has(0));
    part.mark(0).unwrap();
    part.write_block(1, &content[100..]).unwrap();
    let mut read = [0; 90];
    part.read_at(&mut read, 60).unwrap();
    assert_eq!(read, content[60..150]);
    assert!(part.catch_up(1).unwrap());
    part.publish().unwrap();
}

#[test]
fn what_was_there_is_there_again_also_in_blocks_of_another_length() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(1034);
    let offer = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    write(&mut part, &content, [0, 1, 2, 5, 6, 9, 10]);
    drop(part);

    let part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    assert_eq!((part.run_bytes(), part.received_bytes()), (300, 634));
    drop(part);

    // Blocks of 150: 0 to 300 and 900 to the end; of 500 to 700 none is whole.
    let mut part = PartFile::open(folder.path(), &offer, 150).unwrap();
    assert_eq!((part.run_bytes(), part.received_bytes()), (300, 434));
    let blocks = part.blocks();
    write(&mut part, &content, 0..blocks);
    assert_eq!(fs::read(part.publish().unwrap()).unwrap(), content);
}

#[test]
fn what_is_no_part_of_the_file_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(300);
    let wanted = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &wanted, BLOCK).unwrap();
    write(&mut part, &content, 0..2);
    let path = part.path.clone();
    drop(part);
    for damage in [&b""[..], b"short", &[1; 700]] {
        fs::write(&path, damage).unwrap();
        let part = PartFile::open(folder.path(), &wanted, BLOCK).unwrap();
        assert_eq!(part.received_bytes(), 0);
    }
}

#[test]
fn a_wrong_hash_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(250);
    let mut other = content.clone();
    other[120] ^= 1;
    let offer = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    write(&mut part, &other, 0..3);
    let error = part.publish().unwrap_err();
    assert!(matches!(error, FileError::WrongHash(_)), "{error}");
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn a_part_is_not_published_and_can_be_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(250);
    let mut part = PartFile::open(folder.path(), &offer("a.bin", &content), BLOCK).unwrap();
    write(&mut part, &content, 0..1);
    let error = part.publish().unwrap_err();
    assert!(
        error.to_string().contains("100 of 250 bytes are there"),
        "{error}"
    );
    let part = PartFile::open(folder.path(), &offer("a.bin", &content), BLOCK).unwrap();
    part.discard().unwrap();
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn two_that_save_one_file_at_once_have_a_part_each_and_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(250);
    let offer = offer("a.bin", &content);
    let mut parts: Vec<PartFile> = (0..3)
        .map(|_| PartFile::open(folder.path(), &offer, BLOCK).unwrap())
        .collect();
    assert_eq!(names_in(folder.path()).len(), 3);
    for mut part in parts.drain(..) {
        write(&mut part, &content, 0..3);
        assert_eq!(part.publish().unwrap(), folder.path().join("a.bin"));
    }
    assert_eq!(names_in(folder.path()), ["a.bin"]);
}

#[test]
fn who_removes_a_folder_while_a_file_comes_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("downloads");
    let content = content(250);
    let mut part = PartFile::open(&downloads, &offer("a.bin", &content), BLOCK).unwrap();
    write(&mut part, &content, 0..3);
    fs::remove_dir_all(&downloads).unwrap();
    let error = part.publish().unwrap_err();
    assert!(matches!(error, FileError::Removed { .. }), "{error}");
}

#[test]
fn an_empty_file_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let part = PartFile::open(folder.path(), &offer("a.txt", b""), BLOCK).unwrap();
    assert!(part.is_whole());
    assert_eq!(fs::read(part.publish().unwrap()).unwrap(), b"");
}

#[test]
fn a_crash_just_before_the_name_costs_nothing_and_one_just_after_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(250);
    let offer = offer("a.bin", &content);
    let path = folder.path().join(part_name(&offer, 1));
    fs::write(&path, &content).unwrap();
    let part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    let published = part.publish().unwrap();
    // The finished file under both names, as linking leaves it in a crash.
    fs::hard_link(&published, &path).unwrap();
    let part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    assert_eq!(part.received_bytes(), 0);
    assert_eq!(fs::read(&published).unwrap(), content);
}

#[test]
fn a_link_in_the_place_of_a_part_file_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let offer = offer("a.bin", b"content");
    let target = folder.path().join("precious");
    fs::write(&target, "precious").unwrap();
    let path = folder.path().join(part_name(&offer, 1));
    std::os::unix::fs::symlink(&target, path).unwrap();
    PartFile::open(folder.path(), &offer, BLOCK).unwrap_err();
    assert_eq!(fs::read(&target).unwrap(), b"precious");
}

#[test]
fn a_file_that_cannot_fit_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let huge = FileOffer {
        size_bytes: u64::MAX / 8,
        ..offer("a.bin", b"")
    };
    let error = PartFile::open(folder.path(), &huge, u32::MAX).unwrap_err();
    assert!(matches!(error, FileError::DiskFull(_)), "{error}");
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn parts_are_found_and_old_ones_removed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        parts_in(&folder.path().join("none"), Duration::MAX)
            .unwrap()
            .is_empty()
    );
    let content = content(250);
    let offer = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &offer, BLOCK).unwrap();
    write(&mut part, &content, 0..1);
    // One that is being written is left alone.
    assert_eq!(parts_in(folder.path(), Duration::ZERO).unwrap(), []);
    drop(part);
    fs::write(folder.path().join("other.txt"), "").unwrap();
    let parts = parts_in(folder.path(), Duration::MAX).unwrap();
    let found = FoundPart {
        offer,
        block_bytes: BLOCK,
        received_bytes: 100,
    };
    assert_eq!(parts, [found]);
    assert_eq!(parts_in(folder.path(), Duration::ZERO).unwrap(), []);
    assert_eq!(names_in(folder.path()), ["other.txt"]);
}

/// Anybody can offer anything as the file of a hash that all know.
#[test]
fn an_offer_of_the_same_hash_and_another_size_leaves_a_part_alone() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(300);
    let wanted = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &wanted, BLOCK).unwrap();
    write(&mut part, &content, 0..2);
    drop(part);
    let mut other_end = wanted.hash;
    other_end.0[31] ^= 1;
    for (size_bytes, hash) in [(5, wanted.hash), (301, wanted.hash), (300, other_end)] {
        let forged = FileOffer {
            size_bytes,
            hash,
            ..wanted.clone()
        };
        let part = PartFile::open(folder.path(), &forged, BLOCK).unwrap();
        assert_eq!(part.received_bytes(), 0);
    }
    let part = PartFile::open(folder.path(), &wanted, BLOCK).unwrap();
    assert_eq!(part.received_bytes(), 200);
}

#[test]
fn a_part_that_is_taken_up_as_it_was_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let content = content(300);
    let wanted = offer("a.bin", &content);
    let mut part = PartFile::open(folder.path(), &wanted, BLOCK).unwrap();
    write(&mut part, &content, 0..2);
    let long_ago = std::time::SystemTime::UNIX_EPOCH;
    part.file.set_modified(long_ago).unwrap();
    drop(part);
    let is_untouched =
        |part: &PartFile| part.file.metadata().unwrap().modified().unwrap() == long_ago;
    let part = PartFile::open(folder.path(), &wanted, BLOCK).unwrap();
    assert_eq!(part.received_bytes(), 200);
    assert!(is_untouched(&part));
    drop(part);
    // Its end tells the name under which it is saved.
    let part = PartFile::open(folder.path(), &offer("b.bin", &content), BLOCK).unwrap();
    assert_eq!(part.received_bytes(), 200);
    assert!(!is_untouched(&part));
}
