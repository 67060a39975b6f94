//! A thousand people who say nothing, one who does not read, and three who talk.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

#[path = "common/patience.rs"]
mod patience;
#[path = "common/server.rs"]
mod server;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use server::running;

const IDLE: usize = 1000;

/// Lines that each of the three says; together more than the server and the system hold for one who does not
/// read.
const LINES: usize = 450;
const LINE_BYTES: usize = 8000;

/// Far longer than anything takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Online under this name.
    fn named(port: u16, name: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Self {
            reader: BufReader::new(stream),
        };
        client.ask(json!({"id": 1, "request": "hello", "version": 1}));
        client.ask(json!({"id": 2, "request": "name", "name": name}));
        client
    }

    fn in_lobby(port: u16, name: &str) -> Self {
        let mut client = Self::named(port, name);
        client.ask(json!({"id": 3, "request": "enter", "room": "lobby", "via": "relay"}));
        client
    }

    fn send(&self, request: &Value) {
        let line = format!("{request}\n");
        self.reader.get_ref().write_all(line.as_bytes()).unwrap();
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn ask(&mut self, request: Value) {
        self.send(&request);
        while self.next()["id"] != request["id"] {}
    }

    /// Hears every line of each of the three once and in order, and that the slow one is gone.
    fn hear_all(mut self) {
        let mut heard = [0; 3];
        let mut is_slow_gone = false;
        while heard != [LINES; 3] || !is_slow_gone {
            let event = self.next();
            if event["event"] == "line" {
                let from = event["from"].as_str().unwrap();
                let from: usize = from.strip_prefix("talker").unwrap().parse().unwrap();
                let text = event["text"].as_str().unwrap();
                let number = text.split(' ').next().unwrap();
                assert_eq!(number.parse::<usize>().unwrap(), heard[from]);
                heard[from] += 1;
            }
            is_slow_gone |= event == json!({"event": "exited", "name": "slow"});
        }
    }
}

#[test]
fn a_thousand_idle_clients_and_a_slow_one_do_not_hold_up_three_who_talk() {
    allow_files();
    let (_folder, server) = running(&["--max-connections", "1100", "--heartbeat", "3600"]);
    let port = server.port;
    let idle: Vec<Client> = (0..IDLE)
        .map(|number| Client::named(port, &format!("idle{number}")))
        .collect();
    let _slow = Client::in_lobby(port, "slow");
    let talkers = [0, 1, 2].map(|number| Client::in_lobby(port, &format!("talker{number}")));
    let speakers: Vec<_> = talkers
        .iter()
        .map(|t| t.reader.get_ref().try_clone().unwrap())
        .collect();
    let listeners: Vec<_> = talkers
        .into_iter()
        .map(|talker| thread::spawn(move || talker.hear_all()))
        .collect();
    for number in 0..LINES {
        for (speaker, mut stream) in speakers.iter().enumerate() {
            let text = format!("{number} {}", "x".repeat(LINE_BYTES - 10));
            let say = json!({"id": 9, "request": "say", "room": "lobby", "text": text});
            stream
                .write_all(format!("{say}\n").as_bytes())
                .unwrap_or_else(|error| panic!("{speaker}: {error}"));
        }
    }
    for listener in listeners {
        listener.join().unwrap();
    }
    // Nobody of the others was dropped.
    for mut client in idle {
        client.ask(json!({"id": 4, "request": "ping"}));
    }
}

/// This process has an end of every connection.
fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
}
