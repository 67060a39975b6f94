//! Debian's `nats-server`: core publish and subscribe, one subject.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::process::Command;

use super::{BROKER, Reception, Seat, Server, Setting};

const PROGRAM: &str = "/usr/sbin/nats-server";

#[derive(Debug)]
pub struct Nats;

impl Server for Nats {
    fn name(&self) -> &'static str {
        BROKER
    }

    fn command(&self, setting: &Setting<'_>) -> io::Result<Command> {
        let file = setting.scratch.join("nats.conf");
        // Its limit is 65,536 connections by default; port -1 is a free one.
        fs::write(&file, "listen: \"127.0.0.1:-1\"\nping_interval: \"1h\"\n")?;
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(file);
        Ok(command)
    }

    fn announcement(&self) -> &'static str {
        "Listening for client connections on 127.0.0.1:"
    }

    fn greeting(&self, _client: usize, seat: Seat) -> String {
        let connect = "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n";
        match seat {
            Seat::Member => format!("{connect}SUB room 1\r\nPING\r\n"),
            Seat::Bystander => format!("{connect}PING\r\n"),
        }
    }

    fn reception(&self, line: &[u8], _seat: Seat) -> Reception {
        if line.starts_with(b"PONG") {
            Reception::Welcome
        } else if line.starts_with(b"-ERR") {
            Reception::Refused
        } else {
            Reception::Other
        }
    }

    fn say(&self, text: &str) -> String {
        format!("PUB room {}\r\n{text}\r\n", text.len())
    }

    fn answer<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        line.starts_with(b"PING")
            .then_some(Cow::Borrowed(b"PONG\r\n"))
    }

    /// That of its header, and its own.
    fn line_ends(&self) -> usize {
        2
    }
}
