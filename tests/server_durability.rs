//! What was answered with OK is on disk, whatever happens then; and what the server says where it
//! cannot be.
#![allow(clippy::disallowed_types)]

#[path = "common/client.rs"]
mod client;
#[path = "common/mounting.rs"]
mod mounting;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/process.rs"]
mod process;
#[path = "common/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use client::Client;
use mounting::mounting;
use patience::PATIENCE;
use process::{exit_code, signal};
use serde_json::Value;
use server::{TestServer, running, serve};

/// Room names.
type Names = BTreeSet<String>;

fn names_listed(client: &mut Client) -> Names {
    let answer = client.ask("getdir");
    let rooms: Vec<Value> = serde_json::from_str(answer.strip_prefix("OKDIR ").unwrap()).unwrap();
    let name = |room: &Value| room["name"].as_str().unwrap().to_owned();
    rooms.iter().map(name).collect()
}

/// The name in an answer to `makeroom`, if that is OK.
fn acknowledged(answer: &str) -> Option<String> {
    let rest = answer.strip_prefix("OK room ")?;
    Some(rest.split_once(' ').unwrap().0.to_owned())
}

#[test]
fn rooms_survive_a_restart() {
    let (folder, mut server) = running(&[]);
    let mut client = Client::connect(server.port);
    client.ask(r#"{"id":1,"request":"hello","version":1}"#);
    client.ask(r#"{"id":2,"request":"name","name":"Émile"}"#);
    client.line(); // Welcome.
    for line in [
        r#"{"id":3,"request":"make-room","name":"Zoo","dialect":"plain"}"#,
        "makeroom gone 239.1.1.1 6000",
        "makeroom attic 239.1.1.2 6000",
        "deleteroom gone",
    ] {
        client.ask(line);
    }
    client.line(); // `gone` was deleted.
    let asked = r#"{"id":4,"request":"get-directory"}"#;
    let before = client.ask(asked);
    assert!(before.contains("Émile") && before.contains("attic") && !before.contains("gone"));
    signal(&server.child, "TERM");
    assert_eq!(client.rest(), "{\"event\":\"server-stopping\"}\n");
    assert_eq!(exit_code(&mut server.child), Some(0));

    let server = TestServer::start(&mut serve(folder.path()));
    let mut client = Client::connect(server.port);
    client.ask(r#"{"id":1,"request":"hello","version":1}"#);
    assert_eq!(client.ask(asked), before);
    // What they hold is taken, and what `gone` held is free.
    assert_eq!(
        client.ask("makeroom r2 239.1.1.2 6000"),
        "ERR 239.1.1.2:6000 is taken by room attic: choose another address or port"
    );
    assert_eq!(
        client.ask("makeroom Gone 239.1.1.1 6000"),
        "OK room Gone made at 239.1.1.1:6000"
    );
}

/// What came of one connection that made rooms until the server ended.
#[derive(Default)]
struct Stream {
    requested: Names,
    acknowledged: Names,
    /// The last line, if it was no OK.
    last_words: Option<String>,
}

/// Rooms that each connection asks for before it waits for answers, so that some share a commit.
const ROOMS_TOGETHER: usize = 10;

/// Makes rooms called `PREFIX-NUMBER` until the server ends. Each OK is told to `progress`.
fn make_rooms(client: &Client, prefix: &str, progress: &mpsc::Sender<()>) -> Stream {
    let mut stream = Stream::default();
    let mut answers = BufReader::new(&client.stream).lines();
    for batch in 0.. {
        let names: Vec<_> = (0..ROOMS_TOGETHER)
            .map(|number| format!("{prefix}-{}", batch * ROOMS_TOGETHER + number))
            .collect();
        let lines: String = names.iter().map(|n| format!("makeroom {n}\n")).collect();
        stream.requested.extend(names);
        // If the server is gone, its last answers can still be read.
        let _ = (&client.stream).write_all(lines.as_bytes());
        for _ in 0..ROOMS_TOGETHER {
            // The end, in order or not.
            let Some(Ok(answer)) = answers.next() else {
                return stream;
            };
            match acknowledged(&answer) {
                Some(name) => stream.acknowledged.insert(name),
                None => {
                    stream.last_words = Some(answer);
                    continue;
                }
            };
            // Nobody counts any more once the server is to end.
            let _ = progress.send(());
        }
    }
    stream
}

/// Flags for a server that several connections flood.
const FLOODED: [&str; 4] = ["--max-lines", "10000000", "--max-rooms", "1000000"];

/// Starts a server in `folder`, has several connections make rooms, and sends `signal_name` in the
/// middle, when this many were acknowledged.
fn end_while_rooms_are_made(
    folder: &Path,
    round: &str,
    rooms: usize,
    signal_name: &str,
) -> (Vec<Stream>, Option<i32>) {
    let (progress, made) = mpsc::channel();
    thread::scope(|scope| {
        // Dropped, and so ended, also where something below fails; else the threads would go on.
        let mut server = TestServer::start(serve(folder).args(FLOODED));
        let connections: Vec<_> = (0..4)
            .map(|number| {
                let client = Client::connect(server.port);
                let (prefix, progress) = (format!("{round}-{number}"), progress.clone());
                scope.spawn(move || make_rooms(&client, &prefix, &progress))
            })
            .collect();
        for _ in 0..rooms {
            made.recv_timeout(PATIENCE).unwrap();
        }
        signal(&server.child, signal_name);
        let code = exit_code(&mut server.child);
        let streams = connections.into_iter().map(|c| c.join().unwrap());
        (streams.collect(), code)
    })
}

fn names_after_restart(folder: &Path) -> Names {
    let server = TestServer::start(&mut serve(folder));
    names_listed(&mut Client::connect(server.port))
}

#[test]
fn every_acknowledged_room_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let (mut requested, mut acknowledged) = (Names::new(), Names::new());
    // In the same folder, so that what a kill left is also written to and killed again.
    for (round, rooms) in [1, 70, 300].into_iter().enumerate() {
        let (streams, code) =
            end_while_rooms_are_made(folder.path(), &round.to_string(), rooms, "KILL");
        assert_eq!(code, None, "killed by the signal");
        for stream in streams {
            requested.extend(stream.requested);
            acknowledged.extend(stream.acknowledged);
        }
        // A room may be on disk while its OK was still under way when the server was killed: then
        // it is there, though nobody was told. So: all that was acknowledged, and of the rest
        // nothing that was not asked for.
        let there = names_after_restart(folder.path());
        let missing: Vec<_> = acknowledged.difference(&there).collect();
        assert!(missing.is_empty(), "acknowledged, not there: {missing:?}");
        let strange: Vec<_> = there.difference(&requested).collect();
        assert!(strange.is_empty(), "there, not requested: {strange:?}");
    }
    assert!(acknowledged.len() >= 371);
}

#[test]
fn sigterm_and_sigint_finish_what_was_accepted_and_end_in_order() {
    for signal_name in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let (streams, code) = end_while_rooms_are_made(folder.path(), "r", 100, signal_name);
        assert_eq!(code, Some(0), "{signal_name}");
        let mut acknowledged = Names::new();
        for stream in streams {
            acknowledged.extend(stream.acknowledged);
            let last_words = stream.last_words.as_deref();
            assert_eq!(last_words, Some("ERR the server is shutting down"));
        }
        // Here no answer was lost, so it is exactly these.
        assert_eq!(names_after_restart(folder.path()), acknowledged);
    }
}

/// Runs a server that must not start; what it says.
fn refused(command: &mut Command) -> String {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let code = exit_code(&mut child);
    let (mut screen, mut told) = (String::new(), String::new());
    child.stdout.unwrap().read_to_string(&mut screen).unwrap();
    child.stderr.unwrap().read_to_string(&mut told).unwrap();
    assert_eq!((code, screen.as_str()), (Some(1), ""), "{told}");
    told
}

#[test]
fn a_second_server_in_the_same_folder_is_told() {
    let (folder, server) = running(&[]);
    let mut client = Client::connect(server.port);
    client.ask("makeroom r1 239.1.1.1 6000");
    let file = folder.path().join("crds.sqlite");
    assert_eq!(
        refused(&mut serve(folder.path())),
        format!(
            "crds: {} is in use by another server: stop that one, or choose another folder with --data DIR\n",
            file.display()
        )
    );
    assert_eq!(client.ask("deleteroom r1"), "OK room r1 deleted");
}

#[test]
fn a_port_in_use_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_crds"));
    command
        .args(["serve", "--no-web", "--listen", "127.0.0.1"])
        .args(["--port", &port.to_string()])
        .arg("--data")
        .arg(folder.path());
    assert_eq!(
        refused(&mut command),
        format!(
            "crds: port {port} is in use: another server? Choose another with --port, or 0 for a free one\n"
        )
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    fs::write(&file, "").unwrap();
    let data = file.join("data");
    let log = folder.path().join("server.log");
    let told = refused(serve(&data).arg("--log").arg(log));
    let expected = format!("crds: cannot make the data folder {}: ", data.display());
    assert!(told.starts_with(&expected), "{told}");
    assert!(
        told.ends_with("(choose another with --data DIR)\n"),
        "{told}"
    );
}

/// What the system may call a disk on which nothing fits any more.
const NOT_SAVED: &str = "ERR could not be saved on the server's disk (";

/// Makes rooms until one is refused; the names of those before it, and its own.
fn make_rooms_until_refused(client: &mut Client) -> (Names, String) {
    let mut made = names_listed(client);
    for number in 0..10_000 {
        let name = format!("full-{number}");
        let answer = client.ask(&format!("makeroom {name}"));
        if acknowledged(&answer).is_none() {
            assert!(answer.starts_with(NOT_SAVED), "{answer}");
            assert!(answer.ends_with("free some space there, then try again"));
            return (made, name);
        }
        made.insert(name);
    }
    panic!("the disk does not get full");
}

/// On a disk where nothing more fits, requests are refused and change nothing; once `free` has made
/// space, the same request is carried out.
fn refuses_while_full(client: &mut Client, free: impl FnOnce()) {
    let (made, refused) = make_rooms_until_refused(client);
    assert!(!made.is_empty());
    assert_eq!(names_listed(client), made);
    // Neither is the name taken by what was not saved, nor is what was saved lost.
    let again = client.ask(&format!("makeroom {refused}"));
    assert!(again.starts_with(NOT_SAVED), "{again}");
    assert_eq!(names_listed(client), made);
    free();
    let again = client.ask(&format!("makeroom {refused}"));
    assert_eq!(acknowledged(&again).as_ref(), Some(&refused), "{again}");
    let first = made.first().unwrap();
    assert_eq!(
        client.ask(&format!("deleteroom {first}")),
        format!("OK room {first} deleted")
    );
    let mut expected = made.clone();
    expected.insert(refused);
    expected.remove(first);
    assert_eq!(names_listed(client), expected);
}

/// A file may not grow further: `prlimit` lifts that for a running process, as freeing space does
/// for a disk, and this needs no rights to mount one.
fn serve_with_bounded_files(data: &Path) -> Command {
    let mut command = Command::new("sh");
    // The signal that comes with the limit would end the server; ignored, the write itself fails.
    command
        .args(["-c", "trap '' XFSZ; ulimit -S -f 300; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_crds"))
        .args(serve(data).get_args());
    command
}

#[test]
fn a_write_that_fails_is_told_and_leaves_a_sound_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = TestServer::start(&mut serve_with_bounded_files(folder.path()));
    let mut client = Client::connect(server.port);
    let pid = server.child.id().to_string();
    refuses_while_full(&mut client, || {
        let lifted = Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited:"])
            .status();
        assert!(lifted.unwrap().success());
    });
    let there = names_listed(&mut client);
    signal(&server.child, "KILL");
    assert_eq!(exit_code(&mut server.child), None);
    assert_eq!(names_after_restart(folder.path()), there);
}

/// `crds serve` with its data in `data`, a small disk of its own that nobody else sees and that
/// `prepare` (of a shell, in that folder) has filled. `flags` come last.
fn serve_on_disk(how: &str, data: &Path, prepare: &str, flags: &[&str]) -> Command {
    let script = format!(
        "mount -t tmpfs -o size=1m crds \"$DATA\" && (cd \"$DATA\" && {prepare}) && exec \"$@\""
    );
    let mut command = Command::new("unshare");
    command
        .args([how, "sh", "-c", &script, "sh"])
        .arg(env!("CARGO_BIN_EXE_crds"))
        .args(serve(data).get_args())
        .args(flags)
        .env("DATA", data);
    command
}

#[test]
fn a_full_disk_is_told_and_once_there_is_space_it_goes_on() {
    let Some(how) = mounting() else { return };
    let folder = tempfile::tempdir().unwrap();
    let fill = "head -c 500000 /dev/zero > filler";
    let server = TestServer::start(&mut serve_on_disk(how, folder.path(), fill, &[]));
    let mut client = Client::connect(server.port);
    refuses_while_full(&mut client, || {
        // The disk is mounted for the server alone, and so is seen through its eyes.
        let root = format!(
            "/proc/{}/root{}",
            server.child.id(),
            folder.path().display()
        );
        fs::remove_file(Path::new(&root).join("filler")).unwrap();
    });
}

#[test]
fn a_disk_that_is_full_from_the_start_is_told() {
    let Some(how) = mounting() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let flags = ["--log", log.path().to_str().unwrap()];
    let fill = "{ cat /dev/zero > filler; } 2> /dev/null || true";
    let told = refused(&mut serve_on_disk(how, folder.path(), fill, &flags));
    let expected = format!("crds: cannot use {}", folder.path().display());
    assert!(told.starts_with(&expected), "{told}");
    assert!(told.contains("full"), "{told}");
    assert!(
        told.ends_with("(choose another folder with --data DIR)\n"),
        "{told}"
    );
}

/// Asks with the numbers from 1 until it is refused, which is the last number: a small change may still fit
/// where a larger one does not.
fn ask_until_refused(client: &mut Client, request: impl Fn(u32) -> String) -> u32 {
    for number in 1..500 {
        let answer = client.ask(&request(number));
        if !answer.contains(r#""reply":"done""#) {
            assert!(answer.contains(r#""error":"not-saved""#), "{answer}");
            return number;
        }
    }
    panic!("the disk does not get full");
}

#[test]
fn a_group_and_a_topic_that_cannot_be_saved_are_refused_and_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&mut serve_with_bounded_files(folder.path()));
    let mut client = Client::connect(server.port);
    let (made, _) = make_rooms_until_refused(&mut client);
    client.ask(r#"{"id":1,"request":"hello","version":1}"#);
    client.ask(r#"{"id":2,"request":"name","name":"Ann"}"#);
    client.line(); // Welcome.
    let room = made.first().unwrap();
    let refused = ask_until_refused(&mut client, |number| {
        format!(r#"{{"id":3,"request":"topic","room":"{room}","text":"topic {number}"}}"#)
    });
    let directory = client.ask(r#"{"id":5,"request":"get-directory"}"#);
    let topic = |number: u32| format!(r#""topic":"topic {number}""#);
    assert!(!directory.contains(&topic(refused)), "{directory}");
    assert_eq!(refused > 1, directory.contains(&topic(refused - 1)));

    // Peter, who is in all of the groups, is told of those that are there.
    let mut peter = Client::connect(server.port);
    peter.ask(r#"{"id":1,"request":"hello","version":1}"#);
    peter.ask(r#"{"id":2,"request":"name","name":"Peter"}"#);
    client.line(); // Peter has joined.
    let refused = ask_until_refused(&mut client, |number| {
        format!(r#"{{"id":3,"request":"group-set","group":"g{number}","members":["Peter"]}}"#)
    });
    let groups = loop {
        let line = peter.ask(r#"{"id":4,"request":"groups"}"#);
        if line.contains(r#""reply":"groups""#) {
            break line;
        }
        assert!(!line.contains(&format!(r#""g{refused}""#)), "{line}");
    };
    assert!(!groups.contains(&format!(r#""g{refused}""#)), "{groups}");
}

#[test]
fn a_name_that_cannot_be_saved_in_its_groups_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&mut serve_with_bounded_files(folder.path()));
    let mut peter = Client::connect(server.port);
    peter.ask(r#"{"id":1,"request":"hello","version":1}"#);
    peter.ask(r#"{"id":2,"request":"name","name":"Peter"}"#);
    peter.line(); // Welcome.
    peter.ask(r#"{"id":3,"request":"group-set","group":"tea","members":["Peter"]}"#);
    peter.line(); // Enrolled.
    make_rooms_until_refused(&mut Client::connect(server.port));
    let refused = ask_until_refused(&mut peter, |number| {
        format!(r#"{{"id":4,"request":"name","name":"Peter{number}"}}"#)
    });
    let name = match refused {
        1 => "Peter".to_owned(),
        refused => format!("Peter{}", refused - 1),
    };
    for request in ["names", "groups"] {
        let answer = peter.ask(&format!(r#"{{"id":5,"request":"{request}"}}"#));
        assert!(answer.contains(&format!(r#""{name}""#)), "{answer}");
    }
}

/// A disk cannot be made read-only under a server that has its file open for writing: the kernel
/// refuses that. So this is what a server that starts on such a disk says.
#[test]
fn a_read_only_disk_is_told() {
    let Some(how) = mounting() else { return };
    let (used, mut server) = running(&[]);
    Client::connect(server.port).ask("makeroom r1");
    signal(&server.child, "TERM");
    assert_eq!(exit_code(&mut server.child), Some(0));

    let folder = tempfile::tempdir().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let flags = ["--log", log.path().to_str().unwrap()];
    let read_only = "mount -o remount,bind,ro \"$DATA\"";
    let copied = format!("cp {}/crds.sqlite* . && {read_only}", used.path().display());
    for prepare in [read_only, &copied] {
        let told = refused(&mut serve_on_disk(how, folder.path(), prepare, &flags));
        let expected = format!("crds: cannot use {}", folder.path().display());
        assert!(told.starts_with(&expected), "{told}");
        assert!(
            told.ends_with("(choose another folder with --data DIR)\n"),
            "{told}"
        );

        // By default the log is in that folder too.
        let told = refused(&mut serve_on_disk(how, folder.path(), prepare, &[]));
        assert!(told.contains("Read-only file system"), "{told}");
        assert!(told.contains("--data DIR"), "{told}");
    }
}
