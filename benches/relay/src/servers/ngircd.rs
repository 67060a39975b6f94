//! Debian's `ngircd`, and one channel.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

use super::{IRC, Reception, Seat, Server, Setting, has};

const PROGRAM: &str = "/usr/sbin/ngircd";

/// Its limits and its checks of clients are off, so that what is measured is the passing on of lines. It cannot
/// pick a port. It changes its user, after which the end of this program does not end it: it ends by itself
/// seconds after the last client has gone.
fn configuration(port: u16) -> String {
    format!(
        "[Global]\nName = bench.relay\nInfo = bench-relay\nListen = 127.0.0.1\nPorts = {port}\nMotdPhrase = hello\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxNickLength = 15\nMaxPenaltyTime = 0\n\
         PingTimeout = 3600\nPongTimeout = 3600\nIdleTimeout = 5\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n"
    )
}

#[derive(Debug)]
pub struct Ngircd;

impl Server for Ngircd {
    fn name(&self) -> &'static str {
        IRC
    }

    fn command(&self, setting: &Setting<'_>) -> io::Result<Command> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = free.local_addr()?.port();
        let file = setting.scratch.join("ngircd.conf");
        fs::write(&file, configuration(port))?;
        let mut command = Command::new(PROGRAM);
        command.arg("--nodaemon").arg("--config").arg(file);
        Ok(command)
    }

    fn announcement(&self) -> &'static str {
        "Now listening on [127.0.0.1]:"
    }

    fn greeting(&self, client: usize, seat: Seat) -> String {
        let name = format!("NICK b{client}\r\nUSER bench 0 * :bench\r\n");
        match seat {
            Seat::Member => name + "JOIN #room\r\n",
            Seat::Bystander => name,
        }
    }

    fn reception(&self, line: &[u8], seat: Seat) -> Reception {
        // End of the list of members, end of the message of the day.
        let last = match seat {
            Seat::Member => " 366 ",
            Seat::Bystander => " 376 ",
        };
        if has(line, last) {
            Reception::Welcome
        } else if line.starts_with(b"ERROR") {
            Reception::Refused
        } else {
            Reception::Other
        }
    }

    fn say(&self, text: &str) -> String {
        format!("PRIVMSG #room :{text}\r\n")
    }

    fn answer<'a>(&self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let token = line.strip_prefix(b"PING")?;
        Some(Cow::Owned([b"PONG", token].concat()))
    }
}
