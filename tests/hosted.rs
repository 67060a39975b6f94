//! Those whom the server takes part for in a room, as programs that speak JSON lines see it. All traffic stays on
//! loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[path = "common/client.rs"]
#[expect(dead_code, reason = "answers and events are told apart here")]
mod client;
#[path = "common/foreign.rs"]
mod foreign;
#[path = "common/group.rs"]
mod group;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/person.rs"]
mod person;
#[path = "common/room.rs"]
mod room;
#[path = "common/server.rs"]
#[expect(dead_code, reason = "servers here have their seats on loopback")]
mod server;

use std::io::Write;
use std::time::Duration;

use crds::chat::{Dialect, RoomAddress, SessionId, TransportChoice, UserName};
use crds::client::{
    Connection, Entry, Room, RoomEvent, RoomOptions, SourceFile, Transfer, Turn, new_member,
};
use group::free_group;
use loopback::{running, start};
use patience::PATIENCE;
use person::Person;
use serde_json::{Value, json};
use server::TestServer;
use tokio::runtime::Runtime;
use tokio::time::timeout;

impl Person {
    /// Hosted in this room.
    fn hosted(port: u16, name: &str, room: &str) -> Self {
        let mut person = Self::named(port, name);
        person.enter(room);
        person
    }

    fn enter(&mut self, room: &str) {
        self.enter_as(room, &Value::Null);
    }

    /// Goes on from the member that it was before, if any; which one it is now.
    fn enter_as(&mut self, room: &str, before: &Value) -> Value {
        let mut enter = json!({"request": "enter", "room": room, "via": "hosted"});
        if !before.is_null() {
            enter["member"] = before.clone();
        }
        let answer = self.ask(enter);
        assert_eq!(answer["reply"], "entered", "{answer}");
        answer["member"].clone()
    }

    fn make(&mut self, name: &str, dialect: &str) -> RoomAddress {
        let group = free_group();
        let (address, port) = (group.group().to_string(), group.port());
        let made = self.ask(
            json!({"request": "make-room", "name": name, "dialect": dialect,
            "address": address, "port": port}),
        );
        assert_eq!(made["reply"], "room-made", "{made}");
        group
    }

    /// Gives the answer, which tells as which record it goes out.
    fn say(&mut self, room: &str, text: &str) -> Value {
        let said = self.ask(json!({"request": "say", "room": room, "text": text}));
        assert_eq!(said["reply"], "said", "{said}");
        said
    }

    fn refused(&mut self, request: Value) -> String {
        let answer = self.ask(request);
        answer["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The next line, as `name: text`.
    fn heard(&mut self) -> String {
        let line = self.event_of("line");
        format!(
            "{}: {}",
            line["from"].as_str().unwrap(),
            line["text"].as_str().unwrap()
        )
    }

    fn members(&mut self, room: &str) -> Vec<Value> {
        let answer = self.ask(json!({"request": "members", "room": room}));
        assert_eq!(answer["reply"], "members", "{answer}");
        answer["members"].as_array().unwrap().clone()
    }
}

/// A member on multicast, as our own client is one.
struct Member {
    connection: Connection,
    room: Room,
}

async fn member(server: &TestServer, room: &str, address: RoomAddress, name: &str) -> Member {
    let at = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let name: UserName = name.parse().unwrap();
    let connection = Connection::open(&at, Some(&name)).await.unwrap();
    let interface = room::loopback();
    let id = new_member().unwrap();
    let way = Entry {
        room: room.parse().unwrap(),
        member: Some(SessionId(id)),
        interface: interface.address,
        name: None,
    };
    let relay = connection.enter(way, TransportChoice::Multicast).await;
    let options = RoomOptions {
        id: Some(id),
        relay: Some(relay.unwrap()),
        ..RoomOptions::new(interface, name, Dialect::Reliable)
    };
    Member {
        connection,
        room: Room::join(address, options).unwrap(),
    }
}

impl Member {
    async fn say(&self, text: &str) {
        room::say(&self.room, text).await;
    }

    /// The first event that this gives something for.
    async fn next<T>(&mut self, wanted: impl FnMut(RoomEvent) -> Option<T>) -> T {
        room::next(&mut self.room, wanted).await
    }

    async fn heard(&mut self) -> String {
        room::heard_in_the_end(&mut self.room).await
    }

    async fn leave(self) {
        self.room.leave().await;
        self.connection.bye().await;
    }
}

#[test]
fn two_who_are_hosted_talk_and_see_who_comes_and_goes() {
    let (_folder, server) = running(&[]);
    let mut ana = Person::named(server.port, "Ana");
    ana.make("lab", "reliable");
    ana.enter("LAB");
    let mut bob = Person::hosted(server.port, "Bob", "lab");
    let came = ana.event_of("entered");
    assert_eq!(
        (&came["room"], &came["name"]),
        (&json!("lab"), &json!("Bob"))
    );
    assert!(came["at"].is_string());

    let said = ana.say("lab", "Hello!");
    let own = ana.event_of("line");
    assert_eq!(own["own"], true);
    let line = bob.event_of("line");
    assert_eq!(
        (&line["room"], &line["from"], &line["text"]),
        (&json!("lab"), &json!("Ana"), &json!("Hello!"))
    );
    assert_eq!(line["own"], Value::Null);
    for event in [&own, &line] {
        assert_eq!(event["origin"], said["origin"]);
        assert_eq!(event["sequence"], said["sequence"]);
        assert!(event["at"].is_string() && event["said_at"].is_string());
    }
    let delivered = ana.event_of("delivered");
    assert_eq!(delivered["sequence"], said["sequence"]);
    assert_eq!((&delivered["by"], &delivered["of"]), (&json!(1), &json!(1)));

    bob.done(json!({"request": "leave", "room": "lab"}));
    assert_eq!(ana.event_of("left")["name"], "Bob");
    assert_eq!(
        bob.refused(json!({"request": "say", "room": "lab", "text": "x"})),
        "not-relayed"
    );
}

#[test]
fn who_is_hosted_is_a_full_member_beside_those_on_multicast() {
    let (_folder, server) = running(&[]);
    let runtime = Runtime::new().unwrap();
    let mut ana = Person::named(server.port, "Ana");
    let address = ana.make("lab", "reliable");
    ana.enter("lab");
    let mut mel = runtime.block_on(member(&server, "lab", address, "Mel"));
    assert_eq!(ana.event_of("entered")["name"], "Mel");
    runtime.block_on(mel.say("from multicast"));
    assert_eq!(ana.heard(), "Mel: from multicast");
    let said = ana.say("lab", "to multicast");
    assert_eq!(runtime.block_on(mel.heard()), "Ana: to multicast");
    let members = runtime.block_on(mel.room.members());
    assert_eq!(members.len(), 1);
    assert!(members[0].is_relayed && members[0].name == "Ana");
    let delivered = ana.event_of("delivered");
    assert_eq!(delivered["sequence"], said["sequence"]);
    assert_eq!([&delivered["by"], &delivered["of"]], [1, 1]);
    let mut members = ana.members("lab");
    members.sort_by_key(|member| member["name"].to_string());
    assert_eq!(
        members,
        [
            json!({"name": "Ana", "via": "relay", "own": true}),
            json!({"name": "Mel", "via": "multicast"})
        ]
    );
    ana.done(json!({"request": "name", "name": "Anna"}));
    let renamed = mel.next(|event| match event {
        RoomEvent::Renamed { before, now } => Some((before, now)),
        _ => None,
    });
    assert_eq!(
        runtime.block_on(renamed),
        ("Ana".to_owned(), "Anna".to_owned())
    );
    ana.say("lab", "as Anna");
    assert_eq!(runtime.block_on(mel.heard()), "Anna: as Anna");
    // A connection that breaks takes the seat along.
    drop(ana);
    let left = mel.next(|event| match event {
        RoomEvent::Left(name) => Some(name),
        _ => None,
    });
    assert_eq!(runtime.block_on(left), "Anna");
    runtime.block_on(mel.leave());
}

#[test]
fn a_long_text_travels_behind_its_line() {
    let (_folder, server) = running(&[]);
    let mut ana = Person::named(server.port, "Ana");
    ana.make("lab", "reliable");
    ana.enter("lab");
    let mut bob = Person::hosted(server.port, "Bob", "lab");
    let text = "x".repeat(50_000);
    let request = json!({"id": 7, "request": "say", "room": "lab", "bytes": text.len()});
    let sent = format!("{request}\n{text}");
    ana.client.stream.write_all(sent.as_bytes()).unwrap();
    let line = bob.event_of("line");
    assert_eq!(line["bytes"], text.len());
    assert_eq!(bob.client.raw(text.len()), text.as_bytes());
}

#[test]
fn a_newcomer_gets_everything_once() {
    const LINES: usize = 400;
    let (_folder, server) = running(&[]);
    let runtime = Runtime::new().unwrap();
    let mut ana = Person::named(server.port, "Ana");
    let address = ana.make("lab", "reliable");
    let mel = runtime.block_on(member(&server, "lab", address, "Mel"));
    let (begun, has_begun) = std::sync::mpsc::channel();
    let talking = runtime.spawn(async move {
        for number in 0..LINES {
            mel.say(&format!("line {number}")).await;
            if number == LINES / 4 {
                begun.send(()).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        mel
    });
    has_begun.recv_timeout(PATIENCE).unwrap();
    ana.enter("lab");
    let page = ana.ask(json!({"request": "history", "room": "lab", "limit": 500}));
    let mut heard = std::collections::BTreeMap::new();
    for entry in page["entries"].as_array().unwrap() {
        if entry["what"] == "text" {
            let key = (entry["origin"].to_string(), entry["sequence"].as_u64());
            heard.insert(key, entry["text"].as_str().unwrap().to_owned());
        }
    }
    let mut of_events = 0;
    while heard.len() < LINES {
        let line = ana.event_of("line");
        let key = (line["origin"].to_string(), line["sequence"].as_u64());
        heard.insert(key, line["text"].as_str().unwrap().to_owned());
        of_events += 1;
    }
    assert!(of_events > 0);
    let expected: Vec<String> = (0..LINES).map(|number| format!("line {number}")).collect();
    assert_eq!(heard.into_values().collect::<Vec<_>>(), expected);
    let mel = runtime.block_on(talking).unwrap();
    runtime.block_on(mel.leave());
}

#[test]
fn a_plain_room_is_spoken_as_other_programs_do() {
    let (_folder, server) = running(&[]);
    let mut ana = Person::named(server.port, "Ana");
    let address = ana.make("lab", "plain");
    ana.enter("lab");
    let mut bob = Person::hosted(server.port, "Bob", "lab");
    let (receiver, sender) = (foreign::receiver(address), foreign::sender());
    ana.done(json!({"request": "say", "room": "lab", "text": "Good morning!"}));
    assert_eq!(foreign::receive(&receiver), "Ana: Good morning!");
    let own = ana.event_of("line");
    assert_eq!((&own["own"], &own["from"]), (&json!(true), &json!("Ana")));
    let line = bob.event_of("line");
    assert_eq!(line["text"], "Good morning!");
    assert!(line["own"].is_null() && line["origin"].is_null() && line["number"].is_null());
    foreign::send(&sender, address, "Zed : hi");
    assert_eq!(bob.heard(), "Zed: hi");
    assert_eq!(ana.heard(), "Zed: hi");
    // By this a client tells that it has the line already.
    let page = bob.ask(json!({"request": "history", "room": "lab"}));
    assert_eq!(page["entries"][0]["heard_at"], line["at"]);
    let mut members = bob.members("lab");
    members.sort_by_key(|member| member["name"].to_string());
    assert_eq!(
        members,
        [
            json!({"name": "Ana", "via": "relay"}),
            json!({"name": "Bob", "via": "relay", "own": true})
        ]
    );
    let offer = json!({"request": "offer-file", "room": "lab", "name": "x", "size": 1, "hash": "00".repeat(32)});
    assert_eq!(ana.refused(offer), "no-such-file");
    bob.done(json!({"request": "name", "name": "Bo"}));
    bob.done(json!({"request": "say", "room": "lab", "text": "renamed"}));
    assert_eq!(ana.heard(), "Bo: renamed");
}

#[test]
fn what_may_not_be_is_refused() {
    let (_folder, server) = running(&[]);
    let (mut nobody, _) = Person::greeted(server.port, None);
    nobody.make("lab", "reliable");
    nobody.make("tea", "reliable");
    let enter = json!({"request": "enter", "room": "lab", "via": "hosted"});
    assert_eq!(nobody.refused(enter), "name-first");
    let enter = json!({"request": "enter", "room": "lab", "via": "hosted", "name": "Zoe"});
    assert_eq!(nobody.refused(enter), "name-first");
    let mut ana = Person::named(server.port, "Ana");
    let enter = json!({"request": "enter", "room": "none", "via": "hosted"});
    assert_eq!(ana.refused(enter), "no-such-room");
    let members = |room: &str| json!({"request": "members", "room": room});
    let say = |room: &str| json!({"request": "say", "room": room, "text": "x"});
    assert_eq!(ana.refused(members("lab")), "enter-first");
    ana.enter("lab");
    assert_eq!(ana.refused(say("tea")), "not-relayed");
    assert_eq!(ana.refused(members("tea")), "enter-first");
    // One room at a time, and the lobby besides.
    ana.enter("tea");
    assert_eq!(ana.refused(say("lab")), "not-relayed");
    ana.say("tea", "x");
    ana.enter("lobby");
    ana.done(say("lobby"));
    assert_eq!(
        ana.members("lobby"),
        [json!({"name": "Ana", "via": "relay", "own": true})]
    );
    ana.done(json!({"request": "leave", "room": "tea"}));
    assert_eq!(ana.refused(say("tea")), "not-relayed");
    ana.enter("tea");
    nobody.ask(json!({"request": "delete-room", "name": "tea"}));
    assert_eq!(ana.refused(say("tea")), "no-such-room");
}

#[test]
fn who_comes_back_is_the_same_member() {
    let (_folder, server) = running(&[]);
    let mut ana = Person::named(server.port, "Ana");
    ana.make("lab", "reliable");
    ana.enter("lab");
    let mut bob = Person::hosted(server.port, "Bob", "lab");
    let before = ana.say("lab", "before");
    let (mut again, hello) = Person::greeted(server.port, Some(&ana.token));
    assert_eq!(hello["name"], "Ana");
    again.enter("lab");
    bob.say("lab", "still there?");
    assert_eq!(again.heard(), "Bob: still there?");
    let after = again.say("lab", "after");
    assert_eq!(before["origin"], after["origin"]);
    let texts = [(); 3].map(|()| bob.heard());
    assert_eq!(texts, ["Ana: before", "Bob: still there?", "Ana: after"]);
    let gone = bob.events.iter().find(|event| event["event"] == "left");
    assert_eq!(gone, None);
}

#[test]
fn who_comes_back_to_another_server_keeps_its_name() {
    let (folder, server) = running(&[]);
    let mut ana = Person::named(server.port, "Ana");
    let address = ana.make("lab", "reliable");
    let runtime = Runtime::new().unwrap();
    let mut mel = runtime.block_on(member(&server, "lab", address, "Mel"));
    let before = ana.enter_as("lab", &Value::Null);
    ana.say("lab", "before");
    assert_eq!(runtime.block_on(mel.heard()), "Ana: before");
    // It is killed: nobody leaves.
    drop(server);
    let server = start(folder.path(), &[]);
    let mut ana = Person::named(server.port, "Ana");
    let after = ana.enter_as("lab", &before);
    assert_ne!(before, after);
    ana.say("lab", "after");
    assert_eq!(runtime.block_on(mel.heard()), "Ana: after");
    // Who is there now cannot be taken for one of before.
    let mut bob = Person::named(server.port, "Bob");
    bob.enter_as("lab", &after);
    ana.say("lab", "still here");
    assert_eq!(runtime.block_on(mel.heard()), "Ana: still here");
    runtime.block_on(mel.leave());
}

#[test]
fn files_go_both_ways() {
    let (_folder, server) = running(&[]);
    let runtime = Runtime::new().unwrap();
    let mut ana = Person::named(server.port, "Ana");
    let address = ana.make("lab", "reliable");
    ana.enter("lab");
    let mut bob = Person::hosted(server.port, "Bob", "lab");
    let mut mel = runtime.block_on(member(&server, "lab", address, "Mel"));
    let content: Vec<u8> = (0..60_000_u32)
        .map(|at| (at * 7 + at / 251) as u8)
        .collect();
    let hash = blake3::hash(&content).to_hex().to_string();
    let file = json!({"name": "notes.bin", "size": content.len(), "hash": hash});
    let request = |word: &str, more: Value| {
        let mut request = file.clone();
        request["request"] = json!(word);
        let more = more.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(more);
        request
    };
    let mut put = request("put-file", json!({"offset": 0, "bytes": content.len()}));
    put["id"] = json!(7);
    ana.client
        .stream
        .write_all(format!("{put}\n").as_bytes())
        .unwrap();
    ana.client.stream.write_all(&content).unwrap();
    while ana.value()["reply"] != "file-state" {}
    let said = ana.ask(request("offer-file", json!({"room": "lab"})));
    assert_eq!(said["reply"], "said", "{said}");
    for (person, own) in [(&mut ana, json!(true)), (&mut bob, Value::Null)] {
        let event = person.event_of("file");
        assert_eq!([&event["from"], &event["name"]], ["Ana", "notes.bin"]);
        assert_eq!(
            (&event["hash"], &event["size"]),
            (&file["hash"], &file["size"])
        );
        assert_eq!(
            (&event["sequence"], &event["own"]),
            (&said["sequence"], &own)
        );
    }
    // Those on multicast get it from the server's seat.
    let folder = tempfile::tempdir().unwrap();
    let offered = |event| match event {
        RoomEvent::Offered { from, offer, .. } => Some((from, offer)),
        _ => None,
    };
    let fetched = runtime.block_on(async {
        let (from, offer) = mel.next(offered).await;
        assert_eq!(from, "Ana");
        let (files, transfer) = (mel.room.files(None), Transfer::default());
        let mut turn = Turn::alone().await;
        let fetching = files.fetch(&offer, folder.path(), &transfer, &mut turn);
        timeout(PATIENCE, fetching).await.unwrap().unwrap()
    });
    assert!(std::fs::read(&fetched.path).unwrap() == content);

    // And what they offer, the server keeps.
    let path = folder.path().join("more.bin");
    std::fs::write(&path, &content[1..]).unwrap();
    let shared = runtime.block_on(async {
        let source = SourceFile::open(&path).unwrap();
        let files = mel.room.files(None);
        files.share(source, &Transfer::default()).await.unwrap()
    });
    let event = bob.event_of("file");
    assert_eq!([&event["from"], &event["name"]], ["Mel", "more.bin"]);
    let get = json!({"request": "get-file", "hash": event["hash"], "offset": 0});
    let piece = loop {
        let answer = bob.ask(get.clone());
        if answer["reply"] == "file-piece" {
            break answer;
        }
        let code = answer["error"].as_str().unwrap();
        assert!(
            ["file-not-whole", "no-such-file"].contains(&code),
            "{answer}"
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(piece["size"], content.len() - 1);
    assert!(bob.client.raw(content.len() - 1) == content[1..]);
    drop(shared);
    runtime.block_on(mel.leave());
}

#[test]
fn who_does_not_read_holds_up_nobody() {
    let (_folder, server) = running(&[]);
    let mut ana = Person::named(server.port, "Ana");
    ana.make("lab", "reliable");
    ana.enter("lab");
    let _slow = Person::hosted(server.port, "Slow", "lab");
    let mut bob = Person::hosted(server.port, "Bob", "lab");
    let long = "x".repeat(8000);
    // Until what waits for that one is more than may.
    loop {
        ana.say("lab", &long);
        bob.heard();
        let is_gone = |event: &Value| event["event"] == "left" && event["name"] == "Slow";
        if ana.events.iter().any(is_gone) {
            break;
        }
        ana.events.clear();
    }
    ana.say("lab", "and on it goes");
    while bob.heard() != "Ana: and on it goes" {}
}

#[test]
fn who_watches_hears_how_much_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), &[]);
    let mut ana = Person::named(server.port, "Ana");
    ana.make("lab", "reliable");
    let (mut watcher, _) = Person::greeted(server.port, None);
    watcher.done(json!({"request": "watch"}));
    assert_eq!(
        watcher.event(),
        json!({"event": "activity", "rooms": [{"room": "lobby", "members": 0}, {"room": "lab", "members": 0}]})
    );
    ana.make("tea", "plain");
    let made = watcher.event_of("room-made");
    assert_eq!(
        (&made["room"]["name"], &made["room"]["dialect"]),
        (&json!("tea"), &json!("plain"))
    );
    ana.enter("lab");
    let changed = watcher.event_of("activity");
    assert_eq!(changed["rooms"], json!([{"room": "lab", "members": 1}]));
    ana.say("lab", "one");
    ana.say("lab", "two");
    ana.enter("lobby");
    let mut last = json!(null);
    let mut lobby = json!(null);
    while last["total"] != 2 || lobby.is_null() {
        let changed = watcher.event_of("activity");
        for room in changed["rooms"].as_array().unwrap() {
            match room["room"].as_str().unwrap() {
                "lab" => last = room.clone(),
                "lobby" => lobby = room.clone(),
                _ => {}
            }
        }
    }
    assert_eq!(
        (&last["members"], &lobby["members"]),
        (&json!(1), &json!(1))
    );
    let page = ana.ask(json!({"request": "history", "room": "lab"}));
    let mut entries = page["entries"].as_array().unwrap().iter();
    let newest = entries.rfind(|entry| entry["what"] == "text").unwrap();
    assert_eq!(newest["number"], last["last"]);
    // After a restart it is counted on.
    drop(server);
    let server = start(folder.path(), &[]);
    let (mut watcher, _) = Person::greeted(server.port, None);
    watcher.done(json!({"request": "watch"}));
    let all = watcher.event_of("activity");
    assert_eq!(
        all["rooms"][1],
        json!({"room": "lab", "members": 0, "last": last["last"], "total": 2})
    );
}
