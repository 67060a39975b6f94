//! The directory server as people with `nc`, and other programs for the same lab, speak to it.
#![allow(clippy::disallowed_methods)]

#[path = "common/client.rs"]
mod client;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/server.rs"]
mod server;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use client::Client;
use patience::PATIENCE;
use serde_json::{Value, json};
use server::{TestServer, running};

const GETDIR_EMPTY: &str = "OKDIR []";
const UNFRAMED_WAIT: Duration = Duration::from_millis(100);

impl Client {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// How the server names this client.
    fn origin(&self) -> String {
        self.stream.local_addr().unwrap().to_string()
    }

    /// One JSON object, wherever it ends. No line was read before it.
    fn object(&mut self) -> Value {
        let values = serde_json::Deserializer::from_reader(&self.stream);
        values.into_iter().next().unwrap().unwrap()
    }
}

impl TestServer {
    fn wait_for_line(&self, wanted: &str) {
        self.wait_for(|line| line == wanted);
    }
}

#[test]
fn the_screen_and_the_log_show_what_happens() {
    let (folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    let origin = client.origin();
    client.ask("makeroom r1 239.1.1.1 6000");
    client.ask("deleteroom R1");
    drop(client);

    let lines = [
        format!(
            "Chat Room Directory Server listening on port {}...",
            server.port
        ),
        format!("Client connected from {origin}"),
        format!("Room r1 (239.1.1.1:6000) made by {origin}"),
        format!("Room r1 (239.1.1.1:6000) deleted by {origin}"),
        format!("Connection from {origin} closed"),
    ];
    for line in &lines {
        server.wait_for_line(line);
    }
    // A line reaches the file just after the screen.
    let began = Instant::now();
    let mut log = String::new();
    while log.lines().count() < lines.len() {
        assert!(began.elapsed() < PATIENCE, "{log}");
        log = fs::read_to_string(folder.path().join("server.log")).unwrap();
    }
    let logged: Vec<_> = log.lines().collect();
    assert_eq!(logged.len(), lines.len(), "{log}");
    for (logged, line) in logged.iter().zip(&lines) {
        let (stamp, rest) = logged.split_once(' ').unwrap();
        assert!(stamp.parse::<jiff::Timestamp>().is_ok(), "{logged}");
        assert!(rest.ends_with(line), "{logged}");
    }
}

#[test]
fn every_command_is_answered_in_one_line() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    assert_eq!(client.ask("getdir"), GETDIR_EMPTY);
    assert_eq!(
        client.ask("makeroom r1 239.1.1.1 6000"),
        "OK room r1 made at 239.1.1.1:6000"
    );
    assert_eq!(
        client.ask("getdir"),
        r#"OKDIR [{"name":"r1","address":"239.1.1.1","port":6000,"dialect":"plain"}]"#
    );
    assert_eq!(client.ask("deleteroom r1"), "OK room r1 deleted");
    assert_eq!(client.ask("getdir"), GETDIR_EMPTY);
    assert_eq!(
        client.ask("help"),
        "OK the commands are getdir, makeroom NAME [ADDRESS PORT], deleteroom NAME, help, bye"
    );
    assert_eq!(client.ask("bye"), "OK");
    assert_eq!(client.rest(), "");
}

#[test]
fn a_room_without_an_address_gets_one_at_the_port_of_the_server() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    let answer = client.ask("makeroom r1");
    let address = answer.strip_prefix("OK room r1 made at ").unwrap();
    assert!(address.starts_with("239.255."), "{answer}");
    assert!(
        address.ends_with(&format!(":{}", server.port)),
        "{answer} on port {}",
        server.port
    );
    let other = client.ask("makeroom r2");
    assert!(!other.ends_with(address), "{answer}, then {other}");
}

#[test]
fn each_mistake_is_told_in_words_and_changes_nothing() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    client.ask("makeroom r1 239.1.1.1 6000");
    let before = client.ask("getdir");
    let usage = |usage: &str| format!("wrong number of words: write {usage}");
    let name = |name: &str| {
        format!(
            "room name `{name}` is not allowed: \
             use 1 to 64 ASCII letters, digits, `-`, `_` or `.`, without spaces"
        )
    };
    let port = |port: &str| format!("port `{port}` is not allowed: choose a number of 1 to 65535");
    let long = "x".repeat(65);
    let mistakes = [
        (
            "dance",
            "unknown command `dance`: the commands are getdir, makeroom NAME [ADDRESS PORT], \
             deleteroom NAME, help, bye"
                .to_owned(),
        ),
        ("getdir now", usage("getdir")),
        ("makeroom", usage("makeroom NAME [ADDRESS PORT]")),
        (
            "makeroom r2 239.1.1.2",
            usage("makeroom NAME [ADDRESS PORT]"),
        ),
        (
            "makeroom r2 239.1.1.2 6000 now",
            usage("makeroom NAME [ADDRESS PORT]"),
        ),
        ("deleteroom", usage("deleteroom NAME")),
        ("deleteroom r1 r2", usage("deleteroom NAME")),
        ("help me", usage("help")),
        ("bye bye", usage("bye")),
        ("makeroom a/b", name("a/b")),
        ("makeroom é", name("é")),
        (&format!("makeroom {long}"), name(&long)),
        ("deleteroom a:b", name("a:b")),
        (
            "makeroom r2 somewhere 6000",
            "`somewhere` is not an address: write one such as 239.1.1.1".to_owned(),
        ),
        (
            "makeroom r2 238.255.255.255 6000",
            "address 238.255.255.255 is outside 239.0.0.0 to 239.255.255.255: choose one inside"
                .to_owned(),
        ),
        (
            "makeroom r2 240.0.0.0 6000",
            "address 240.0.0.0 is outside 239.0.0.0 to 239.255.255.255: choose one inside"
                .to_owned(),
        ),
        ("makeroom r2 239.1.1.2 0", port("0")),
        ("makeroom r2 239.1.1.2 65536", port("65536")),
        ("makeroom r2 239.1.1.2 -1", port("-1")),
        ("makeroom r2 239.1.1.2 http", port("http")),
        (
            "makeroom r1 239.1.1.2 6000",
            "room name r1 is taken: choose another name".to_owned(),
        ),
        (
            "makeroom R1",
            "room name R1 is taken: choose another name".to_owned(),
        ),
        (
            "makeroom r2 239.1.1.1 6000",
            "239.1.1.1:6000 is taken by room r1: choose another address or port".to_owned(),
        ),
        (
            "deleteroom r2",
            "no such room: r2 (getdir lists the rooms)".to_owned(),
        ),
    ];
    for (line, told) in mistakes {
        assert_eq!(client.ask(line), format!("ERR {told}"), "{line}");
        assert_eq!(client.ask("getdir"), before, "{line}");
    }
}

#[test]
fn rooms_may_share_an_address_or_a_port_but_not_both() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    for line in [
        "makeroom r1 239.1.1.1 6000",
        "makeroom r2 239.1.1.1 6001",
        "makeroom r3 239.1.1.2 6000",
        "makeroom lowest 239.0.0.0 1",
        "makeroom highest 239.255.255.255 65535",
    ] {
        let answer = client.ask(line);
        assert!(answer.starts_with("OK room "), "{line}: {answer}");
    }
}

#[test]
fn getdir_lists_in_the_order_of_making() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    for line in [
        "makeroom zoo 239.1.1.9 6000",
        "makeroom Attic 239.1.1.8 6000",
        "makeroom bar 239.1.1.7 6000",
        "deleteroom zoo",
        "makeroom zoo 239.1.1.6 6000",
    ] {
        client.ask(line);
    }
    assert_eq!(
        client.ask("getdir"),
        concat!(
            r#"OKDIR [{"name":"Attic","address":"239.1.1.8","port":6000,"dialect":"plain"},"#,
            r#"{"name":"bar","address":"239.1.1.7","port":6000,"dialect":"plain"},"#,
            r#"{"name":"zoo","address":"239.1.1.6","port":6000,"dialect":"plain"}]"#
        )
    );
}

#[test]
fn case_spaces_and_line_ends_of_a_command_do_not_matter() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    assert_eq!(client.ask("GetDir\r"), GETDIR_EMPTY);
    assert_eq!(client.ask("\t getdir  "), GETDIR_EMPTY);
    // Empty lines are not answered.
    assert_eq!(client.ask("\n\r\n  \ngetdir"), GETDIR_EMPTY);
    assert_eq!(
        client.ask("MAKEROOM r1  239.1.1.1\t6000\r"),
        "OK room r1 made at 239.1.1.1:6000"
    );
}

#[test]
fn lines_sent_together_are_carried_out_and_answered_in_their_order() {
    let (_folder, server) = running(&["--max-lines", "100000"]);
    let mut client = Client::connect(server.port);
    let one = r#"{"name":"one","address":"239.1.1.1","port":6000,"dialect":"plain"}"#;
    // Which of them share a commit differs from round to round.
    for round in 0..50 {
        client.send(concat!(
            "getdir\nmakeroom one 239.1.1.1 6000\ngetdir\nmakeroom two 239.1.1.2 6000\n",
            "deleteroom two\ngetdir\ndeleteroom one\ngetdir\n"
        ));
        for answer in [
            GETDIR_EMPTY,
            "OK room one made at 239.1.1.1:6000",
            &format!("OKDIR [{one}]"),
            "OK room two made at 239.1.1.2:6000",
            "OK room two deleted",
            &format!("OKDIR [{one}]"),
            "OK room one deleted",
            GETDIR_EMPTY,
        ] {
            assert_eq!(client.line(), answer, "in round {round}");
        }
    }
}

#[test]
fn a_command_without_a_line_end_is_answered_while_the_connection_stays_open() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    let sent = Instant::now();
    client.send("getdir");
    assert_eq!(client.object(), json!({}));
    assert!(sent.elapsed() >= UNFRAMED_WAIT, "more could have come");

    client.send("makeroom r1 239.1.1.1 6000");
    let mut answer = [0; "OK room r1 made at 239.1.1.1:6000".len()];
    client.stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"OK room r1 made at 239.1.1.1:6000");

    client.send("getdir");
    let r1 = json!({"r1": {"address": "239.1.1.1", "port": 6000}});
    assert_eq!(client.object(), r1);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "", "nothing follows an answer");
}

#[test]
fn the_end_of_input_ends_a_command() {
    let (_folder, server) = running(&[]);
    let at_end = |sent: &str| {
        let mut client = Client::connect(server.port);
        client.send(sent);
        client.stream.shutdown(Shutdown::Write).unwrap();
        client.rest()
    };
    assert_eq!(at_end("getdir"), "{}");
    assert_eq!(
        at_end("makeroom r1 239.1.1.1 6000"),
        "OK room r1 made at 239.1.1.1:6000"
    );
    assert_eq!(
        at_end("getdir"),
        r#"{"r1":{"address":"239.1.1.1","port":6000}}"#
    );
    // Also one that is not valid, which a pause does not end.
    assert_eq!(
        at_end("deleteroom r2"),
        "ERR no such room: r2 (getdir lists the rooms)"
    );
    assert_eq!(
        at_end("deleteroom"),
        "ERR wrong number of words: write deleteroom NAME"
    );
    // Who has sent a line end is answered in lines.
    assert_eq!(
        at_end("deleteroom r1\ngetdir"),
        "OK room r1 deleted\nOKDIR []\n"
    );
    assert_eq!(at_end(""), "");
}

#[test]
fn who_has_sent_a_line_end_is_answered_in_lines_only() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    assert_eq!(client.ask("getdir"), GETDIR_EMPTY);
    client.send("getdir");
    assert_silence(&mut client);
    assert_eq!(client.ask(""), GETDIR_EMPTY);
}

/// Nothing comes for some times as long as a command without a line end waits.
fn assert_silence(client: &mut Client) {
    let patience = client.stream.read_timeout().unwrap();
    client
        .stream
        .set_read_timeout(Some(3 * UNFRAMED_WAIT))
        .unwrap();
    let error = client.stream.peek(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client.stream.set_read_timeout(patience).unwrap();
}

#[test]
fn a_command_that_came_in_two_reads_waits_for_its_line_end() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    client.send("get");
    wait_until_read(&client);
    client.send("dir");
    assert_silence(&mut client);
    assert_eq!(client.ask(""), GETDIR_EMPTY);
}

/// Waits until the server has taken all that was sent: the system holds nothing for it any more.
fn wait_until_read(client: &Client) {
    let port = |end: std::io::Result<std::net::SocketAddr>| format!(":{:04X}", end.unwrap().port());
    let ends = (
        port(client.stream.peer_addr()),
        port(client.stream.local_addr()),
    );
    let began = Instant::now();
    loop {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        // The columns: number, local end, remote end, state, bytes to send `:` bytes to read.
        let is_read = table.lines().any(|line| {
            let columns: Vec<_> = line.split_whitespace().collect();
            columns[1].ends_with(&ends.0)
                && columns[2].ends_with(&ends.1)
                && columns[4].ends_with(":00000000")
        });
        if is_read {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{table}");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn another_protocol_is_closed_with_a_line_on_the_screen() {
    let (_folder, server) = running(&[]);
    for first in [0x00, 0x08] {
        let mut client = Client::connect(server.port);
        client.send([first, b'g', b'e', b't', b'd', b'i', b'r', b'\n']);
        assert_eq!(client.rest(), "");
        server.wait_for_line(&format!(
            "Connection from {} speaks another protocol (its first byte is {first:#04x})",
            client.origin()
        ));
        server.wait_for_line(&format!("Connection from {} closed", client.origin()));
    }
}

#[test]
fn a_line_that_is_no_utf8_is_told_and_the_next_is_read() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    client.send(b"makeroom caf\xe9\n");
    assert_eq!(client.line(), "ERR the line is no UTF-8: it was not read");
    assert_eq!(client.ask("getdir"), GETDIR_EMPTY);
}

#[test]
fn what_a_mistake_repeats_is_safe_on_a_terminal() {
    let (_folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    for line in ["\u{1b}[2J", "makeroom \u{202e}evil", "deleteroom a\u{7}b"] {
        let answer = client.ask(line);
        assert!(answer.starts_with("ERR "), "{answer:?}");
        let unsafe_character = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!answer.contains(unsafe_character), "{answer:?}");
    }
}

#[test]
fn many_clients_at_once_are_all_served() {
    const CLIENTS: usize = 50;
    let (_folder, server) = running(&[]);
    let all_are_connected = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, all_are_connected) = (&server, &all_are_connected);
            scope.spawn(move || {
                let mut client = Client::connect(server.port);
                all_are_connected.wait();
                assert_eq!(
                    client.ask(&format!("makeroom r{number} 239.1.1.{number} 6000")),
                    format!("OK room r{number} made at 239.1.1.{number}:6000")
                );
                // Who was told OK finds the room.
                let own = format!(r#"{{"name":"r{number}","#);
                assert!(client.ask("getdir").contains(&own));
                all_are_connected.wait();
                assert_eq!(client.ask("getdir").matches("name").count(), CLIENTS);
            });
        }
    });
}

#[test]
fn a_client_that_reads_nothing_holds_up_nobody_and_is_dropped() {
    let (_folder, server) = running(&["--max-lines", "1000000"]);
    let mut other = Client::connect(server.port);
    for number in 0..200 {
        other.ask(&format!("makeroom r{number}"));
    }
    // The answers to all of this are some 100 MB: far more than the system keeps for a connection.
    let mut deaf = Client::connect(server.port);
    let began = Instant::now();
    deaf.send("getdir\n".repeat(10_000));
    for number in 0..200 {
        let answer = other.ask(&format!("deleteroom r{number}"));
        assert_eq!(answer, format!("OK room r{number} deleted"));
    }
    // After 10 s it is dropped: until then nobody has waited for it.
    assert!(began.elapsed() < Duration::from_secs(10));
    server.wait_for_line(&format!(
        "Connection from {} does not read: dropped",
        deaf.origin()
    ));
}
