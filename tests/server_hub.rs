//! Names, the lobby, whispers, groups and follows, as programs that speak JSON lines see them.

#[path = "common/client.rs"]
mod client;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/person.rs"]
mod person;
#[path = "common/process.rs"]
mod process;
#[path = "common/server.rs"]
mod server;

use std::io::{Read, Write};
use std::net::Shutdown;

use client::Client;
use person::Person;
use process::{exit_code, signal};
use serde_json::{Value, json};
use server::{TestServer, running, serve};

impl Person {
    /// In the lobby too.
    fn in_lobby(port: u16, name: &str) -> Self {
        let mut person = Self::named(port, name);
        person.enter("lobby");
        person
    }

    fn enter(&mut self, room: &str) {
        let answer = self.ask(json!({"request": "enter", "room": room, "via": "multicast"}));
        assert_eq!(answer, json!({"id": 7, "reply": "entered"}));
    }

    fn say(&mut self, text: &str) {
        self.done(json!({"request": "say", "room": "lobby", "text": text}));
    }

    /// The word and the text of the refusal.
    fn refused(&mut self, request: Value) -> (String, String) {
        let answer = self.ask(request);
        let field = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        (field("error"), field("text"))
    }

    /// All that has come so far: what was caused before is there when a later answer is.
    fn events_so_far(&mut self) -> Vec<Value> {
        // The server passes events on before it reads again: so they come before the second answer.
        for _ in 0..2 {
            self.ask(json!({"request": "names"}));
        }
        std::mem::take(&mut self.events)
    }
}

/// A command in plain words, on a connection of its own.
fn words(port: u16, command: &str) -> String {
    Client::connect(port).ask(command)
}

fn joined(name: &str) -> Value {
    json!({"event": "joined", "name": name})
}

#[test]
fn who_comes_goes_and_is_renamed_is_told_to_the_others() {
    let (_folder, server) = running(&[]);
    let mut john = Person::named(server.port, "John");
    let mut peter = Person::named(server.port, "Peter");
    assert_eq!(john.event(), joined("Peter"));
    let (mut other, _) = Person::greeted(server.port, None);
    assert_eq!(
        other.refused(json!({"request": "name", "name": "JOHN"})),
        (
            "name-in-use".into(),
            "Username has already been used. Please enter another name.".into()
        )
    );
    other.done(json!({"request": "name", "name": "Stella"}));
    assert_eq!(peter.event(), joined("Stella"));
    let names = john.ask(json!({"request": "names"}));
    assert_eq!(names["names"], json!(["John", "Peter", "Stella"]));

    peter.done(json!({"request": "name", "name": "Pete"}));
    let renamed = json!({"event": "renamed", "before": "Peter", "name": "Pete"});
    assert_eq!(john.event_of("renamed"), renamed);
    assert_eq!(other.event_of("renamed"), renamed);

    // Gone with a goodbye, and without one.
    peter.ask(json!({"request": "bye"}));
    assert_eq!(john.event(), json!({"event": "exited", "name": "Pete"}));
    drop(other);
    assert_eq!(john.event(), json!({"event": "exited", "name": "Stella"}));
    Person::named(server.port, "Stella");
    for reserved in ["names", "QUIT", "group", "lobby"] {
        let refusal = john.refused(json!({"request": "name", "name": reserved}));
        assert_eq!(refusal.0, "name-not-allowed");
    }
}

#[test]
fn the_report_says_who_is_where_since_when() {
    let (_folder, server) = running(&[]);
    let ann = Person::in_lobby(server.port, "Ann");
    let mut bob = Person::named(server.port, "Bob");
    words(server.port, "makeroom r1 239.1.1.1 6000");
    bob.enter("R1");
    bob.done(json!({"request": "away", "text": "at lunch"}));
    let (mut nobody, _) = Person::greeted(server.port, None);
    let report = nobody.ask(json!({"request": "report"}));
    let online = report["online"].as_array().unwrap();
    let address = |person: &Person| person.client.stream.local_addr().unwrap().to_string();
    for one in online {
        let since: jiff::Timestamp = one["since"].as_str().unwrap().parse().unwrap();
        assert!(since > jiff::Timestamp::UNIX_EPOCH);
    }
    assert_eq!(
        *online,
        [
            json!({
                "name": "Ann", "address": address(&ann), "since": online[0]["since"],
                "room": "lobby", "via": "relay",
            }),
            json!({
                "name": "Bob", "address": address(&bob), "since": online[1]["since"],
                "room": "r1", "via": "multicast", "away": "at lunch",
            }),
        ]
    );
    bob.done(json!({"request": "leave", "room": "r1"}));
    let report = nobody.ask(json!({"request": "report"}));
    assert_eq!(report["online"][1]["room"], Value::Null);
}

#[test]
fn without_a_name_nobody_speaks() {
    let (_folder, server) = running(&[]);
    let (mut nobody, _) = Person::greeted(server.port, None);
    for request in [
        json!({"request": "enter", "room": "lobby", "via": "relay"}),
        json!({"request": "say", "room": "lobby", "text": "hi"}),
        json!({"request": "whisper", "to": "John", "text": "hi"}),
        json!({"request": "group-set", "group": "tea", "members": ["John"]}),
        json!({"request": "group-send", "text": "hi"}),
        json!({"request": "group-leave", "group": "tea"}),
        json!({"request": "group-delete", "group": "tea"}),
        json!({"request": "groups"}),
        json!({"request": "follow", "what": "tea"}),
        json!({"request": "following"}),
        json!({"request": "away", "text": "at lunch"}),
        json!({"request": "topic", "room": "r1", "text": "tea"}),
    ] {
        let refusal = nobody.refused(request.clone());
        assert_eq!(refusal.0, "name-first", "{request}");
    }
    assert_eq!(nobody.events_so_far(), [] as [Value; 0]);
}

#[test]
fn all_in_the_lobby_hear_what_is_said_there_and_nobody_else() {
    let (_folder, server) = running(&[]);
    let mut ann = Person::in_lobby(server.port, "Ann");
    let mut bob = Person::in_lobby(server.port, "Bob");
    let mut cleo = Person::named(server.port, "Cleo");
    let entered = ann.event_of("entered");
    assert!(entered["at"].is_string());
    let number = entered["number"].as_u64().unwrap();
    assert_eq!(
        entered,
        json!({
            "event": "entered", "room": "lobby", "name": "Bob", "at": entered["at"], "number": number,
        })
    );
    let refusal = cleo.refused(json!({"request": "say", "room": "lobby", "text": "hi"}));
    assert_eq!(refusal.0, "enter-first");

    ann.say("Hello \"all\"\n of you");
    let line = bob.event_of("line");
    assert_eq!(ann.event_of("line"), line);
    let at: jiff::Timestamp = line["at"].as_str().unwrap().parse().unwrap();
    assert!(at > jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(
        line,
        json!({
            "event": "line", "room": "lobby", "from": "Ann",
            "text": "Hello \"all\"\n of you", "at": line["at"], "said_at": line["at"],
            "number": number + 1,
        })
    );
    let early = "2001-02-03T04:05:06.789Z";
    ann.done(json!({"request": "say", "room": "lobby", "text": "early", "said_at": early}));
    let line = bob.event_of("line");
    assert_eq!(line["said_at"], early);
    assert_ne!(line["at"], early);
    bob.done(json!({"request": "leave", "room": "Lobby"}));
    let left = ann.event_of("left");
    assert_eq!(
        (&left["name"], &left["number"]),
        (&json!("Bob"), &json!(number + 3))
    );
    assert!(left["at"].is_string());
    ann.say("alone");
    assert!(!bob.events_so_far().iter().any(|e| e["event"] == "line"));
    assert!(!cleo.events_so_far().iter().any(|e| e["event"] == "line"));

    let elsewhere = |room: &str| json!({"request": "say", "room": room, "text": "hi"});
    words(server.port, "makeroom r1");
    assert_eq!(ann.refused(elsewhere("r1")).0, "not-relayed");
    assert_eq!(ann.refused(elsewhere("r2")).0, "no-such-room");
    let blank = json!({"request": "say", "room": "lobby", "text": " \n"});
    assert_eq!(ann.refused(blank).0, "text-not-allowed");
    // The lobby is nobody's: not in the directory, not made, not deleted.
    assert!(words(server.port, "makeroom lobby").starts_with("ERR every server has"));
    assert!(words(server.port, "deleteroom lobby").starts_with("ERR no such room"));
    assert!(!words(server.port, "getdir").contains("lobby"));
}

#[test]
fn a_long_text_follows_its_line_both_ways() {
    let (_folder, server) = running(&[]);
    let mut ann = Person::in_lobby(server.port, "Ann");
    let mut bob = Person::in_lobby(server.port, "Bob");
    ann.event_of("entered");
    // Not one byte of it could stand in a line as it is.
    let text = "\u{1}\"\n".repeat(10_000);
    let text = text.trim_end();
    ann.send(json!({"request": "say", "room": "lobby", "bytes": text.len()}));
    ann.client.stream.write_all(text.as_bytes()).unwrap();
    assert_eq!(ann.value()["reply"], "done");
    for person in [&mut ann, &mut bob] {
        let line = person.event_of("line");
        assert_eq!(line["bytes"], text.len());
        assert_eq!(line["text"], Value::Null);
        let mut bytes = vec![0; text.len()];
        person.client.reader.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, text.as_bytes());
    }
    assert_eq!(bob.events_so_far(), [] as [Value; 0]);

    // Bytes without end would swallow the lines after them.
    ann.send(json!({"request": "say", "room": "lobby", "bytes": 65_537}));
    let notice = ann.event_of("notice");
    assert!(
        notice["text"].as_str().unwrap().contains("1 to 65536"),
        "{notice}"
    );
    assert_eq!(ann.client.rest(), "");
}

#[test]
fn a_whisper_reaches_one_person_and_no_log() {
    let (folder, server) = running(&[]);
    let mut john = Person::named(server.port, "John");
    let mut stella = Person::named(server.port, "Stella");
    let mut peter = Person::named(server.port, "Peter");
    let whisper = |to: &str| json!({"request": "whisper", "to": to, "text": "Are you free?"});
    john.done(whisper("stella"));
    assert_eq!(
        stella.event_of("whisper"),
        json!({"event": "whisper", "from": "John", "text": "Are you free?"})
    );
    let is_whisper = |event: &Value| event["event"] == "whisper";
    assert!(!peter.events_so_far().iter().any(is_whisper));
    assert!(!john.events_so_far().iter().any(is_whisper));
    assert_eq!(
        john.refused(whisper("Zoe")),
        (
            "not-online".into(),
            "Zoe is not online: @names lists who is".into()
        )
    );
    stella.done(json!({"request": "away", "text": "at lunch"}));
    john.done(whisper("Stella"));
    assert_eq!(
        john.event_of("notice"),
        json!({"event": "notice", "text": "Stella is away: at lunch"})
    );

    let origin = john.client.stream.local_addr().unwrap();
    server.wait_for(|line| line == format!("John ({origin}) whispered 13 bytes to stella"));
    john.enter("lobby");
    john.say("said to all");
    server.wait_for(|line| line == "[lobby] John: said to all");
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    assert!(log.contains("whispered 13 bytes") && log.contains("said to all"));
    assert!(!log.contains("Are you free"), "{log}");
}

#[test]
fn a_group_is_made_used_left_and_deleted() {
    let (folder, server) = running(&[]);
    let mut john = Person::named(server.port, "John");
    let mut stella = Person::named(server.port, "Stella");
    let mut peter = Person::named(server.port, "Peter");
    let set = |group: &str, members: &[&str]| json!({"request": "group-set", "group": group, "members": members});
    let send = |text: &str| json!({"request": "group-send", "text": text});
    john.done(set("dinner", &["John", "stella"]));
    let enrolled = json!({"event": "enrolled", "group": "dinner", "by": "John"});
    assert_eq!(john.event_of("enrolled"), enrolled);
    assert_eq!(stella.event_of("enrolled"), enrolled);

    for (request, word) in [
        (set("Dinner", &["John"]), "group-exists"),
        (set("din ner", &["John"]), "group-name-not-allowed"),
        (set("din-ner", &["John"]), "group-name-not-allowed"),
        (set("tea", &["John", "Zoe"]), "not-online"),
        (set("tea", &[]), "malformed"),
        (send(" "), "text-not-allowed"),
        (send("dinner"), "text-not-allowed"),
        (
            json!({"request": "group-leave", "group": "tea"}),
            "no-such-group",
        ),
    ] {
        assert_eq!(john.refused(request.clone()).0, word, "{request}");
    }
    assert_eq!(peter.refused(send("hi")).0, "not-a-member");
    for request in ["group-leave", "group-delete"] {
        let request = json!({"request": request, "group": "dinner"});
        assert_eq!(peter.refused(request).0, "not-a-member");
    }

    let line = |text: &str| json!({"event": "group-line", "group": "dinner", "from": "John", "text": text});
    john.done(send("dinner at six"));
    assert_eq!(stella.event_of("group-line"), line("at six"));
    john.done(send("or seven"));
    assert_eq!(stella.event_of("group-line"), line("or seven"));
    john.done(set("tea", &["John", "Peter"]));
    let (word, text) = john.refused(send("hi"));
    assert_eq!(word, "which-group");
    assert!(text.contains("dinner, tea"), "{text}");
    let groups = john.ask(json!({"request": "groups"}));
    assert_eq!(
        groups["groups"],
        json!([
            {"name": "dinner", "members": ["John", "stella"]},
            {"name": "tea", "members": ["John", "Peter"]},
        ])
    );

    stella.done(json!({"request": "group-leave", "group": "dinner"}));
    let left = json!({"event": "group-left", "group": "dinner", "by": "Stella"});
    assert_eq!(john.event_of("group-left"), left);
    peter.done(json!({"request": "group-delete", "group": "tea"}));
    let deleted = json!({"event": "group-deleted", "group": "tea", "by": "Peter"});
    assert_eq!(john.event_of("group-deleted"), deleted);
    assert!(
        !peter
            .events_so_far()
            .iter()
            .any(|e| e["event"] == "group-line")
    );
    server.wait_for(|line| line.ends_with("said 6 bytes to group dinner: Stella"));
    let log = std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    assert!(!log.contains("at six"), "{log}");
}

#[test]
fn groups_topics_and_limits_survive_a_restart() {
    let (folder, mut server) = running(&[]);
    let mut john = Person::named(server.port, "John");
    john.done(json!({"request": "group-set", "group": "Dinner", "members": ["John"]}));
    john.done(json!({"request": "group-set", "group": "tea", "members": ["John"]}));
    john.done(json!({"request": "group-delete", "group": "tea"}));
    let made = john.ask(json!({
        "request": "make-room", "name": "r1", "dialect": "reliable", "limit": 2, "topic": "cake",
    }));
    assert_eq!(
        (&made["room"]["limit"], &made["room"]["topic"]),
        (&json!(2), &json!("cake"))
    );
    john.done(json!({"request": "topic", "room": "R1", "text": "more cake"}));
    // A group follows who is renamed.
    john.done(json!({"request": "name", "name": "Jon"}));
    let before = john.ask(json!({"request": "get-directory"}));
    assert_eq!(before["rooms"][0]["topic"], "more cake");
    signal(&server.child, "TERM");
    john.event_of("server-stopping");
    assert_eq!(exit_code(&mut server.child), Some(0));

    let server = TestServer::start(&mut serve(folder.path()));
    let mut jon = Person::named(server.port, "jon");
    assert_eq!(jon.ask(json!({"request": "get-directory"})), before);
    let groups = jon.ask(json!({"request": "groups"}));
    assert_eq!(
        groups["groups"],
        json!([{"name": "Dinner", "members": ["Jon"]}])
    );
}

#[test]
fn a_topic_is_told_to_those_in_the_room() {
    let (_folder, server) = running(&[]);
    let mut ann = Person::named(server.port, "Ann");
    let mut bob = Person::named(server.port, "Bob");
    words(server.port, "makeroom r1");
    bob.enter("r1");
    ann.done(json!({"request": "topic", "room": "r1", "text": "tea"}));
    let told = json!({"event": "topic", "room": "r1", "text": "tea", "by": "Ann"});
    assert_eq!(bob.event_of("topic"), told);
    ann.done(json!({"request": "topic", "room": "r1"}));
    let told = json!({"event": "topic", "room": "r1", "by": "Ann"});
    assert_eq!(bob.event_of("topic"), told);
    assert!(!ann.events_so_far().iter().any(|e| e["event"] == "topic"));
    for (room, text, word) in [
        ("r2", "tea", "no-such-room"),
        ("lobby", "tea", "no-such-room"),
        ("r1", "a\nb", "text-not-allowed"),
        ("r1", &"x".repeat(241), "text-not-allowed"),
    ] {
        let request = json!({"request": "topic", "room": room, "text": text});
        assert_eq!(ann.refused(request).0, word);
    }
}

#[test]
fn a_follower_hears_people_and_words_from_where_it_is_not() {
    let (_folder, server) = running(&[]);
    let mut ann = Person::in_lobby(server.port, "Ann");
    let mut bob = Person::named(server.port, "Bob");
    let follow = |what: &str| json!({"request": "follow", "what": what});
    bob.done(follow("@ann"));
    bob.done(follow("Cake"));
    let following = bob.ask(json!({"request": "following"}));
    assert_eq!(following["following"], json!(["@ann", "cake"]));
    assert_eq!(bob.refused(follow("two words")).0, "text-not-allowed");
    ann.say("some cake?");
    let followed =
        json!({"event": "followed", "room": "lobby", "from": "Ann", "text": "some cake?"});
    assert_eq!(bob.event_of("followed"), followed);
    bob.done(json!({"request": "unfollow", "what": "@Ann"}));
    ann.say("some tea?");
    assert_eq!(bob.events_so_far(), [] as [Value; 0]);
    bob.enter("lobby");
    ann.say("cake!");
    let events = bob.events_so_far();
    assert!(events.iter().all(|e| e["event"] == "line"), "{events:?}");
    assert_eq!(events.len(), 1);
}

#[test]
fn a_full_server_and_a_full_room_say_so_in_the_same_words() {
    let (_folder, server) = running(&["--limit", "2"]);
    let full =
        "The server rejects the join request. The chatroom has reached its maximum capacity.";
    let mut ann = Person::named(server.port, "Ann");
    let mut bob = Person::named(server.port, "Bob");
    let (mut cleo, _) = Person::greeted(server.port, None);
    let name = json!({"request": "name", "name": "Cleo"});
    assert_eq!(
        cleo.refused(name.clone()),
        ("room-full".into(), full.into())
    );
    let origin = cleo.client.stream.local_addr().unwrap();
    server.wait_for(|line| line == format!("Name Cleo refused to {origin}: {full}"));
    // Who is not online may still see the rooms.
    assert!(words(server.port, "getdir").starts_with("OKDIR"));

    ann.ask(json!({"request": "make-room", "name": "r1", "dialect": "plain", "limit": 1}));
    let enter = json!({"request": "enter", "room": "r1", "via": "multicast"});
    ann.enter("r1");
    ann.enter("r1");
    assert_eq!(bob.refused(enter), ("room-full".into(), full.into()));
    for limit in [0, 10_001] {
        let make =
            json!({"request": "make-room", "name": "r2", "dialect": "plain", "limit": limit});
        assert_eq!(bob.refused(make).0, "limit-not-allowed");
    }
    ann.ask(json!({"request": "bye"}));
    bob.event_of("exited");
    bob.enter("r1");
    cleo.done(name);
}

#[test]
fn a_broken_connection_is_taken_over_with_all_it_had() {
    let (_folder, server) = running(&[]);
    let mut ann = Person::in_lobby(server.port, "Ann");
    let mut bob = Person::in_lobby(server.port, "Bob");
    ann.done(json!({"request": "follow", "what": "cake"}));
    ann.done(json!({"request": "away", "text": "back soon"}));
    bob.events_so_far();

    let (mut again, hello) = Person::greeted(server.port, Some(&ann.token));
    assert_eq!(hello["name"], "Ann");
    assert_ne!(again.token, ann.token);
    // The old connection is closed without a word.
    assert!(!ann.client.rest().contains("exited"));
    assert_eq!(bob.events_so_far(), [] as [Value; 0]);
    bob.say("are you there?");
    assert_eq!(again.event_of("line")["text"], "are you there?");
    let following = again.ask(json!({"request": "following"}));
    assert_eq!(following["following"], json!(["cake"]));
    let report = bob.ask(json!({"request": "report"}));
    assert_eq!(report["online"][0]["name"], "Ann");
    assert_eq!(report["online"][0]["away"], "back soon");

    // A token is good once, and one that nobody knows is passed over.
    for token in [&ann.token, &"0".repeat(32), "no token"] {
        let (_, hello) = Person::greeted(server.port, Some(token));
        assert_eq!(hello["name"], Value::Null);
    }
    again.client.stream.shutdown(Shutdown::Both).unwrap();
    assert_eq!(bob.event_of("exited")["name"], "Ann");
}

#[test]
fn a_client_that_vanished_is_found_by_the_heartbeat() {
    let (_folder, server) = running(&["--heartbeat", "1"]);
    let mut ann = Person::named(server.port, "Ann");
    // Sends nothing more; as far as its system tells, it is there.
    let mut vanished = Person::named(server.port, "Bob");
    let (mut nobody, _) = Person::greeted(server.port, None);
    loop {
        let event = ann.event();
        match event["event"].as_str().unwrap() {
            "joined" => assert_eq!(event["name"], "Bob"),
            "idle" => ann.done(json!({"request": "ping"})),
            "exited" => {
                assert_eq!(event["name"], "Bob");
                break;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(vanished.event_of("idle")["event"], "idle");
    vanished.event_of("notice");
    // Who is not online may be silent for longer.
    assert_eq!(nobody.events_so_far(), [] as [Value; 0]);
}

#[test]
fn a_client_that_never_reads_is_dropped_and_holds_up_nobody() {
    let (_folder, server) = running(&["--max-lines", "100000"]);
    let mut ann = Person::in_lobby(server.port, "Ann");
    let mut deaf = Person::in_lobby(server.port, "Bob");
    ann.event_of("entered");
    let text = "x".repeat(8000);
    let mut said = 0;
    // More than the buffers of both systems hold, and all that may wait.
    loop {
        for _ in 0..50 {
            ann.send(json!({"request": "say", "room": "lobby", "text": text}));
        }
        said += 50;
        let mut lines = 0;
        let mut exited = false;
        let mut answers = 0;
        while lines < 50 || answers < 50 {
            let value = ann.value();
            match value["event"].as_str() {
                Some("line") => lines += 1,
                Some("exited") => exited = true,
                Some("left") => {}
                Some(other) => panic!("{other}"),
                None => answers += 1,
            }
        }
        if exited {
            break;
        }
        assert!(said < 100_000, "it is never dropped");
    }
    // Who reads after all, is told.
    let rest = deaf.client.rest();
    let last = rest.lines().last().unwrap();
    assert!(
        last.contains(r#""event":"notice","text":"too slow"#),
        "{last}"
    );
    ann.say("on we go");
}

#[test]
fn the_servers_stop_is_told_to_all_and_nobody_seems_to_exit() {
    let (_folder, mut server) = running(&[]);
    let mut people = [
        Person::in_lobby(server.port, "Ann"),
        Person::in_lobby(server.port, "Bob"),
        Person::greeted(server.port, None).0,
    ];
    for person in &mut people {
        person.events_so_far();
    }
    people[0].say("last words");
    signal(&server.child, "TERM");
    for person in &mut people[..2] {
        assert_eq!(person.event_of("line")["text"], "last words");
    }
    for person in &mut people {
        assert_eq!(person.event(), json!({"event": "server-stopping"}));
        assert_eq!(person.client.rest(), "");
    }
    assert_eq!(exit_code(&mut server.child), Some(0));
}

#[test]
fn the_log_tells_who_came_was_renamed_and_went() {
    let (_folder, server) = running(&[]);
    let mut john = Person::named(server.port, "John");
    let origin = john.client.stream.local_addr().unwrap();
    john.done(json!({"request": "name", "name": "Jon"}));
    john.ask(json!({"request": "report"}));
    john.enter("lobby");
    john.refused(json!({"request": "enter", "room": "r9", "via": "multicast"}));
    john.say("\u{1b}[2JI was here");
    john.ask(json!({"request": "bye"}));
    for told in [
        format!("John joined from {origin}"),
        format!("John ({origin}) is now known as Jon"),
        format!("Report to Jon ({origin})"),
        format!("Jon ({origin}) entered room lobby via multicast"),
        format!("Room r9 refused to Jon ({origin}): no such room: r9 (getdir lists the rooms)"),
        "[lobby] Jon: ␛[2JI was here".to_owned(),
        "Jon exited".to_owned(),
    ] {
        server.wait_for(|line| line == told);
    }
}
