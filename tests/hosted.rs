//! Those whom the server takes part for in a room, as programs that speak JSON lines see it. All traffic stays on
//! loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

#[path = "common/client.rs"]
#[expect(dead_code, reason = "answers and events are told apart here")]
mod client;
#[path = "common/group.rs"]
mod group;
#[path = "common/server.rs"]
#[expect(dead_code, reason = "servers here have their seats on loopback")]
mod server;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use client::Client;
use crds::chat::{RoomAddress, SessionId, TransportChoice, UserName};
use crds::client::{Connection, Entry, Interface, Room, RoomEvent, RoomOptions, new_member};
use group::free_group;
use serde_json::{Value, json};
use server::{TestServer, serve};
use tempfile::TempDir;
use tokio::time::timeout;

/// Far more than anything here takes, for a machine that is busy.
const WAIT: Duration = Duration::from_secs(30);

fn start(folder: &Path, flags: &[&str]) -> TestServer {
    let mut command = serve(folder);
    command.args(flags).env("CRDS_INTERFACE", "lo");
    TestServer::start(&mut command)
}

fn running(flags: &[&str]) -> (TempDir, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path(), flags);
    (folder, server)
}

/// A client whose answers and events are told apart.
struct Person {
    client: Client,
    token: String,
    /// Came while an answer was waited for.
    events: Vec<Value>,
}

impl Person {
    /// Has said hello.
    fn greeted(port: u16, resume: Option<&str>) -> (Self, Value) {
        let mut person = Self {
            client: Client::connect(port),
            token: String::new(),
            events: Vec::new(),
        };
        let mut hello = json!({"request": "hello", "version": 1});
        if let Some(token) = resume {
            hello["resume"] = json!(token);
        }
        let hello = person.ask(hello);
        person.token = hello["token"].as_str().unwrap().to_owned();
        (person, hello)
    }

    /// Online under this name.
    fn named(port: u16, name: &str) -> Self {
        let (mut person, _) = Self::greeted(port, None);
        person.done(json!({"request": "name", "name": name}));
        person
    }

    /// Hosted in this room.
    fn hosted(port: u16, name: &str, room: &str) -> Self {
        let mut person = Self::named(port, name);
        person.enter(room);
        person
    }

    fn value(&mut self) -> Value {
        serde_json::from_str(&self.client.line()).unwrap()
    }

    fn send(&mut self, mut request: Value) {
        request["id"] = json!(7);
        let line = format!("{request}\n");
        self.client.stream.write_all(line.as_bytes()).unwrap();
    }

    /// The answer; events that come first are kept.
    fn ask(&mut self, request: Value) -> Value {
        self.send(request);
        loop {
            let value = self.value();
            match value["id"] == 7 {
                true => return value,
                false => self.events.push(value),
            }
        }
    }

    fn done(&mut self, request: Value) {
        let answer = self.ask(request);
        assert_eq!(answer, json!({"id": 7, "reply": "done"}));
    }

    fn enter(&mut self, room: &str) {
        let answer = self.ask(json!({"request": "enter", "room": room, "via": "hosted"}));
        assert_eq!(answer["reply"], "entered", "{answer}");
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

    fn event(&mut self) -> Value {
        match self.events.is_empty() {
            true => self.value(),
            false => self.events.remove(0),
        }
    }

    /// The next event of this kind; those before it are skipped.
    fn event_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event();
            if event["event"] == kind {
                return event;
            }
        }
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
async fn member(
    server: &TestServer,
    room: &str,
    address: RoomAddress,
    name: &str,
) -> (Connection, Room) {
    let at = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let name: UserName = name.parse().unwrap();
    let connection = Connection::open(&at, Some(&name)).await.unwrap();
    let interface = Interface::named("lo").unwrap();
    let id = new_member().unwrap();
    let way = Entry {
        room: room.parse().unwrap(),
        member: Some(SessionId(id)),
        interface: interface.address,
        name: None,
    };
    let relay = connection.enter(way, TransportChoice::Multicast).await;
    let options = RoomOptions {
        interface,
        ttl: 1,
        name,
        dialect: crds::chat::Dialect::Reliable,
        rate_max: None,
        replaces: None,
        id: Some(id),
        relay: Some(relay.unwrap()),
        past: None,
    };
    (connection, Room::join(address, options).unwrap())
}

async fn next_line(room: &mut Room) -> String {
    loop {
        let event = timeout(WAIT, room.next_event())
            .await
            .expect("nothing came");
        if let Some(RoomEvent::Message(message)) = event {
            return format!("{}: {}", message.from, message.text);
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
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

#[tokio::test(flavor = "multi_thread")]
async fn who_is_hosted_is_a_full_member_beside_those_on_multicast() {
    let (_folder, server) = running(&[]);
    let port = server.port;
    let (mut ana, address) = blocking(move || {
        let mut ana = Person::named(port, "Ana");
        let address = ana.make("lab", "reliable");
        ana.enter("lab");
        (ana, address)
    })
    .await;
    let (connection, mut room) = member(&server, "lab", address, "Mel").await;
    let mut ana = blocking(move || {
        assert_eq!(ana.event_of("entered")["name"], "Mel");
        ana
    })
    .await;
    room.say("from multicast".parse().unwrap()).await.unwrap();
    let (ana, said) = blocking(move || {
        assert_eq!(ana.heard(), "Mel: from multicast");
        let said = ana.say("lab", "to multicast");
        (ana, said)
    })
    .await;
    assert_eq!(next_line(&mut room).await, "Ana: to multicast");
    let members = room.members().await;
    assert_eq!(members.len(), 1);
    assert!(members[0].is_relayed && members[0].name == "Ana");
    blocking(move || {
        let mut ana = ana;
        let delivered = ana.event_of("delivered");
        assert_eq!(delivered["sequence"], said["sequence"]);
        assert_eq!((&delivered["by"], &delivered["of"]), (&json!(1), &json!(1)));
        let mut members = ana.members("lab");
        members.sort_by_key(|member| member["name"].to_string());
        assert_eq!(
            members,
            [
                json!({"name": "Ana", "via": "relay", "own": true}),
                json!({"name": "Mel", "via": "multicast"})
            ]
        );
    })
    .await;
    room.leave().await;
    connection.bye().await;
}
