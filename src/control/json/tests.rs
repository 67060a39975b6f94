use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::chat::{
    AvatarId, Dialect, FileHash, FileName, FileOffer, Found, Happening, HistoryEntry, HistoryPage,
    HistoryQuery, MemberLimit, NewRoom, Origin, Position, RecordId, RecordRange, Room, SessionId,
    Since, Talk,
};
use crate::control::{
    ANSWER_BYTES_MAX, Activity, FileFor, Group, LINE_BYTES_MAX, LineBuffer, Online, Present,
    Request, RequestKind, Token, VERSION, Via,
};

fn room(made_by: Option<&str>) -> Room {
    Room {
        name: "r1".parse().unwrap(),
        address: "239.1.1.1:6000".parse().unwrap(),
        dialect: Dialect::Plain,
        limit: made_by.map(|_| MemberLimit::new(7).unwrap()),
        topic: made_by.map(|name| name.parse().unwrap()),
        history: made_by.map(|_| "1000,7d".parse().unwrap()),
        made_by: Origin {
            name: made_by.map(|name| name.parse().unwrap()),
            address: "[::1]:5".parse().unwrap(),
        },
        made_at: "2026-01-02T03:04:05Z".parse().unwrap(),
    }
}

fn texts() -> [MessageText; 3] {
    // Of the last, each byte would need six in a line.
    [
        "hi, \"bytes\":4",
        &"é".repeat(5000),
        &"\u{1}".repeat(65_536),
    ]
    .map(|t| t.parse().unwrap())
}

fn offered() -> FileOffer {
    FileOffer {
        name: FileName::of("notes.txt"),
        size_bytes: u64::MAX,
        hash: "0123456789abcdef".repeat(4).parse().unwrap(),
    }
}

fn put_file(bytes: &'static [u8]) -> Request {
    Request::PutFile {
        offer: offered(),
        offset: 0,
        bytes: Bytes::from_static(bytes),
    }
}

fn requests() -> Vec<Request> {
    let make = |address: Option<&str>, limit: Option<i64>| {
        Request::MakeRoom(NewRoom {
            name: "r1".parse().unwrap(),
            address: address.map(|a| a.parse().unwrap()),
            dialect: Dialect::Plain,
            limit: limit.map(|limit| MemberLimit::new(limit).unwrap()),
            topic: limit.map(|_| "tea".parse().unwrap()),
            history: limit.map(|_| "off".parse().unwrap()),
        })
    };
    let enter = |member| Request::Enter {
        room: "lobby".parse().unwrap(),
        via: Via::Relay,
        member,
        interface: member.map(|_| "10.0.0.5".parse().unwrap()),
        name: member.map(|_| "John".parse().unwrap()),
    };
    let hello = |resume| Request::Hello {
        version: VERSION,
        resume,
    };
    let topic = |topic: Option<&str>| Request::Topic {
        room: "r1".parse().unwrap(),
        topic: topic.map(|topic| topic.parse().unwrap()),
    };
    let history = |query| Request::History {
        room: "r1".parse().unwrap(),
        query,
    };
    let search = |room: Option<&str>| Request::Search {
        room: room.map(|room| room.parse().unwrap()),
        words: "free printer".parse().unwrap(),
        before: room.map(|_| 70),
        limit: room.map(|_| 5),
    };
    let mut requests = vec![
        hello(None),
        hello(Some(Token::from_random([9; 16]))),
        Request::Name("Émile".parse().unwrap()),
        Request::Names,
        Request::Report,
        enter(None),
        enter(Some(SessionId(77))),
        Request::Leave("r1".parse().unwrap()),
        Request::Members("r1".parse().unwrap()),
        Request::Watch,
        Request::GroupSet {
            group: "dinner".parse().unwrap(),
            members: vec!["John".parse().unwrap(), "Stella".parse().unwrap()],
        },
        Request::GroupLeave("dinner".parse().unwrap()),
        Request::GroupDelete("dinner".parse().unwrap()),
        Request::Groups,
        Request::Follow("@ann".parse().unwrap()),
        Request::Unfollow("cake".parse().unwrap()),
        Request::Following,
        Request::Away(None),
        Request::Away(Some("at lunch".parse().unwrap())),
        topic(None),
        topic(Some("tea")),
        history(HistoryQuery::default()),
        history(HistoryQuery {
            since: Some(Since::Ago(600_000)),
            before: Some(u64::MAX),
            of: Some(RecordRange {
                origin: SessionId(7),
                first: 5,
                end: u64::MAX,
            }),
            limit: Some(100),
        }),
        history(HistoryQuery {
            since: Some(Since::At("2026-01-02T03:04:05.678Z".parse().unwrap())),
            ..HistoryQuery::default()
        }),
        search(None),
        search(Some("r1")),
        Request::GetDirectory,
        make(None, None),
        make(Some("239.1.1.1:6000"), Some(30)),
        Request::DeleteRoom("r1".parse().unwrap()),
        Request::GetFile {
            hash: offered().hash,
            offset: 65_536,
        },
        put_file(b"not \xff UTF-8"),
        put_file(b""),
        Request::OfferFile {
            to: FileFor::Room("lobby".parse().unwrap()),
            offer: offered(),
            said_at: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
        },
        Request::OfferFile {
            to: FileFor::Person("John".parse().unwrap()),
            offer: offered(),
            said_at: None,
        },
        Request::Ping,
        Request::Bye,
    ];
    for text in texts() {
        requests.push(Request::Say {
            room: "lobby".parse().unwrap(),
            text: text.clone(),
            said_at: Some("2026-01-02T03:04:05.678Z".parse().unwrap()),
        });
        requests.push(Request::Whisper {
            to: "John".parse().unwrap(),
            text: text.clone(),
        });
        requests.push(Request::GroupSend(text));
    }
    requests
}

fn replies() -> Vec<Reply> {
    let hello = |name: Option<&str>| Reply::Hello {
        version: 1,
        program: "crds 0.1.0".into(),
        token: Token::from_random([3; 16]),
        name: name.map(|name| name.parse().unwrap()),
    };
    let online = |room: Option<&str>| Online {
        name: "John".parse().unwrap(),
        address: "[::1]:5".parse().unwrap(),
        since: "2026-01-02T03:04:05Z".parse().unwrap(),
        room: room.map(|room| room.parse().unwrap()),
        via: room.map(|_| Via::Multicast),
        away: room.map(|_| "at lunch".parse().unwrap()),
        avatar: room.map(|_| AvatarId::of(b"a")),
    };
    let entry = |what| HistoryEntry {
        number: 5,
        said_at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        heard_at: "2026-01-02T03:04:06Z".parse().unwrap(),
        from: "another program".into(),
        what,
        record: None,
    };
    let text = |text: &MessageText| HistoryEntry {
        record: Some(RecordId {
            origin: SessionId(u64::MAX),
            sequence: u64::MAX,
        }),
        ..entry(Happening::Text(text.clone()))
    };
    let file = FileOffer {
        name: "notes.txt".to_owned().into(),
        size_bytes: u64::MAX,
        hash: FileHash([9; 32]),
    };
    let entries = [
        Happening::File(file),
        Happening::Joined,
        Happening::Left,
        Happening::Renamed("Jon".into()),
    ];
    let entries = entries.map(entry).into_iter();
    let entries: Vec<HistoryEntry> = entries.chain(texts().iter().map(text)).collect();
    let found = entries.iter().map(|entry| Found {
        room: "r1".parse().unwrap(),
        entry: entry.clone(),
    });
    vec![
        Reply::Found {
            found: found.collect(),
            before: Some(7),
        },
        Reply::History(HistoryPage {
            entries,
            before: None,
            kept: 12,
            positions: vec![Position {
                origin: SessionId(0),
                next: 8,
            }],
            now: "2026-01-02T03:04:07Z".parse().unwrap(),
        }),
        hello(None),
        hello(Some("John")),
        file_piece(b"\xff\n\n"),
        file_piece(b""),
        Reply::FileState {
            have_bytes: 65_536,
            is_kept: true,
        },
        Reply::Done,
        Reply::Said(record()),
        Reply::Members(vec![
            Present {
                name: "Ana".into(),
                via: Via::Relay,
                is_own: true,
            },
            Present {
                name: "another program".into(),
                via: Via::Multicast,
                is_own: false,
            },
        ]),
        Reply::Names {
            names: vec!["John".parse().unwrap(), "Émile".parse().unwrap()],
            avatars: vec![("Émile".parse().unwrap(), AvatarId::of(b"a"))],
        },
        Reply::Names {
            names: vec!["John".parse().unwrap()],
            avatars: Vec::new(),
        },
        Reply::Report(vec![online(None), online(Some("r1"))]),
        Reply::Entered {
            bridge: None,
            member: None,
        },
        Reply::Entered {
            bridge: Some(SessionId(7)),
            member: Some(SessionId(8)),
        },
        Reply::Groups(vec![Group {
            name: "dinner".parse().unwrap(),
            members: vec!["John".parse().unwrap()],
        }]),
        Reply::Following(vec!["@ann".parse().unwrap(), "cake".parse().unwrap()]),
        Reply::Directory(vec![room(Some("Mel")), room(None)]),
        Reply::RoomMade(room(None)),
        Reply::RoomDeleted(room(Some("Mel"))),
    ]
}

fn file_event(room: Option<&str>) -> Event {
    Event::File {
        room: room.map(|room| room.parse().unwrap()),
        from: "John".parse().unwrap(),
        offer: offered(),
        at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        said_at: "2026-01-02T02:59:59Z".parse().unwrap(),
        number: room.map(|_| 7),
    }
}

fn file_piece(bytes: &'static [u8]) -> Reply {
    Reply::FilePiece {
        size_bytes: 3,
        bytes: Bytes::from_static(bytes),
    }
}

fn record() -> RecordId {
    RecordId {
        origin: SessionId(0xfedc_ba98_7654_3210),
        sequence: 9,
    }
}

/// What somebody hears who is hosted in a room, or watches all.
fn room_events() -> Vec<Event> {
    let room = || "r1".parse().unwrap();
    let at = || "2026-01-02T03:04:05.678Z".parse().unwrap();
    let activity = |talk| Activity {
        room: "r1".parse().unwrap(),
        members: 3,
        talk,
    };
    let mut events = vec![
        Event::Offered {
            room: room(),
            from: "another program".into(),
            offer: offered(),
            at: at(),
            said_at: "2026-01-02T02:59:59Z".parse().unwrap(),
            record: record(),
            is_own: true,
        },
        Event::Came {
            room: room(),
            name: "Ana~2".into(),
            at: at(),
        },
        Event::Went {
            room: room(),
            name: "Ana~2".into(),
            at: at(),
        },
        Event::Delivered {
            room: room(),
            record: record(),
            by: 3,
            of: 4,
        },
        Event::RoomNotice {
            room: room(),
            text: "a line is lost".into(),
        },
        Event::Activity(vec![
            activity(None),
            activity(Some(Talk { last: 7, total: 5 })),
        ]),
        Event::RoomMade(Box::new(self::room(Some("Mel")))),
    ];
    let lines = texts().into_iter().flat_map(|text| {
        [None, Some(record())].map(|record| Event::Heard {
            room: "r1".parse().unwrap(),
            from: "another program".into(),
            text: text.clone(),
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            said_at: "2026-01-02T02:59:59Z".parse().unwrap(),
            is_own: record.is_none(),
            record,
        })
    });
    events.extend(lines);
    events
}

fn events() -> Vec<Event> {
    let name = || "John".parse().unwrap();
    let room = || "lobby".parse().unwrap();
    let group = || "dinner".parse().unwrap();
    let topic = |topic: Option<&str>| Event::Topic {
        room: room(),
        topic: topic.map(|topic| topic.parse().unwrap()),
        by: name(),
    };
    let mut events = vec![
        Event::Reach {
            room: room(),
            heard: true,
        },
        Event::Welcome(name()),
        Event::Joined(name()),
        Event::Exited(name()),
        Event::Avatar {
            name: name(),
            avatar: Some(AvatarId::of(b"a")),
        },
        Event::Avatar {
            name: name(),
            avatar: None,
        },
        Event::Renamed {
            before: name(),
            name: "Jon".parse().unwrap(),
        },
        Event::Entered {
            room: room(),
            name: name(),
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            number: 7,
        },
        Event::Left {
            room: room(),
            name: name(),
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            number: 8,
        },
        Event::Enrolled {
            group: group(),
            by: name(),
        },
        Event::GroupLeft {
            group: group(),
            by: name(),
        },
        Event::GroupDeleted {
            group: group(),
            by: name(),
        },
        topic(None),
        topic(Some("tea")),
        Event::RoomDeleted {
            name: "r1".parse().unwrap(),
            by: "Mel".into(),
        },
        Event::Idle("still there?".into()),
        Event::Notice("soon".into()),
        file_event(None),
        file_event(Some("lobby")),
        Event::ServerStopping,
    ];
    for text in texts() {
        events.push(Event::Line {
            room: room(),
            from: "another program".into(),
            text: text.clone(),
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            said_at: "2026-01-02T02:59:59Z".parse().unwrap(),
            number: u64::MAX,
        });
        events.push(Event::Whisper {
            from: name(),
            text: text.clone(),
        });
        events.push(Event::GroupLine {
            group: group(),
            from: name(),
            text: text.clone(),
        });
        events.push(Event::Followed {
            room: room(),
            from: "another program".into(),
            text,
        });
    }
    events
}

/// The line with its raw bytes, as the other side cuts it out. Nothing is left over.
fn received(sent: &str) -> crate::control::Framed {
    received_with(sent, None, LINE_BYTES_MAX)
}

fn received_with(
    sent: &str,
    raw_bytes: Option<&Bytes>,
    line_bytes_max: usize,
) -> crate::control::Framed {
    let mut buffer = LineBuffer::new(line_bytes_max);
    buffer.space().extend_from_slice(sent.as_bytes());
    buffer
        .space()
        .extend_from_slice(raw_bytes.map_or(&[], |bytes| bytes));
    let framed = buffer.next_framed().unwrap().unwrap();
    assert!(buffer.is_empty());
    framed
}

#[test]
fn every_request_that_is_written_reads_back() {
    let requests = requests();
    for kind in RequestKind::ALL {
        assert!(requests.iter().any(|r| r.kind() == *kind), "{kind:?}");
    }
    for request in requests {
        let line = request_line(7, &request);
        let framed = received_with(&line, request.raw_bytes(), LINE_BYTES_MAX);
        let is_piece = matches!(request, Request::GetFile { .. } | Request::PutFile { .. });
        assert_eq!(asks_for_piece(&framed.line), is_piece);
        let read = parse_request(&framed.line, framed.bulk.as_deref());
        assert_eq!(read, (Some(7), Ok(request)));
    }
}

#[test]
fn every_answer_that_is_written_reads_back() {
    let replies = replies();
    for word in Reply::NAMES {
        assert!(replies.iter().any(|r| r.as_str() == *word), "{word}");
    }
    for reply in replies {
        let line = reply_line(3, &reply);
        if let Reply::Directory(rooms) = &reply {
            let array = directory_array(rooms.iter());
            assert_eq!(reply_line_with_directory(3, &array), line);
        }
        let framed = received_with(&line, reply.raw_bytes(), ANSWER_BYTES_MAX);
        let read = parse_server_line(&framed.line, framed.bulk.as_deref()).unwrap();
        assert_eq!(read, ServerLine::Answer(Some(3), Ok(reply)));
    }
    for &code in RefusalCode::ALL {
        let refusal = Refusal::new(code, "because");
        let read = parse_server_line(refusal_line(None, &refusal).trim_end(), None).unwrap();
        assert_eq!(read, ServerLine::Answer(None, Err(refusal)));
    }
}

#[test]
fn every_event_that_is_written_reads_back() {
    let events: Vec<Event> = events().into_iter().chain(room_events()).collect();
    for word in Event::NAMES {
        assert!(events.iter().any(|e| e.as_str() == *word), "{word}");
    }
    for event in events {
        let framed = received(&event_line(&event));
        let read = parse_server_line(&framed.line, framed.bulk.as_deref()).unwrap();
        assert_eq!(read, ServerLine::Event(event));
    }
    let read = parse_server_line(r#"{"event":"comet","text":"look up"}"#, None).unwrap();
    assert_eq!(read, ServerLine::Event(Event::Notice("look up".into())));
}

#[test]
fn a_bad_request_is_refused_under_its_number() {
    let refused = |text: &str| {
        let (id, result) = parse_request(text, None);
        (id, result.unwrap_err().code)
    };
    assert_eq!(refused("{"), (None, RefusalCode::Malformed));
    for (rest, code) in [
        (r#""request":7"#, RefusalCode::Malformed),
        (r#""request":"dance""#, RefusalCode::UnknownCommand),
        (r#""request":"make-room""#, RefusalCode::Malformed),
        (r#""request":"say","room":"lobby""#, RefusalCode::Malformed),
        (
            r#""request":"say","room":"lobby","text":" ""#,
            RefusalCode::TextNotAllowed,
        ),
        (
            r#""request":"enter","room":"r1","via":"pigeon""#,
            RefusalCode::Malformed,
        ),
        (
            r#""request":"enter","room":"r1","via":"relay","member":"7""#,
            RefusalCode::Malformed,
        ),
        (
            r#""request":"group-set","group":"a b","members":["x"]"#,
            RefusalCode::GroupNameNotAllowed,
        ),
        (
            r#""request":"group-set","group":"ab","members":[]"#,
            RefusalCode::Malformed,
        ),
        (
            r#""request":"group-set","group":"ab","members":["x:"]"#,
            RefusalCode::NameNotAllowed,
        ),
        (
            r#""request":"follow","what":"x""#,
            RefusalCode::TextNotAllowed,
        ),
        (
            r#""request":"history","room":"r1","origin":"0000000000000007""#,
            RefusalCode::Malformed,
        ),
        (
            r#""request":"history","room":"r1","ago":5,"since":"2026-01-02T03:04:05Z""#,
            RefusalCode::Malformed,
        ),
        (
            r#""request":"search","words":"?!""#,
            RefusalCode::TextNotAllowed,
        ),
        (
            r#""request":"away","text":"a\nb""#,
            RefusalCode::TextNotAllowed,
        ),
    ] {
        let line = format!("{{\"id\":4,{rest}}}");
        assert_eq!(refused(&line), (Some(4), code), "{line}");
    }
    let make = |rest: &str| {
        format!(r#"{{"id":4,"request":"make-room","name":"r","dialect":"plain"{rest}}}"#)
    };
    for (rest, code) in [
        (
            r#","address":"239.1.1.1","port":65536"#,
            RefusalCode::AddressNotAllowed,
        ),
        (
            r#","address":"239.1.1.1","port":-1"#,
            RefusalCode::AddressNotAllowed,
        ),
        (r#","limit":0"#, RefusalCode::LimitNotAllowed),
        (r#","limit":10001"#, RefusalCode::LimitNotAllowed),
        (r#","topic":"""#, RefusalCode::TextNotAllowed),
        (r#","history":"some""#, RefusalCode::LimitNotAllowed),
    ] {
        assert_eq!(refused(&make(rest)), (Some(4), code), "{rest}");
    }
    let klingon = r#"{"id":4,"request":"make-room","name":"r","dialect":"klingon"}"#;
    assert_eq!(refused(klingon), (Some(4), RefusalCode::UnknownDialect));
}

#[test]
fn a_text_behind_the_line_is_read_as_strictly_as_one_in_it() {
    let refused = |line: &str, bulk: &[u8]| {
        let (id, result) = parse_request(line, Some(bulk));
        assert_eq!(id, Some(4));
        result.unwrap_err().code
    };
    let say = r#"{"id":4,"request":"say","room":"lobby","bytes":2}"#;
    assert_eq!(refused(say, b"\xff\xff"), RefusalCode::Malformed);
    assert_eq!(refused(say, b" \n"), RefusalCode::TextNotAllowed);
    let twice = r#"{"id":4,"request":"say","room":"lobby","text":"hi","bytes":2}"#;
    assert_eq!(refused(twice, b"hi"), RefusalCode::Malformed);
}

proptest! {
    #[test]
    fn no_line_panics_either_side(
        text in "\\PC*|\\{\"(id|request|event|reply|error|bytes)\":.{0,40}\\}",
        bulk in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)),
    ) {
        let (_, result) = parse_request(&text, bulk.as_deref());
        if let Err(refusal) = result {
            prop_assert!(!refusal.text.contains(char::is_control));
        }
        let _ = parse_server_line(&text, bulk.as_deref());
    }

    #[test]
    fn any_text_that_can_be_said_reads_back(text in "\\PC{1,40}", times in 1usize..1000) {
        if let Ok(text) = text.repeat(times).parse::<MessageText>() {
            let request = Request::GroupSend(text);
            let framed = received(&request_line(7, &request));
            prop_assert!(framed.line.len() <= 65_536);
            let read = parse_request(&framed.line, framed.bulk.as_deref());
            prop_assert_eq!(read, (Some(7), Ok(request)));
        }
    }
}
