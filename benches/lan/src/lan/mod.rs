//! One local network: hosts, each a network namespace with an `eth0`, on a bridge that is in a namespace of
//! its own. Nothing of it is in the namespace that the program was started in. Removed when dropped.

use std::error::Error;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::process::Command;

mod namespace;
mod wire;

use namespace::{Namespace, run};

/// The network.
pub struct Lan {
    hosts: Vec<Namespace>,
    switch: Namespace,
}

/// What waits at a narrow place at most.
const QUEUE_BYTES: u32 = 150_000;

/// What passed a host's interface.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    /// Packets that it sent.
    pub sent_packets: u64,
    /// Bytes that it received, Ethernet headers included.
    pub received_bytes: u64,
}

impl Traffic {
    fn of(host: &Namespace) -> Result<Self, Box<dyn Error>> {
        let shown = host.ip("-json -statistics link show dev eth0")?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        let counter = |path: &str| {
            let counter = shown.pointer(path).and_then(serde_json::Value::as_u64);
            counter.ok_or_else(|| format!("`ip` shows no {path}"))
        };
        Ok(Self {
            sent_packets: counter("/0/stats64/tx/packets")?,
            received_bytes: counter("/0/stats64/rx/bytes")?,
        })
    }

    /// What passed since then.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            sent_packets: self.sent_packets - before.sent_packets,
            received_bytes: self.received_bytes - before.received_bytes,
        }
    }
}

/// The host that the sender is on; the receivers are on those after it.
pub const SENDER: usize = 0;

impl Lan {
    /// Makes the network, with that many hosts besides the sender's.
    pub fn new(receivers: usize) -> Result<Self, Box<dyn Error>> {
        let switch = Namespace::new("switch")?;
        // With snooping, the bridge would have to learn who is in the group first.
        switch.ip("link add switch type bridge mcast_snooping 0 forward_delay 0")?;
        switch.ip("link set switch addrgenmode none up")?;
        // Where the system has that, it asks the firewall about what crosses a bridge; a switch has none.
        let ask = "net.bridge.bridge-nf-call-iptables=0";
        let _ = run(switch.command("sysctl").args(["-q", "-w", ask]));
        let mut lan = Self {
            hosts: Vec::new(),
            switch,
        };
        for host in 0..=receivers {
            lan.add(host)?;
        }
        Ok(lan)
    }

    fn add(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let host = Namespace::new(&format!("host{number}"))?;
        let (switch, name, address) = (&self.switch, host.name(), Self::address(number));
        switch.ip(&format!(
            "link add port{number} type veth peer name eth0 netns {name}"
        ))?;
        // No IPv6 addresses: their announcements would be counted among the datagrams.
        switch.ip(&format!(
            "link set port{number} master switch addrgenmode none up"
        ))?;
        host.ip("link set lo up")?;
        host.ip("link set eth0 addrgenmode none up")?;
        host.ip(&format!("address add {address}/24 brd + dev eth0"))?;
        host.ip("route add default dev eth0")?;
        self.hosts.push(host);
        Ok(())
    }

    /// The address of a host.
    pub fn address(host: usize) -> Ipv4Addr {
        Ipv4Addr::new(10, 78, 0, host as u8 + 1)
    }

    /// A command that will run on a host.
    pub fn command(&self, host: usize, program: &str) -> Command {
        self.hosts[host].command(program)
    }

    /// A file below `/proc/net`, as it is on a host.
    pub fn open(&self, host: usize, name: &str) -> io::Result<File> {
        self.hosts[host].open(name)
    }

    /// What the hosts sent and received so far, the sender's first.
    pub fn traffic(&self) -> Result<Vec<Traffic>, Box<dyn Error>> {
        self.hosts.iter().map(Traffic::of).collect()
    }

    /// From now on the sender's packets are cut before they go to the wire: a large one would cross it, be
    /// counted and be lost as a whole. False where that cannot be.
    pub fn cut_before_the_wire(&self) -> bool {
        let mut ethtool = self.command(SENDER, "ethtool");
        let off = "-K eth0 tx-udp-segmentation off gso off gro off";
        let done = run(ethtool.args(off.split_whitespace()));
        if let Err(error) = &done {
            eprintln!("bench-lan: segmentation offload stays on: {error}");
        }
        done.is_ok()
    }

    /// From now on what a host receives passes a queue of [`QUEUE_BYTES`] at that rate; what finds it full is
    /// lost without a word.
    pub fn narrow(&self, host: usize, megabits: u32) -> Result<(), Box<dyn Error>> {
        // A burst of a few packets: a token bucket that lets more pass at once is no bottleneck.
        let mut tc = self.switch.command("tc");
        tc.args(["qdisc", "add", "dev", &format!("port{host}"), "root", "tbf"]);
        tc.args(["rate", &format!("{megabits}mbit"), "burst", "10000"]);
        tc.args(["limit", &QUEUE_BYTES.to_string()]);
        run(&mut tc).map(|_| ())
    }

    /// From now on a host loses that share of what it receives over UDP, at random: on the way from the switch to it, before its
    /// interface may join anything.
    pub fn lose(&self, host: usize, percent: u32) -> Result<(), Box<dyn Error>> {
        let rules = format!(
            "table netdev loss{host} {{ chain egress {{ type filter hook egress device port{host} priority 0; \
             ip protocol udp numgen random mod 100 < {percent} drop; }}; }}"
        );
        run(self.switch.command("nft").arg(rules)).map(|_| ())
    }

    /// From now on the interface of a host joins datagrams that come close to each other (GRO), as those of network cards do
    /// unless told not to, for programs that ask for it.
    pub fn join(&self, host: usize) -> Result<(), Box<dyn Error>> {
        run(self
            .command(host, "ethtool")
            .args(["-K", "eth0", "gro", "on"]))?;
        // What comes from an interface that may carry large packets of TCP is not joined.
        let mut from = self.switch.command("ethtool");
        run(from.args(["-K", &format!("port{host}"), "tso", "off"])).map(|_| ())
    }
}
