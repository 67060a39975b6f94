//! What the hosts put on the wire, as it would be there: a packet that the kernel cuts late counts as its parts.

use std::error::Error;
use std::process::Command;

use super::{Lan, run};

impl Lan {
    /// Puts a meter on every host's interface. The interface's own counter takes a packet that is yet to be cut
    /// for one, and misses the headers of all its parts but the first; a queue's counter does not.
    pub fn meter(&self) -> Result<(), Box<dyn Error>> {
        for host in &self.hosts {
            run(tc(host.name()).args(["qdisc", "add", "dev", "eth0", "root", "pfifo"]))?;
        }
        Ok(())
    }

    /// What the meters show of all hosts: bytes, with UDP, IP and Ethernet headers.
    pub fn bytes_on_wire(&self) -> Result<u64, Box<dyn Error>> {
        let mut bytes = 0;
        for host in &self.hosts {
            let shown =
                run(tc(host.name()).args(["-s", "-j", "qdisc", "show", "dev", "eth0", "root"]))?;
            let shown: serde_json::Value = serde_json::from_str(&shown)?;
            let counter = shown.pointer("/0/bytes").and_then(|bytes| bytes.as_u64());
            bytes += counter.ok_or("`tc` shows no bytes")?;
        }
        Ok(bytes)
    }
}

fn tc(namespace: &str) -> Command {
    let mut command = Command::new("tc");
    command.args(["-n", namespace]);
    command
}
