//! What happens between several machines, on a local network that each test makes for itself.
#![allow(clippy::disallowed_methods)]

use std::path::Path;

mod files;
mod files_by_server;
#[path = "../common/lan.rs"]
mod lan;
#[path = "../common/patience.rs"]
mod patience;
#[path = "../common/process.rs"]
mod process;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/running.rs"]
mod running;

use lan::{Lan, in_lossy_namespaces, in_private_namespaces};
use program::crds;
use running::Running;

/// As many as the promise is tried with.
const LINES: u32 = 10_000;

#[test]
fn three_hosts_find_a_room_and_talk() {
    in_private_namespaces("three_hosts_find_a_room_and_talk", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        let (server, port) = start_server(&lan, home.path(), "a");
        let address = format!("10.77.0.1:{port}");

        let mut ana = start_client(&lan, home.path(), "b", &address, "Ana");
        ana.give("connect");
        ana.wait_for("Rooms use interface eth0 (10.77.0.2).");
        server.wait_for("Client connected from 10.77.0.2:");
        ana.give("makeroom lab1");
        ana.wait_for("Room lab1 made at 239.255.");
        ana.give("chat lab1");
        ana.wait_for("[in room lab1 (239.255.");

        let mut mel = start_client(&lan, home.path(), "c", &address, "Mel");
        mel.give("connect");
        mel.give("getdir");
        mel.wait_for("lab1  239.255.");
        mel.give("bye");
        mel.give("chat lab1");
        mel.wait_for("on eth0 (10.77.0.3)");
        // On the server's own machine, by its address on the network.
        let listen = crds(
            home.path(),
            &["listen", "lab1", "--server", &address, "--json"],
        );
        let listener = Running::start(lan.on("a", &listen));
        listener.wait_for("on eth0 (10.77.0.1)");

        mel.give("Good morning!");
        ana.wait_for("Mel: Good morning!");
        listener.wait_for(r#""from":"Mel""#);
        ana.give("And to you.");
        mel.wait_for("Ana: And to you.");
        let send = crds(home.path(), &["send", "lab1", "hello", "all"]);
        let mut send = lan.on("a", &send);
        let sent = send.args(["--name", "Lou", "--server", &address]).status();
        assert!(sent.unwrap().success());
        for client in [&ana, &mel, &listener] {
            client.wait_for("hello all");
        }
    });
}

#[test]
fn a_client_beside_the_server_talks_to_the_other_machines() {
    let name = "a_client_beside_the_server_talks_to_the_other_machines";
    in_private_namespaces(name, || talk_beside_the_server("ip route show default"));
}

/// A switch and some laptops: nobody has a way out, or a route for it.
#[test]
fn a_client_beside_the_server_talks_where_no_route_leads_out() {
    let name = "a_client_beside_the_server_talks_where_no_route_leads_out";
    in_private_namespaces(name, || talk_beside_the_server("ip route del default"));
}

fn talk_beside_the_server(prepare_each_host: &str) {
    let home = tempfile::tempdir().unwrap();
    let lan = Lan::of(&["a", "b"]);
    for host in ["a", "b"] {
        lan.run_on(host, prepare_each_host);
    }
    let (_server, port) = start_server(&lan, home.path(), "a");
    let near = format!("127.0.0.1:{port}");
    let mut ana = start_client(&lan, home.path(), "a", &near, "Ana");
    ana.give("connect");
    ana.wait_for("Rooms use interface eth0 (10.77.0.1).");
    ana.give("makeroom lab1");
    ana.give("chat lab1");
    ana.wait_for("[in room lab1");
    let mut mel = start_client(&lan, home.path(), "b", &format!("10.77.0.1:{port}"), "Mel");
    mel.give("chat lab1");
    mel.wait_for("[in room lab1");
    mel.give("anyone?");
    ana.wait_for("Mel: anyone?");
    ana.give("over here");
    mel.wait_for("Ana: over here");
}

#[test]
fn the_talk_goes_on_when_the_server_is_killed() {
    in_private_namespaces("the_talk_goes_on_when_the_server_is_killed", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        let (server, port) = start_server(&lan, home.path(), "a");
        let [mut ana, mut mel] = two_in_a_room(&lan, home.path(), port);
        // With signal 9: it has no time to say anything.
        drop(server);
        for client in [&ana, &mel] {
            client.wait_for("[The connection to the server is gone");
        }
        ana.give("still there?");
        mel.wait_for("Ana: still there?");
        mel.give("of course");
        ana.wait_for("Mel: of course");
    });
}

/// The whole path: sockets, session and program, while every fifth datagram is lost at each host.
#[test]
fn heavy_loss_costs_no_line() {
    in_lossy_namespaces("heavy_loss_costs_no_line", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        for host in ["a", "b", "c"] {
            lan.lose(host, 20);
        }
        let group = ["--group", "239.77.1.1:6000"];
        let lines: String = (1..=LINES)
            .map(|number| format!("line {number}\n"))
            .collect();
        let count = LINES.to_string();
        let listen = [&["listen", "--count", &count][..], &group].concat();
        let listeners = ["b", "c"].map(|host| {
            let listener = Running::start(lan.on(host, &crds(home.path(), &listen)));
            listener.wait_for("in room ");
            listener
        });
        let send = crds(
            home.path(),
            &[&["send", "--name", "Ana"][..], &group].concat(),
        );
        let mut sender = Running::start(lan.on("a", &send));
        sender.give(lines.trim_end());
        drop(sender.input.take());
        sender.wait_for("delivered to 2 of 2");
        for mut listener in listeners {
            assert_eq!(process::exit_code(&mut listener.child), Some(0));
            let heard = listener.output.lines.lock().unwrap();
            let heard: String = heard
                .iter()
                .filter_map(|line| line.strip_prefix("Ana: "))
                .map(|line| format!("{line}\n"))
                .collect();
            assert!(heard == lines, "other lines, or another order:\n{heard}");
        }
    });
}

/// Its peers repair what it said last.
#[test]
fn a_sender_killed_right_after_its_last_line_leaves_the_survivors_with_the_same() {
    let name = "a_sender_killed_right_after_its_last_line_leaves_the_survivors_with_the_same";
    in_lossy_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c", "d"]);
        for host in ["b", "c", "d"] {
            lan.lose(host, 20);
        }
        let group = ["--group", "239.77.1.1:6000"];
        let survivors = ["b", "c", "d"].map(|host| {
            let listen = crds(
                home.path(),
                &[&["listen", "--name", host][..], &group].concat(),
            );
            let survivor = Running::start(lan.on(host, &listen));
            survivor.wait_for("in room ");
            survivor
        });
        survivors[0].wait_for("d joined");
        survivors[1].wait_for("d joined");
        survivors[2].wait_for("here: ");
        let send = crds(
            home.path(),
            &[&["send", "--name", "Ana"][..], &group].concat(),
        );
        let mut sender = Running::start(lan.on("a", &send));
        // A name that was lost on the way is told again by its bearer alone.
        for survivor in &survivors {
            survivor.wait_for("Ana joined");
        }
        let lines: Vec<String> = (1..=200).map(|number| format!("line {number}")).collect();
        sender.give(&lines.join("\n"));
        // One of them has the last line: that moment the sender dies.
        survivors[0].wait_for("Ana: line 200");
        process::signal(&sender.child, "KILL");
        for survivor in &survivors {
            survivor.wait_for("Ana: line 200");
            let heard = survivor.output.lines.lock().unwrap();
            let heard = heard.iter().filter_map(|line| line.strip_prefix("Ana: "));
            assert_eq!(heard.collect::<Vec<_>>(), lines);
        }
    });
}

#[test]
fn an_interface_that_goes_down_is_told_and_used_again_when_it_is_back() {
    let name = "an_interface_that_goes_down_is_told_and_used_again_when_it_is_back";
    in_private_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        let (_server, port) = start_server(&lan, home.path(), "a");
        let [mut ana, mut mel] = two_in_a_room(&lan, home.path(), port);
        lan.run_on("c", "ip link set eth0 down");
        mel.wait_for("[interface eth0 (10.77.0.3) cannot be used");
        mel.give("hello?");
        mel.wait_for("not said");
        lan.run_on("c", "ip link set eth0 up");
        mel.wait_for("[the room is on interface eth0 (10.77.0.3) again");
        mel.give("back again");
        ana.wait_for("Mel: back again");
        ana.give("welcome");
        mel.wait_for("Ana: welcome");
    });
}

#[test]
fn a_cable_pulled_is_told_and_another_address_is_taken_up() {
    let name = "a_cable_pulled_is_told_and_another_address_is_taken_up";
    in_private_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        let (_server, port) = start_server(&lan, home.path(), "a");
        let [mut ana, mut mel] = two_in_a_room(&lan, home.path(), port);
        lan.plug("c", false);
        mel.wait_for("[interface eth0 (10.77.0.3) cannot be used");
        // Plugged in elsewhere: there is another address to be had.
        lan.run_on("c", "ip address flush dev eth0");
        lan.run_on("c", "ip address add 10.77.0.33/24 dev eth0");
        lan.plug("c", true);
        mel.wait_for("[the room is on interface eth0 (10.77.0.33) again");
        mel.give("back again");
        ana.wait_for("Mel: back again");
        ana.give("welcome");
        mel.wait_for("Ana: welcome");
    });
}

#[test]
fn who_vanishes_from_the_network_has_exited() {
    in_private_namespaces("who_vanishes_from_the_network_has_exited", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        // Without signs of life, so that the system itself has to find out.
        let (_server, port) = start_server_with(&lan, home.path(), "a", &["--heartbeat", "3600"]);
        let address = format!("10.77.0.1:{port}");
        let mut ana = start_client(&lan, home.path(), "b", &address, "Ana");
        let mut mel = start_client(&lan, home.path(), "c", &address, "Mel");
        ana.give("connect");
        ana.wait_for("[Welcome Ana!]");
        mel.give("connect");
        ana.wait_for("[Mel joined]");
        lan.plug("c", false);
        let unplugged = std::time::Instant::now();
        ana.wait_for("[Mel exited]");
        let found_after = unplugged.elapsed();
        assert!(found_after.as_secs() < 15, "after {found_after:?}");
    });
}

#[test]
fn a_machine_with_nothing_but_loopback_has_its_rooms() {
    in_private_namespaces("a_machine_with_nothing_but_loopback_has_its_rooms", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&[]);
        lan.add_host_without_cable("a");
        let (_server, port) = start_server(&lan, home.path(), "a");
        let address = format!("127.0.0.1:{port}");
        let mut ana = start_client(&lan, home.path(), "a", &address, "Ana");
        ana.give("connect");
        ana.wait_for("Rooms use interface lo (127.0.0.1).");
        ana.give("makeroom lab1 239.1.2.3 6000");
        ana.give("chat lab1");
        ana.wait_for("[in room lab1");
        let send = |arguments: &[&str]| {
            let command = crds(home.path(), arguments);
            let status = lan.on("a", &command).status();
            assert!(status.unwrap().success(), "{arguments:?}");
        };
        let group = ["--group", "239.1.2.3:6000"];
        send(&["send", "lab1", "one", "--server", &address]);
        send(&["send", group[0], group[1], "two"]);
        send(&["send", group[0], group[1], "three", "--interface", "lo"]);
        for number in ["one", "two", "three"] {
            ana.wait_for(&format!(": {number}"));
        }
    });
}

fn start_server(lan: &Lan, home: &Path, host: &str) -> (Running, u16) {
    start_server_with(lan, home, host, &[])
}

fn start_server_with(lan: &Lan, home: &Path, host: &str, flags: &[&str]) -> (Running, u16) {
    let server = crds(
        home,
        &[&["serve", "--no-web", "--port", "0"], flags].concat(),
    );
    let server = Running::start(lan.on(host, &server));
    let line = server.wait_for("Chat Room Directory Server listening on port ");
    let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
    let port = port.parse().unwrap();
    (server, port)
}

/// Interactive, in a pipe.
fn start_client(lan: &Lan, home: &Path, host: &str, server: &str, name: &str) -> Running {
    let client = crds(home, &["--server", server, "--name", name]);
    Running::start(lan.on(host, &client))
}

/// Ana on host `b` and Mel on `c`, both connected to the server on `a`, talking in `lab1`.
fn two_in_a_room(lan: &Lan, home: &Path, port: u16) -> [Running; 2] {
    let address = format!("10.77.0.1:{port}");
    let mut ana = start_client(lan, home, "b", &address, "Ana");
    let mut mel = start_client(lan, home, "c", &address, "Mel");
    ana.give("connect");
    ana.give("makeroom lab1");
    ana.give("chat lab1");
    ana.wait_for("[in room lab1");
    mel.give("connect");
    mel.give("chat lab1");
    mel.wait_for("[in room lab1");
    mel.give("hi");
    ana.wait_for("Mel: hi");
    ana.give("hi too");
    mel.wait_for("Ana: hi too");
    [ana, mel]
}

/// Lines that each says in each part of a conversation.
const LINES_EACH: u32 = 20;

const NAMES: [&str; 3] = ["Ana", "Mel", "Lou"];

/// Three in a room, on hosts b, c and d; the server is on a.
struct Conversation {
    members: [Running; 3],
    /// The number of the next line.
    next: u32,
}

impl Conversation {
    fn start(lan: &Lan, home: &Path) -> (Self, Running) {
        let (server, port) = start_server(lan, home, "a");
        let address = format!("10.77.0.1:{port}");
        let mut hosts = ["b", "c", "d"].into_iter();
        let members = NAMES.map(|name| {
            let host = hosts.next().unwrap();
            let mut member = start_client(lan, home, host, &address, name);
            member.give("connect");
            member.wait_for("Rooms use interface eth0");
            if name == NAMES[0] {
                member.give("makeroom lab1");
                member.wait_for("Room lab1 made");
            }
            member.give("chat lab1");
            member.wait_for("[in room lab1");
            member
        });
        let mut conversation = Self { members, next: 0 };
        conversation.wait_until_all_are_there();
        (conversation, server)
    }

    /// Whoever comes later starts with what is said then.
    fn wait_until_all_are_there(&mut self) {
        for (listener, member) in NAMES.iter().zip(&mut self.members) {
            let others = NAMES.iter().filter(|name| *name != listener);
            let is_there = |lines: &[String], name: &str| {
                let row = |line: &&String| line.starts_with(name) && line.contains(" 10.77.");
                lines.iter().any(|line| row(&line))
            };
            let began = std::time::Instant::now();
            while !others
                .clone()
                .all(|name| is_there(&member.output.lines.lock().unwrap(), name))
            {
                assert!(
                    began.elapsed() < std::time::Duration::from_secs(30),
                    "{listener} is alone"
                );
                member.give("/who");
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    }

    /// Everybody says some lines, and everybody hears those of the others.
    fn talk(&mut self) {
        let lines = self.next..self.next + LINES_EACH;
        self.next = lines.end;
        for number in lines.clone() {
            for member in &mut self.members {
                member.give(&format!("line {number}."));
            }
        }
        for (listener, member) in NAMES.iter().zip(&self.members) {
            for name in NAMES.iter().filter(|name| *name != listener) {
                for number in lines.clone() {
                    member.wait_for(&format!("{name}: line {number}."));
                }
            }
        }
    }

    /// Each line at each member once, and in the order in which it was said.
    fn check(&self) {
        for (listener, member) in NAMES.iter().zip(&self.members) {
            let heard = member.output.lines.lock().unwrap().clone();
            for name in NAMES.iter().filter(|name| *name != listener) {
                let of = format!("{name}: line ");
                let numbers = heard.iter().filter_map(|line| line.strip_prefix(&of));
                let numbers: Vec<u32> = numbers
                    .map(|number| number.trim_end_matches('.').parse().unwrap())
                    .collect();
                let all: Vec<u32> = (0..self.next).collect();
                assert_eq!(numbers, all, "of {name} at {listener}");
            }
        }
    }
}

#[test]
fn multicast_that_goes_and_comes_back_costs_no_line() {
    in_lossy_namespaces("multicast_that_goes_and_comes_back_costs_no_line", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c", "d"]);
        let (mut conversation, _server) = Conversation::start(&lan, home.path());
        conversation.talk();
        lan.block_multicast("c", true);
        conversation.talk();
        conversation.members[1].wait_for("on eth0: using the relay]");
        conversation.talk();
        conversation.members[0].give("/who");
        let mel = conversation.members[0].wait_for("relay");
        assert!(mel.contains("Mel"), "{mel}");
        lan.block_multicast("c", false);
        conversation.members[1].wait_for("multicast reaches this machine on eth0 again");
        conversation.talk();
        conversation.check();
    });
}

#[test]
fn commands_in_a_pipe_go_through_the_relay_too() {
    in_lossy_namespaces("commands_in_a_pipe_go_through_the_relay_too", || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        let (_server, port) = start_server(&lan, home.path(), "a");
        let server = format!("10.77.0.1:{port}");
        let mut ana = start_client(&lan, home.path(), "b", &server, "Ana");
        ana.give("connect");
        ana.give("makeroom lab1");
        ana.wait_for("Room lab1 made");
        lan.block_multicast("c", true);
        let listen = [
            "listen", "lab1", "--server", &server, "--name", "Lou", "--count", "2",
        ];
        let listener = Running::start(lan.on("c", &crds(home.path(), &listen)));
        listener.wait_for("using the relay");
        ana.give("chat lab1");
        ana.wait_for("Lou");
        ana.give("over here");
        listener.wait_for("Ana: over here");
        let send = [
            "send", "lab1", "and", "there", "--server", &server, "--name", "Mel",
        ];
        let sent = lan.on("c", &crds(home.path(), &send)).output().unwrap();
        let told = String::from_utf8(sent.stderr).unwrap();
        assert!(sent.status.success(), "{told}");
        assert!(told.contains("delivered to 2 of 2"), "{told}");
        ana.wait_for("Mel: and there");
        listener.wait_for("Mel: and there");
    });
}

/// Only TCP to the server is needed, of either kind.
#[test]
fn the_relay_goes_over_ipv6_from_a_network_of_its_own() {
    let name = "the_relay_goes_over_ipv6_from_a_network_of_its_own";
    in_lossy_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c"]);
        // On c nothing of the others' IPv4 network is left.
        lan.run_on("c", "ip address flush dev eth0");
        lan.run_on("c", "ip address add 10.99.0.1/24 dev eth0");
        lan.block_multicast("c", true);
        lan.run_on("c", "ip -6 address add fd77::3/64 dev eth0 nodad");
        lan.run_on("a", "ip -6 address add fd77::1/64 dev eth0 nodad");
        let (_server, port) = start_server(&lan, home.path(), "a");
        let mut ana = start_client(&lan, home.path(), "b", &format!("10.77.0.1:{port}"), "Ana");
        ana.give("connect");
        ana.give("makeroom lab1");
        ana.give("chat lab1");
        ana.wait_for("[in room lab1");
        let mut mel = start_client(&lan, home.path(), "c", &format!("[fd77::1]:{port}"), "Mel");
        mel.give("connect");
        mel.wait_for("Rooms use interface eth0 (10.99.0.1)");
        mel.give("chat lab1");
        mel.wait_for("using the relay");
        mel.wait_for("[Ana joined]");
        mel.give("over the hills");
        ana.wait_for("Mel: over the hills");
        ana.give("and far away");
        mel.wait_for("Ana: and far away");
    });
}

#[test]
fn who_follows_somebody_hears_them_from_a_room_on_multicast() {
    let name = "who_follows_somebody_hears_them_from_a_room_on_multicast";
    in_private_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c", "d"]);
        let (server, port) = start_server(&lan, home.path(), "a");
        let address = format!("10.77.0.1:{port}");
        let mut lou = start_client(&lan, home.path(), "d", &address, "Lou");
        lou.give("connect");
        lou.wait_for("[Welcome Lou!]");
        lou.give("follow @Ana");
        lou.give("follow cake");
        let [mut ana, mut mel] = two_in_a_room(&lan, home.path(), port);
        ana.give("found you");
        lou.wait_for("Ana: found you");
        server.wait_for("[lab1] Ana: found you");
        mel.give("nothing for Lou");
        mel.give("there is cake");
        let told = lou.wait_for("Mel: there is cake");
        assert!(told.contains("lab1"), "{told}");
        let heard = lou.output.lines.lock().unwrap().join("\n");
        assert!(!heard.contains("nothing for Lou"), "{heard}");
    });
}

#[test]
fn a_room_of_whom_multicast_never_reaches_is_a_room_all_the_same() {
    let name = "a_room_of_whom_multicast_never_reaches_is_a_room_all_the_same";
    in_lossy_namespaces(name, || {
        let home = tempfile::tempdir().unwrap();
        let lan = Lan::of(&["a", "b", "c", "d"]);
        for host in ["b", "c", "d"] {
            lan.block_multicast(host, true);
        }
        let (mut conversation, _server) = Conversation::start(&lan, home.path());
        conversation.talk();
        conversation.check();
    });
}
