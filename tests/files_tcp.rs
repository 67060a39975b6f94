//! Files over the server: up, down, again after a crash, and what is refused.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "common/client.rs"]
mod client;
#[path = "common/folder.rs"]
mod folder;
#[path = "common/mounting.rs"]
mod mounting;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/process.rs"]
mod process;
#[path = "common/program.rs"]
mod program;
#[path = "common/running.rs"]
mod running;
#[path = "common/server.rs"]
mod server;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use crds::chat::{FileOffer, RoomName, ServerAddress};
use crds::client::{
    Connection, ConnectionEvent, FileFor, RequestError, ServerEvent, Transfer, TransferError,
};
use crds::files::{PartFile, SourceFile, parts_in};
use folder::names_in;
use mounting::mounting;
use process::{exit_code, signal};
use program::crds;
use running::Running;
use serde_json::{Value, json};
use server::{TestServer, serve};

/// Far longer than anything takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const PIECE: usize = 65_536;

const HELLO: &str = r#"{"id":1,"request":"hello","version":1}"#;

/// No two pieces alike.
fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words = (0..bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes());
    words.take(bytes).collect()
}

fn source(folder: &Path, name: &str, content: &[u8]) -> Arc<SourceFile> {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    Arc::new(SourceFile::open(&path).unwrap())
}

fn address(port: u16) -> ServerAddress {
    format!("127.0.0.1:{port}").parse().unwrap()
}

async fn connect(port: u16, name: &str) -> Connection {
    let name = name.parse().unwrap();
    Connection::open(&address(port), Some(&name)).await.unwrap()
}

/// The next file that is offered.
async fn offered(connection: &mut Connection) -> (Option<RoomName>, String, FileOffer) {
    let next = async {
        loop {
            if let ConnectionEvent::Server(ServerEvent::File {
                room, from, offer, ..
            }) = connection.next_event().await
            {
                return (room, from.to_string(), offer);
            }
        }
    };
    tokio::time::timeout(PATIENCE, next).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_up_is_told_of_and_comes_down() {
    let (data, server) = server::running(&[]);
    let folder = tempfile::tempdir().unwrap();
    let content = content(1, 10 * PIECE + 5);
    let source = source(folder.path(), "notes.bin", &content);
    let ana = connect(server.port, "Ana").await;
    let mut bob = connect(server.port, "Bob").await;
    let mut eve = connect(server.port, "Eve").await;
    let bob_name = || FileFor::Person("Bob".parse().unwrap());
    let early = ana.files().offer(bob_name(), source.offer().clone()).await;
    let is_missing = |error: RequestError| matches!(error, RequestError::Refusal(why) if why.code.as_str() == "no-such-file");
    assert!(is_missing(early.unwrap_err()));

    let transfer = Transfer::default();
    let files = ana.files();
    files.upload(Arc::clone(&source), &transfer).await.unwrap();
    assert_eq!(*transfer.progress.borrow(), content.len() as u64);
    ana.files()
        .offer(bob_name(), source.offer().clone())
        .await
        .unwrap();
    let (room, from, offer) = offered(&mut bob).await;
    assert_eq!((room, from.as_str(), &offer), (None, "Ana", source.offer()));
    let kept = data.path().join("downloads/notes.bin");
    assert_eq!(
        fs::metadata(kept).unwrap().permissions().mode() & 0o7777,
        0o644
    );

    let downloads = folder.path().join("downloads");
    fs::create_dir(&downloads).unwrap();
    fs::write(downloads.join("notes.bin"), "another").unwrap();
    // The second time it is there already.
    for _ in 0..2 {
        let transfer = Transfer::default();
        let path = bob.files().download(&offer, &downloads, &transfer).await;
        let path = path.unwrap();
        assert_eq!(path, downloads.join("notes (2).bin"));
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(*transfer.progress.borrow(), content.len() as u64);
    }
    assert_eq!(names_in(&downloads), ["notes (2).bin", "notes.bin"]);

    // In the lobby all hear of it; of what was for Bob alone, Eve has heard nothing before.
    for connection in [&ana, &eve] {
        connection.enter_lobby().await.unwrap();
    }
    let lobby = FileFor::Room(RoomName::lobby());
    ana.files()
        .offer(lobby, source.offer().clone())
        .await
        .unwrap();
    let (room, _, _) = offered(&mut eve).await;
    assert_eq!(room, Some(RoomName::lobby()));
    let log = fs::read_to_string(data.path().join("server.log")).unwrap();
    let private = log.lines().find(|line| line.contains("to Bob")).unwrap();
    assert!(
        private.contains("offered a file of 655365 bytes"),
        "{private}"
    );
    assert!(!private.contains("notes.bin"), "{private}");
}

/// A client over bare TCP that has said hello.
fn bare(port: u16) -> Client {
    let mut client = Client::connect(port);
    client.ask(HELLO);
    client
}

/// Sends a piece, and reads the answer.
fn put(client: &mut Client, name: &str, content: &[u8], hash: &str, piece: usize) -> Value {
    let offset = piece * PIECE;
    let bytes = &content[offset..content.len().min(offset + PIECE)];
    let head = json!({
        "id": 2, "request": "put-file", "name": name, "size": content.len(), "hash": hash,
        "offset": offset, "bytes": bytes.len(),
    });
    client
        .stream
        .write_all(format!("{head}\n").as_bytes())
        .unwrap();
    client.stream.write_all(bytes).unwrap();
    serde_json::from_str(&client.line()).unwrap()
}

fn put_all(client: &mut Client, name: &str, content: &[u8]) -> Value {
    let hash = blake3::hash(content).to_hex();
    let pieces = 0..content.len().div_ceil(PIECE);
    let answers = pieces.map(|piece| put(client, name, content, &hash, piece));
    answers.last().unwrap()
}

fn get(client: &mut Client, hash: &str, offset: u64) -> (Value, Vec<u8>) {
    let line = json!({"id": 3, "request": "get-file", "hash": hash, "offset": offset});
    let answer: Value = serde_json::from_str(&client.ask(&line.to_string())).unwrap();
    let mut bytes = vec![0; answer["bytes"].as_u64().unwrap_or(0) as usize];
    client.reader.read_exact(&mut bytes).unwrap();
    (answer, bytes)
}

#[test]
fn names_are_made_safe_and_nothing_is_overwritten() {
    let (data, server) = server::running(&[]);
    let mut client = bare(server.port);
    for (seed, name) in [
        "../../etc/passwd",
        ".bashrc",
        "con.txt",
        "a\\b.txt",
        "b.txt",
    ]
    .into_iter()
    .enumerate()
    {
        let answer = put_all(&mut client, name, &content(seed as u64, 100));
        assert_eq!(answer["whole"], true, "{answer}");
    }
    assert_eq!(
        names_in(&data.path().join("downloads")),
        ["_con.txt", "b (2).txt", "b.txt", "bashrc", "passwd"]
    );
    let hash = blake3::hash(&content(4, 100)).to_hex();
    let (answer, bytes) = get(&mut client, &hash, 0);
    assert_eq!(
        (answer["size"].as_u64(), bytes),
        (Some(100), content(4, 100))
    );
    let (answer, bytes) = get(&mut client, &hash, 100);
    assert_eq!((answer["size"].as_u64(), bytes.len()), (Some(100), 0));
    // Nothing came that was not announced.
    client.ask(r#"{"id":9,"request":"bye"}"#);
    assert_eq!(client.rest(), "");
}

#[test]
fn what_cannot_be_kept_is_refused_for_a_reason() {
    let flags = ["--keep-files", "1MB", "--keep-file-max", "300kB"];
    let (data, server) = server::running(&flags);
    let mut client = bare(server.port);
    let small = content(1, 100_000);
    let hash = blake3::hash(&small).to_hex();
    let error = |answer: &Value| answer["error"].as_str().unwrap_or_default().to_owned();

    let (answer, _) = get(&mut client, &hash, 0);
    assert_eq!(error(&answer), "no-such-file");
    put(&mut client, "a", &small, &hash, 0);
    let (answer, _) = get(&mut client, &hash, 0);
    assert_eq!(error(&answer), "file-not-whole");
    assert!(answer["text"].as_str().unwrap().contains("65536 of 100000"));
    let offer = json!({
        "id": 4, "request": "offer-file", "to": "Bob", "name": "a", "size": 100_000, "hash": &*hash,
    });
    let answer: Value = serde_json::from_str(&client.ask(&offer.to_string())).unwrap();
    assert_eq!(error(&answer), "file-not-whole");

    let wrong = "0".repeat(64);
    put(&mut client, "b", &small, &wrong, 0);
    let answer = put(&mut client, "b", &small, &wrong, 1);
    assert_eq!(error(&answer), "hash-mismatch");
    let answer = put_all(&mut client, "c", &content(2, 300_001));
    assert_eq!(error(&answer), "file-too-large");
    let names = names_in(&data.path().join("downloads"));
    assert!(names.iter().all(|name| name.starts_with('.')), "{names:?}");

    let (data, server) = server::running(&["--keep-files", "off"]);
    let mut client = bare(server.port);
    assert_eq!(error(&put_all(&mut client, "a", &small)), "files-off");
    assert_eq!(error(&get(&mut client, &hash, 0).0), "files-off");
    assert!(!data.path().join("downloads").exists());
}

#[test]
fn the_oldest_makes_room_when_the_total_would_pass() {
    let (data, server) = server::running(&["--keep-files", "1MB"]);
    let mut client = bare(server.port);
    for seed in 1..=4 {
        let answer = put_all(&mut client, &format!("{seed}.bin"), &content(seed, 300_000));
        assert_eq!(answer["whole"], true, "{answer}");
    }
    assert_eq!(
        names_in(&data.path().join("downloads")),
        ["2.bin", "3.bin", "4.bin"]
    );
    // What was just asked for is used.
    get(&mut client, &blake3::hash(&content(2, 300_000)).to_hex(), 0);
    put_all(&mut client, "5.bin", &content(5, 300_000));
    assert_eq!(
        names_in(&data.path().join("downloads")),
        ["2.bin", "4.bin", "5.bin"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_go_on_after_the_server_was_killed() {
    let (data, mut server) = server::running(&[]);
    let folder = tempfile::tempdir().unwrap();
    let content = content(1, 100_000_000);
    let source = source(folder.path(), "large.bin", &content);
    let ana = connect(server.port, "Ana").await;
    let port = server.port.to_string();
    let part_bytes = |folder: &Path| {
        let parts = parts_in(folder, Duration::MAX).unwrap();
        parts.first().map(|part| part.received_bytes)
    };

    let transfer = Transfer::default();
    let (files, sending) = (ana.files(), transfer.clone());
    let sent = Arc::clone(&source);
    let uploading = tokio::spawn(async move { files.upload(sent, &sending).await });
    let mut progress = transfer.progress.subscribe();
    progress.wait_for(|done| *done > 5_000_000).await.unwrap();
    signal(&server.child, "KILL");
    assert_eq!(exit_code(&mut server.child), None);
    assert!(part_bytes(&data.path().join("downloads")).unwrap() > 5_000_000);
    let again = || {
        let arguments = [
            "serve",
            "--no-web",
            "--listen",
            "127.0.0.1",
            "--port",
            &port,
            "--data",
        ];
        let mut command = crds(folder.path(), &arguments);
        TestServer::start(command.arg(data.path()))
    };
    server = again();
    uploading.await.unwrap().unwrap();

    let transfer = Transfer::default();
    let (files, receiving) = (ana.files(), transfer.clone());
    let (offer, downloads) = (source.offer().clone(), folder.path().join("downloads"));
    let into = downloads.clone();
    let downloading = tokio::spawn(async move { files.download(&offer, &into, &receiving).await });
    let mut progress = transfer.progress.subscribe();
    progress.wait_for(|done| *done > 5_000_000).await.unwrap();
    signal(&server.child, "KILL");
    assert_eq!(exit_code(&mut server.child), None);
    let _server = again();
    let path = downloading.await.unwrap().unwrap();
    assert!(fs::read(path).unwrap() == content);
    assert_eq!(names_in(&downloads), ["large.bin"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_waits_for_what_is_on_its_way_and_can_be_cancelled() {
    let (_data, server) = server::running(&[]);
    let folder = tempfile::tempdir().unwrap();
    let content = content(1, 3 * PIECE);
    let source = source(folder.path(), "a.bin", &content);
    let mut bare = bare(server.port);
    let hash = source.offer().hash.to_string();
    put(&mut bare, "a.bin", &content, &hash, 0);

    let ana = connect(server.port, "Ana").await;
    let downloads = folder.path().join("downloads");
    let impatient = Transfer {
        patience: Duration::from_millis(300),
        ..Transfer::default()
    };
    let files = ana.files();
    let error = files.download(source.offer(), &downloads, &impatient).await;
    let error = error.unwrap_err();
    assert!(error.to_string().contains("65536 of 196608"), "{error}");

    // It had begun to come in another way.
    let part = PartFile::open(&downloads, source.offer(), PIECE as u32);
    part.unwrap().write_block(0, &content[..PIECE]).unwrap();
    let cancelled = Transfer::default();
    let (cancel, offer) = (cancelled.cancel.clone(), source.offer().clone());
    let download = files.download(&offer, &downloads, &cancelled);
    let (error, ()) = tokio::join!(download, async { cancel.cancel() });
    assert!(matches!(error, Err(TransferError::Cancelled)));
    assert_eq!(parts_in(&downloads, PATIENCE).unwrap(), []);
    assert_eq!(names_in(&downloads), [""; 0]);

    let transfer = Transfer::default();
    let download = files.download(&offer, &downloads, &transfer);
    let rest = async {
        for piece in [2, 1] {
            put(&mut bare, "a.bin", &content, &hash, piece);
        }
    };
    let (path, ()) = tokio::join!(download, rest);
    assert_eq!(fs::read(path.unwrap()).unwrap(), content);
}

/// The program, connected under this name, with its files in `folder`.
fn program(folder: &Path, port: u16, name: &str, flags: &[&str]) -> Running {
    let server = format!("127.0.0.1:{port}");
    let arguments = ["--server", &server, "--name", name, "--interface", "lo"];
    let mut command = crds(folder, &[&arguments[..], flags].concat());
    command.current_dir(folder);
    let mut program = Running::start(command);
    program.give("connect");
    program.wait_for("Welcome");
    program
}

#[test]
fn people_send_each_other_files() {
    let (_data, server) = server::running(&[]);
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let (ana_folder, bob_folder) = (folders[0].path(), folders[1].path());
    fs::write(ana_folder.join("my notes.txt"), "first\nsecond\n").unwrap();
    fs::write(ana_folder.join("large.bin"), content(1, 200_000)).unwrap();
    let mut ana = program(ana_folder, server.port, "Ana", &[]);
    let mut bob = program(bob_folder, server.port, "Bob", &["--auto-accept", "100kB"]);
    ana.wait_for("Bob joined");

    ana.give("send @Bob my notes.txt");
    ana.wait_for("[sent my notes.txt (13 bytes) to Bob]");
    bob.wait_for("[Ana sends you my notes.txt (13 bytes)]");
    bob.wait_for("(private) Ana: first");
    bob.wait_for("(private) Ana: second");
    bob.wait_for("[saved downloads/my notes.txt (13 bytes) from Ana]");

    ana.give("send @Bob large.bin");
    bob.wait_for("[Ana sends you large.bin (200 kB): /receive 2]");
    bob.give("transfers");
    bob.wait_for("1  my notes.txt (13 bytes) from Ana  saved");
    bob.wait_for("2  large.bin (200 kB) from Ana  offered: /receive 2");
    bob.give("receive 2");
    bob.wait_for("[saved downloads/large.bin (200 kB) from Ana]");
    let saved = fs::read(bob_folder.join("downloads/large.bin")).unwrap();
    assert_eq!(saved, content(1, 200_000));

    // All in the lobby; the sender is not offered its own.
    for program in [&mut ana, &mut bob] {
        program.give("chat lobby");
        program.wait_for("in the lobby of");
    }
    ana.give("/send my notes.txt");
    ana.wait_for("[sent my notes.txt (13 bytes) to the lobby]");
    bob.wait_for("[Ana offers my notes.txt (13 bytes)]");
    // It is there already, and said once more.
    let lines = || bob.output.lines.lock().unwrap();
    wait_until(|| lines().iter().any(|line| line.starts_with("Ana: first")));
    fs::write(folders[0].path().join("empty"), "").unwrap();
    ana.give("/send empty");
    bob.wait_for("[saved downloads/empty (0 bytes) from Ana]");
    let downloads = bob_folder.join("downloads");
    assert_eq!(names_in(&downloads), ["empty", "large.bin", "my notes.txt"]);
    ana.give("/send nowhere.txt");
    ana.wait_for("there is no file");
    ana.give("/send @Zoe my notes.txt");
    ana.wait_for("Zoe is not online");
    ana.give("/cancel 9");
    ana.wait_for("no transfer has the number 9");
    ana.give("/send large.bin");
    ana.wait_for("[sent large.bin (200 kB) to the lobby]");
    // Who comes later reads what the text says.
    let mut mel = program(folders[2].path(), server.port, "Mel", &[]);
    mel.give("chat lobby");
    for line in [
        "Ana: first",
        "Ana: second",
        "[Ana offers large.bin (200 kB)]",
    ] {
        assert!(mel.wait_for(line).starts_with('('));
    }
    assert_eq!(names_in(&folders[2].path().join("downloads")), [""; 0]);
    let told = ana.output.lines.lock().unwrap();
    assert!(!told.iter().any(|line| line.contains("Ana offers")));
}

#[test]
fn a_client_that_was_killed_goes_on_where_it_was() {
    let (data, server) = server::running(&[]);
    let kept = data.path().join("downloads");
    let folders: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let (ana_folder, bob_folder) = (folders[0].path(), folders[1].path());
    let large = content(1, 120_000_000);
    fs::write(ana_folder.join("large.bin"), &large).unwrap();
    let mut ana = program(ana_folder, server.port, "Ana", &[]);
    ana.give("send @Bob large.bin");
    wait_until(|| names_in(&kept).len() == 1);
    signal(&ana.child, "KILL");
    exit_code(&mut ana.child);
    assert!(names_in(&kept)[0].ends_with("crds-part"));

    let mut ana = program(ana_folder, server.port, "Ana", &[]);
    let mut bob = program(bob_folder, server.port, "Bob", &[]);
    ana.give("send @Bob large.bin");
    bob.wait_for("[Ana sends you large.bin (120 MB): /receive 1]");
    bob.give("receive 1");
    let downloads = bob_folder.join("downloads");
    // Sparse until blocks come.
    wait_until(|| {
        let part = fs::read_dir(&downloads)
            .ok()
            .and_then(|mut parts| parts.next());
        part.is_some_and(|part| part.unwrap().metadata().unwrap().blocks() > 10_000)
    });
    signal(&bob.child, "KILL");
    exit_code(&mut bob.child);
    let parts = parts_in(&downloads, Duration::MAX).unwrap();
    assert!(parts[0].received_bytes > 1_000_000, "{parts:?}");

    let mut bob = program(bob_folder, server.port, "Bob", &[]);
    ana.give("send @Bob large.bin");
    bob.wait_for("/receive 1");
    bob.give("receive 1");
    bob.wait_for("[saved downloads/large.bin (120 MB) from Ana]");
    assert!(fs::read(downloads.join("large.bin")).unwrap() == large);
    assert_eq!(names_in(&downloads), ["large.bin"]);
}

fn wait_until(condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_pass_between_three_downloads() {
    let (_data, server) = server::running(&[]);
    let folder = tempfile::tempdir().unwrap();
    let ana = connect(server.port, "Ana").await;
    let mut bob = connect(server.port, "Bob").await;
    for connection in [&ana, &bob] {
        connection.enter_lobby().await.unwrap();
    }
    let mut downloads = Vec::new();
    for seed in 1..=3 {
        let source = source(
            folder.path(),
            &format!("{seed}.bin"),
            &content(seed, 80_000_000),
        );
        let transfer = Transfer::default();
        ana.files()
            .upload(Arc::clone(&source), &transfer)
            .await
            .unwrap();
        downloads.push((bob.files(), source, folder.path().join("downloads")));
    }
    let began = Instant::now();
    let downloads = downloads.into_iter().map(|(files, source, into)| {
        tokio::spawn(async move {
            let transfer = Transfer::default();
            files.download(source.offer(), &into, &transfer).await
        })
    });
    let downloads: Vec<_> = downloads.collect();
    let mut waits = Vec::new();
    while !downloads.iter().all(|download| download.is_finished()) {
        let text = format!("line {}", waits.len());
        let said = Instant::now();
        ana.say(RoomName::lobby(), text.parse().unwrap())
            .await
            .unwrap();
        let heard = async {
            loop {
                if let ConnectionEvent::Server(ServerEvent::Line { text: heard, .. }) =
                    bob.next_event().await
                    && heard.as_str() == text
                {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap();
        waits.push(said.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = began.elapsed();
    for download in downloads {
        download.await.unwrap().unwrap();
    }
    waits.sort();
    let p50 = waits[waits.len() / 2];
    let p99 = waits[waits.len() * 99 / 100];
    // Shown with `--nocapture`.
    println!(
        "240 MB in {took:?}, {} lines: p50 {p50:?}, p99 {p99:?}",
        waits.len()
    );
    assert!(p99 < Duration::from_secs(1), "{p99:?}");
}

/// The most memory that a process has used, in KiB.
fn memory_peak_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[test]
fn memory_stays_bounded_however_large_the_file() {
    const SIZE: u64 = 1 << 29;
    const PEAK_KIB_MAX: u64 = 64 * 1024;
    let (_data, server) = server::running(&[]);
    let folders: Vec<_> = (0..2).map(|_| tempfile::tempdir().unwrap()).collect();
    let sparse = File::create(folders[0].path().join("huge.bin")).unwrap();
    sparse.set_len(SIZE).unwrap();
    let mut ana = program(folders[0].path(), server.port, "Ana", &[]);
    let bob = program(
        folders[1].path(),
        server.port,
        "Bob",
        &["--auto-accept", "2GB"],
    );
    let began = Instant::now();
    ana.give("send @Bob huge.bin");
    bob.wait_for("[Ana sends you huge.bin (537 MB)]");
    let up = began.elapsed();
    bob.wait_for("[saved downloads/huge.bin (537 MB) from Ana]");
    let down = began.elapsed() - up;
    let peaks = [&server.child, &ana.child, &bob.child].map(|child| memory_peak_kib(child.id()));
    println!("512 MiB hashed and up in {up:?}, down in {down:?}; peaks in KiB: {peaks:?}");
    assert!(peaks.iter().all(|peak| *peak < PEAK_KIB_MAX), "{peaks:?}");
    let saved = folders[1].path().join("downloads/huge.bin");
    assert_eq!(fs::metadata(saved).unwrap().len(), SIZE);
}

#[test]
fn a_full_disk_is_told_and_nothing_half_written_is_left() {
    let Some(how) = mounting() else { return };
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command
        .args([how, "sh", "-c"])
        .arg("mount -t tmpfs -o size=4m crds \"$DATA\" && exec \"$@\"")
        .arg("sh")
        .arg(env!("CARGO_BIN_EXE_crds"))
        .args(serve(data.path()).get_args())
        .env("DATA", data.path());
    let server = TestServer::start(&mut command);
    // As the server sees it.
    let inside = |path: &Path| {
        let root = PathBuf::from(format!("/proc/{}/root", server.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    };
    let folder = inside(&data.path().join("downloads"));
    let mut client = bare(server.port);
    let error = |answer: &Value| answer["error"].as_str().unwrap_or_default().to_owned();
    // What cannot fit is refused at its first piece.
    let huge = content(1, 5_000_000);
    assert_eq!(error(&put_all(&mut client, "huge.bin", &huge)), "disk-full");
    assert_eq!(names_in(&folder), [""; 0]);
    // What could have is refused when there is no space any more, and goes on when there is.
    let content = content(2, 1_000_000);
    let hash = blake3::hash(&content).to_hex();
    for piece in 0..3 {
        let answer = put(&mut client, "a.bin", &content, &hash, piece);
        assert_eq!(answer["have"], (piece + 1) * PIECE, "{answer}");
    }
    let filler = inside(&data.path().join("filler"));
    let full = io::copy(&mut io::repeat(1), &mut File::create(&filler).unwrap());
    assert!(full.is_err());
    let answer = put(&mut client, "a.bin", &content, &hash, 3);
    assert_eq!(error(&answer), "disk-full", "{answer}");
    fs::remove_file(&filler).unwrap();
    let answer = put_all(&mut client, "a.bin", &content);
    assert_eq!(answer["whole"], true, "{answer}");
    assert_eq!(names_in(&folder), ["a.bin"]);
}
