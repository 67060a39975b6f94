//! A local network of several hosts on this machine: network namespaces with a cable each to one
//! switch. It lives in namespaces private to one test, so that nothing of it is left behind, names
//! cannot meet, and no packet finds a way out.

use std::io::Write;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::patience::PATIENCE;

/// Set in the private namespaces, to the name of the network namespace outside.
const OUTSIDE: &str = "LAN_TEST_OUTSIDE";

/// As root; and where an ordinary user may be root of a namespace of his own.
const WAYS_IN: [&[&str]; 2] = [&[], &["--user", "--map-root-user"]];

/// Of everything that is started in there nothing outlives the test.
const UNSHARE: [&str; 6] = [
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

/// Calls `inside` in namespaces of its own, or says why that cannot be here. `test` is the name of
/// the test that calls: it is run once more, inside.
pub fn in_private_namespaces(test: &str, inside: impl FnOnce()) {
    if let Some(outside) = std::env::var_os(OUTSIDE) {
        assert_ne!(network_namespace(), outside, "{OUTSIDE} is for inside");
        return inside();
    }
    let way_in = match way_in() {
        Ok(way_in) => way_in,
        Err(reason) => {
            // Not through `eprintln!`, which a test that passes shows nobody.
            let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
            return;
        }
    };
    let output = unshare(way_in)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(OUTSIDE, network_namespace())
        .output()
        .unwrap();
    let told = told(&output);
    assert!(output.status.success(), "inside:\n{told}");
    // A name that no test has would pass without having run anything.
    assert!(told.contains("1 passed"), "no test is called {test}");
}

/// The same, where networks can be made to lose datagrams.
pub fn in_lossy_namespaces(test: &str, inside: impl FnOnce()) {
    match Command::new("nft").arg("--version").output() {
        Ok(_) => in_private_namespaces(test, inside),
        Err(error) => _ = writeln!(std::io::stderr(), "skipped {test}: nft: {error}"),
    }
}

fn way_in() -> Result<&'static [&'static str], String> {
    let mut reason = String::new();
    for way_in in WAYS_IN {
        let needed = "mount -t tmpfs tmpfs /run && ip netns add a && \
            ip link add cable type veth peer name eth0 netns a && \
            nsenter --net=/run/netns/a ip link set eth0 up";
        match unshare(way_in).args(["sh", "-c", needed]).output() {
            Ok(output) if output.status.success() => return Ok(way_in),
            Ok(output) => reason = told(&output),
            Err(error) => reason = format!("unshare: {error}"),
        }
    }
    Err(format!("no private namespaces here: {}", reason.trim()))
}

fn unshare(way_in: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(way_in);
    command
}

fn network_namespace() -> std::ffi::OsString {
    std::fs::read_link("/proc/self/ns/net").unwrap().into()
}

/// The hosts, and the switch between them. Must be made inside, once.
pub struct Lan(());

impl Lan {
    /// The first host has address 10.77.0.1, the next 10.77.0.2, each on its `eth0`.
    pub fn of(hosts: &[&str]) -> Self {
        run("mount -t tmpfs tmpfs /run");
        run("ip link add switch type bridge");
        run("ip link set switch up");
        let lan = Self(());
        for (number, host) in (1..).zip(hosts) {
            lan.add_host_without_cable(host);
            run(&format!(
                "ip link add cable-{host} type veth peer name eth0 netns {host}"
            ));
            run(&format!("ip link set cable-{host} master switch up"));
            lan.run_on(
                host,
                &format!("ip address add 10.77.0.{number}/24 dev eth0"),
            );
            lan.run_on(host, "ip link set eth0 up");
            lan.run_on(host, "ip route add default via 10.77.0.254");
            lan.wait_until_up(host);
        }
        lan
    }

    /// A host that has nothing but its loopback.
    pub fn add_host_without_cable(&self, host: &str) {
        run(&format!("ip netns add {host}"));
        self.run_on(host, "ip link set lo up");
    }

    /// The same command, to run on this host.
    pub fn on(&self, host: &str, command: &Command) -> Command {
        let mut there = Command::new("nsenter");
        there
            .arg(format!("--net=/run/netns/{host}"))
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => there.env(name, value),
                None => there.env_remove(name),
            };
        }
        there
    }

    /// Runs a command of the system on this host to its end, which must be a good one.
    pub fn run_on(&self, host: &str, line: &str) -> String {
        finish(self.on(host, &words(line)), line)
    }

    /// Plugs the host's cable into the switch, or pulls it out.
    pub fn plug(&self, host: &str, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        run(&format!("ip link set cable-{host} {state}"));
    }

    /// Drops so many of 100 datagrams that come to this host, at random.
    pub fn lose(&self, host: &str, percent: u32) {
        let rules = format!(
            "table ip loss {{ chain in {{ type filter hook input priority 0; \
             meta l4proto udp numgen random mod 100 < {percent} drop; }}; }}"
        );
        self.nft(host, &rules);
    }

    /// Keeps multicast from and to this host, in silence, or lets it through again.
    pub fn block_multicast(&self, host: &str, is_blocked: bool) {
        match is_blocked {
            true => self.block(host, "239.0.0.0/8"),
            false => self.nft(host, "delete table netdev wall"),
        }
    }

    /// Keeps what goes to these addresses from and to this host, in silence.
    pub fn block(&self, host: &str, addresses: &str) {
        let drops = format!("device eth0 priority 0; ip daddr {addresses} drop;");
        let rules = format!(
            "table netdev wall {{ chain in {{ type filter hook ingress {drops} }}; \
             chain out {{ type filter hook egress {drops} }}; }}"
        );
        self.nft(host, &rules);
    }

    /// Has the switch carry multicast only to who joined the group (IGMP snooping, RFC 4541).
    pub fn snoop(&self) {
        // It asks who is there, and carries everything everywhere until they may have answered, here for 100 ms.
        run("ip link set switch type bridge mcast_query_response_interval 10");
        run("ip link set switch type bridge mcast_querier 1");
        std::thread::sleep(Duration::from_millis(200));
    }

    /// What the switch has carried to this host so far, in bytes.
    pub fn carried_bytes(&self, host: &str) -> u64 {
        let counters = std::fs::read_to_string("/proc/self/net/dev").unwrap();
        let cable = format!("cable-{host}:");
        let mut lines = counters.lines();
        let counters = lines.find_map(|line| line.trim_start().strip_prefix(&cable));
        // Eight of what the switch received come before what it sent.
        let sent = counters.unwrap().split_whitespace().nth(8);
        sent.unwrap().parse().unwrap()
    }

    fn nft(&self, host: &str, rules: &str) {
        let mut nft = Command::new("nft");
        finish(self.on(host, nft.arg(rules)), "nft");
    }

    /// A link that is set up is up a little later.
    fn wait_until_up(&self, host: &str) {
        let began = Instant::now();
        while !self.run_on(host, "ip link show eth0").contains("state UP") {
            assert!(began.elapsed() < PATIENCE, "{host}: no link");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Beside the switch.
fn run(line: &str) {
    finish(words(line), line);
}

fn words(line: &str) -> Command {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

fn finish(mut command: Command, line: &str) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{line}:\n{}", told(&output));
    told(&output)
}

fn told(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
