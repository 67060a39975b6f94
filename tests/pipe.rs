//! The client where no person sits: in a pipe, in a script. All traffic stays on loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crds::chat::RoomAddress;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

#[path = "common/foreign.rs"]
mod foreign;
#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/process.rs"]
mod process;
#[path = "common/program.rs"]
mod program;
#[path = "common/running.rs"]
mod running;
use group::free_group;
use patience::PATIENCE;
use process::{exit_code, signal};
use program::crds;
use running::Running;

#[test]
fn commands_come_from_standard_input_and_no_prompt_goes_out() {
    let lab = Lab::new();
    let heard = foreign::receiver(lab.group);
    let script = "name Mel\nconnect\ngetdir\nchat lab1\nhello\n//there\n\x1d\nbye\nquit\nname No\n";
    let end = lab.run(&[], script);
    assert_eq!(foreign::receive(&heard), "Mel: hello");
    assert_eq!(foreign::receive(&heard), "Mel: /there");
    let (server, group) = (&lab.address, lab.group);
    let (address, port) = (group.group(), group.port());
    let mut lines = end.stdout.lines();
    let mut next = || lines.next().unwrap_or_default();
    assert_eq!(next(), "Your name is Mel.");
    assert!(next().starts_with(&format!("Connected to {server} (")));
    assert_eq!(next(), "Rooms use interface lo (127.0.0.1).");
    assert_eq!(next(), "[Welcome Mel!]");
    assert!(next().starts_with("ROOM "), "{}", end.stdout);
    let row = next().split_whitespace().take(3);
    assert!(row.eq(["lab1", &address.to_string(), &port.to_string()]));
    let entered = format!("[in room lab1 ({group}) on lo (127.0.0.1);");
    assert!(next().starts_with(&entered), "{}", end.stdout);
    assert_eq!(next(), "Mel: hello");
    assert_eq!(next(), "Mel: /there");
    assert_eq!(next(), "[left room lab1]");
    assert_eq!(next(), format!("Connection to {server} closed."));
    assert_eq!(lines.next(), None);
    assert!(!end.stdout.contains('\x1b') && end.stderr.is_empty());
    assert_eq!(end.code, Some(0));
}

#[test]
fn a_failed_command_is_told_on_standard_error_and_makes_the_exit_code_one() {
    let lab = Lab::new();
    let end = lab.run(&[], "getdir\nname Mel\nchat nowhere\ndance\n");
    assert_eq!(end.code, Some(1));
    let mut errors = end.stderr.lines();
    let mut next = || errors.next().unwrap_or_default();
    assert!(next().starts_with("crds: not connected: `connect` first"));
    assert!(next().starts_with("crds: no such room: nowhere"));
    assert!(next().starts_with("crds: unknown command `dance`"));
    assert_eq!(errors.next(), None);
    // What comes after it is done all the same.
    assert!(end.stdout.starts_with("Your name is Mel.\n"));
}

#[test]
fn a_name_that_is_missing_is_not_asked_for() {
    let lab = Lab::new();
    let end = lab.run(&[], "chat lab1\n");
    assert_eq!(end.code, Some(1));
    assert!(
        end.stderr.contains("set one with `name NAME`"),
        "{}",
        end.stderr
    );
}

#[test]
fn what_others_say_comes_out_while_the_script_waits() {
    let lab = Lab::new();
    let mut client = lab.client();
    client.give("chat lab1");
    client.wait_for("[in room lab1");
    foreign::send(&foreign::sender(), lab.group, "Ana: hi");
    assert_eq!(client.wait_for("hi"), "Ana: hi");
    client.give("/quit");
    assert_eq!(exit_code(&mut client.child), Some(0));
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let lab = Lab::new();
    for arguments in [
        &["--nonsense"][..],
        &["dance"],
        &["rooms", "lab1"],
        &["send"],
        &["send", "no room", "hi"],
        &["send", "lab1", " ", ""],
        &["send", "--group", "10.0.0.1:6000", "hi"],
        &["listen"],
        &["listen", "lab1", "--count", "0"],
        &["listen", "lab1", "--for", "-1"],
        &["listen", "lab1", "--group", "239.1.1.1:6000"],
        &["rooms", "--server", ":7"],
        &["rooms", "--name", "a b"],
    ] {
        let end = run(lab.home.path(), arguments, "");
        assert_eq!(end.code, Some(2), "{arguments:?}");
        assert!(end.stdout.is_empty() && !end.stderr.is_empty());
    }
}

#[test]
fn rooms_prints_the_directory() {
    let lab = Lab::new();
    let (address, port) = (lab.group.group(), lab.group.port());
    let end = lab.run(&["rooms"], "");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let mut words = end.stdout.split_whitespace();
    let row = ["lab1", &address.to_string(), &port.to_string(), "plain"];
    assert!(words.by_ref().take(4).eq(row), "{}", end.stdout);
    assert_eq!(end.stdout.lines().count(), 1);

    let end = lab.run(&["rooms", "--json"], "");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(end.stdout.lines().count(), 1);
    let room: Value = serde_json::from_str(&end.stdout).unwrap();
    assert_eq!(room["name"], "lab1");
    assert_eq!(room["address"], address.to_string());
    assert_eq!(room["port"], port);
    assert_eq!(room["dialect"], "plain");
    assert_eq!(room["limit"], Value::Null);
}

#[test]
fn send_says_its_words_or_each_line_of_its_input() {
    let lab = Lab::new();
    let heard = foreign::receiver(lab.group);
    let end = lab.run(&["send", "LAB1", "--name", "Mel", "Good", "morning!"], "");
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), ""));
    assert_eq!(foreign::receive(&heard), "Mel: Good morning!");
    let end = lab.run(&["send", "lab1", "--name", "Mel"], "one\n\n  two\r\nthree");
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), ""));
    for line in ["Mel: one", "Mel:   two", "Mel: three"] {
        assert_eq!(foreign::receive(&heard), line);
    }
    // A line that cannot be said is told, and the others are said all the same.
    let long = "x".repeat(70_000);
    let end = lab.run(
        &["send", "lab1", "--name", "Mel"],
        &format!("a\n{long}\nb\n"),
    );
    assert_eq!(end.code, Some(1));
    assert!(
        end.stderr.contains("more than 65536 bytes"),
        "{}",
        end.stderr
    );
    assert_eq!(foreign::receive(&heard), "Mel: a");
    assert_eq!(foreign::receive(&heard), "Mel: b");
}

#[test]
fn a_script_may_ask_for_more_than_the_server_takes_in_a_second() {
    let lab = Lab::new();
    let mut script = "connect\n".to_owned();
    for number in 0..700 {
        script.push_str(&format!("makeroom room{number}\n"));
    }
    let end = lab.run(&[], &script);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let rooms = lab.run(&["rooms"], "");
    assert_eq!(rooms.stdout.lines().count(), 1 + 700);
}

#[test]
fn a_room_that_moved_while_away_is_found_after_connecting_again() {
    let lab = Lab::new();
    let mut client = lab.client();
    client.give("connect\ngetdir\nbye");
    client.wait_for(" closed.");
    let moved = free_group();
    let (address, port) = (moved.group(), moved.port());
    let end = lab.run(
        &[],
        &format!("connect\ndeleteroom lab1\nmakeroom lab1 {address} {port} --plain\n"),
    );
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    client.give("connect\nchat lab1");
    client.wait_for(&format!("[in room lab1 ({moved})"));
}

#[test]
fn a_server_that_cannot_be_reached_does_not_cost_the_connection() {
    let lab = Lab::new();
    let end = lab.run(&[], "connect\nconnect 127.0.0.1:1\ngetdir\n");
    assert_eq!(end.code, Some(1));
    assert!(end.stdout.contains("lab1  "), "{}", end.stdout);
}

#[test]
fn listen_ends_after_so_many_messages() {
    let lab = Lab::new();
    let mut listener = lab.listen(&["lab1", "--count", "2"]);
    let ana = foreign::sender();
    foreign::send(&ana, lab.group, "Ana: one");
    foreign::send(&ana, lab.group, "Ana: two");
    assert_eq!(listener.wait_for("one"), "Ana: one");
    assert_eq!(listener.wait_for("two"), "Ana: two");
    assert_eq!(exit_code(&mut listener.child), Some(0));
}

#[test]
fn listen_prints_an_object_a_line() {
    let lab = Lab::new();
    let mut listener = lab.listen(&["lab1", "--count", "1", "--json"]);
    let text = "say \"hi\"\x1b[2J\u{9b}m\u{202e}\u{7f}ü";
    foreign::send(&foreign::sender(), lab.group, &format!("Ana: {text}"));
    let line = listener.wait_for("{");
    let object: Value = serde_json::from_str(&line).unwrap();
    let fields = ["event", "room", "from"].map(|field| &object[field]);
    assert_eq!(fields, ["message", "lab1", "Ana"]);
    assert_eq!(object["text"], text);
    let at = object["at"].as_str().unwrap();
    assert!(at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    // The same bytes to a person's screen would be obeyed there.
    assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'));
    assert!(line.contains('ü'));
    assert_eq!(exit_code(&mut listener.child), Some(0));
}

#[test]
fn listen_ends_after_a_time_and_on_a_signal() {
    let lab = Lab::new();
    let end = lab.run(&["listen", "lab1", "--for", "0.2"], "");
    assert_eq!((end.code, end.stdout.as_str()), (Some(0), ""));
    for name in ["INT", "TERM"] {
        let mut listener = lab.listen(&["lab1"]);
        // So much that it is hardly ever idle when the signal comes.
        let ana = foreign::sender();
        for number in 0..500 {
            foreign::send(&ana, lab.group, &format!("Ana: hi {number}"));
        }
        listener.wait_for("Ana: hi 0");
        signal(&listener.child, name);
        assert_eq!(exit_code(&mut listener.child), Some(0));
    }
}

/// Else the others would wait for it to get what they say.
#[test]
fn a_listener_whose_output_nobody_reads_has_left_its_room() {
    let lab = Lab::new();
    lab.make_room("tea");
    let say = || lab.run(&["send", "tea", "--name", "Ana", "hi"], "").stderr;
    let mut listen = crds(lab.home.path(), &["listen", "tea", "--interface", "lo"]);
    listen.args(["--server", &lab.address]);
    let mut listener = listen
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(listener.stderr.take().unwrap()).lines();
    assert!(told.next().unwrap().unwrap().contains("in room tea"));
    drop(listener.stdout.take());
    assert!(say().contains("delivered to 1 of 1"));
    assert_eq!(exit_code(&mut listener), Some(0));
    assert!(say().contains("delivered to 0 of 0"));
}

/// Fills what stands between `child` and whoever reads its output, by what is said in the room of other programs.
fn fill_pipe(lab: &Lab, unread: &ChildStdout) {
    let ana = foreign::sender();
    let text = format!("Ana: {}", "x".repeat(1000));
    let began = Instant::now();
    // What a pipe holds is 65,536 bytes, in pages of which not all are full.
    while rustix::io::ioctl_fionread(unread).unwrap() < 60_000 {
        assert!(began.elapsed() < PATIENCE, "it is not full");
        foreign::send(&ana, lab.group, &text);
        thread::sleep(Duration::from_millis(1));
    }
    for _ in 0..10 {
        foreign::send(&ana, lab.group, &text);
    }
}

#[test]
fn who_waits_for_whoever_reads_its_output_ends_on_a_signal() {
    let lab = Lab::new();
    let listen = ["listen", "lab1", "--interface", "lo", "--server"];
    let mut listener = crds(lab.home.path(), &listen);
    let script = ["--interface", "lo", "--server"];
    let mut script = crds(lab.home.path(), &script);
    for (program, code) in [(&mut listener, 0), (&mut script, 1)] {
        program.arg(&lab.address).stdin(Stdio::piped());
        let mut child = program.stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // Who listens does not read it.
        let _ = input.write_all(b"connect\nname Mel\nchat lab1\n");
        fill_pipe(&lab, child.stdout.as_ref().unwrap());
        signal(&child, "TERM");
        assert_eq!(exit_code(&mut child), Some(code));
    }
}

#[test]
fn an_empty_variable_is_none() {
    let lab = Lab::new();
    let mut rooms = crds(lab.home.path(), &["rooms", "--server", &lab.address]);
    for variable in ["CRDS_NAME", "CRDS_TTL", "CRDS_SERVER", "CRDS_PORT"] {
        rooms.env(variable, "");
    }
    // And one that switches something on may say so as people do.
    rooms.env("CRDS_NO_TIMESTAMPS", "1");
    let output = rooms.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("lab1"));
}

#[test]
fn a_script_that_is_ended_has_left_its_room() {
    let lab = Lab::new();
    lab.make_room("tea");
    let listener = lab.listen(&["tea"]);
    let mut mel = lab.client();
    mel.give("chat tea");
    mel.wait_for("[in room tea (");
    listener.wait_for("Mel joined");
    signal(&mel.child, "TERM");
    assert_eq!(exit_code(&mut mel.child), Some(1));
    listener.wait_for("Mel left");
}

#[test]
fn a_group_by_its_address_needs_no_server() {
    let home = tempfile::tempdir().unwrap();
    let group = free_group().to_string();
    let common = [
        "--group",
        &group,
        "--interface",
        "lo",
        "--server",
        "127.0.0.1:1",
    ];
    for dialect in [&["--plain"][..], &[]] {
        let listen = [&["listen", "--count", "1"][..], dialect, &common].concat();
        let mut listener = Running::start(crds(home.path(), &listen));
        listener.wait_for("in room ");
        let send = [
            &["send"][..],
            dialect,
            &common,
            &["--name", "Mel", "hi", "all"],
        ]
        .concat();
        let end = run(home.path(), &send, "");
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        assert_eq!(listener.wait_for("hi"), "Mel: hi all");
        assert_eq!(exit_code(&mut listener.child), Some(0));
        let is_told = end.stderr.contains("delivered to 1 of 1");
        assert_eq!(is_told, dialect.is_empty(), "{}", end.stderr);
    }
}

#[test]
fn lines_that_somebody_has_not_got_for_some_seconds_are_told_together() {
    let home = tempfile::tempdir().unwrap();
    let group = free_group().to_string();
    let common = ["--group", &group, "--interface", "lo"];
    let listen = [&["listen", "--name", "Mel"][..], &common].concat();
    let listener = Running::start(crds(home.path(), &listen));
    listener.wait_for("in room ");
    let slowly = ["send", "--name", "Ana", "--rate-max", "100kbit"];
    let lines = format!("{}\n", "word ".repeat(300)).repeat(60);
    let end = run(home.path(), &[&slowly[..], &common].concat(), &lines);
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let told = end.stderr.lines();
    let told: Vec<_> = told
        .filter(|line| line.starts_with("crds: not yet at Mel: word word "))
        .collect();
    let is_more_told = told.iter().any(|line| line.ends_with(" more)"));
    // It is looked once a second, perhaps between two of them.
    assert!(is_more_told && told.len() <= 2, "{told:?}");
    assert!(end.stderr.contains("delivered to 1 of 1"), "{}", end.stderr);
}

#[test]
fn a_line_to_nobody_is_delivered_to_nobody() {
    let home = tempfile::tempdir().unwrap();
    let group = free_group().to_string();
    let send = ["send", "--group", &group, "--interface", "lo", "hi"];
    let end = run(home.path(), &send, "");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("delivered to 0 of 0"), "{}", end.stderr);
}

#[test]
fn a_file_that_nobody_takes_was_not_sent() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("notes.bin");
    std::fs::write(&path, [7; 1000]).unwrap();
    let group = free_group().to_string();
    let send = ["send", "--group", &group, "--interface", "lo", "--file"];
    let end = run(
        home.path(),
        &[&send[..], &[path.to_str().unwrap()]].concat(),
        "",
    );
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    let is_told = end.stderr.contains("nobody took the file");
    assert!(is_told, "{}", end.stderr);
}

/// They are hidden, and may be large.
#[test]
fn parts_of_files_with_which_nobody_goes_on_are_removed_after_a_month() {
    let home = tempfile::tempdir().unwrap();
    let downloads = home.path().join("downloads");
    std::fs::create_dir(&downloads).unwrap();
    let part = |name: &str, days: u64| {
        let path = downloads.join(name);
        let file = File::create(&path).unwrap();
        let written = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        file.set_modified(written).unwrap();
        path
    };
    let (old, young) = (part(".01.crds-part", 31), part(".02.crds-part", 29));
    let other = part("of-mine", 31);
    let words = ["--downloads", downloads.to_str().unwrap()];
    let client = Running::start(crds(home.path(), &words));
    let began = Instant::now();
    while old.exists() {
        assert!(began.elapsed() < PATIENCE, "it is there");
        thread::sleep(Duration::from_millis(10));
    }
    drop(client);
    assert!(young.exists() && other.exists());
}

#[test]
fn who_waits_for_something_to_say_does_not_hold_up_the_others() {
    let home = tempfile::tempdir().unwrap();
    let group = free_group().to_string();
    let group = ["--group", &group, "--interface", "lo"];
    let wait = [&["send", "--name", "Mel"][..], &group].concat();
    let waiting = Running::start(crds(home.path(), &wait));
    waiting.wait_for("in room ");
    let say = [&["send", "--name", "Ana"][..], &group].concat();
    let end = run(home.path(), &say, &"a line\n".repeat(5000));
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(end.stderr.contains("delivered to 1 of 1"), "{}", end.stderr);
}

#[test]
fn who_comes_and_goes_in_a_reliable_room_is_told_in_json_too() {
    let home = tempfile::tempdir().unwrap();
    let group = free_group().to_string();
    let group = ["--group", &group, "--interface", "lo"];
    let listen = [&["listen", "--json", "--name", "Lou"][..], &group].concat();
    let mut listener = Running::start(crds(home.path(), &listen));
    listener.wait_for("in room ");
    let text = "two\nlines\n  and a third";
    let send = [&["send", "--name", "Mel"][..], &group, &[text]].concat();
    let end = run(home.path(), &send, "");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    foreign::send(&foreign::sender(), group[1].parse().unwrap(), "Ana: hi");
    let mut events = std::collections::BTreeMap::new();
    for word in ["joined", "left", "plain"] {
        let line = listener.wait_for(word);
        events.insert(word, serde_json::from_str::<Value>(&line).unwrap());
    }
    assert_eq!(events["joined"]["name"], "Mel");
    assert_eq!(events["left"]["name"], "Mel");
    assert_eq!(events["plain"]["from"], "Ana");
    let message = listener.wait_for("third");
    let message: Value = serde_json::from_str(&message).unwrap();
    assert_eq!(message["text"], text);
    assert_eq!(message["dialect"], Value::Null);
    signal(&listener.child, "INT");
    assert_eq!(exit_code(&mut listener.child), Some(0));
}

/// The others are told whom it goes on from: they do not take it for a second one of its name.
#[test]
fn a_client_that_was_killed_and_started_again_keeps_its_name() {
    let lab = Lab::new();
    lab.make_room("tea");
    let listener = lab.listen(&["tea"]);
    let enter = || {
        let mut mel = lab.client();
        mel.give("chat tea");
        mel.wait_for("[in room tea (");
        mel
    };
    let mel = enter();
    listener.wait_for("Mel joined");
    // With signal 9: it cannot tell that it leaves.
    drop(mel);
    let mut mel = enter();
    listener.wait_for("Mel left");
    mel.give("back again");
    listener.wait_for("Mel: back again");
}

#[test]
fn what_is_not_there_is_told_with_what_to_do() {
    let lab = Lab::new();
    // Bound and not listened on: nobody else can take the port meanwhile.
    let held = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any_port = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
    held.bind(&any_port.into()).unwrap();
    let nowhere = held.local_addr().unwrap().as_socket().unwrap().to_string();
    // No name server is asked: no name has a part of 64 letters.
    let nobody = "x".repeat(64);
    for (arguments, told) in [
        (
            &["rooms", "--server", &nowhere][..],
            "(connection refused): start one",
        ),
        (&["rooms", "--server", &nobody], "not found: check the name"),
        (
            &["send", "nowhere", "hi", "--server", &lab.address],
            "no such room: nowhere (`crds",
        ),
        (
            &["listen", "nowhere", "--server", &lab.address],
            "no such room: nowhere (`crds",
        ),
        (
            &["send", "lobby", "hi", "--server", &lab.address],
            "`chat lobby` in `crds` enters it",
        ),
        (
            &["listen", "--group", "239.1.1.1:6000", "--interface", "no0"],
            "no interface `no0`",
        ),
    ] {
        let end = run(lab.home.path(), arguments, "");
        assert_eq!(
            (end.code, end.stdout.as_str()),
            (Some(1), ""),
            "{arguments:?}"
        );
        assert!(end.stderr.starts_with("crds: "), "{}", end.stderr);
        assert!(end.stderr.contains(told), "{}", end.stderr);
    }
}

#[test]
fn a_script_ends_when_its_room_has_the_file() {
    let lab = Lab::new();
    lab.make_room("files");
    let (saved, notes) = (lab.home.path().join("saved"), lab.home.path().join("notes"));
    std::fs::write(&notes, "notes ".repeat(50_000)).unwrap();
    let mut listener = lab.listen(&["files", "--save", saved.to_str().unwrap(), "--count", "1"]);
    let send = |path: &str| {
        let script = format!("connect\nname Mel\nchat files\n/send {path}\n");
        lab.run(&[], &script)
    };
    let end = send(notes.to_str().unwrap());
    assert_eq!(end.code, Some(0), "{}{}", end.stdout, end.stderr);
    assert_eq!(exit_code(&mut listener.child), Some(0), "{}", end.stdout);
    assert_eq!(
        std::fs::read(saved.join("notes")).unwrap(),
        std::fs::read(notes).unwrap()
    );
    let end = send("none");
    assert!(
        end.stderr.contains("there is no file none"),
        "{}",
        end.stderr
    );
    assert_eq!(end.code, Some(1));
}

/// It asks the server, which hears of it no sooner.
#[test]
fn who_is_relayed_gets_every_file_that_is_offered() {
    const FILES: usize = 8;
    let lab = Lab::new();
    lab.make_room("files");
    let (saved, count) = (lab.home.path().join("saved"), FILES.to_string());
    let save = ["--save", saved.to_str().unwrap(), "--count", &count];
    let mut listener = lab.listen(&[&["files", "--transport", "relay"], &save[..]].concat());
    for number in 0..FILES {
        let name = format!("file-{number}");
        std::fs::write(lab.home.path().join(&name), name.repeat(1000)).unwrap();
        let path = lab.home.path().join(&name);
        let send = [
            "send",
            "files",
            "--name",
            "Mel",
            "--file",
            path.to_str().unwrap(),
        ];
        let end = lab.run(&send, "");
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        listener.wait_for(&format!("saved/{name}: "));
    }
    assert_eq!(exit_code(&mut listener.child), Some(0));
}

/// A server with the room `lab1`.
struct Lab {
    home: TempDir,
    address: String,
    group: RoomAddress,
    _server: Running,
}

impl Lab {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let serve = ["serve", "--no-web", "--port", "0", "--listen", "127.0.0.1"];
        let server = Running::start(crds(home.path(), &serve));
        let line = server.wait_for("Chat Room Directory Server listening on port ");
        let port = line.rsplit(' ').next().unwrap().trim_end_matches('.');
        let lab = Self {
            home,
            address: format!("127.0.0.1:{port}"),
            group: free_group(),
            _server: server,
        };
        let (address, port) = (lab.group.group(), lab.group.port());
        lab.make_room(&format!("lab1 {address} {port} --plain"));
        lab
    }

    /// As `makeroom` is told it.
    fn make_room(&self, room: &str) {
        let made = self.run(&[], &format!("connect\nmakeroom {room}\n"));
        assert_eq!(made.code, Some(0), "{}", made.stderr);
    }

    /// To its end, with this server, on loopback.
    fn run(&self, arguments: &[&str], input: &str) -> End {
        let common = ["--server", &self.address, "--interface", "lo"];
        run(self.home.path(), &[arguments, &common].concat(), input)
    }

    /// The client, which reads its commands from a pipe.
    fn client(&self) -> Running {
        let common = ["--server", &self.address, "--interface", "lo"];
        let arguments = [&common[..], &["--name", "Mel"]].concat();
        Running::start(crds(self.home.path(), &arguments))
    }

    /// `crds listen`, once it listens.
    fn listen(&self, arguments: &[&str]) -> Running {
        let common = ["--server", &self.address, "--interface", "lo"];
        let arguments = [&["listen"], arguments, &common].concat();
        let listener = Running::start(crds(self.home.path(), &arguments));
        listener.wait_for("crds: in room ");
        listener
    }
}

/// How a program ended, and all that it wrote.
struct End {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(home: &Path, arguments: &[&str], input: &str) -> End {
    let mut child = crds(home, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let mut outputs = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let stdout = thread::spawn(move || read_all(&mut outputs.0));
    let stderr = thread::spawn(move || read_all(&mut outputs.1));
    let code = exit_code(&mut child);
    End {
        code,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

fn read_all(stream: &mut impl Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
