//! A browser as far as a server sees one: plain requests, and a WebSocket with the control protocol.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, dead_code)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::patience::PATIENCE;

/// What stands on every answer, whatever it is.
pub const WEB_PROTECTION: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Where a server's page is.
#[derive(Clone, Copy)]
pub struct Page(pub SocketAddr);

/// An answer of HTTP.
pub struct HttpAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A page's WebSocket.
pub struct Browser {
    socket: WebSocket<TcpStream>,
    last_id: u64,
    /// What came while something else was waited for.
    unread: VecDeque<Value>,
    pub token: String,
}

impl Page {
    /// As the server's screen tells it.
    pub fn told(line: &str) -> Self {
        let url = line.strip_prefix("The page: http://");
        let address = url.and_then(|url| url.strip_suffix('/'));
        Self(address.and_then(|a| a.parse().ok()).expect(line))
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.0)
    }

    pub fn get(&self, path: &str) -> HttpAnswer {
        self.ask("GET", path, &[], b"")
    }

    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> HttpAnswer {
        let mut stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        let length = body.len().to_string();
        let host = self.0.to_string();
        let mut all = vec![("Host", host.as_str())];
        if !headers.iter().any(|(name, _)| name == &"Content-Length") {
            all.push(("Content-Length", &length));
        }
        // One without a value is left out.
        let headers = headers.iter().filter(|(_, value)| !value.is_empty());
        for (name, value) in all.iter().chain(headers) {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // One that is refused early may not be read to its end.
        let _ = stream.write_all(body);
        HttpAnswer::read(stream, method == "HEAD")
    }

    /// A WebSocket of the page itself.
    pub fn open(&self) -> Browser {
        let socket = self
            .socket(&self.origin())
            .unwrap_or_else(|s| panic!("{s}"));
        Browser {
            socket,
            last_id: 0,
            unread: VecDeque::new(),
            token: String::new(),
        }
    }

    /// How a WebSocket is refused to a page from there; 101 if it is not.
    pub fn socket_refused(&self, origin: &str) -> u16 {
        match self.socket(origin) {
            Ok(_) => 101,
            Err(status) => status,
        }
    }

    fn socket(&self, origin: &str) -> Result<WebSocket<TcpStream>, u16> {
        let stream = TcpStream::connect(self.0).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = format!("ws://{}/ws", self.0).into_client_request().unwrap();
        let origin = HeaderValue::from_str(origin).unwrap();
        request.headers_mut().insert("Origin", origin);
        match tungstenite::client(request, stream) {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(answer))) => {
                Err(answer.status().as_u16())
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl HttpAnswer {
    fn read(stream: TcpStream, is_head: bool) -> Self {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Self {
            status: status.unwrap_or_else(|| panic!("no answer: {line:?}")),
            headers,
            body: Vec::new(),
        };
        if !is_head {
            // A connection that is reset had told all before.
            let _ = reader.read_to_end(&mut answer.body);
        }
        assert!(!answer.headers.iter().any(|(n, _)| n == "transfer-encoding"));
        answer
    }

    /// The only one of its name, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let mut all = self.headers.iter().filter(|(n, _)| n == name);
        let first = all.next().map_or("", |(_, value)| value.as_str());
        assert!(all.next().is_none(), "{name} is there twice");
        first
    }

    pub fn is_protected(&self) {
        for (name, value) in WEB_PROTECTION {
            assert_eq!(&self.header(name), value);
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Browser {
    pub fn hello(&mut self) {
        let hello = self.ask(json!({"request":"hello","version":1}));
        self.token = hello["token"].as_str().unwrap().to_owned();
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).unwrap();
    }

    fn send(&mut self, mut request: Value) -> u64 {
        self.last_id += 1;
        request["id"] = self.last_id.into();
        self.send_text(&request.to_string());
        self.last_id
    }

    /// What is answered; events wait.
    pub fn ask(&mut self, request: Value) -> Value {
        let id = self.send(request);
        self.wait_for(|line| line["id"] == id)
    }

    /// A request with raw bytes behind it.
    pub fn say_raw(&mut self, request: Value, bytes: &[u8]) -> Value {
        let id = self.send(request);
        self.socket.send(Message::binary(bytes.to_vec())).unwrap();
        self.wait_for(|line| line["id"] == id)
    }

    pub fn event(&mut self, event: &str) -> Value {
        self.wait_for(|line| line["event"] == event)
    }

    pub fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.unread.iter().position(&wanted) {
            return self.unread.remove(at).unwrap();
        }
        loop {
            let Message::Text(line) = self.socket.read().unwrap() else {
                panic!("no line");
            };
            assert!(!line.contains('\n'));
            let line: Value = serde_json::from_str(&line).unwrap();
            if wanted(&line) {
                return line;
            }
            self.unread.push_back(line);
        }
    }

    /// The raw bytes that follow the line read last.
    pub fn raw(&mut self) -> Vec<u8> {
        match self.socket.read().unwrap() {
            Message::Binary(bytes) => bytes.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    /// Whether the server ends it.
    pub fn is_closed(&mut self) -> bool {
        loop {
            match self.socket.read() {
                Ok(Message::Close(_)) => return true,
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) => {
                    return error.kind() != std::io::ErrorKind::WouldBlock;
                }
                Err(_) => return true,
            }
        }
    }
}
