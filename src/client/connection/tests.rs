//! The connection against a server that is played line by line.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::chat::{RoomName, SessionId, TransportChoice};
use crate::net::FromRelay;

const FIRST_TOKEN: &str = "000102030405060708090a0b0c0d0e0f";
const NEXT_TOKEN: &str = "f0e0d0c0b0a090807060504030201000";

/// The server's side of one connection.
struct Played(BufReader<TcpStream>);

impl Played {
    async fn accept(listener: &TcpListener) -> Self {
        Self(BufReader::new(listener.accept().await.unwrap().0))
    }

    /// The next request, which is no sign of life; those are answered.
    async fn request(&mut self) -> Value {
        loop {
            let mut line = String::new();
            assert_ne!(
                self.0.read_line(&mut line).await.unwrap(),
                0,
                "it was closed"
            );
            let request: Value = serde_json::from_str(&line).unwrap();
            if request["request"] != "ping" {
                return request;
            }
            self.done(&request).await;
        }
    }

    async fn send(&mut self, line: &Value) {
        let line = format!("{line}\n");
        self.0.get_mut().write_all(line.as_bytes()).await.unwrap();
    }

    async fn done(&mut self, request: &Value) {
        self.send(&json!({"id": request["id"], "reply": "done"}))
            .await;
    }

    /// Reads `hello` and answers it.
    async fn greet(&mut self, token: &str, name: Option<&str>) -> Value {
        let hello = self.request().await;
        assert_eq!(hello["request"], "hello");
        let mut answer = json!({
            "id": hello["id"], "reply": "hello", "version": 1, "program": "played", "token": token,
        });
        if let Some(name) = name {
            answer["name"] = name.into();
        }
        self.send(&answer).await;
        hello
    }
}

async fn listen() -> (TcpListener, ServerAddress) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    (listener, address)
}

/// Connected under the name Mel and in the lobby.
async fn connected() -> (TcpListener, Played, Connection) {
    let (listener, address) = listen().await;
    let mel: UserName = "Mel".parse().unwrap();
    let played = async {
        let mut server = Played::accept(&listener).await;
        let hello = server.greet(FIRST_TOKEN, None).await;
        assert_eq!(hello["resume"], Value::Null);
        let name = server.request().await;
        assert_eq!(name["name"], "Mel");
        server.done(&name).await;
        let enter = server.request().await;
        server
            .send(&json!({"id": enter["id"], "reply": "entered"}))
            .await;
        server
    };
    let (server, connection) = tokio::join!(played, async {
        let connection = Connection::open(&address, Some(&mel)).await.unwrap();
        let entered = connection.enter_lobby().await;
        entered.unwrap();
        connection
    });
    (listener, server, connection)
}

async fn lost(connection: &mut Connection) {
    match connection.next_event().await {
        ConnectionEvent::Lost(_) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn several_requests_are_under_way_and_each_gets_its_own_answer() {
    let (_listener, mut server, connection) = connected().await;
    let played = async {
        let (first, second) = (server.request().await, server.request().await);
        let names = json!({"id": second["id"], "reply": "names", "names": ["Mel"]});
        assert_eq!(
            (&first["request"], &second["request"]),
            (&json!("whisper"), &json!("names"))
        );
        server.send(&names).await;
        let refusal = json!({"id": first["id"], "error": "not-online", "text": "no\u{1b}body"});
        server.send(&refusal).await;
    };
    let whisper = connection.whisper("Ana".parse().unwrap(), "hi".parse().unwrap());
    let ((), whispered, names) = tokio::join!(played, whisper, connection.names());
    assert_eq!(names.unwrap(), ["Mel".parse().unwrap()]);
    // Safe to show.
    assert_eq!(whispered.unwrap_err().to_string(), "no␛body");
}

#[tokio::test]
async fn a_long_text_follows_its_line() {
    let (_listener, mut server, connection) = connected().await;
    let text = "\u{1}".repeat(60_000);
    let played = async {
        let mut line = String::new();
        server.0.read_line(&mut line).await.unwrap();
        let request: Value = serde_json::from_str(&line).unwrap();
        let mut bytes = vec![0; request["bytes"].as_u64().unwrap().try_into().unwrap()];
        tokio::io::AsyncReadExt::read_exact(&mut server.0, &mut bytes)
            .await
            .unwrap();
        server.done(&request).await;
        String::from_utf8(bytes).unwrap()
    };
    let said = connection.say(RoomName::lobby(), text.parse().unwrap());
    let (heard, said) = tokio::join!(played, said);
    said.unwrap();
    assert_eq!(heard, text);
}

#[tokio::test]
async fn what_was_had_is_asked_for_again_of_a_server_that_knows_nothing() {
    let (listener, server, mut connection) = connected().await;
    drop(server);
    lost(&mut connection).await;
    match connection.names().await {
        Err(RequestError::Lost(_)) => {}
        other => panic!("{other:?}"),
    }
    let mut server = Played::accept(&listener).await;
    let hello = server.greet(NEXT_TOKEN, None).await;
    assert_eq!(hello["resume"], FIRST_TOKEN);
    let name = server.request().await;
    assert_eq!(
        (&name["request"], &name["name"]),
        (&json!("name"), &json!("Mel"))
    );
    let enter = server.request().await;
    assert_eq!(
        (&enter["request"], &enter["room"]),
        (&json!("enter"), &json!("lobby"))
    );
    server.done(&name).await;
    server
        .send(&json!({"id": enter["id"], "reply": "entered"}))
        .await;
    assert_eq!(connection.next_event().await, ConnectionEvent::Back);
    let played = async {
        let names = server.request().await;
        let answer = json!({"id": names["id"], "reply": "names", "names": []});
        server.send(&answer).await;
    };
    let ((), names) = tokio::join!(played, connection.names());
    assert_eq!(names.unwrap(), []);
}

#[tokio::test]
async fn a_server_that_still_knows_us_is_asked_for_nothing() {
    let (listener, server, mut connection) = connected().await;
    drop(server);
    lost(&mut connection).await;
    // Left meanwhile, which the server cannot know.
    connection.leave(RoomName::lobby()).await.unwrap();
    let mut server = Played::accept(&listener).await;
    server.greet(NEXT_TOKEN, Some("Mel")).await;
    let leave = server.request().await;
    assert_eq!(
        (&leave["request"], &leave["room"]),
        (&json!("leave"), &json!("lobby"))
    );
    server.done(&leave).await;
    assert_eq!(connection.next_event().await, ConnectionEvent::Back);
}

#[tokio::test]
async fn a_name_that_somebody_took_meanwhile_is_told_and_the_rest_comes_with_the_next() {
    let (listener, server, mut connection) = connected().await;
    drop(server);
    lost(&mut connection).await;
    let mut server = Played::accept(&listener).await;
    server.greet(NEXT_TOKEN, None).await;
    for (code, text) in [("name-in-use", "taken"), ("name-first", "no name")] {
        let request = server.request().await;
        let refusal = json!({"id": request["id"], "error": code, "text": text});
        server.send(&refusal).await;
    }
    match connection.next_event().await {
        ConnectionEvent::NameLost { name, why } => {
            assert_eq!((name.as_str(), why.text.as_str()), ("Mel", "taken"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(connection.next_event().await, ConnectionEvent::Back);
    let melanie = "Melanie".parse().unwrap();
    let played = async {
        let name = server.request().await;
        server.done(&name).await;
        server.request().await
    };
    let (enter, named) = tokio::join!(played, connection.set_name(&melanie));
    named.unwrap();
    assert_eq!(
        (&enter["request"], &enter["room"]),
        (&json!("enter"), &json!("lobby"))
    );
}

#[tokio::test]
async fn a_silent_server_is_lost_and_tried_again() {
    let (listener, mut server, mut connection) = connected().await;
    let silent = async {
        // Reads what comes, and says nothing.
        let mut line = String::new();
        while server.0.read_line(&mut line).await.unwrap() > 0 {}
        line
    };
    let ((), heard) = tokio::join!(lost(&mut connection), silent);
    assert!(heard.contains("ping"), "{heard}");
    let mut again = Played::accept(&listener).await;
    assert_eq!(again.greet(NEXT_TOKEN, None).await["resume"], FIRST_TOKEN);
}

#[tokio::test]
async fn a_line_that_comes_slowly_is_no_silence() {
    let (_listener, mut server, mut connection) = connected().await;
    let trickled = async {
        let line = json!({"event": "notice", "text": "slow"}).to_string() + "\n";
        let (begun, rest) = line.as_bytes().split_at(3);
        let mut heard = String::new();
        // Some of it for each sign of life: what was silent would be given up at the second.
        for byte in begun {
            heard.clear();
            let read = server.0.read_line(&mut heard).await.unwrap();
            assert!(read > 0 && heard.contains("ping"), "{heard}");
            server.0.get_mut().write_all(&[*byte]).await.unwrap();
        }
        server.0.get_mut().write_all(rest).await.unwrap();
    };
    let ((), event) = tokio::join!(trickled, connection.next_event());
    assert_eq!(
        event,
        ConnectionEvent::Server(Event::Notice("slow".to_owned()))
    );
}

#[tokio::test]
async fn events_that_nobody_fetches_are_counted_and_hold_up_no_answer() {
    let (_listener, mut server, mut connection) = connected().await;
    let played = async {
        for number in 0..EVENTS_MAX + 100 {
            let text = format!("notice {number}");
            server.send(&json!({"event": "notice", "text": text})).await;
        }
        let names = server.request().await;
        let answer = json!({"id": names["id"], "reply": "names", "names": []});
        server.send(&answer).await;
    };
    let ((), names) = tokio::join!(played, connection.names());
    names.unwrap();
    let mut fetched = 0;
    // The next word of the server comes behind that of those left out.
    let notice = json!({"event": "server-stopping"});
    while let ConnectionEvent::Server(Event::Notice(_)) = connection.next_event().await {
        fetched += 1;
        if connection.events.is_empty() {
            server.send(&notice).await;
        }
    }
    assert_eq!(
        connection.next_event().await,
        ConnectionEvent::Server(Event::ServerStopping)
    );
    assert!(fetched < EVENTS_MAX, "{fetched}");
}

#[tokio::test]
async fn a_handle_that_is_dropped_closes_the_connection() {
    let (_listener, mut server, connection) = connected().await;
    drop(connection);
    let mut line = String::new();
    assert_eq!(server.0.read_line(&mut line).await.unwrap(), 0, "{line}");
}

#[tokio::test]
async fn goodbye_is_said_and_nothing_comes_back() {
    let (listener, mut server, connection) = connected().await;
    let played = async {
        let bye = server.request().await;
        assert_eq!(bye["request"], "bye");
        server.done(&bye).await;
        drop(server);
    };
    tokio::join!(played, connection.bye());
    // Had it come back, it would be waiting to be accepted.
    let address = listener.local_addr().unwrap().to_string().parse().unwrap();
    let fresh = Connection::open(&address, None);
    let next = async {
        let mut server = Played::accept(&listener).await;
        server.greet(NEXT_TOKEN, None).await
    };
    let (hello, fresh) = tokio::join!(next, fresh);
    assert_eq!(hello["resume"], Value::Null);
    fresh.unwrap();
}

fn lab1() -> Entry {
    Entry {
        room: "lab1".parse().unwrap(),
        member: Some(SessionId(5)),
        interface: "10.0.0.5".parse().unwrap(),
        name: None,
    }
}

#[tokio::test]
async fn who_is_not_let_into_a_room_does_not_leave_it() {
    let (_listener, mut server, connection) = connected().await;
    let played = async {
        let enter = server.request().await;
        let full = json!({"id": enter["id"], "error": "room-full", "text": "full"});
        server.send(&full).await;
    };
    let entered = connection.enter(lab1(), TransportChoice::Auto);
    let ((), entered) = tokio::join!(played, entered);
    entered.unwrap_err();
    // The room's end of the way is gone by now.
    let next = async {
        let next = server.request().await;
        server.done(&next).await;
        next
    };
    let (next, left) = tokio::join!(next, connection.leave("lab2".parse().unwrap()));
    left.unwrap();
    assert_eq!(next["room"], "lab2");
}

#[tokio::test]
async fn a_room_s_datagrams_go_both_ways() {
    let (_listener, mut server, connection) = connected().await;
    let played = async {
        let enter = server.request().await;
        assert_eq!(
            (&enter["via"], &enter["member"]),
            (&json!("multicast"), &json!("0000000000000005"))
        );
        let bridge = "00000000000000b1";
        server
            .send(&json!({"id": enter["id"], "reply": "entered", "bridge": bridge}))
            .await;
        server
            .send(&json!({"event": "reach", "room": "LAB1", "heard": true}))
            .await;
        server.send(&json!({"datagrams": "lab1", "bytes": 3})).await;
        server.0.get_mut().write_all(b"one").await.unwrap();
    };
    let entered = connection.enter(lab1(), TransportChoice::Auto);
    let ((), link) = tokio::join!(played, entered);
    let mut link = link.unwrap();
    assert_eq!(link.server, Some(0xb1));
    assert_eq!(link.incoming.recv().await, Some(FromRelay::Heard(true)));
    let piece = FromRelay::Datagrams("one".into());
    assert_eq!(link.incoming.recv().await, Some(piece));

    link.outgoing.send("two".into()).await.unwrap();
    let announced = server.request().await;
    assert_eq!(announced, json!({"datagrams": "lab1", "bytes": 3}));
    let mut piece = [0; 3];
    tokio::io::AsyncReadExt::read_exact(&mut server.0, &mut piece)
        .await
        .unwrap();
    assert_eq!(&piece, b"two");

    link.is_wanted.send_replace(true);
    let enter = server.request().await;
    assert_eq!(enter["via"], "relay");
    server
        .send(&json!({"id": enter["id"], "reply": "entered", "bridge": "00000000000000b1"}))
        .await;
    assert_eq!(link.incoming.recv().await, Some(FromRelay::Granted));
    drop(server);
    assert_eq!(link.incoming.recv().await, Some(FromRelay::Gone));
}

#[tokio::test]
async fn who_was_too_fast_and_is_let_in_at_the_next_try_can_be_relayed() {
    let (_listener, mut server, connection) = connected().await;
    let played = async {
        let enter = server.request().await;
        let refusal = json!({"id": enter["id"], "error": "too-fast", "text": "too fast"});
        server.send(&refusal).await;
        let enter = server.request().await;
        server
            .send(&json!({"id": enter["id"], "reply": "entered", "bridge": "00000000000000b1"}))
            .await;
        server
            .send(&json!({"event": "reach", "room": "LAB1", "heard": true}))
            .await;
    };
    let entered = connection.enter(lab1(), TransportChoice::Auto);
    let ((), link) = tokio::join!(played, entered);
    let mut link = link.unwrap();
    assert_eq!(link.server, Some(0xb1));
    assert_eq!(link.incoming.recv().await, Some(FromRelay::Heard(true)));
    assert!(!link.outgoing.is_closed());
}
