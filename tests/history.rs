//! What a server keeps of what is said, and who gets it. Real programs; all traffic stays on loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crds::chat::{
    Dialect, Happening, HistoryEntry, HistoryQuery, NewRoom, Room as DirectoryRoom, RoomName,
    SessionId, TransportChoice, UserName,
};
use crds::client::{Connection, Entry, KnownPast, Room, RoomOptions, new_member};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

#[path = "common/foreign.rs"]
#[expect(
    dead_code,
    reason = "what a foreign program hears is the plain rooms' matter"
)]
mod foreign;
#[path = "common/group.rs"]
mod group;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/process.rs"]
mod process;
#[path = "common/program.rs"]
mod program;
#[path = "common/room.rs"]
mod room;
#[path = "common/running.rs"]
mod running;
#[path = "common/server.rs"]
#[expect(dead_code, reason = "servers here have their seats on loopback")]
mod server;
use group::free_group;
use loopback::{running, start};
use patience::PATIENCE;
use process::{exit_code, signal};
use program::crds;
use running::Running;
use server::{TestServer, serve};

async fn connect(server: &TestServer, name: &str) -> Connection {
    let address = format!("127.0.0.1:{}", server.port).parse().unwrap();
    let name: UserName = name.parse().unwrap();
    Connection::open(&address, Some(&name)).await.unwrap()
}

async fn make(connection: &Connection, dialect: Dialect, history: Option<&str>) -> DirectoryRoom {
    let new = NewRoom {
        name: "lab".parse().unwrap(),
        address: Some(free_group()),
        dialect,
        limit: None,
        topic: None,
        history: history.map(|history| history.parse().unwrap()),
    };
    connection.make_room(new).await.unwrap()
}

/// A member that came as a newcomer does: with the history, if it wants that.
struct Member {
    connection: Connection,
    room: Room,
    past: Vec<HistoryEntry>,
}

async fn come(server: &TestServer, entry: &DirectoryRoom, name: &str) -> Member {
    let connection = connect(server, name).await;
    let interface = room::loopback();
    let id = new_member().unwrap();
    let way = Entry {
        room: entry.name.clone(),
        member: Some(SessionId(id)),
        interface: interface.address,
        name: None,
    };
    let relay = connection.enter(way, TransportChoice::Multicast).await;
    let asked = Instant::now();
    let page = connection.whole_history(entry.name.clone(), HistoryQuery::default(), None);
    let page = page.await.ok();
    let options = RoomOptions {
        id: Some(id),
        relay: Some(relay.unwrap()),
        past: page.as_ref().map(|page| KnownPast {
            positions: page.positions.clone(),
            asked,
        }),
        ..RoomOptions::new(interface, name.parse().unwrap(), entry.dialect)
    };
    Member {
        connection,
        room: Room::join(entry.address, options).unwrap(),
        past: page.map_or_else(Vec::new, |page| page.entries),
    }
}

impl Member {
    async fn say(&self, text: &str) {
        room::say(&self.room, text).await;
    }

    /// The next message, whatever else happens before it.
    async fn heard(&mut self) -> String {
        room::heard_in_the_end(&mut self.room).await
    }

    async fn leave(self) {
        self.room.leave().await;
        self.connection.bye().await;
    }
}

/// Entries as a person reads them.
fn read(entries: &[HistoryEntry]) -> Vec<String> {
    let lines = entries.iter().map(|entry| match &entry.what {
        Happening::Text(text) => format!("{}: {text}", entry.from),
        Happening::File(file) => format!("{} offers {}", entry.from, file.name),
        Happening::Joined => format!("{} joined", entry.from),
        Happening::Left => format!("{} left", entry.from),
        Happening::Renamed(name) => format!("{} is {name}", entry.from),
    });
    lines.collect()
}

/// Asks until the history is as wanted: what is said reaches the server as it reaches any member.
async fn await_history(
    connection: &Connection,
    room: &RoomName,
    wanted: impl Fn(&[String]) -> bool,
) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let page = connection.whole_history(room.clone(), HistoryQuery::default(), None);
        let lines = read(&page.await.unwrap().entries);
        if wanted(&lines) {
            return lines;
        }
        assert!(Instant::now() < end, "the history is {lines:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn has(text: &str) -> impl Fn(&[String]) -> bool {
    move |lines| lines.iter().any(|line| line == text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_of_a_reliable_room_gets_all_that_was_said_with_comings_and_goings() {
    let (_folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    let lab = make(&watcher, Dialect::Reliable, None).await;
    let mut ana = come(&server, &lab, "Ana").await;
    ana.say("Good morning!").await;
    let mel = come(&server, &lab, "Mel").await;
    assert_eq!(read(&mel.past), ["Ana joined", "Ana: Good morning!"]);
    mel.say("first\nsecond").await;
    assert_eq!(ana.heard().await, "Mel: first\nsecond");
    mel.room.rename("Melanie".parse().unwrap()).await;
    await_history(&watcher, &lab.name, has("Mel is Melanie")).await;
    mel.leave().await;
    await_history(&watcher, &lab.name, has("Melanie left")).await;
    let lou = come(&server, &lab, "Lou").await;
    assert_eq!(
        read(&lou.past),
        [
            "Ana joined",
            "Ana: Good morning!",
            "Mel joined",
            "Mel: first\nsecond",
            "Mel is Melanie",
            "Melanie left"
        ]
    );
    // The sender's own time, to the millisecond in which it was said.
    let said = &lou.past[1];
    let lag = said.heard_at.duration_since(said.said_at);
    assert!(lag.as_secs().abs() < PATIENCE.as_secs() as i64, "{lag:?}");
    let found = watcher
        .search(None, "morning".parse().unwrap(), None, None)
        .await;
    let (found, _) = found.unwrap();
    assert_eq!((found.len(), &found[0].room), (1, &lab.name));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_during_a_flood_has_each_line_once() {
    const LINES: usize = 3000;
    let (_folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    let lab = make(&watcher, Dialect::Reliable, None).await;
    let ana = come(&server, &lab, "Ana").await;
    let flood = async {
        for number in 0..LINES {
            ana.say(&format!("line {number}")).await;
            if number % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let newcomers = async {
        let mut newcomers = Vec::new();
        for name in ["Mel", "Lou", "Zoe", "Kim"] {
            newcomers.push(come(&server, &lab, name).await);
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        for newcomer in &mut newcomers {
            let texts = read(&newcomer.past).into_iter();
            let mut lines: Vec<String> = texts.filter(|line| line.contains(": ")).collect();
            while lines.len() < LINES {
                lines.push(newcomer.heard().await);
            }
            for (number, line) in lines.iter().enumerate() {
                assert_eq!(*line, format!("Ana: line {number}"));
            }
        }
    };
    tokio::join!(flood, newcomers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_loses_no_line_older_than_a_moment_and_asks_for_what_it_missed() {
    const LINES: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &[]);
    let watcher = connect(&server, "Eve").await;
    let lab = make(&watcher, Dialect::Reliable, None).await;
    let ana = come(&server, &lab, "Ana").await;
    // A second member, so that what Ana says is on its way when the server is gone.
    let mut mel = come(&server, &lab, "Mel").await;
    for number in 0..LINES {
        ana.say(&format!("line {number}")).await;
        assert_eq!(mel.heard().await, format!("Ana: line {number}"));
        if number == LINES / 2 {
            signal(&server.child, "KILL");
            assert_eq!(exit_code(&mut server.child), None);
        }
    }
    let port = server.port.to_string();
    drop(server);
    let again = TestServer::start(&mut again_at(folder.path(), &port));
    let lou = come(&again, &lab, "Lou").await;
    let is_whole = |lines: &[String]| {
        let said = lines.iter().filter(|line| line.starts_with("Ana: "));
        said.count() == LINES
    };
    // Killed in the middle; what it did not write, and what was said while it was gone, the members still have.
    let lines = await_history(&lou.connection, &lab.name, is_whole).await;
    let said: Vec<&String> = lines.iter().filter(|l| l.starts_with("Ana: ")).collect();
    for (number, line) in said.iter().enumerate() {
        assert_eq!(**line, format!("Ana: line {number}"));
    }
}

fn again_at(folder: &Path, port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crds"));
    command
        .args([
            "serve",
            "--no-web",
            "--listen",
            "127.0.0.1",
            "--port",
            port,
            "--data",
        ])
        .arg(folder)
        .env("CRDS_INTERFACE", "lo")
        .env_remove("CRDS_LOG");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_takes_the_last_fifty_milliseconds_at_most_and_never_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &["--max-lines", "100000"]);
    let ana = connect(&server, "Ana").await;
    let lobby = RoomName::lobby();
    ana.enter_lobby().await.unwrap();
    let began = Instant::now();
    let mut answered = Vec::new();
    while began.elapsed() < Duration::from_millis(700) {
        let text = format!("line {}", answered.len());
        ana.say(lobby.clone(), text.parse().unwrap()).await.unwrap();
        answered.push(Instant::now());
        // As fast as it can, it would keep the processor from who writes the history.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let killed = Instant::now();
    signal(&server.child, "KILL");
    assert_eq!(exit_code(&mut server.child), None);
    drop(server);
    let server = start(folder.path(), &[]);
    let bob = connect(&server, "Bob").await;
    let page = bob
        .whole_history(lobby, HistoryQuery::default(), None)
        .await
        .unwrap();
    let lines = read(&page.entries);
    let said: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with("Ana: "))
        .collect();
    for (number, line) in said.iter().enumerate() {
        assert_eq!(**line, format!("Ana: line {number}"));
    }
    // On a busy machine its thread may be kept waiting besides.
    let first_lost = answered.get(said.len()).copied().unwrap_or(killed);
    let lost = killed.duration_since(first_lost);
    assert!(
        lost < Duration::from_millis(50 + 200),
        "{lost:?} are missing"
    );
}

/// A server does not start, and tells so in a line with this in it.
fn refused(data: &Path, flags: &[&str], why: &str) -> String {
    let mut command = serve(data);
    command.args(flags);
    let mut server = Running::start(command);
    assert_eq!(exit_code(&mut server.child), Some(1));
    server.wait_for(why)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_foreign_file_is_refused_and_left_as_it_is() {
    let (folder, mut server) = running(&[]);
    signal(&server.child, "TERM");
    assert_eq!(exit_code(&mut server.child), Some(0));
    let file = folder.path().join("history.sqlite");
    let damaged = vec![0xa5; 20_000];
    fs::write(&file, &damaged).unwrap();
    let told = refused(folder.path(), &[], "history.sqlite is no history of crds");
    assert!(told.contains("--data DIR"), "{told}");
    assert_eq!(fs::read(&file).unwrap(), damaged);
    // Who wants none needs no file.
    let _off = start(folder.path(), &["--history", "off"]);
    assert_eq!(fs::read(&file).unwrap(), damaged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_directory_a_history_is_refused_and_nothing_is_lost() {
    let (folder, mut server) = running(&[]);
    let ana = connect(&server, "Ana").await;
    let lab = make(&ana, Dialect::Plain, None).await;
    let ben = come(&server, &lab, "Ben").await;
    ben.say("hello").await;
    await_history(&ana, &lab.name, has("Ben: hello")).await;
    drop((ana, ben));
    signal(&server.child, "TERM");
    assert_eq!(exit_code(&mut server.child), Some(0));
    let (directory, aside) = (folder.path().join("crds.sqlite"), folder.path().join("old"));
    fs::rename(&directory, &aside).unwrap();
    for flags in [&[][..], &["--history", "off"]] {
        refused(folder.path(), flags, "put that crds.sqlite back");
    }
    fs::rename(&aside, &directory).unwrap();
    let server = start(folder.path(), &[]);
    let ana = connect(&server, "Ana").await;
    await_history(&ana, &lab.name, has("Ben: hello")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_has_its_limits_and_may_be_nothing() {
    let (_folder, server) = running(&["--history", "5"]);
    let ana = connect(&server, "Ana").await;
    ana.enter_lobby().await.unwrap();
    for number in 0..20 {
        let text = format!("line {number}").parse().unwrap();
        ana.say(RoomName::lobby(), text).await.unwrap();
    }
    let page = ana
        .history(RoomName::lobby(), HistoryQuery::default())
        .await
        .unwrap();
    let last: Vec<String> = (15..20)
        .map(|number| format!("Ana: line {number}"))
        .collect();
    assert_eq!((read(&page.entries), page.kept), (last, 5));
    let quiet = make(&ana, Dialect::Reliable, Some("off")).await;
    let refused = ana.history(quiet.name, HistoryQuery::default()).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("no history is kept of this room")
    );
    let refused = ana
        .history("nowhere".parse().unwrap(), HistoryQuery::default())
        .await;
    assert!(refused.unwrap_err().to_string().contains("no such room"));

    let (_folder, off) = running(&["--history", "off"]);
    let bob = connect(&off, "Bob").await;
    let refused = bob
        .history(RoomName::lobby(), HistoryQuery::default())
        .await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("keeps no history")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_room_is_kept_as_the_server_hears_it_and_ends_with_its_room() {
    let (_folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    let lab = make(&watcher, Dialect::Plain, None).await;
    let ana = come(&server, &lab, "Ana").await;
    let foreign = foreign::sender();
    foreign::send(&foreign, lab.address, "Zed : hi");
    await_history(&watcher, &lab.name, has("Zed: hi")).await;
    ana.say("hello").await;
    let lines = await_history(&watcher, &lab.name, has("Ana: hello")).await;
    assert_eq!(lines, ["Zed: hi", "Ana: hello"]);
    watcher.delete_room(lab.name.clone()).await.unwrap();
    let again = make(&watcher, Dialect::Plain, None).await;
    let page = watcher
        .history(again.name, HistoryQuery::default())
        .await
        .unwrap();
    assert_eq!(read(&page.entries), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_never_gets_what_was_said_in_one_that_is_gone() {
    let (folder, server) = running(&[]);
    let ana = connect(&server, "Ana").await;
    let lab = make(&ana, Dialect::Plain, None).await;
    let member = come(&server, &lab, "Ben").await;
    member.say("a secret").await;
    await_history(&ana, &lab.name, has("Ben: a secret")).await;
    drop((ana, member, server));
    // While no history is kept it is deleted, and after another restart one is made.
    let server = start(folder.path(), &["--history", "off"]);
    let ana = connect(&server, "Ana").await;
    ana.delete_room(lab.name.clone()).await.unwrap();
    drop((ana, server));
    let server = start(folder.path(), &["--history", "off"]);
    let other = make(&connect(&server, "Ana").await, Dialect::Plain, None).await;
    drop(server);
    let server = start(folder.path(), &[]);
    let ana = connect(&server, "Ana").await;
    let page = ana.history(other.name, HistoryQuery::default()).await;
    assert_eq!(read(&page.unwrap().entries), Vec::<String>::new());
}

fn client(home: &TempDir, server: &TestServer, name: &str, arguments: &[&str]) -> Running {
    let mut command = crds(home.path(), arguments);
    command
        .env("CRDS_SERVER", format!("127.0.0.1:{}", server.port))
        .env("CRDS_NAME", name)
        .env("CRDS_INTERFACE", "lo");
    Running::start(command)
}

fn lines_of(client: &Running) -> Vec<String> {
    client.output.lines.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_sees_what_was_said_before_and_finds_it() {
    let (folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    let lab = make(&watcher, Dialect::Reliable, None).await;
    let ana = come(&server, &lab, "Ana").await;
    for number in 0..120 {
        ana.say(&format!("line {number}")).await;
    }
    ana.say("Is the printer free?").await;
    await_history(&watcher, &lab.name, has("Ana: Is the printer free?")).await;
    let mut mel = client(&folder, &server, "Mel", &[]);
    mel.give("connect");
    mel.give("chat lab");
    mel.wait_for("here: Ana");
    let lines = lines_of(&mel);
    let past: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains(") Ana: "))
        .collect();
    assert_eq!(past.len(), 100, "{lines:#?}");
    assert!(
        past[0].starts_with('(') && past[0].ends_with("Ana: line 21"),
        "{past:?}"
    );
    mel.wait_for("[history: 100 of 122 lines; /history shows more]");
    ana.say("and on").await;
    mel.wait_for("Ana: and on");
    mel.give("/search printer");
    mel.wait_for("[1 found for: printer]");
    mel.give("/history 200");
    mel.wait_for("[that was the history]");
    mel.wait_for(") [Ana joined]");
    mel.give("/leave");
    mel.give("search free printer");
    mel.wait_for(") Ana: Is the printer free?");
    mel.wait_for("[1 found for: free printer]");
    mel.give("quit");
    assert_eq!(exit_code(&mut mel.child), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_the_history_shows_is_not_shown_again_when_its_file_comes() {
    let (folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    make(&watcher, Dialect::Reliable, None).await;
    let path = folder.path().join("notes.txt");
    fs::write(&path, "short text").unwrap();
    let enter = |name: &str| {
        let downloads = folder.path().join(name);
        let arguments = ["--downloads", downloads.to_str().unwrap()];
        let mut client = client(&folder, &server, name, &arguments);
        client.give("connect");
        client.give("chat lab");
        client.wait_for("in room lab");
        client
    };
    let mut ana = enter("Ana");
    let mel = enter("Mel");
    ana.wait_for("Mel joined");
    ana.give(&format!("/send {}", path.display()));
    mel.wait_for("Ana: short text");
    server.wait_for(|line| line.contains("keeps notes.txt"));
    let mut lou = enter("Lou");
    lou.wait_for(") Ana: short text");
    // Ana still offers it.
    lou.wait_for("notes.txt (10 bytes) from Ana");
    let lines = lines_of(&lou);
    let shown = lines.iter().filter(|line| line.contains("short text"));
    assert_eq!(shown.count(), 1, "{lines:#?}");
    lou.give("/search short");
    lou.wait_for("[1 found for: short]");
    let lines = lines_of(&lou);
    let found = &lines[lines.len() - 2];
    assert!(
        found.contains("notes.txt") && found.contains("[/receive "),
        "{lines:#?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_since_some_time_goes_on_live_without_a_double() {
    let (folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    for dialect in [Dialect::Reliable, Dialect::Plain] {
        let lab = make(&watcher, dialect, None).await;
        let ana = come(&server, &lab, "Ana").await;
        ana.say("before").await;
        await_history(&watcher, &lab.name, has("Ana: before")).await;
        let arguments = ["listen", "lab", "--since", "10m", "--json", "--count", "2"];
        let mut listener = client(&folder, &server, "Lis", &arguments);
        listener.wait_for("\"before\"");
        listener.wait_for("in room lab");
        ana.say("after").await;
        listener.wait_for("\"after\"");
        assert_eq!(exit_code(&mut listener.child), Some(0));
        let lines = lines_of(&listener);
        let objects = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        let messages: Vec<Value> = objects
            .filter(|object: &Value| object["event"] == "message")
            .collect();
        assert_eq!(messages.len(), 2, "{lines:#?}");
        assert_eq!(
            (&messages[0]["text"], &messages[0]["history"]),
            (&"before".into(), &true.into())
        );
        assert_eq!(
            (&messages[1]["text"], &messages[1]["history"]),
            (&"after".into(), &Value::Null)
        );
        ana.leave().await;
        watcher.delete_room(lab.name).await.unwrap();
    }
    let nothing = crds(folder.path(), &["listen", "lab", "--since", "soon"])
        .output()
        .unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_since_some_time_saves_the_files_of_then_once() {
    // From the server when who sent it is gone; from who offers it still where the server keeps none.
    for keeps in ["1GiB", "off"] {
        let (folder, server) = running(&["--keep-files", keeps]);
        let watcher = connect(&server, "Eve").await;
        let lab = make(&watcher, Dialect::Reliable, None).await;
        let path = folder.path().join("plan.bin");
        fs::write(&path, [7; 100_000]).unwrap();
        let mut ana = client(&folder, &server, "Ana", &[]);
        ana.give("connect");
        ana.give("chat lab");
        ana.wait_for("in room lab");
        ana.give(&format!("/send {}", path.display()));
        let offered = |lines: &[String]| lines.iter().any(|l| l == "Ana offers plan.bin");
        await_history(&watcher, &lab.name, offered).await;
        if keeps != "off" {
            server.wait_for(|line| line.contains("keeps plan.bin"));
            ana.give("/quit");
            assert_eq!(exit_code(&mut ana.child), Some(0));
        }
        let saved = folder.path().join("saved");
        let words = ["listen", "lab", "--since", "10m", "--count", "1", "--save"];
        let words = [&words[..], &[saved.to_str().unwrap()]].concat();
        for _ in 0..2 {
            let mut listener = client(&folder, &server, "Lis", &words);
            listener.wait_for("plan.bin: plan.bin (100 kB) from Ana");
            assert_eq!(exit_code(&mut listener.child), Some(0));
            // With the history, not once more by who offers it still.
            let lines = lines_of(&listener);
            let offers = lines.iter().filter(|line| line.contains("offers plan.bin"));
            assert_eq!(offers.count(), 1, "{lines:#?}");
            let names: Vec<_> = fs::read_dir(&saved).unwrap().collect();
            assert_eq!(names.len(), 1, "{names:?}");
            assert_eq!(fs::read(saved.join("plan.bin")).unwrap(), [7; 100_000]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lobby_goes_on_where_its_history_ends_also_after_the_server_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &[]);
    let port = server.port.to_string();
    let mut ana = client(&folder, &server, "Ana", &[]);
    for line in ["connect", "chat lobby", "one"] {
        ana.give(line);
    }
    ana.wait_for("Ana: one");
    let mut mel = client(&folder, &server, "Mel", &[]);
    mel.give("connect");
    mel.give("chat lobby");
    mel.wait_for(") Ana: one");
    ana.give("two");
    mel.wait_for("Ana: two");
    signal(&server.child, "TERM");
    assert_eq!(exit_code(&mut server.child), Some(0));
    drop(server);
    mel.wait_for("The server is shutting down");
    let _again = TestServer::start(&mut again_at(folder.path(), &port));
    mel.wait_for("Connected to");
    ana.wait_for("again]");
    ana.give("three");
    mel.wait_for("Ana: three");
    let lines = lines_of(&mel);
    for text in ["Ana: one", "Ana: two", "Ana: three"] {
        let times = lines.iter().filter(|line| line.ends_with(text)).count();
        assert_eq!(times, 1, "{lines:#?}");
    }
}

/// Nothing tells the new one how far the old one had counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lobby_goes_on_after_a_server_that_keeps_no_history_was_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &[]);
    let port = server.port.to_string();
    let mut clients = ["Ana", "Mel"].map(|name| client(&folder, &server, name, &[]));
    for client in &mut clients {
        client.give("connect");
        client.give("chat lobby");
        client.wait_for("in the lobby");
    }
    let [ana, mel] = &mut clients;
    for number in 0..5 {
        ana.give(&format!("before {number}"));
    }
    mel.wait_for("Ana: before 4");
    signal(&server.child, "KILL");
    assert_eq!(exit_code(&mut server.child), None);
    drop(server);
    let mut again = again_at(folder.path(), &port);
    let _again = TestServer::start(again.args(["--history", "off"]));
    for client in [&*ana, &*mel] {
        client.wait_for("again]");
    }
    ana.give("after");
    mel.wait_for("Ana: after");
}

/// It has the lobby's lines of that time when it has another name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lost_the_name_while_away_gets_the_lobby_s_lines_with_another() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &[]);
    let port = server.port.to_string();
    let mut mel = client(&folder, &server, "Mel", &[]);
    mel.give("connect");
    mel.give("chat lobby");
    mel.give("one");
    mel.wait_for("Mel: one");
    // It must not be the first to come back.
    signal(&mel.child, "STOP");
    signal(&server.child, "KILL");
    assert_eq!(exit_code(&mut server.child), None);
    drop(server);
    let again = TestServer::start(&mut again_at(folder.path(), &port));
    let other = connect(&again, "Mel").await;
    other.enter_lobby().await.unwrap();
    let lobby = RoomName::lobby();
    other
        .say(lobby.clone(), "in between".parse().unwrap())
        .await
        .unwrap();
    signal(&mel.child, "CONT");
    mel.wait_for("sets another name");
    mel.give("/name Melanie");
    mel.wait_for(") Mel: in between");
    other.say(lobby, "and on".parse().unwrap()).await.unwrap();
    mel.wait_for("Mel: and on");
    let lines = lines_of(&mel);
    let times = lines
        .iter()
        .filter(|line| line.ends_with("Mel: in between"));
    assert_eq!(times.count(), 1, "{lines:#?}");
}

/// A member that stood still while more was said than the others keep for it gets the rest from the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_gets_from_the_server_what_no_member_has_any_more() {
    const LINES: usize = 1500;
    let (folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    let lab = make(&watcher, Dialect::Reliable, None).await;
    let mut ana = come(&server, &lab, "Ana").await;
    let mut listener = client(&folder, &server, "Lis", &["listen", "lab", "--json"]);
    listener.wait_for("in room lab");
    ana.say("line 0").await;
    listener.wait_for("line 0");
    signal(&listener.child, "STOP");
    // 12 MB, of which Ana keeps 8 MiB for whoever has not reported, and others 1 MiB.
    let padding = "x".repeat(8000);
    for number in 1..LINES {
        ana.say(&format!("line {number} {padding}")).await;
    }
    await_history(&watcher, &lab.name, |lines| {
        lines
            .iter()
            .filter(|line| line.starts_with("Ana: "))
            .count()
            == LINES
    })
    .await;
    signal(&listener.child, "CONT");
    let end = Instant::now() + 2 * PATIENCE;
    let heard = || {
        let lines = lines_of(&listener);
        let objects = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        let messages = objects.filter(|object: &Value| object["event"] == "message");
        messages.collect::<Vec<_>>()
    };
    while heard().len() < LINES {
        assert!(
            Instant::now() < end,
            "{} of {LINES} lines came",
            heard().len()
        );
        // Ana goes on living meanwhile.
        let _ = timeout(Duration::from_millis(200), ana.room.next_event()).await;
    }
    let messages = heard();
    assert!(messages.iter().any(|message| message["late"] == true));
    let number = |message: &Value| {
        let text = message["text"].as_str().unwrap();
        let number = text.split(' ').nth(1).unwrap();
        number.parse::<usize>().unwrap()
    };
    let mut numbers: Vec<usize> = messages.iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..LINES));
    signal(&listener.child, "TERM");
    let _ = listener.child.wait();
}

/// The same of a person, and of a file among the lines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_was_away_reads_the_texts_that_were_sent_meanwhile() {
    let (folder, server) = running(&[]);
    let watcher = connect(&server, "Eve").await;
    make(&watcher, Dialect::Reliable, None).await;
    let path = folder.path().join("notes.txt");
    fs::write(&path, "short text").unwrap();
    let downloads = folder.path().join("downloads");
    let arguments = ["--downloads", downloads.to_str().unwrap()];
    let mut ana = client(&folder, &server, "Ana", &arguments);
    let mut lou = client(&folder, &server, "Lou", &arguments);
    for client in [&mut ana, &mut lou] {
        client.give("connect");
        client.give("chat lab");
        client.wait_for("in room lab");
    }
    ana.give("line 0");
    lou.wait_for("Ana: line 0");
    signal(&lou.child, "STOP");
    // 11 MB: at the end more than Ana keeps for whoever has not reported, at the beginning more than Lou's socket holds.
    let padding = "x".repeat(40_000);
    let say = |ana: &mut Running, numbers: Range<u32>| {
        for number in numbers.clone() {
            ana.give(&format!("line {number} {padding}"));
        }
        let last = format!("Ana: line {} ", numbers.end - 1);
        server.wait_for(|line| line.contains(&last));
    };
    say(&mut ana, 1..60);
    ana.give(&format!("/send {}", path.display()));
    server.wait_for(|line| line.contains("keeps notes.txt"));
    ana.give("/cancel 1");
    say(&mut ana, 60..275);
    signal(&lou.child, "CONT");
    lou.wait_for("of these the server has:");
    lou.wait_for(") Ana: short text");
}
