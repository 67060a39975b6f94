//! The base: a loop of ours that writes each line to all sockets.

use std::borrow::Cow;
use std::env;
use std::io;
use std::process::Command;

use super::{Reception, Seat, Server, Setting};
use crate::bare::{JOIN, JOINED, READY};

#[derive(Debug)]
pub struct Bare;

impl Server for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn command(&self, _setting: &Setting<'_>) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("bare");
        Ok(command)
    }

    fn announcement(&self) -> &'static str {
        "listening on port "
    }

    fn greeting(&self, _client: usize, seat: Seat) -> String {
        match seat {
            Seat::Member => JOIN.to_owned(),
            Seat::Bystander => String::new(),
        }
    }

    fn reception(&self, line: &[u8], seat: Seat) -> Reception {
        let welcome = match seat {
            Seat::Member => JOINED,
            Seat::Bystander => READY,
        };
        match line == welcome.as_bytes() {
            true => Reception::Welcome,
            false => Reception::Other,
        }
    }

    fn say(&self, text: &str) -> String {
        format!("{text}\n")
    }

    fn answer<'a>(&self, _line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        None
    }
}
