//! What a person sees while typing in a room: in a real terminal, with a foreign program in the room
//! that says and hears; and while files come. All traffic stays on loopback.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crds::chat::RoomAddress;
use rustix::termios::{LocalModes, tcgetattr};
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
#[path = "common/pty.rs"]
mod pty;
#[path = "common/session.rs"]
mod session;
use group::free_group;
use program::crds;
use pty::{ENTER, LEAVE, Terminal, cursor_line};
use session::{MAIN, start_client, start_server};

const PROMPT: &str = "[lab1] Mel> ";
const TAB: &str = "\t";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";
const CTRL_C: &str = "\x03";

#[test]
fn a_half_typed_line_is_left_alone_by_what_arrives() {
    let chat = Chat::new();
    let mel = chat.enter(24, 80);
    let heard = foreign::receiver(chat.group);
    mel.wait_for_prompt(PROMPT);
    mel.type_text("Good mor");
    mel.wait_for_prompt("[lab1] Mel> Good mor");
    chat.say("Ana: hello");
    mel.wait_for("the message above, the half line below", |screen| {
        let contents = screen.contents();
        let rows: Vec<&str> = contents.lines().collect();
        rows.ends_with(&["Ana: hello", "[lab1] Mel> Good mor"])
    });
    mel.type_text("ning!");
    // In the middle of the line, too, the cursor stays where it is.
    mel.type_text(&LEFT.repeat("morning!".len()));
    mel.wait_for("the cursor before the last word", is_before_the_last_word);
    chat.say("Ana: are you there?");
    mel.wait_for_text("Ana: are you there?\n[lab1] Mel> Good morning!");
    mel.wait_for("the cursor before the last word", is_before_the_last_word);
    mel.type_text("old ");
    mel.wait_for_prompt("[lab1] Mel> Good old morning!");
    mel.type_text(ENTER);
    mel.wait_for_text("Mel: Good old morning!");
    mel.wait_for_prompt(PROMPT);
    foreign::receive(&heard);
    foreign::receive(&heard);
    assert_eq!(foreign::receive(&heard), "Mel: Good old morning!");
    let said = [
        "Ana: hello",
        "Ana: are you there?",
        "Mel: Good old morning!",
    ];
    assert_eq!(talk(&mel), said);
}

fn is_before_the_last_word(screen: &vt100::Screen) -> bool {
    let (_, column) = screen.cursor_position();
    usize::from(column) == PROMPT.len() + "Good ".len() && cursor_line(screen).ends_with("morning!")
}

#[test]
fn a_line_that_wraps_is_shown_once_whatever_its_length() {
    const COLUMNS: u16 = 40;
    // So few rows that most of this happens at the bottom, where the screen scrolls.
    let chat = Chat::new();
    let mel = chat.enter(8, COLUMNS);
    let mut said = Vec::new();
    for rows in 1..=3 {
        let edge = usize::from(COLUMNS) * rows - PROMPT.len();
        for length in edge - 2..=edge + 2 {
            let text = format!("{length:x<length$}");
            chat.type_and_check(&mel, &text);
            said.push(format!("Mel: {text}"));
        }
    }
    assert_eq!(talk(&mel), said);
}

#[test]
fn wide_characters_at_the_edge_are_shown_once() {
    let chat = Chat::new();
    // An odd width: the last column of a row is too narrow for them, and stays empty.
    let mel = chat.enter(8, 41);
    let mut said = Vec::new();
    for count in 13..=16 {
        for filler in ["", "x"] {
            let text = format!(
                "{count}{filler}{}é{}",
                "你".repeat(count),
                "👋".repeat(count)
            );
            chat.type_and_check(&mel, &text);
            said.push(format!("Mel: {text}"));
        }
    }
    // The screen of this test takes a column left empty for the end of a line.
    assert_eq!(talk(&mel).concat(), said.concat());
}

#[test]
fn lines_said_in_a_flood_are_shown_once_and_every_line_of_it_is_shown_or_counted() {
    let chat = Chat::new();
    let mel = chat.enter(24, 80);
    mel.wait_for_prompt(PROMPT);
    let mut own = Vec::new();
    let enough = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for burst in 0..1000 {
                for number in 3 * burst..3 * (burst + 1) {
                    chat.say(&format!("Ana: flood {number}"));
                }
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                // Faster than anybody reads, slower than what a busy machine loses.
                thread::sleep(Duration::from_millis(2));
            }
        });
        mel.wait_for_text("Ana: flood ");
        for number in 0..40 {
            let line = format!("what I say {number}");
            mel.type_text(&line);
            mel.type_text(ENTER);
            own.push(format!("Mel: {line}"));
            mel.wait_for_line(&own[number]);
            mel.wait_for_prompt(PROMPT);
        }
        enough.store(true, Ordering::Relaxed);
    });
    chat.say("Ana: that was all");
    mel.wait_for_text("Ana: that was all");
    mel.answer(PROMPT, "/stats");
    mel.wait_for_text("datagrams ignored.");
    let lines = mel.lines();
    let shown_own = lines.iter().filter(|line| line.starts_with("Mel: "));
    assert!(shown_own.eq(&own), "{lines:#?}");
    let flood = lines
        .iter()
        .filter_map(|line| line.strip_prefix("Ana: flood "));
    // Even on one machine UDP may change the order, when the sender moves to another core.
    let flood: Vec<u32> = flood.map(|number| number.parse().unwrap()).collect();
    let different: BTreeSet<_> = flood.iter().collect();
    assert_eq!(different.len(), flood.len(), "not once: {flood:?}");
    let heard = sum_between(&lines, " heard ", ", ");
    let counted = sum_between(&lines, "[", " lines came too fast and are not shown]");
    assert_eq!(heard, flood.len() + 1 + counted, "{lines:#?}");
}

#[test]
fn several_lines_pasted_are_said_one_by_one() {
    let chat = Chat::new();
    let mel = chat.enter(24, 80);
    let heard = foreign::receiver(chat.group);
    mel.wait_for_prompt(PROMPT);
    // As a terminal pastes into a program that has asked for it.
    mel.wait_for("bracketed paste", vt100::Screen::bracketed_paste);
    mel.type_text("\x1b[200~one\ntwo\nthree\x1b[201~");
    mel.wait_for_text("three");
    mel.type_text(ENTER);
    let said = ["Mel: one", "Mel: two", "Mel: three"];
    for line in said {
        assert_eq!(foreign::receive(&heard), line);
        mel.wait_for_text(line);
    }
    mel.wait_for_prompt(PROMPT);
    assert_eq!(talk(&mel), said);
}

#[test]
fn what_is_typed_ahead_is_not_lost() {
    let chat = Chat::new();
    let mel = start_client(chat.home.path(), &chat.server);
    mel.wait_for_prompt(MAIN);
    // Fingers that know what they want do not wait for the next prompt.
    mel.type_text("connect\rname Mel\rchat lab1\rhello\r");
    mel.wait_for_text("Mel: hello");
}

#[test]
fn what_arrives_cannot_play_with_the_terminal() {
    let chat = Chat::new();
    let mel = chat.enter(24, 80);
    mel.wait_for_prompt(PROMPT);
    chat.say("Ana: \x1b[2J\x1b[31mred\rMel: forged");
    mel.wait_for_text("Ana: ␛[2J␛[31mred␍Mel: forged");
    mel.wait_for_prompt(PROMPT);
    assert_eq!(talk(&mel).len(), 1);
}

#[test]
fn tab_completes_commands_rooms_and_names() {
    let chat = Chat::new();
    let mel = start_client(chat.home.path(), &chat.server);
    mel.answer(MAIN, "name Mel");
    mel.answer(MAIN, "connect");
    let connected = format!("crds {}> ", chat.server);
    mel.answer(&connected, "getdir");
    mel.wait_for_prompt(&connected);
    mel.type_text("cha");
    mel.type_text(TAB);
    mel.wait_for_prompt(&format!("{connected}chat "));
    mel.type_text("LA");
    mel.type_text(TAB);
    mel.wait_for_prompt(&format!("{connected}chat lab1"));
    mel.type_text(ENTER);
    mel.wait_for_prompt(PROMPT);
    chat.say("Anastasia: hi");
    mel.wait_for_text("Anastasia: hi");
    mel.type_text("An");
    mel.type_text(TAB);
    mel.wait_for_prompt("[lab1] Mel> Anastasia: ");
    mel.type_text("have you seen an");
    mel.type_text(TAB);
    mel.wait_for_prompt("[lab1] Mel> Anastasia: have you seen Anastasia ");
    mel.type_text(ENTER);
    mel.wait_for_prompt(PROMPT);
    mel.type_text("/st");
    mel.type_text(TAB);
    mel.wait_for_prompt("[lab1] Mel> /stats ");
}

#[test]
fn tab_completes_the_path_of_a_file() {
    let lab = Lab::new();
    let own = lab.home.path().join("own");
    std::fs::create_dir_all(own.join("pictures")).unwrap();
    std::fs::write(own.join("pictures/the lab (1).txt"), "Look at this.").unwrap();
    let ana = lab.enter("Ana");
    let mel = lab.enter_with("Mel", &[("HOME", own.to_str().unwrap())]);
    for (typed, completed) in [
        ("/sen", "/send "),
        ("@a", "/send @Ana "),
        ("~/pi", "/send @Ana ~/pictures/"),
        ("t", r"/send @Ana ~/pictures/the\ lab\ \(1).txt"),
    ] {
        mel.type_text(typed);
        mel.type_text(TAB);
        mel.wait_for_prompt(&format!("[lab1] Mel> {completed}"));
    }
    mel.type_text(ENTER);
    ana.wait_for_text("(private) Mel: Look at this.");
}

#[test]
fn the_history_of_the_last_run_comes_back() {
    let chat = Chat::new();
    let first = start_client(chat.home.path(), &chat.server);
    first.answer(MAIN, "name Mel");
    first.wait_for_prompt(MAIN);
    first.answer(MAIN, "name Melanie");
    first.wait_for_prompt(MAIN);
    drop(first);
    let second = start_client(chat.home.path(), &chat.server);
    second.wait_for_prompt(MAIN);
    for line in ["crds> name Melanie", "crds> name Mel"] {
        second.type_text(UP);
        second.wait_for_prompt(line);
    }
}

#[test]
fn names_have_colours_of_their_own_unless_none_are_wanted() {
    let chat = Chat::new();
    let colored = chat.enter(24, 80);
    let mut command = chat.command();
    command.env("NO_COLOR", "1");
    let plain = chat.enter_with(command, 24, 80);
    for client in [&colored, &plain] {
        client.wait_for_prompt(PROMPT);
    }
    chat.say("Ana: hi");
    chat.say("Bob: hi");
    chat.say("ANA: hi");
    for client in [&colored, &plain] {
        client.wait_for_text("ANA: hi");
    }
    let (ana, bob, loud) = ("Ana: hi", "Bob: hi", "ANA: hi");
    colored.wait_for("a colour for each name", |screen| {
        color(screen, ana) != vt100::Color::Default
            && color(screen, bob) != vt100::Color::Default
            && color(screen, ana) != color(screen, bob)
            && color(screen, ana) == color(screen, loud)
    });
    plain.wait_for("no colour", |screen| {
        [ana, bob, loud].map(|line| color(screen, line)) == [vt100::Color::Default; 3]
    });
}

/// Of the first letter of this line.
fn color(screen: &vt100::Screen, line: &str) -> vt100::Color {
    let row = screen.rows(0, 80).position(|row| row == line);
    let row = row.expect("the line is there").try_into().unwrap();
    screen.cell(row, 0).unwrap().fgcolor()
}

#[test]
fn messages_bear_the_time_unless_it_is_not_wanted() {
    let chat = Chat::new();
    let timeless = chat.enter(24, 80);
    let command = crds(chat.home.path(), &chat.arguments());
    let timed = chat.enter_with(command, 24, 80);
    for client in [&timed, &timeless] {
        client.wait_for_prompt(PROMPT);
    }
    chat.say("Ana: hi");
    timeless.wait_for_text("\nAna: hi\n");
    timed.wait_for_text("Ana: hi");
    timed.answer(PROMPT, "hello");
    timed.wait_for_text("Mel: hello");
    for message in ["Ana: hi", "Mel: hello"] {
        let lines = timed.lines();
        let line = lines.iter().find(|line| line.ends_with(message)).unwrap();
        let time = line.strip_suffix(message).unwrap();
        let shape = time.replace(|c: char| c.is_ascii_digit(), "9");
        assert_eq!(shape, "[99:99:99] ");
    }
}

#[test]
fn a_bar_stands_above_what_is_being_typed_and_is_gone_when_the_file_is_there() {
    let lab = Lab::new();
    let (ana, mel) = (lab.enter("Ana"), lab.enter("Mel"));
    let path = lab.home.path().join("notes.bin");
    std::fs::write(&path, vec![0xff; 3_000_000]).unwrap();
    ana.answer("[lab1] Ana> ", &format!("/send {}", path.display()));
    let has_above = |bar: &'static str, typed: &'static str| {
        move |screen: &vt100::Screen| {
            let contents = screen.contents();
            let rows: Vec<&str> = contents.lines().collect();
            let above = rows.iter().rev().nth(1);
            above.is_some_and(|above| above.starts_with(bar)) && cursor_line(screen) == typed
        }
    };
    let bar = has_above("sending notes.bin [", "[lab1] Ana> ");
    ana.wait_for("a bar", bar);
    mel.type_text("half a");
    let bar = has_above("receiving notes.bin [", "[lab1] Mel> half a");
    mel.wait_for("a bar above what is typed", bar);
    ana.answer("[lab1] Ana> ", "hello");
    mel.wait_for_text("Ana: hello\nreceiving notes.bin [");
    mel.wait_for("the same below a line", bar);
    for client in [&mel, &ana] {
        client.wait_for_text(" notes.bin");
        client.wait_for("the end", |screen| {
            let contents = screen.contents();
            contents.contains("[saved ") || contents.contains("[1 of 1 have notes.bin]")
        });
        let lines = client.lines();
        let is_left = lines.iter().any(|line| line.contains("ing notes.bin ["));
        assert!(!is_left, "{lines:#?}");
    }
}

#[test]
fn bars_stay_below_what_is_said_and_leave_nothing_behind() {
    let home = tempfile::tempdir().unwrap();
    let group = free_group().to_string();
    let start = |name: &str, words: &[&str]| {
        let common = ["--interface", "lo", "--name", name, "--group", &group];
        Terminal::start(crds(home.path(), &[words, &common].concat()), 24, 100)
    };
    let saved = home.path().join("saved");
    let listener = start("Lis", &["listen", "--save", saved.to_str().unwrap()]);
    listener.wait_for_text("in room");
    let send = |name: &str| {
        let file = home.path().join(format!("of-{name}"));
        std::fs::write(&file, name.repeat(1_000_000)).unwrap();
        // Six seconds.
        let words = ["send", "--rate-max", "4mbit", "--file"];
        start(name, &[&words[..], &[file.to_str().unwrap()]].concat())
    };
    let _senders = ["Ana", "Mel"].map(send);
    // A bar fills its row, so that in the text of the screen the next one stands behind it.
    let rows = |screen: &vt100::Screen| screen.rows(0, 100).collect::<Vec<_>>();
    let is_bar = |row: &String| row.starts_with("receiving of-") && row.contains(" [");
    listener.wait_for("two bars", |screen| {
        rows(screen).iter().filter(|row| is_bar(row)).count() == 2
    });
    let _bob = start("Bob", &["send", "hello"]);
    listener.wait_for("the line above the bars", |screen| {
        let rows = rows(screen);
        let said = rows.iter().position(|row| row.contains("Bob: hello"));
        let bars = rows.iter().skip(said.unwrap_or(rows.len()));
        bars.filter(|row| is_bar(row)).count() == 2
    });
    for name in ["Ana", "Mel"] {
        listener.wait_for_text(&format!("of-{name} (3.0 MB) from {name}"));
    }
    let lines = listener.lines();
    let is_left = lines.iter().any(|line| line.contains("receiving of-"));
    assert!(!is_left, "{lines:#?}");
}

#[test]
fn ctrl_c_says_how_to_leave_and_ends_nothing() {
    let chat = Chat::new();
    let mel = start_client(chat.home.path(), &chat.server);
    mel.wait_for_prompt(MAIN);
    mel.type_text("half");
    mel.wait_for_prompt("crds> half");
    mel.type_text(CTRL_C);
    mel.wait_for_text("[`quit` or Ctrl-D ends the program]");
    mel.answer(MAIN, "name Mel");
    mel.answer(MAIN, "chat lab1");
    mel.wait_for_prompt(PROMPT);
    mel.type_text(CTRL_C);
    mel.wait_for_text("[Ctrl-] or /leave leaves the room]");
    mel.answer(PROMPT, "still here");
    mel.wait_for_text("Mel: still here");
    mel.type_text(LEAVE);
    mel.wait_for_prompt(MAIN);
}

#[test]
fn whose_window_is_closed_has_left() {
    let lab = Lab::new();
    let ana = lab.enter("Ana");
    for signal in ["HUP", "TERM"] {
        let mut mel = lab.enter("Mel");
        ana.wait_for_text("[Mel joined]");
        mel.type_text("half a l");
        mel.wait_for_prompt("[lab1] Mel> half a l");
        process::signal(&mel.child, signal);
        assert_eq!(process::exit_code(&mut mel.child), Some(0));
        ana.wait_for_text("[Mel left]");
        // As it was before the program came.
        let modes = tcgetattr(&*mel.keyboard).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO));
        ana.answer("[lab1] Ana> ", "/clear");
        ana.wait_for_prompt("[lab1] Ana> ");
    }
}

#[test]
fn when_the_server_dies_it_is_told_and_the_talk_goes_on() {
    let chat = Chat::new();
    let mel = start_client(chat.home.path(), &chat.server);
    mel.answer(MAIN, "name Mel");
    mel.answer(MAIN, "connect");
    mel.answer(&format!("crds {}> ", chat.server), "chat lab1");
    mel.wait_for_prompt(PROMPT);
    mel.type_text("half a l");
    mel.wait_for_prompt("[lab1] Mel> half a l");
    let (address, heard) = (chat.group, foreign::receiver(chat.group));
    let ana = foreign::sender();
    // With signal 9: it has no time to say anything.
    drop(chat.server_terminal);
    mel.wait_for_text("[The connection to the server is gone");
    mel.wait_for_prompt("[lab1] Mel> half a l");
    foreign::send(&ana, address, "Ana: what was that?");
    mel.wait_for_text("Ana: what was that?");
    mel.type_text("ine");
    mel.type_text(ENTER);
    foreign::receive(&heard);
    assert_eq!(foreign::receive(&heard), "Mel: half a line");
    mel.wait_for_prompt(PROMPT);
    mel.type_text(LEAVE);
    mel.wait_for_prompt(MAIN);
}

#[test]
fn a_room_deleted_under_one_is_told_and_the_talk_goes_on() {
    let chat = Chat::new();
    let mel = start_client(chat.home.path(), &chat.server);
    let connected = format!("crds {}> ", chat.server);
    mel.answer(MAIN, "name Mel");
    mel.answer(MAIN, "connect");
    mel.answer(&connected, "chat lab1");
    mel.wait_for_prompt(PROMPT);
    let ana = start_client(chat.home.path(), &chat.server);
    ana.answer(MAIN, "name Ana");
    ana.answer(MAIN, "connect");
    ana.answer(&connected, "deleteroom lab1");
    mel.wait_for_text("[room lab1 was deleted by Ana");
    chat.say("Bob: who was that?");
    mel.wait_for_text("Bob: who was that?");
}

/// A server, on which who enters first makes the reliable room `lab1`.
struct Lab {
    home: TempDir,
    _server: Terminal,
    address: String,
    is_made: Cell<bool>,
}

impl Lab {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, address) = start_server(home.path(), &[]);
        Self {
            home,
            _server: server,
            address,
            is_made: Cell::default(),
        }
    }

    fn enter(&self, name: &str) -> Terminal {
        self.enter_with(name, &[])
    }

    fn enter_with(&self, name: &str, environment: &[(&str, &str)]) -> Terminal {
        let downloads = self.home.path().join(name);
        let downloads = downloads.to_str().unwrap();
        let flags = ["--interface", "lo", "--server", &self.address];
        let more = ["--name", name, "--downloads", downloads];
        let rate = ["--rate-max", "4mbit"];
        let mut command = crds(self.home.path(), &[&flags[..], &more, &rate].concat());
        command.envs(environment.iter().copied());
        let client = Terminal::start(command, 24, 100);
        client.answer(MAIN, "connect");
        let connected = format!("crds {}> ", self.address);
        if !self.is_made.replace(true) {
            client.answer(&connected, "makeroom lab1");
        }
        client.answer(&connected, "chat lab1");
        client.wait_for_prompt(&format!("[lab1] {name}> "));
        client
    }
}

/// A server with the room `lab1`, and a foreign program in that room.
struct Chat {
    home: TempDir,
    server: String,
    server_terminal: Terminal,
    group: RoomAddress,
    foreign: UdpSocket,
}

impl Chat {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server_terminal, server) = start_server(home.path(), &[]);
        let group = free_group();
        let maker = start_client(home.path(), &server);
        let makeroom = format!("makeroom lab1 {} {} --plain", group.group(), group.port());
        maker.answer(MAIN, "connect");
        maker.answer(&format!("crds {server}> "), &makeroom);
        maker.wait_for_text("Room lab1 made");
        // What was typed to make it is no history of the tests.
        std::fs::remove_dir_all(home.path().join("state")).unwrap();
        Self {
            home,
            server,
            server_terminal,
            group,
            foreign: foreign::sender(),
        }
    }

    /// Mel's client in the room, in a terminal of that size, without time stamps.
    fn enter(&self, rows: u16, columns: u16) -> Terminal {
        self.enter_with(self.command(), rows, columns)
    }

    fn enter_with(&self, command: Command, rows: u16, columns: u16) -> Terminal {
        let mel = Terminal::start(command, rows, columns);
        mel.answer(MAIN, "chat lab1");
        mel
    }

    fn command(&self) -> Command {
        let mut command = crds(self.home.path(), &self.arguments());
        command.arg("--no-timestamps");
        command
    }

    fn arguments(&self) -> [&str; 6] {
        [
            "--interface",
            "lo",
            "--server",
            &self.server,
            "--name",
            "Mel",
        ]
    }

    /// The foreign program sends this as one datagram.
    fn say(&self, datagram: &str) {
        foreign::send(&self.foreign, self.group, datagram);
    }

    /// Mel says `text`; it stands there once, and the prompt behind it.
    fn type_and_check(&self, mel: &Terminal, text: &str) {
        mel.wait_for_prompt(PROMPT);
        mel.type_text(text);
        // Where a line is broken at the edge is a matter of the editor and of the screen.
        let ends_with = |what: &str, end: String| {
            mel.wait_for(what, |screen| {
                screen.contents().replace('\n', "").ends_with(&end)
            });
        };
        ends_with("the typed line", format!("{PROMPT}{text}"));
        mel.type_text(ENTER);
        ends_with("the line said", format!("Mel: {text}{PROMPT}"));
    }
}

/// Every line between the notice of the room and the prompt at the end.
fn talk(terminal: &Terminal) -> Vec<String> {
    let lines = terminal.lines();
    let after = lines.iter().position(|line| line.starts_with("[in room "));
    let end = lines
        .iter()
        .rposition(|line| line.starts_with(PROMPT.trim_end()));
    let (Some(after), Some(end)) = (after, end) else {
        panic!("no talk in {lines:#?}");
    };
    lines[after + 1..end].to_vec()
}

/// Of the numbers that stand between `before` and `after`, over all lines.
fn sum_between(lines: &[String], before: &str, after: &str) -> usize {
    let numbers = lines.iter().filter_map(|line| {
        let (_, rest) = line.split_once(before)?;
        rest.split_once(after)?.0.parse::<usize>().ok()
    });
    numbers.sum()
}
