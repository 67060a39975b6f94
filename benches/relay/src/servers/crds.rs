//! `crds serve`, and its lobby.

use std::borrow::Cow;
use std::io;
use std::process::Command;

use super::{Reception, Seat, Server, Setting, has};

#[derive(Debug)]
pub struct Crds {
    /// It keeps what is said, as it does unless told otherwise.
    pub keeps_history: bool,
}

impl Server for Crds {
    fn name(&self) -> &'static str {
        "crds"
    }

    fn command(&self, setting: &Setting<'_>) -> io::Result<Command> {
        let mut command = Command::new(setting.crds);
        command.args(["serve", "--no-web", "--listen", "127.0.0.1", "--port", "0"]);
        command.arg("--data").arg(setting.scratch.join("data"));
        let connections = setting.connections.to_string();
        command.args(["--max-connections", &connections]);
        command.args(["--max-lines", &u32::MAX.to_string()]);
        if !self.keeps_history {
            command.args(["--history", "off"]);
        }
        Ok(command)
    }

    fn announcement(&self) -> &'static str {
        "listening on port "
    }

    fn greeting(&self, client: usize, seat: Seat) -> String {
        let name = format!(
            "{{\"id\":1,\"request\":\"hello\",\"version\":1}}\n\
             {{\"id\":2,\"request\":\"name\",\"name\":\"b{client}\"}}\n"
        );
        match seat {
            Seat::Bystander => name,
            Seat::Member => {
                name + "{\"id\":3,\"request\":\"enter\",\"room\":\"lobby\",\"via\":\"relay\"}\n"
            }
        }
    }

    fn reception(&self, line: &[u8], seat: Seat) -> Reception {
        let last = match seat {
            Seat::Member => "{\"id\":3,",
            Seat::Bystander => "{\"id\":2,",
        };
        if !line.starts_with(b"{\"id\":") {
            Reception::Other
        } else if has(line, "\"error\":") {
            Reception::Refused
        } else if line.starts_with(last.as_bytes()) {
            Reception::Welcome
        } else {
            Reception::Other
        }
    }

    fn say(&self, text: &str) -> String {
        format!("{{\"id\":4,\"request\":\"say\",\"room\":\"lobby\",\"text\":\"{text}\"}}\n")
    }

    fn answer<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let ping = b"{\"id\":5,\"request\":\"ping\"}\n";
        has(line, "\"event\":\"idle\"").then_some(Cow::Borrowed(ping))
    }
}
