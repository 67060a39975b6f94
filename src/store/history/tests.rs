use std::fs;
use std::time::Duration;

use jiff::{SignedDuration, ToSpan};
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::chat::{FileHash, FileName, FileOffer, RecordRange, Since};
use crate::store::DirectoryId;

const ROOM: RoomId = RoomId(7);
const OTHER: RoomId = RoomId(8);

fn now() -> Timestamp {
    "2026-11-26T10:00:00Z".parse().unwrap()
}

fn room(id: RoomId, limit: Option<&str>) -> KeptRoom {
    KeptRoom {
        id,
        name: format!("r{}", id.0).parse().unwrap(),
        limit: limit.map(|limit| limit.parse().unwrap()),
    }
}

/// A directory whose last room had this id.
fn beside(last_room: Option<RoomId>) -> Beside {
    Beside {
        id: DirectoryId::default(),
        last_room,
    }
}

fn open_without_rooms(folder: &TempDir, beside: &Beside) -> Result<History, OpenError> {
    History::open(folder.path(), HistoryLimit::DEFAULT, beside, [])
}

fn open(folder: &TempDir, limit: Option<&str>) -> History {
    let server = HistoryLimit::DEFAULT;
    let rooms = [room(ROOM, limit), room(OTHER, None)];
    History::open(folder.path(), server, &beside(Some(OTHER)), rooms).unwrap()
}

fn opened(limit: Option<&str>) -> (TempDir, History) {
    let folder = tempfile::tempdir().unwrap();
    let history = open(&folder, limit);
    (folder, history)
}

fn entry(what: Happening, record: Option<(u64, u64)>) -> NewEntry {
    NewEntry {
        said_at: now(),
        // Limits by age are held against the clock.
        heard_at: Timestamp::now(),
        from: "Ana".into(),
        what,
        record: record.map(|(origin, sequence)| RecordId {
            origin: SessionId(origin),
            sequence,
        }),
    }
}

fn line(text: &str, sequence: u64) -> NewEntry {
    let text = Happening::Text(text.parse().unwrap());
    entry(text, Some((u64::MAX, sequence)))
}

fn file(name: &str, size_bytes: u64, hash: u8) -> NewEntry {
    let file = FileOffer {
        name: FileName::of(name),
        size_bytes,
        hash: FileHash([hash; 32]),
    };
    entry(Happening::File(file), None)
}

fn lines(history: &History, room: RoomId, numbers: std::ops::Range<u64>) {
    for number in numbers {
        history.keep(room, line(&format!("line {number}"), number));
    }
}

fn read(history: &History, query: &HistoryQuery) -> Page {
    history.read(ROOM, query, Timestamp::now()).unwrap()
}

fn texts(page: &Page) -> Vec<String> {
    let texts = page.entries.iter().map(|entry| match &entry.what {
        Happening::Text(text) => text.to_string(),
        other => format!("{other:?}"),
    });
    texts.collect()
}

fn numbered(numbers: std::ops::Range<u64>) -> Vec<String> {
    numbers.map(|number| format!("line {number}")).collect()
}

#[test]
fn what_was_kept_comes_back_as_it_was_and_in_order() {
    let (folder, history) = opened(None);
    let file = FileOffer {
        name: FileName::of("notes.txt"),
        size_bytes: u64::MAX,
        hash: FileHash([9; 32]),
    };
    let all = [
        entry(Happening::Joined, None),
        line("Grüße 👋\n\0", 1),
        entry(Happening::File(file), Some((5, u64::MAX))),
        entry(Happening::Renamed("Anna".into()), None),
        entry(Happening::Left, None),
    ];
    for entry in &all {
        history.keep(ROOM, entry.clone());
    }
    let check = |history: &History| {
        let page = read(history, &HistoryQuery::default());
        assert_eq!((page.kept, page.before), (5, None));
        for (found, kept) in page.entries.iter().zip(&all) {
            assert_eq!(found.what, kept.what);
            assert_eq!(found.from, "Ana");
            assert_eq!(found.said_at, kept.said_at);
            assert_eq!(found.record, kept.record);
        }
        let numbers = page.entries.iter().map(|entry| entry.number);
        assert!(numbers.is_sorted());
    };
    check(&history);
    drop(history);
    check(&open(&folder, None));
}

#[test]
fn nothing_is_kept_twice_also_after_a_restart() {
    let (folder, history) = opened(None);
    lines(&history, ROOM, 1..5);
    lines(&history, ROOM, 3..7);
    drop(history);
    let history = open(&folder, None);
    lines(&history, ROOM, 6..9);
    lines(&history, OTHER, 1..2);
    let page = read(&history, &HistoryQuery::default());
    assert_eq!(texts(&page), numbered(1..9));
    assert_eq!(page.kept, 8);
    let position = Position {
        origin: SessionId(u64::MAX),
        next: 9,
    };
    assert_eq!(history.positions(ROOM, None), [position]);
}

#[test]
fn positions_are_known_after_a_restart_and_only_rise() {
    let (folder, history) = opened(None);
    let position = |origin, next| Position {
        origin: SessionId(origin),
        next,
    };
    let now = Timestamp::now();
    history.note_position(ROOM, position(3, 1), now);
    history.keep(ROOM, entry(Happening::Joined, Some((4, 20))));
    history.note_position(ROOM, position(4, 7), now);
    drop(history);
    let history = open(&folder, None);
    let expected = [position(3, 1), position(4, 21)];
    assert_eq!(history.positions(ROOM, None), expected);
    assert_eq!(history.positions(OTHER, None), []);
}

#[test]
fn of_too_many_positions_those_heard_last_are_kept() {
    let (folder, history) = opened(None);
    let begin = Timestamp::now();
    let extra = 10;
    for number in 1..=POSITIONS_MAX as u64 + extra {
        let at = begin + SignedDuration::from_millis(number as i64);
        let position = Position {
            origin: SessionId(number),
            next: 1,
        };
        history.note_position(ROOM, position, at);
        history.note_position(OTHER, position, at);
    }
    let known = history.positions(ROOM, None);
    assert_eq!(known.len(), POSITIONS_MAX);
    assert_eq!(known[0].origin, SessionId(extra + 1));
    drop(history);
    // What is too much is let go when it is opened next, at the latest.
    let history = open(&folder, None);
    history.flush();
    assert_eq!(history.positions(ROOM, None), known);
    drop(history);
    let file = Connection::open(folder.path().join("history.sqlite")).unwrap();
    let count = "SELECT count(*) FROM position";
    let kept: i64 = file.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 2 * POSITIONS_MAX as i64);
}

#[test]
fn pages_lead_back_to_the_first_entry() {
    let (_folder, history) = opened(None);
    lines(&history, ROOM, 0..1200);
    let mut query = HistoryQuery::default();
    let mut all = Vec::new();
    loop {
        let page = read(&history, &query);
        let is_first = query.before.is_none();
        assert_eq!(page.kept, if is_first { 1200 } else { 0 });
        assert!(page.entries.len() <= PAGE_ENTRIES_MAX as usize);
        all.splice(0..0, texts(&page));
        query.before = page.before;
        if query.before.is_none() {
            break;
        }
    }
    assert_eq!(all, numbered(0..1200));
    let few = HistoryQuery {
        limit: Some(3),
        ..HistoryQuery::default()
    };
    assert_eq!(texts(&read(&history, &few)), numbered(1197..1200));
}

/// Another program that writes to the file, such as one that copies it.
#[test]
fn what_is_in_the_way_for_a_moment_costs_nothing_and_for_longer_no_room() {
    let (folder, history) = opened(None);
    lines(&history, ROOM, 0..1);
    history.flush();
    let other = Connection::open(folder.path().join("history.sqlite")).unwrap();
    let new = RoomId(9);
    for (first, is_long) in [(1, false), (2, true)] {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        lines(&history, ROOM, first..first + 1);
        if is_long {
            history.add_room(room(new, None));
            // It has given up.
            history.flush();
        } else {
            // Long enough for it to try: it tries again.
            std::thread::sleep(Duration::from_millis(200));
        }
        other.execute_batch("ROLLBACK").unwrap();
        history.flush();
    }
    lines(&history, ROOM, 3..4);
    lines(&history, new, 0..1);
    let page = read(&history, &HistoryQuery::default());
    assert_eq!(texts(&page), ["line 0", "line 1", "line 3"]);
    let page = history.read(new, &HistoryQuery::default(), Timestamp::now());
    assert_eq!(texts(&page.unwrap()), ["line 0"]);
}

#[test]
fn a_page_is_bounded_in_bytes_and_has_one_entry_at_least() {
    let (_folder, history) = opened(None);
    for number in 0..9 {
        history.keep(ROOM, line(&"x".repeat(65_536), number));
    }
    let page = read(&history, &HistoryQuery::default());
    assert_eq!(page.entries.len(), PAGE_BYTES_MAX / 65_536);
    assert!(page.before.is_some());
}

#[test]
fn since_and_ranges_are_asked_for() {
    let (_folder, history) = opened(None);
    let at = Timestamp::now();
    for (number, minutes) in [(1, 30), (2, 20), (3, 10), (4, 0)] {
        let entry = NewEntry {
            heard_at: at.checked_sub(minutes.minutes()).unwrap(),
            ..line(&format!("line {number}"), number)
        };
        history.keep(ROOM, entry);
    }
    let since = |since| {
        let query = HistoryQuery {
            since: Some(since),
            ..HistoryQuery::default()
        };
        texts(&history.read(ROOM, &query, at).unwrap())
    };
    assert_eq!(since(Since::Ago(15 * 60_000)), numbered(3..5));
    let moment = at.checked_sub(25.minutes()).unwrap();
    assert_eq!(since(Since::At(moment)), numbered(2..5));
    assert_eq!(since(Since::Ago(u64::MAX)), numbered(1..5));
    let of = |first, end| {
        let query = HistoryQuery {
            of: Some(RecordRange {
                origin: SessionId(u64::MAX),
                first,
                end,
            }),
            ..HistoryQuery::default()
        };
        texts(&read(&history, &query))
    };
    assert_eq!(of(2, 4), numbered(2..4));
    assert_eq!(of(3, u64::MAX), numbered(3..5));
    assert_eq!(of(9, 12), numbered(0..0));
}

#[test]
fn words_are_found_in_texts_and_names_of_files() {
    let (_folder, history) = opened(None);
    history.keep(ROOM, line("Is the PRINTER free?", 1));
    history.keep(OTHER, line("Übung: the printer's out of paper", 1));
    history.keep(ROOM, file("printer manual.pdf", 1, 1));
    history.keep(ROOM, entry(Happening::Renamed("printer".into()), None));
    let found = |room, words: &str| {
        let words = words.parse().unwrap();
        let found = history.search(room, &words, None, None, Timestamp::now(), |_| None);
        let (found, more) = found.unwrap();
        assert_eq!(more, None);
        found
            .into_iter()
            .map(|found| (found.room.to_string(), found.entry.number))
            .collect::<Vec<_>>()
    };
    let at = |room: &str, number| (room.to_owned(), number);
    assert_eq!(
        found(None, "printer"),
        [at("r7", 1), at("r8", 2), at("r7", 3)]
    );
    assert_eq!(found(Some(ROOM), "printer"), [at("r7", 1), at("r7", 3)]);
    assert_eq!(found(None, "paper the"), [at("r8", 2)]);
    assert_eq!(found(None, "ubung"), [at("r8", 2)]);
    assert_eq!(found(None, "pap*"), [at("r8", 2)]);
    for none in [
        "pap",
        "\" OR printer",
        "NEAR(printer",
        "text:printer x",
        "a*b\"c",
    ] {
        assert_eq!(found(None, none), [], "{none}");
    }
}

/// The numbers of what is found.
fn found(
    history: &History,
    words: &str,
    read: impl Fn(FileHash) -> Option<Option<MessageText>>,
) -> Vec<u64> {
    let words = words.parse().unwrap();
    let found = history.search(None, &words, None, None, Timestamp::now(), read);
    let found = found.unwrap().0.into_iter();
    found.map(|found| found.entry.number).collect()
}

#[test]
fn words_are_found_in_the_texts_of_files_as_soon_as_those_are_here() {
    let (folder, history) = opened(Some("4"));
    history.keep(ROOM, file("notes.txt", 20, 1));
    history.keep(ROOM, file("picture.png", 20, 2));
    history.keep(ROOM, file("long.txt", 70_000, 3));
    let asked = std::cell::RefCell::new(Vec::new());
    let found = |history: &History, words: &str, is_here: bool| {
        asked.borrow_mut().clear();
        found(history, words, |hash| {
            asked.borrow_mut().push(hash.0[0]);
            let text = (hash.0[0] == 1).then(|| "Bring the\nladder!".parse().unwrap());
            is_here.then_some(text)
        })
    };
    assert_eq!(found(&history, "ladder", false), [0; 0]);
    assert_eq!(*asked.borrow(), [2, 1]);
    assert_eq!(found(&history, "ladder", true), [1]);
    assert_eq!(*asked.borrow(), [2, 1]);
    // What is known is not asked again, and stands beside the name.
    assert_eq!(found(&history, "ladder notes", true), [1]);
    assert_eq!(*asked.borrow(), [0; 0]);
    history.keep(ROOM, file("again.txt", 20, 1));
    assert_eq!(found(&history, "lad*", true), [1, 4]);
    drop(history);
    let history = open(&folder, Some("4"));
    assert_eq!(found(&history, "ladder", false), [1, 4]);
    history.keep(ROOM, line("no ladder any more", 1));
    assert_eq!(found(&history, "ladder", false), [4, 5]);
}

#[test]
fn a_history_of_an_earlier_version_is_searched_and_counted() {
    for version in 1..tables::HISTORY.versions.len() {
        let folder = tempfile::tempdir().unwrap();
        let earlier = Connection::open(folder.path().join("history.sqlite")).unwrap();
        for step in &tables::HISTORY.versions[..version] {
            earlier.execute_batch(step).unwrap();
        }
        let at = Timestamp::now().as_millisecond();
        let columns = "(id, room, kind, said_at, heard_at, origin, sequence, sender, text, size, hash, bytes)";
        let kept = format!(
            "PRAGMA application_id = 0x63726468;
             PRAGMA user_version = {version};
             INSERT INTO entry {columns} VALUES (1, 7, 1, 0, {at}, NULL, NULL, 'Ana', 'an old line', NULL, NULL, 80);
             INSERT INTO entry {columns} VALUES (2, 7, 2, 0, {at}, NULL, NULL, 'Ana', 'old.txt', 20, zeroblob(32), 80);
             INSERT INTO entry_words (rowid, text) SELECT id, text FROM entry WHERE id = 1;
             UPDATE indexed SET id = 1;"
        );
        earlier.execute_batch(&kept).unwrap();
        drop(earlier);
        let history = open(&folder, Some("3"));
        let read = |_| Some("as new".parse().ok());
        assert_eq!(found(&history, "old", read), [1, 2]);
        assert_eq!(found(&history, "new", read), [2]);
        lines(&history, ROOM, 1..3);
        history.flush();
        assert_eq!(found(&history, "old", read), [2]);
        let counted = if version == 1 { 4 } else { 2 };
        assert_eq!(history.talk(ROOM).map(|talk| talk.total), Some(counted));
    }
}

#[test]
fn a_room_keeps_as_many_and_as_much_as_its_limit_says() {
    let (folder, history) = opened(Some("10"));
    for batch in 0..5 {
        lines(&history, ROOM, batch * 7..batch * 7 + 7);
        history.flush();
    }
    let page = read(&history, &HistoryQuery::default());
    assert_eq!(texts(&page), numbered(25..35));
    drop(history);
    let history = open(&folder, Some("4"));
    assert_eq!(
        texts(&read(&history, &HistoryQuery::default())),
        numbered(31..35)
    );
    let found = |words: &str| found(&history, words, |_| None).len();
    assert_eq!((found("30"), found("31")), (0, 1));

    let (_folder, history) = opened(Some("1kib"));
    lines(&history, ROOM, 0..100);
    let kept = texts(&read(&history, &HistoryQuery::default()));
    assert!((8..16).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept.last().unwrap(), "line 99");
}

#[test]
fn where_all_rooms_have_too_much_the_largest_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let rooms = [room(ROOM, None), room(OTHER, None)];
    let server = HistoryLimit::DEFAULT;
    // Ten short lines.
    let total_bytes = 10 * 73;
    let history = History::open_within(
        folder.path(),
        server,
        total_bytes,
        &beside(Some(OTHER)),
        rooms,
    )
    .unwrap();
    lines(&history, OTHER, 0..3);
    for numbers in [0..20, 20..21] {
        lines(&history, ROOM, numbers);
        history.flush();
    }
    let page = read(&history, &HistoryQuery::default());
    assert!((5..=7).contains(&page.kept), "{}", page.kept);
    assert_eq!(texts(&page), numbered(21 - page.kept..21));
    let quiet = history.read(OTHER, &HistoryQuery::default(), Timestamp::now());
    assert_eq!(texts(&quiet.unwrap()), numbered(0..3));
}

#[test]
fn what_is_too_old_is_not_given_out_and_goes() {
    let (folder, history) = opened(Some("1h"));
    let at = Timestamp::now();
    for (number, minutes) in [(1, 90), (2, 50), (3, 1)] {
        let heard_at = at.checked_sub(minutes.minutes()).unwrap();
        let text = format!("line {number}");
        history.keep(
            ROOM,
            NewEntry {
                heard_at,
                ..line(&text, number)
            },
        );
    }
    assert_eq!(
        texts(&read(&history, &HistoryQuery::default())),
        numbered(2..4)
    );
    drop(history);
    drop(open(&folder, Some("1h")));
    let file = Connection::open(folder.path().join("history.sqlite")).unwrap();
    let rows = file.query_row("SELECT count(*) FROM entry", [], |row| row.get(0));
    assert_eq!(rows, Ok(2));
}

#[test]
fn a_room_that_is_off_or_gone_keeps_nothing() {
    let (folder, history) = opened(Some("off"));
    lines(&history, ROOM, 1..5);
    lines(&history, OTHER, 1..5);
    assert!(!history.keeps(ROOM) && history.keeps(OTHER));
    assert_eq!(history.find(&"r7".parse().unwrap()), None);
    assert_eq!(history.find(&"R8".parse().unwrap()), Some(OTHER));
    history.drop_room(OTHER);
    lines(&history, OTHER, 5..9);
    let kept = |history: &History, room| {
        let page = history.read(room, &HistoryQuery::default(), Timestamp::now());
        page.unwrap().entries.len()
    };
    assert_eq!((kept(&history, ROOM), kept(&history, OTHER)), (0, 0));
    // One that is made later begins with nothing.
    history.add_room(room(OTHER, Some("5")));
    assert_eq!(kept(&history, OTHER), 0);
    lines(&history, OTHER, 1..3);
    history.flush();
    assert_eq!(kept(&history, OTHER), 2);
    drop(history);
    // Deleted, and the server was killed before it could say so here.
    let history = open_without_rooms(&folder, &beside(Some(OTHER))).unwrap();
    history.add_room(room(OTHER, None));
    assert_eq!(kept(&history, OTHER), 0);
}

#[test]
fn of_a_room_that_is_no_more_no_positions_stay() {
    let (folder, history) = opened(None);
    let position = Position {
        origin: SessionId(5),
        next: 9,
    };
    history.note_position(ROOM, position, Timestamp::now());
    drop(history);
    // It was deleted while no history was kept.
    drop(open_without_rooms(&folder, &beside(Some(OTHER))).unwrap());
    assert_eq!(open(&folder, None).positions(ROOM, None), []);
}

fn kept_in(history: &History, room: RoomId) -> u64 {
    let page = history.read(room, &HistoryQuery::default(), Timestamp::now());
    page.unwrap().kept
}

#[test]
fn rooms_that_an_older_directory_has_never_had_are_kept_until_it_has_them_again() {
    let (folder, history) = opened(None);
    lines(&history, ROOM, 1..4);
    lines(&history, OTHER, 1..6);
    drop(history);
    let open = |last_room, rooms: &[RoomId]| {
        let rooms = rooms.iter().map(|id| room(*id, None));
        let beside = beside(Some(last_room));
        History::open(folder.path(), HistoryLimit::DEFAULT, &beside, rooms).unwrap()
    };
    let history = open(ROOM, &[ROOM]);
    assert_eq!(kept_in(&history, ROOM), 3);
    // A new room comes after all.
    assert_eq!(history.last_room(), Some(OTHER));
    let new = RoomId(OTHER.0 + 1);
    history.add_room(room(new, None));
    lines(&history, new, 1..3);
    drop(history);
    // Now the directory had a later one, but still never this.
    drop(open(new, &[ROOM, new]));
    let settled = History::settle(folder.path(), &beside(Some(new)), &[ROOM, new].into());
    assert_eq!(settled.unwrap(), Some(new));
    // One that was really deleted is forgotten.
    let history = open(new, &[OTHER, new]);
    assert_eq!((kept_in(&history, OTHER), kept_in(&history, new)), (5, 2));
    drop(history);
    let history = open(new, &[ROOM, OTHER, new]);
    assert_eq!((kept_in(&history, ROOM), kept_in(&history, OTHER)), (0, 5));
    drop(history);
    // So is one that was back.
    drop(open(new, &[new]));
    assert_eq!(kept_in(&open(new, &[OTHER, new]), OTHER), 0);
}

#[test]
fn the_history_of_another_directory_is_refused_and_left_as_it_is() {
    let (folder, history) = opened(None);
    lines(&history, ROOM, 1..4);
    drop(history);
    let other = Beside {
        id: DirectoryId(vec![1]),
        last_room: Some(OTHER),
    };
    let refused = |beside: &Beside| {
        let opened = open_without_rooms(&folder, beside).unwrap_err();
        let settled = History::settle(folder.path(), beside, &[].into()).unwrap_err();
        assert!(opened.to_string().contains("put that crds.sqlite back"));
        assert_eq!(opened.to_string(), settled.to_string());
    };
    refused(&other);
    // So is one that does not say whose it is, if the directory has never had a room.
    let file = Connection::open(folder.path().join("history.sqlite")).unwrap();
    file.execute("DELETE FROM directory", []).unwrap();
    drop(file);
    refused(&beside(None));
    let history = open(&folder, None);
    assert_eq!(kept_in(&history, ROOM), 3);
    // Without rooms it is anybody's.
    history.drop_room(ROOM);
    lines(&history, LOBBY, 1..3);
    drop(history);
    assert_eq!(
        kept_in(&open_without_rooms(&folder, &other).unwrap(), LOBBY),
        2
    );
}

#[test]
fn what_was_ever_said_is_counted_whatever_is_let_go() {
    let (folder, history) = opened(Some("3"));
    assert_eq!(history.talk(ROOM), None);
    lines(&history, ROOM, 1..6);
    // Once more, and what is no talk.
    lines(&history, ROOM, 4..6);
    history.keep(ROOM, entry(Happening::Joined, None));
    history.flush();
    assert_eq!(history.talk(ROOM), Some(Talk { last: 5, total: 5 }));
    assert_eq!(history.talked_in(), [ROOM]);
    assert_eq!(history.talked_in(), []);
    drop(history);
    let history = open(&folder, Some("3"));
    assert_eq!(history.talk(ROOM), Some(Talk { last: 5, total: 5 }));
    assert_eq!(history.talk(OTHER), None);
    lines(&history, ROOM, 6..7);
    history.flush();
    assert_eq!(history.talk(ROOM).map(|talk| talk.total), Some(6));
    history.drop_room(ROOM);
    history.flush();
    history.add_room(room(ROOM, None));
    assert_eq!(history.talk(ROOM), None);
}

#[test]
fn a_flood_is_bounded_and_what_is_lost_is_counted() {
    let queue = Queue::default();
    let text = "x".repeat(65_536);
    for number in 0..1000 {
        let entry = Box::new(line(&text, number));
        queue.push(Item::Keep(ROOM, entry));
    }
    queue.push(Item::Drop(ROOM));
    let batch = queue.take(Duration::ZERO);
    assert_eq!(batch.items.len() as u64 - 1 + batch.lost, 1000);
    assert!((200..300).contains(&batch.items.len()));
    assert!(matches!(batch.items.last(), Some(Item::Drop(_))));
}

#[test]
fn who_reads_sees_all_that_was_kept_before_and_nothing_waits_for_long() {
    let (folder, history) = opened(None);
    for number in 0..20 {
        lines(&history, ROOM, number..number + 1);
        assert_eq!(read(&history, &HistoryQuery::default()).kept, number + 1);
    }
    // Nobody asks; another process sees it all the same.
    lines(&history, ROOM, 20..21);
    let other = Connection::open(folder.path().join("history.sqlite")).unwrap();
    let rows = || other.query_row("SELECT count(*) FROM entry", [], |row| row.get::<_, i64>(0));
    let began = std::time::Instant::now();
    while rows() != Ok(21) {
        assert!(began.elapsed() < Duration::from_secs(30));
        thread::sleep(Duration::from_millis(5));
    }
}

fn refused(folder: &TempDir) -> String {
    let opened = open_without_rooms(folder, &beside(Some(OTHER)));
    opened.unwrap_err().to_string()
}

#[test]
fn a_foreign_or_damaged_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.sqlite");
    let no_database = "no database at all, but longer than a header would be".repeat(9);
    fs::write(&file, &no_database).unwrap();
    assert!(refused(&folder).contains("is no history of crds"));
    assert_eq!(fs::read(&file).unwrap(), no_database.as_bytes());

    fs::remove_file(&file).unwrap();
    let other = Connection::open(&file).unwrap();
    other
        .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE cake (flavour TEXT)")
        .unwrap();
    let before = fs::read(&file).unwrap();
    assert!(refused(&folder).contains("another program's file"));
    assert_eq!(fs::read(&file).unwrap(), before);
    drop(other);

    // A directory is no history either.
    fs::remove_file(&file).unwrap();
    drop(crate::store::Store::open(folder.path()).unwrap());
    fs::rename(folder.path().join("crds.sqlite"), &file).unwrap();
    assert!(refused(&folder).contains("another program's file"));
}

#[test]
fn a_history_with_pages_overwritten_is_refused_and_left_as_it_is() {
    let (folder, history) = opened(None);
    lines(&history, ROOM, 0..3000);
    drop(history);
    let file = folder.path().join("history.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 8192].fill(0xa5);
    fs::write(&file, &bytes).unwrap();
    let text = refused(&folder);
    assert!(text.contains("is no history of crds"), "{text}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}
