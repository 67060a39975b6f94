//! What passes a limit is told so and, if it goes on, dropped; the others never notice.
#![allow(clippy::disallowed_methods)]

#[path = "common/client.rs"]
mod client;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/server.rs"]
mod server;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use client::Client;
use patience::PATIENCE;
use serde_json::{Value, json};
use server::running;

const GETDIR_EMPTY: &str = "OKDIR []";

#[test]
fn a_client_too_many_is_told_and_closed() {
    let (_folder, server) = running(&["--max-connections", "2"]);
    let mut first = Client::connect(server.port);
    let mut second = Client::connect(server.port);
    assert_eq!(first.ask("getdir"), GETDIR_EMPTY);
    assert_eq!(second.ask("getdir"), GETDIR_EMPTY);
    for _ in 0..3 {
        let mut third = Client::connect(server.port);
        assert_eq!(
            third.rest(),
            "ERR the server is full (2 connections): try again later\n"
        );
        let origin = third.stream.local_addr().unwrap();
        let told = format!("Connection from {origin} turned away: the server is full");
        server.wait_for(|line| line == told);
    }
    assert_eq!(first.ask("getdir"), GETDIR_EMPTY);
    assert_eq!(second.ask("getdir"), GETDIR_EMPTY);

    let origin = first.stream.local_addr().unwrap();
    drop(first);
    server.wait_for(|line| line == format!("Connection from {origin} closed"));
    let mut next = Client::connect(server.port);
    assert_eq!(next.ask("getdir"), GETDIR_EMPTY);
}

#[test]
fn lines_too_fast_are_refused_and_later_ones_are_read() {
    let (_folder, server) = running(&["--max-lines", "100"]);
    let mut client = Client::connect(server.port);
    let sent = 180;
    client
        .stream
        .write_all("getdir\n".repeat(sent).as_bytes())
        .unwrap();
    let answers: Vec<_> = (0..sent).map(|_| client.line()).collect();
    let told = "ERR too fast: at most 100 lines a second; this one was not read";
    let read = answers.iter().filter(|a| *a == GETDIR_EMPTY).count();
    let refused = answers.iter().filter(|a| *a == told).count();
    assert!(read >= 100 && refused > 0, "{answers:#?}");
    assert_eq!(read + refused, sent, "{answers:#?}");

    let began = Instant::now();
    while client.ask("getdir") != GETDIR_EMPTY {
        assert!(began.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn who_goes_on_too_fast_is_dropped_and_the_others_never_notice() {
    let (_folder, server) = running(&["--max-lines", "20"]);
    let mut other = Client::connect(server.port);
    assert_eq!(other.ask("getdir"), GETDIR_EMPTY);
    let mut client = Client::connect(server.port);
    client
        .stream
        .write_all("getdir\n".repeat(2000).as_bytes())
        .unwrap();
    let answers = client.rest();
    let goodbye = "ERR too fast, or too many lines that cannot be read: goodbye\n";
    assert!(answers.starts_with("OKDIR []\n"), "{answers}");
    assert!(answers.contains("ERR too fast: at most 20 lines a second"));
    assert!(answers.ends_with(goodbye), "{answers}");
    assert_eq!(other.ask("getdir"), GETDIR_EMPTY);
}

#[test]
fn who_floods_with_datagrams_is_dropped_also_where_they_are_none() {
    let (_folder, server) = running(&["--max-lines", "20"]);
    let mut other = Client::connect(server.port);
    let none: &[u8] = b"{\"datagrams\":\"lab\",\"bytes\":1}\n\0";
    let one: &[u8] = b"{\"datagrams\":\"lab\",\"bytes\":9}\n\0\0\0\0\0\0\0\x01x";
    for piece in [none, one] {
        let mut client = Client::connect(server.port);
        client.ask(r#"{"id":1,"request":"hello","version":1}"#);
        client.stream.write_all(&piece.repeat(2000)).unwrap();
        let told: Value = serde_json::from_str(&client.rest()).unwrap();
        let goodbye = "too fast, or too many lines that cannot be read: goodbye";
        assert_eq!(told, json!({"event": "notice", "text": goodbye}));
        assert_eq!(other.ask("getdir"), GETDIR_EMPTY);
    }
}

#[test]
fn lines_that_cannot_be_read_count_too() {
    let (_folder, server) = running(&["--max-lines", "20"]);
    let mut client = Client::connect(server.port);
    client.stream.write_all(&b"\xff\n".repeat(2000)).unwrap();
    let answers = client.rest();
    let goodbye = "ERR too fast, or too many lines that cannot be read: goodbye\n";
    assert!(answers.starts_with("ERR the line is no UTF-8: it was not read\n"));
    assert!(answers.ends_with(goodbye), "{answers}");
}

#[test]
fn a_line_too_long_is_told_once_and_the_next_is_read() {
    let (_folder, server) = running(&["--max-line-bytes", "256"]);
    let mut client = Client::connect(server.port);
    let told = "ERR the line has more than 256 bytes: it was not read";
    assert_eq!(client.ask(&format!("{:256}", "getdir")), GETDIR_EMPTY);
    assert_eq!(client.ask(&format!("{:256}\r", "getdir")), GETDIR_EMPTY);
    assert_eq!(client.ask(&format!("{:257}", "getdir")), told);
    assert_eq!(client.ask("getdir"), GETDIR_EMPTY);
    // While the rest of such a line comes, nothing more is said, and nothing of it is a command.
    client.stream.write_all(&[b'x'; 1000]).unwrap();
    assert_eq!(client.line(), told);
    client.stream.write_all(b"getdir").unwrap();
    client.stream.write_all(b"\n").unwrap();
    assert_eq!(
        client.ask("makeroom r1 239.1.1.1 6000"),
        "OK room r1 made at 239.1.1.1:6000"
    );
}

#[test]
fn a_line_too_long_is_told_in_json_to_who_speaks_it() {
    let (_folder, server) = running(&["--max-line-bytes", "256"]);
    let mut client = Client::connect(server.port);
    client.ask(r#"{"id":1,"request":"hello","version":1}"#);
    let answer: Value = serde_json::from_str(&client.ask(&"x".repeat(257))).unwrap();
    assert_eq!(
        answer,
        json!({"error": "line-too-long", "text": "the line has more than 256 bytes: it was not read"})
    );
}

#[test]
fn a_line_without_an_end_is_dropped() {
    let (_folder, server) = running(&["--max-line-bytes", "256"]);
    let mut other = Client::connect(server.port);
    let mut client = Client::connect(server.port);
    client.stream.write_all(&[b'x'; 32 * 256]).unwrap();
    assert_eq!(
        client.rest(),
        "ERR the line has more than 256 bytes: it was not read\n\
         ERR the line has no end: nothing more is read\n"
    );
    assert_eq!(other.ask("getdir"), GETDIR_EMPTY);
}

#[test]
fn a_room_too_many_is_refused_until_one_is_deleted() {
    let (_folder, server) = running(&["--max-rooms", "2"]);
    let mut client = Client::connect(server.port);
    client.ask("makeroom r1 239.1.1.1 6000");
    client.ask("makeroom r2 239.1.1.2 6000");
    assert_eq!(
        client.ask("makeroom r3 239.1.1.3 6000"),
        "ERR the directory is full (2 rooms): delete a room first"
    );
    // Full or not, the answer for a name that is taken is the one that helps.
    assert_eq!(
        client.ask("makeroom r1"),
        "ERR room name r1 is taken: choose another name"
    );
    client.ask("deleteroom r1");
    assert_eq!(
        client.ask("makeroom r3 239.1.1.3 6000"),
        "OK room r3 made at 239.1.1.3:6000"
    );
}

#[test]
fn who_says_nothing_is_asked_and_then_closed() {
    let (_folder, server) = running(&["--idle-timeout", "1"]);
    let mut json = Client::connect(server.port);
    json.ask(r#"{"id":1,"request":"hello","version":1}"#);
    let mut plain = Client::connect(server.port);
    let asked = "nothing was said for 1 s: the connection is closed in 1 s unless a line comes";
    let goodbye = "nothing was said for 1 s: goodbye";
    assert_eq!(plain.rest(), format!("ERR {asked}\nERR {goodbye}\n"));
    let told: Vec<Value> = json
        .rest()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        told,
        [
            json!({"event": "idle", "text": asked}),
            json!({"event": "notice", "text": goodbye}),
        ]
    );
}

#[test]
fn a_sign_of_life_keeps_a_connection() {
    let (_folder, server) = running(&["--idle-timeout", "3"]);
    let mut client = Client::connect(server.port);
    let asked = "ERR nothing was said for 3 s: the connection is closed in 3 s unless a line comes";
    for _ in 0..2 {
        assert_eq!(client.line(), asked);
        assert_eq!(client.ask("getdir"), GETDIR_EMPTY);
    }
}

#[test]
fn a_limit_of_nothing_is_wrong_usage() {
    for flag in [
        "--max-connections",
        "--max-lines",
        "--max-line-bytes",
        "--max-rooms",
        "--idle-timeout",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = server::serve(folder.path()).args([flag, "0"]).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2), "{flag}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(flag));
    }
}

#[test]
fn an_interface_that_is_not_there_is_told_of() {
    let (_folder, server) = running(&["--interface", "nosuch0"]);
    server.wait_for(|line| line.contains("no interface `nosuch0`"));
}
