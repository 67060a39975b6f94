//! Somebody at a program that speaks JSON lines.

use std::io::Write;

use serde_json::{Value, json};

use crate::client::Client;

/// A client whose answers and events are told apart.
pub struct Person {
    pub client: Client,
    pub token: String,
    /// Came while an answer was waited for.
    pub events: Vec<Value>,
}

impl Person {
    /// Has said hello, and has no name.
    pub fn greeted(port: u16, resume: Option<&str>) -> (Self, Value) {
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
    pub fn named(port: u16, name: &str) -> Self {
        let (mut person, _) = Self::greeted(port, None);
        person.done(json!({"request": "name", "name": name}));
        assert_eq!(person.event(), json!({"event": "welcome", "name": name}));
        person
    }

    pub fn value(&mut self) -> Value {
        serde_json::from_str(&self.client.line()).unwrap()
    }

    pub fn send(&mut self, mut request: Value) {
        request["id"] = json!(7);
        let line = format!("{request}\n");
        self.client.stream.write_all(line.as_bytes()).unwrap();
    }

    /// The answer; events that come first are kept.
    pub fn ask(&mut self, request: Value) -> Value {
        self.send(request);
        loop {
            let value = self.value();
            match value["id"] == 7 {
                true => return value,
                false => self.events.push(value),
            }
        }
    }

    pub fn done(&mut self, request: Value) {
        let answer = self.ask(request);
        assert_eq!(answer, json!({"id": 7, "reply": "done"}));
    }

    /// The next event.
    pub fn event(&mut self) -> Value {
        match self.events.is_empty() {
            true => self.value(),
            false => self.events.remove(0),
        }
    }

    /// The next event of this kind; those before it are skipped.
    pub fn event_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event();
            if event["event"] == kind {
                return event;
            }
        }
    }
}
