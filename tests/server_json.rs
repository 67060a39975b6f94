//! The directory server as our own client speaks to it: a JSON object a line.

#[path = "common/client.rs"]
mod client;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/process.rs"]
mod process;
#[path = "common/server.rs"]
mod server;

use std::io::Write;
use std::net::Shutdown;

use client::Client;
use process::{exit_code, signal};
use serde_json::{Value, json};
use server::running;

impl Client {
    /// A connection that has said hello.
    fn greeted(port: u16) -> Self {
        let mut client = Self::connect(port);
        let answer = client.request(json!({"id": 1, "request": "hello", "version": 1}));
        assert_eq!(answer["reply"], "hello", "{answer}");
        client
    }

    fn request(&mut self, request: Value) -> Value {
        let answer = self.ask(&request.to_string());
        serde_json::from_str(&answer).unwrap()
    }

    /// The next line, asked for or not.
    fn value(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }
}

/// What an answer says was wrong: its `id` and `error`. Its text is for people, and always there.
fn refusal(answer: &Value) -> (&Value, &str) {
    assert!(answer["text"].as_str().is_some_and(|text| !text.is_empty()));
    (&answer["id"], answer["error"].as_str().unwrap())
}

#[test]
fn hello_comes_first() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    for request in ["ping", "get-directory"] {
        let answer = client.request(json!({"id": 5, "request": request}));
        assert_eq!(refusal(&answer), (&json!(5), "hello-first"));
    }
    let make = json!({"id": 6, "request": "make-room", "name": "r1", "dialect": "plain"});
    assert_eq!(refusal(&client.request(make)), (&json!(6), "hello-first"));
    let hello = client.request(json!({"id": 7, "request": "hello", "version": 1}));
    let token = hello["token"].as_str().unwrap();
    assert_eq!(token.len(), 32, "{token}");
    assert_eq!(
        hello,
        json!({
            "id": 7,
            "reply": "hello",
            "version": 1,
            "program": concat!("crds ", env!("CARGO_PKG_VERSION")),
            "token": token,
        })
    );
    let pong = client.request(json!({"id": 8, "request": "ping"}));
    assert_eq!(pong, json!({"id": 8, "reply": "done"}));
    let directory = client.request(json!({"id": 9, "request": "get-directory"}));
    assert_eq!(
        directory,
        json!({"id": 9, "reply": "directory", "rooms": []})
    );
}

#[test]
fn a_version_that_the_server_does_not_speak_is_refused_and_another_may_be_tried() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    for version in [0, 2, 4_000_000_000_u32] {
        let answer = client.request(json!({"id": 1, "request": "hello", "version": version}));
        assert_eq!(refusal(&answer), (&json!(1), "version-not-spoken"));
        let answer = client.request(json!({"id": 2, "request": "ping"}));
        assert_eq!(refusal(&answer), (&json!(2), "hello-first"));
    }
    let answer = client.request(json!({"id": 3, "request": "hello", "version": 1}));
    assert_eq!(answer["reply"], "hello");
}

#[test]
fn a_room_is_told_with_all_that_is_known_of_it() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    let origin = client.stream.local_addr().unwrap().to_string();
    let named = client.request(json!({"id": 2, "request": "name", "name": "Émile"}));
    assert_eq!(named, json!({"id": 2, "reply": "done"}));
    let welcome = json!({"event": "welcome", "name": "Émile"});
    assert_eq!(client.value(), welcome);

    let made = client.request(json!({
        "id": 3, "request": "make-room", "name": "r1",
        "address": "239.1.1.1", "port": 6000, "dialect": "plain",
    }));
    let room = made["room"].clone();
    let made_at = room["made_at"].as_str().unwrap();
    made_at.parse::<jiff::Timestamp>().unwrap();
    assert_eq!(
        made,
        json!({"id": 3, "reply": "room-made", "room": {
            "name": "r1", "address": "239.1.1.1", "port": 6000, "dialect": "plain",
            "made_by": "Émile", "made_from": origin, "made_at": made_at,
        }})
    );
    server.wait_for(|line| line == format!("Room r1 (239.1.1.1:6000) made by Émile ({origin})"));

    // Whoever gave no name is known by the address alone.
    let mut other = Client::connect(server.port);
    other.ask("makeroom r2 239.1.1.2 6000");
    let directory = client.request(json!({"id": 4, "request": "get-directory"}));
    assert_eq!(directory["rooms"][0], room);
    assert_eq!(directory["rooms"][1]["name"], "r2");
    assert_eq!(directory["rooms"][1]["made_by"], Value::Null);
    assert_eq!(directory["rooms"].as_array().unwrap().len(), 2);

    let deleted = client.request(json!({"id": 5, "request": "delete-room", "name": "R1"}));
    assert_eq!(
        deleted,
        json!({"id": 5, "reply": "room-deleted", "room": room})
    );
}

#[test]
fn a_room_without_an_address_gets_a_free_one() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    let make = json!({"id": 2, "request": "make-room", "name": "r1", "dialect": "plain"});
    let made = client.request(make);
    let address = made["room"]["address"].as_str().unwrap();
    assert!(address.starts_with("239.255."), "{made}");
    assert_eq!(made["room"]["port"], server.port);
}

#[test]
fn answers_come_in_the_order_of_the_requests_under_their_numbers() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    let make = |id: u64, name: &str| json!({"id": id, "request": "make-room", "name": name, "dialect": "plain"});
    let requests = [
        json!({"id": 900, "request": "ping"}),
        make(7, "r1"),
        json!({"id": 7, "request": "dance"}),
        make(u64::MAX, "r1"),
        json!({"id": 0, "request": "delete-room", "name": "r1"}),
        json!({"id": 12, "request": "bye"}),
    ];
    let lines: String = requests
        .iter()
        .map(|request| format!("{request}\n"))
        .collect();
    client.stream.write_all(lines.as_bytes()).unwrap();
    let told = client.rest();
    let told = told.lines().map(|line| serde_json::from_str(line).unwrap());
    // Whether it hears of the room before it is gone depends on what is saved together.
    let (events, answers): (Vec<Value>, Vec<Value>) =
        told.partition(|line: &Value| line.get("event").is_some());
    assert!(events.iter().all(|event| event["event"] == "room-deleted"));
    let expected = [
        (900, "reply", "done"),
        (7, "reply", "room-made"),
        (7, "error", "unknown-command"),
        (u64::MAX, "error", "name-taken"),
        (0, "reply", "room-deleted"),
        (12, "reply", "done"),
    ];
    assert_eq!(answers.len(), expected.len(), "{answers:?}");
    for (answer, (id, key, word)) in answers.iter().zip(expected) {
        assert_eq!(answer["id"], id, "{answer}");
        assert_eq!(answer[key], word, "{answer}");
    }
}

#[test]
fn each_mistake_has_its_word() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    client.ask("makeroom r1 239.1.1.1 6000");
    let make = |name: &str, address: &str, port: i64| {
        json!({
            "id": 4, "request": "make-room", "name": name,
            "address": address, "port": port, "dialect": "plain",
        })
    };
    for (request, word) in [
        (json!({"id": 4, "request": "dance"}), "unknown-command"),
        (json!({"id": 4, "request": "help"}), "unknown-command"),
        (json!({"id": 4}), "malformed"),
        (json!({"id": 4, "request": 7}), "malformed"),
        (json!({"id": 4, "request": "hello"}), "malformed"),
        (
            json!({"id": 4, "request": "hello", "version": "1"}),
            "malformed",
        ),
        (
            json!({"id": 4, "request": "hello", "version": -1}),
            "malformed",
        ),
        (json!({"id": 4, "request": "name"}), "malformed"),
        (
            json!({"id": 4, "request": "name", "name": "a:b"}),
            "name-not-allowed",
        ),
        (
            json!({"id": 4, "request": "make-room", "name": "r2"}),
            "malformed",
        ),
        (
            json!({"id": 4, "request": "make-room", "dialect": "plain"}),
            "malformed",
        ),
        (
            json!({"id": 4, "request": "make-room", "name": "r2", "dialect": "plain", "port": 1}),
            "malformed",
        ),
        (
            json!({"id": 4, "request": "make-room", "name": "r2", "dialect": "klingon"}),
            "unknown-dialect",
        ),
        (make("r 2", "239.1.1.2", 6000), "name-not-allowed"),
        (make("r2", "10.0.0.1", 6000), "address-not-allowed"),
        (make("r2", "somewhere", 6000), "address-not-allowed"),
        (make("r2", "239.1.1.2", 0), "address-not-allowed"),
        (make("r2", "239.1.1.2", 65_536), "address-not-allowed"),
        (make("r2", "239.1.1.2", -1), "address-not-allowed"),
        (make("R1", "239.1.1.2", 6000), "name-taken"),
        (make("r2", "239.1.1.1", 6000), "address-taken"),
        (json!({"id": 4, "request": "delete-room"}), "malformed"),
        (
            json!({"id": 4, "request": "delete-room", "name": "r2"}),
            "no-such-room",
        ),
    ] {
        let answer = client.request(request.clone());
        assert_eq!(refusal(&answer), (&json!(4), word), "{request}");
    }
    let directory = client.request(json!({"id": 5, "request": "get-directory"}));
    assert_eq!(directory["rooms"].as_array().unwrap().len(), 1);
}

#[test]
fn a_line_that_is_no_json_is_refused_without_a_number_and_the_next_is_read() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    let deep = format!(r#"{{"id":4,"request":{}"#, "[".repeat(20_000));
    for line in [
        "{",
        "{}",
        r#"{"request":"ping"}"#,
        r#"{"id":-1,"request":"ping"}"#,
        r#"{"id":"4","request":"ping"}"#,
        r#"{"id":18446744073709551616,"request":"ping"}"#,
        r#"{"id":4,"request":"ping"} {"id":5,"request":"ping"}"#,
        r#"{"id":4,"request":"ping""#,
        &deep,
    ] {
        let answer: Value = serde_json::from_str(&client.ask(line)).unwrap();
        assert_eq!(refusal(&answer), (&Value::Null, "malformed"), "{line}");
    }
    client
        .stream
        .write_all(b"{\"id\":4,\"request\":\"\xff\"}\n")
        .unwrap();
    let answer = client.value();
    assert_eq!(refusal(&answer), (&Value::Null, "malformed"));
    // A field that this version does not know is passed over.
    let pong = client.request(json!({"id": 6, "request": "ping", "mood": ["good"]}));
    assert_eq!(pong, json!({"id": 6, "reply": "done"}));
}

#[test]
fn words_and_json_are_told_apart_line_by_line() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    assert_eq!(client.ask("getdir"), "OKDIR []");
    let pong = client.request(json!({"id": 2, "request": "ping"}));
    assert_eq!(pong, json!({"id": 2, "reply": "done"}));
}

#[test]
fn the_end_of_input_ends_a_request() {
    let (_folder, server) = running(&[]);
    let mut client = Client::greeted(server.port);
    client
        .stream
        .write_all(br#"{"id":2,"request":"ping"}"#)
        .unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "{\"id\":2,\"reply\":\"done\"}\n");
}

#[test]
fn a_deletion_is_told_to_all_who_speak_json() {
    let (_folder, server) = running(&[]);
    let mut deleter = Client::greeted(server.port);
    let mut other = Client::greeted(server.port);
    let mut plain = Client::connect(server.port);
    plain.ask("makeroom R1");
    plain.ask("makeroom r2");

    let answer = deleter.request(json!({"id": 2, "request": "delete-room", "name": "r1"}));
    assert_eq!(answer["reply"], "room-deleted");
    let by = deleter.stream.local_addr().unwrap().to_string();
    // The room is called as it was when it was made, not as in the request.
    let told = json!({"event": "room-deleted", "name": "R1", "by": by});
    assert_eq!(deleter.value(), told);
    assert_eq!(other.value(), told);

    deleter.request(json!({"id": 3, "request": "name", "name": "Mel"}));
    assert_eq!(deleter.value()["event"], "welcome");
    deleter.request(json!({"id": 4, "request": "delete-room", "name": "r2"}));
    let told = json!({"event": "room-deleted", "name": "r2", "by": format!("Mel ({by})")});
    assert_eq!(deleter.value(), told);
    assert_eq!(other.value(), told);
    // Who asks in plain words hears nothing in between.
    assert_eq!(plain.ask("getdir"), "OKDIR []");
}

#[test]
fn a_deletion_that_is_refused_is_told_to_nobody_else() {
    let (_folder, server) = running(&[]);
    let mut other = Client::greeted(server.port);
    let mut plain = Client::connect(server.port);
    plain.ask("deleteroom r1");
    plain.ask("makeroom r1");
    plain.ask("deleteroom r1");
    // The first that is told is the deletion that took place.
    assert_eq!(other.value()["name"], "r1");
    let pong = other.request(json!({"id": 2, "request": "ping"}));
    assert_eq!(pong, json!({"id": 2, "reply": "done"}));
}

#[test]
fn a_server_that_stops_tells_its_clients() {
    let (_folder, mut server) = running(&[]);
    let mut json = Client::greeted(server.port);
    let mut plain = Client::connect(server.port);
    assert_eq!(plain.ask("getdir"), "OKDIR []");
    signal(&server.child, "TERM");
    assert_eq!(json.value(), json!({"event": "server-stopping"}));
    assert_eq!(json.rest(), "");
    assert_eq!(plain.line(), "ERR the server is shutting down");
    assert_eq!(plain.rest(), "");
    assert_eq!(exit_code(&mut server.child), Some(0));
}
