//! `crds serve`, and its lobby.

use std::borrow::Cow;
use std::io;
use std::process::Command;

use super::{Reception, Seat, Server, Setting, has};
use crate::wire::Wire;

#[derive(Debug)]
pub struct Crds {
    /// It keeps what is said, as it does unless told otherwise.
    pub keeps_history: bool,
    /// How its clients come.
    pub wire: Wire,
    /// They are in a reliable room in place of the lobby, where the server takes part for each.
    pub is_hosted: bool,
}

/// Who makes the room for all.
const MAKER: usize = 0;

impl Server for Crds {
    fn name(&self) -> &'static str {
        "crds"
    }

    fn command(&self, setting: &Setting<'_>) -> io::Result<Command> {
        let mut command = Command::new(setting.crds);
        command.args(["serve", "--listen", "127.0.0.1", "--port", "0"]);
        match self.wire {
            Wire::Lines => command.arg("--no-web"),
            Wire::WebSocket => command.args(["--web", "0"]),
        };
        if self.is_hosted {
            command.args(["--interface", "lo"]);
        }
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
        match self.wire {
            Wire::Lines => "listening on port ",
            Wire::WebSocket => "The page: http://127.0.0.1:",
        }
    }

    fn greeting(&self, client: usize, seat: Seat) -> String {
        let name = format!(
            "{{\"id\":1,\"request\":\"hello\",\"version\":1}}\n\
             {{\"id\":2,\"request\":\"name\",\"name\":\"b{client}\"}}\n"
        );
        match seat {
            Seat::Bystander => name,
            Seat::Member if self.is_hosted => {
                let make = "{\"id\":6,\"request\":\"make-room\",\"name\":\"pages\",\"dialect\":\"reliable\"}\n";
                let make = if client == MAKER { make } else { "" };
                let enter =
                    "{\"id\":3,\"request\":\"enter\",\"room\":\"pages\",\"via\":\"hosted\"}\n";
                name + make + enter
            }
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
        let room = if self.is_hosted { "pages" } else { "lobby" };
        format!("{{\"id\":4,\"request\":\"say\",\"room\":\"{room}\",\"text\":\"{text}\"}}\n")
    }

    fn wire(&self) -> Wire {
        self.wire
    }

    fn answer<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let ping = b"{\"id\":5,\"request\":\"ping\"}\n";
        has(line, "\"event\":\"idle\"").then_some(Cow::Borrowed(ping))
    }
}
