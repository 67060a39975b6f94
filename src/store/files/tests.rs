use super::room::DISK_BLOCK_BYTES;
use super::*;
use crate::chat::FileName;
use crate::files::SourceFile;

const PIECE: u32 = 100;

const LIMITS: KeepLimits = KeepLimits {
    total_bytes: 3 * DISK_BLOCK_BYTES,
    files_max: 10,
    file_bytes_max: 10_000,
};

fn content(seed: u8, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| seed ^ (at % 251) as u8).collect()
}

fn offer(name: &str, content: &[u8]) -> FileOffer {
    FileOffer {
        name: FileName::of(name),
        size_bytes: content.len() as u64,
        hash: FileHash(*blake3::hash(content).as_bytes()),
    }
}

fn open(data: &Path) -> FileStore {
    FileStore::open(data, LIMITS, PIECE).unwrap()
}

fn put(store: &mut FileStore, name: &str, content: &[u8]) -> Result<FileState, KeepError> {
    let offer = offer(name, content);
    let mut state = store.write(&offer, 0, b"")?;
    for (piece, bytes) in content.chunks(PIECE as usize).enumerate() {
        state = store.write(&offer, piece as u64 * u64::from(PIECE), bytes)?;
    }
    Ok(state)
}

impl Part {
    /// As if nobody had gone on with it for some time.
    fn let_rest(&mut self) {
        let Self::Here { touched, .. } = self else {
            panic!("nobody goes on with it");
        };
        *touched = touched.checked_sub(PART_REST).unwrap();
    }
}

fn get(store: &mut FileStore, hash: FileHash) -> Result<Vec<u8>, KeepError> {
    let mut content = Vec::new();
    loop {
        let (size_bytes, bytes) = store.read(hash, content.len() as u64)?;
        content.extend_from_slice(&bytes);
        if content.len() as u64 == size_bytes {
            return Ok(content);
        }
    }
}

fn state(have_bytes: u64, is_kept: bool) -> FileState {
    FileState {
        have_bytes,
        is_kept,
    }
}

#[test]
fn what_came_in_pieces_is_given_in_pieces_also_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 250);
    let offer = offer("a.txt", &content);
    {
        let mut store = open(data.path());
        assert!(matches!(
            store.read(offer.hash, 0),
            Err(KeepError::NoSuchFile)
        ));
        assert_eq!(
            put(&mut store, "a.txt", &content).unwrap(),
            state(250, true)
        );
        assert_eq!(get(&mut store, offer.hash).unwrap(), content);
    }
    let mut store = open(data.path());
    assert_eq!(get(&mut store, offer.hash).unwrap(), content);
    let kept = store.find(offer.hash).unwrap();
    assert_eq!(kept.path, data.path().join("downloads/a.txt"));
    assert_eq!(kept.offer, offer);
    store.check(offer.hash, 250).unwrap();
    assert!(matches!(
        store.check(offer.hash, 251),
        Err(KeepError::NoSuchFile)
    ));
    // Once more, it need not be sent.
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(250, true));
}

#[test]
fn what_is_on_its_way_goes_on_after_a_restart_and_is_hashed_bit_by_bit() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 250);
    let offer = offer("a.txt", &content);
    let mut store = open(data.path());
    assert_eq!(
        store.write(&offer, 0, &content[..100]).unwrap(),
        state(100, false)
    );
    drop(store);
    let mut store = open(data.path());
    let error = store.read(offer.hash, 0).unwrap_err();
    assert!(
        error.to_string().contains("100 of 250 bytes are there"),
        "{error}"
    );
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(100, false));
    store.write(&offer, 100, &content[100..200]).unwrap();
    assert_eq!(
        store.write(&offer, 200, &content[200..]).unwrap(),
        state(250, false)
    );
    assert!(!store.catch_up());
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(250, true));
}

#[test]
fn what_is_no_piece_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 250);
    let offer = offer("a.txt", &content);
    let mut store = open(data.path());
    for (offset, bytes) in [(50, 100), (0, 99), (200, 51), (300, 1), (250, 0)] {
        let bytes = &content[..bytes];
        let refused = store.write(&offer, offset, bytes);
        let is_question = bytes.is_empty();
        assert_eq!(refused.is_ok(), is_question, "{offset}");
    }
    assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 0);
    let huge = FileOffer {
        size_bytes: 10_001,
        ..offer
    };
    let refused = store.write(&huge, 0, &content[..100]).unwrap_err();
    let told = "at most 10000 bytes (--keep-file-max)";
    assert!(refused.to_string().ends_with(told), "{refused}");
}

#[test]
fn who_is_refused_by_the_limit_of_all_is_told_that_one() {
    let data = tempfile::tempdir().unwrap();
    let limits = KeepLimits {
        total_bytes: 9000,
        ..LIMITS
    };
    let mut store = FileStore::open(data.path(), limits, PIECE).unwrap();
    let refused = put(&mut store, "a.bin", &content(1, 8193)).unwrap_err();
    let told = "at most 8192 bytes (--keep-files)";
    assert!(refused.to_string().ends_with(told), "{refused}");
    let refused = store.begin_new(Some(8193)).unwrap_err();
    assert!(refused.to_string().ends_with(told), "{refused}");
}

#[test]
fn a_wrong_hash_is_told_whether_found_at_once_or_later() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 150);
    let mut offer = offer("a.txt", &content);
    offer.hash.0[0] ^= 1;
    let mut store = open(data.path());
    let is_wrong = |result| matches!(result, Err(KeepError::File(FileError::WrongHash(_))));
    store.write(&offer, 0, &content[..100]).unwrap();
    assert!(is_wrong(store.write(&offer, 100, &content[100..])));
    // The second piece first: so it is hashed afterwards.
    store.write(&offer, 100, &content[100..]).unwrap();
    store.write(&offer, 0, &content[..100]).unwrap();
    assert!(!store.catch_up());
    assert!(is_wrong(store.write(&offer, 0, b"")));
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(0, false));
    assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_kept_when_it_is_whole_is_told_and_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 150);
    let offer = offer("a.txt", &content);
    let mut store = open(data.path());
    // The second piece first: so it is hashed, and gets its name, afterwards.
    store.write(&offer, 100, &content[100..]).unwrap();
    store.write(&offer, 0, &content[..100]).unwrap();
    let folder = data.path().join(FOLDER);
    let away = data.path().join("away");
    fs::rename(&folder, &away).unwrap();
    assert!(!store.catch_up());
    fs::rename(&away, &folder).unwrap();
    assert!(store.write(&offer, 0, b"").is_err());
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(150, false));
    assert!(!store.catch_up());
    assert_eq!(get(&mut store, offer.hash).unwrap(), content);
}

#[test]
fn the_one_longest_not_used_makes_room() {
    let data = tempfile::tempdir().unwrap();
    let contents: Vec<_> = (1..=4).map(|seed| content(seed, 300)).collect();
    let hash = |at: usize| offer("", &contents[at]).hash;
    let mut store = open(data.path());
    for content in &contents[..3] {
        put(&mut store, "a.txt", content).unwrap();
    }
    get(&mut store, hash(0)).unwrap();
    put(&mut store, "a.txt", &contents[3]).unwrap();
    assert!(store.find(hash(1)).is_none());
    for kept in [0, 2, 3] {
        assert_eq!(get(&mut store, hash(kept)).unwrap(), contents[kept]);
    }
    drop(store);
    let less = KeepLimits {
        total_bytes: DISK_BLOCK_BYTES,
        ..LIMITS
    };
    let store = FileStore::open(data.path(), less, PIECE).unwrap();
    assert!(store.find(hash(3)).is_some());
    assert!(store.find(hash(0)).is_none());
}

#[test]
fn tiny_files_take_as_much_as_they_do_on_the_disk() {
    let data = tempfile::tempdir().unwrap();
    let names = |data: &Path| {
        let entries = fs::read_dir(data.join(FOLDER)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect::<Vec<_>>().len()
    };
    let mut store = open(data.path());
    for number in 0..20 {
        put(&mut store, "tiny.txt", &[number; 4]).unwrap();
    }
    assert_eq!(names(data.path()), 3);
    // Parts of others too.
    for number in 20..40 {
        let two_pieces = content(number, 150);
        let offer = offer("tiny.txt", &two_pieces);
        store.write(&offer, 0, &two_pieces[..100]).unwrap();
        store.parts.get_mut(&offer.hash).unwrap().let_rest();
    }
    assert_eq!(names(data.path()), 3);
}

#[test]
fn the_part_with_which_nobody_went_on_for_longest_makes_room() {
    let data = tempfile::tempdir().unwrap();
    let contents: Vec<_> = (0..3).map(|seed| content(seed, 6000)).collect();
    let limits = |blocks| KeepLimits {
        total_bytes: blocks * DISK_BLOCK_BYTES,
        ..LIMITS
    };
    // The first in the order of hashes is the last with which somebody went on.
    let mut offers: Vec<_> = contents.iter().map(|content| offer("a", content)).collect();
    offers.sort_by_key(|offer| std::cmp::Reverse(offer.hash));
    let content_of = |offer: &FileOffer| {
        let is_it = |content: &&Vec<u8>| blake3::hash(content).as_bytes() == &offer.hash.0;
        contents.iter().find(is_it).unwrap()
    };
    let mut store = FileStore::open(data.path(), limits(4), PIECE).unwrap();
    let begin = |store: &mut FileStore, at: usize| {
        let content = content_of(&offers[at]);
        store.write(&offers[at], 0, &content[..100]).unwrap();
        store.parts.get_mut(&offers[at].hash).unwrap().let_rest();
        store.rest();
    };
    (0..3).for_each(|at| begin(&mut store, at));
    let there = |store: &FileStore| {
        let is_there = |at: usize| store.parts.contains_key(&offers[at].hash);
        [0, 1, 2].map(is_there)
    };
    put(&mut store, "b", &content(9, 6000)).unwrap();
    assert_eq!(there(&store), [false, true, true]);
    drop(store);
    // Also after a restart, by the times of the files: now the second is the last.
    let hour = Duration::from_secs(3600);
    for (at, age) in [(1, hour), (2, 2 * hour)] {
        let hash = offers[at].hash.to_string();
        let entries = fs::read_dir(data.path().join(FOLDER)).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        let part = paths.find(|path| path.to_string_lossy().contains(&hash));
        let part = File::options().write(true).open(part.unwrap()).unwrap();
        part.set_modified(std::time::SystemTime::now() - age)
            .unwrap();
    }
    let store = FileStore::open(data.path(), limits(1), PIECE).unwrap();
    assert_eq!(there(&store), [false, true, false]);
}

#[test]
fn there_are_not_more_files_than_may_be() {
    let data = tempfile::tempdir().unwrap();
    let limits = KeepLimits {
        files_max: 2,
        ..LIMITS
    };
    let mut store = FileStore::open(data.path(), limits, PIECE).unwrap();
    for number in 0..4 {
        put(&mut store, "a.txt", &[number; 4]).unwrap();
    }
    let is_kept = |number: u8| store.find(offer("", &[number; 4]).hash).is_some();
    assert_eq!([0, 1, 2, 3].map(is_kept), [false, false, true, true]);
}

/// Somebody goes on with one, so another that cannot become whole beside it is not begun, and removes nothing.
#[test]
fn what_is_on_its_way_counts_as_what_it_may_become() {
    let data = tempfile::tempdir().unwrap();
    let (old, first, second) = (content(1, 300), content(2, 9000), content(3, 9000));
    let mut store = open(data.path());
    put(&mut store, "old.txt", &old).unwrap();
    let (first_offer, second_offer) = (offer("a", &first), offer("b", &second));
    for at in [0, 100, 200, 300, 400] {
        store
            .write(&first_offer, at as u64, &first[at..at + 100])
            .unwrap();
    }
    let refused = store
        .write(&second_offer, 0, &second[..100])
        .map(|state| state.have_bytes);
    assert!(matches!(refused, Err(KeepError::NoSpace)), "{refused:?}");
    assert_eq!(get(&mut store, offer("", &old).hash).unwrap(), old);

    // Nobody has gone on with it for some time: it makes room.
    store.parts.get_mut(&first_offer.hash).unwrap().let_rest();
    assert_eq!(put(&mut store, "b", &second).unwrap(), state(9000, true));
    assert!(!store.parts.contains_key(&first_offer.hash));
}

#[test]
fn a_name_whose_file_was_taken_out_of_the_folder_serves_another() {
    let data = tempfile::tempdir().unwrap();
    let (before, now) = (content(1, 250), content(2, 250));
    let mut store = open(data.path());
    put(&mut store, "a.jpg", &before).unwrap();
    fs::remove_file(data.path().join(FOLDER).join("a.jpg")).unwrap();
    assert_eq!(put(&mut store, "a.jpg", &now).unwrap(), state(250, true));
    let check = |store: &mut FileStore| {
        let [before, now] = [&before, &now].map(|content| get(store, offer("", content).hash));
        assert!(matches!(before, Err(KeepError::NoSuchFile)), "{before:?}");
        now.unwrap()
    };
    assert_eq!(check(&mut store), now);
    drop(store);
    assert_eq!(check(&mut open(data.path())), now);
}

#[test]
fn a_part_that_is_received_by_another_way_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 250);
    let offer = offer("a.txt", &content);
    let mut store = open(data.path());
    store.write(&offer, 0, &content[..100]).unwrap();
    let Begun::Part(mut part) = store.begin(&offer, 50).unwrap() else {
        panic!("it is not kept");
    };
    assert_eq!(part.received_bytes(), 100);
    let is_not_whole =
        |result| matches!(result, Err(KeepError::NotWhole { have_bytes, .. }) if have_bytes > 0);
    assert!(is_not_whole(store.write(&offer, 100, &content[100..200])));
    assert!(is_not_whole(
        store.begin(&offer, 50).map(|_| state(0, false))
    ));
    for block in 2..5 {
        let from = block as usize * 50;
        part.write_block(block, &content[from..from + 50]).unwrap();
    }
    part.catch_up(u64::MAX).unwrap();
    store.finish(*part).unwrap();
    assert_eq!(get(&mut store, offer.hash).unwrap(), content);
    assert!(matches!(store.begin(&offer, 50), Ok(Begun::Kept(_))));
}

/// Somebody promises what never comes.
#[test]
fn nothing_is_removed_for_a_promise() {
    let data = tempfile::tempdir().unwrap();
    let (old, new) = (content(1, 6000), content(2, 5000));
    let mut store = open(data.path());
    put(&mut store, "old.txt", &old).unwrap();
    let (promise, old_hash) = (offer("new.txt", &new), offer("", &old).hash);
    let lent = |store: &mut FileStore| match store.begin(&promise, 1000).unwrap() {
        Begun::Part(part) => *part,
        Begun::Kept(kept) => panic!("{kept:?}"),
    };
    let part = lent(&mut store);
    store.keep_within_limits().unwrap();
    assert!(store.find(old_hash).is_some());
    let more = offer("more.txt", &content(3, 6000));
    let refused = store.begin(&more, 1000).unwrap_err();
    assert!(matches!(refused, KeepError::NoSpace), "{refused}");
    // Nothing is left of it.
    store.abandon(part);
    assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 1);

    let mut part = lent(&mut store);
    for block in 0..5 {
        let from = block as usize * 1000;
        part.write_block(block, &new[from..from + 1000]).unwrap();
    }
    store.keep_within_limits().unwrap();
    assert!(store.find(old_hash).is_none());
    // Who had it is gone.
    drop(part);
    store.lost(&promise);
    assert_eq!(store.write(&promise, 0, b"").unwrap(), state(5000, false));
}

#[test]
fn who_reads_a_file_that_makes_room_reads_on() {
    let data = tempfile::tempdir().unwrap();
    let contents = [content(1, 6000), content(2, 6000)];
    let mut store = open(data.path());
    put(&mut store, "old.txt", &contents[0]).unwrap();
    let kept = store.use_kept(offer("", &contents[0]).hash).unwrap();
    let source = SourceFile::open_kept(&kept.path, &kept.offer).unwrap();
    put(&mut store, "new.txt", &contents[1]).unwrap();
    assert!(store.find(kept.offer.hash).is_none());
    let mut read = [0; 6000];
    source.check_unchanged().unwrap();
    source.read_at(&mut read, 0).unwrap();
    assert_eq!(read, *contents[0]);
}

#[test]
fn a_crash_between_file_and_index_is_made_good() {
    let data = tempfile::tempdir().unwrap();
    let (kept, lost) = (content(1, 250), content(2, 250));
    let mut store = open(data.path());
    put(&mut store, "kept.txt", &kept).unwrap();
    put(&mut store, "lost.txt", &lost).unwrap();
    // As it is when the crash comes between the file's name and the word of it.
    let hash = offer("", &kept).hash;
    let sql = "UPDATE file SET kept_as = NULL WHERE hash = ?1";
    let forgotten = store.index.execute(sql, &hash.to_string());
    assert_eq!(forgotten, 1);
    drop(store);
    fs::remove_file(data.path().join("downloads/lost.txt")).unwrap();
    let mut store = open(data.path());
    assert!(matches!(store.read(hash, 0), Err(KeepError::LookedAt)));
    while store.catch_up() {}
    assert_eq!(get(&mut store, hash).unwrap(), kept);
    let lost = store.read(offer("", &lost).hash, 0);
    assert!(matches!(lost, Err(KeepError::NoSuchFile)), "{lost:?}");
    // Removed while the server runs.
    fs::remove_file(data.path().join("downloads/kept.txt")).unwrap();
    assert!(matches!(store.read(hash, 0), Err(KeepError::NoSuchFile)));
    assert_eq!(store.kept_bytes, 0);
}

/// Its time is another, as it is when somebody writes it.
fn overwrite(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.set_modified(before + Duration::from_secs(1)).unwrap();
}

#[test]
fn a_file_that_somebody_changed_is_not_given_and_kept_when_it_comes_again() {
    let (before, changed) = (content(1, 250), content(2, 250));
    let hash = offer("", &before).hash;
    for is_changed_while_it_runs in [true, false] {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("downloads/a.txt");
        let mut store = open(data.path());
        put(&mut store, "a.txt", &before).unwrap();
        if is_changed_while_it_runs {
            overwrite(&path, &changed);
        } else {
            drop(store);
            overwrite(&path, &changed);
            store = open(data.path());
        }
        let looked_at = store.read(hash, 0);
        assert!(matches!(looked_at, Err(KeepError::LookedAt)));
        while store.catch_up() {}
        let gone = store.read(hash, 0);
        assert!(matches!(gone, Err(KeepError::NoSuchFile)), "{gone:?}");
        // It is kept as what it is, and counts.
        let is_now = offer("a.txt", &changed);
        assert_eq!(get(&mut store, is_now.hash).unwrap(), changed);
        assert_eq!(put(&mut store, "a.txt", &before).unwrap(), state(250, true));
        assert_eq!(get(&mut store, hash).unwrap(), before);
        assert_eq!(store.kept_bytes, 2 * DISK_BLOCK_BYTES);
    }
}

#[test]
fn a_file_that_was_only_copied_is_kept_on() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 250);
    let offer = offer("a.txt", &content);
    let mut store = open(data.path());
    put(&mut store, "a.txt", &content).unwrap();
    overwrite(&data.path().join("downloads/a.txt"), &content);
    // It is offered again before that is known.
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(0, false));
    while store.catch_up() {}
    assert_eq!(store.write(&offer, 0, b"").unwrap(), state(250, true));
    assert_eq!(store.find(offer.hash).unwrap().offer, offer);
}

#[test]
fn without_its_index_what_is_in_the_folder_is_found_and_counts() {
    let data = tempfile::tempdir().unwrap();
    let contents: Vec<_> = (1..=3).map(|seed| content(seed, 300)).collect();
    let mut store = open(data.path());
    for (number, content) in contents.iter().enumerate() {
        put(&mut store, &format!("{number}.txt"), content).unwrap();
    }
    drop(store);
    for name in ["files.sqlite", "files.sqlite-wal", "files.sqlite-shm"] {
        let _ = fs::remove_file(data.path().join(name));
    }
    let mut store = open(data.path());
    while store.catch_up() {}
    for content in &contents {
        assert_eq!(get(&mut store, offer("", content).hash).unwrap(), *content);
    }
    put(&mut store, "new.txt", &content(4, 300)).unwrap();
    assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 3);
}

#[test]
fn a_folder_into_which_no_file_can_come_is_told_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    // Nobody may write there, not even root.
    let nowhere = Path::new("/sys");
    if nowhere.is_dir() {
        std::os::unix::fs::symlink(nowhere, data.path().join(FOLDER)).unwrap();
        let error = FileStore::open(data.path(), LIMITS, PIECE).unwrap_err();
        assert!(error.to_string().contains("--keep-files off"), "{error}");
    }
}

#[test]
fn of_two_parts_of_one_hash_only_the_last_takes_room() {
    let data = tempfile::tempdir().unwrap();
    let content = content(1, 250);
    let offer = offer("a.txt", &content);
    let mut store = open(data.path());
    store.write(&offer, 0, &content[..100]).unwrap();
    let other = FileOffer {
        size_bytes: 300,
        ..offer.clone()
    };
    store.write(&other, 0, b"").unwrap();
    assert_eq!(fs::read_dir(&store.folder).unwrap().count(), 1);
}

#[test]
fn a_foreign_index_is_refused() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("files.sqlite"), "no index".repeat(100)).unwrap();
    let error = FileStore::open(data.path(), LIMITS, PIECE).unwrap_err();
    assert!(error.to_string().contains("no index of files"), "{error}");
}
