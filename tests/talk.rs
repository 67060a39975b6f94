//! Talk over the server, as people in terminals of their own see it: names, words to one person, groups,
//! whom one follows, the lobby, and a server that dies and comes back.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::path::Path;
use std::sync::atomic::Ordering;

use tempfile::TempDir;

#[path = "common/group.rs"]
mod group;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/program.rs"]
mod program;
#[path = "common/pty.rs"]
mod pty;
#[path = "common/session.rs"]
mod session;
use group::free_group;
use program::crds;
use pty::{ENTER, LEAVE, Terminal};
use session::{MAIN, start_client, start_server};

const TAB: &str = "\t";

/// A server, and who is on it.
struct Lab {
    home: TempDir,
    server: Option<Terminal>,
    address: String,
}

impl Lab {
    fn new() -> Self {
        Self::with_flags(&[])
    }

    fn with_flags(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, address) = start_server(home.path(), flags);
        Self {
            home,
            server: Some(server),
            address,
        }
    }

    fn prompt(&self) -> String {
        format!("crds {}> ", self.address)
    }

    /// A client that is connected under this name.
    fn online(&self, name: &str) -> Terminal {
        let client = start_client(self.home.path(), &self.address);
        client.answer(MAIN, &format!("name {name}"));
        client.answer(MAIN, "connect");
        client.wait_for_line(&format!("[Welcome {name}!]"));
        client.wait_for_prompt(&self.prompt());
        client
    }

    /// Types a line at the connected prompt.
    fn answer(&self, client: &Terminal, line: &str) {
        client.answer(&self.prompt(), line);
    }

    /// A client in the lobby under this name.
    fn in_lobby(&self, name: &str) -> Terminal {
        let client = self.online(name);
        self.answer(&client, "chat lobby");
        client.wait_for_line(&format!(
            "[in the lobby of {}; Ctrl-] or /leave leaves it]",
            self.address
        ));
        client
    }

    /// With signal 9: it has no time to say anything.
    fn kill_server(&mut self) {
        self.server = None;
    }

    /// It keeps its connections, and does nothing.
    fn hang_server(&self) {
        let server = self.server.as_ref().unwrap();
        let pid = rustix::process::Pid::from_child(&server.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }

    fn start_server_again(&mut self) {
        let (_, port) = self.address.rsplit_once(':').unwrap();
        let arguments = ["serve", "--no-web", "--port", port, "--listen", "127.0.0.1"];
        let server = Terminal::start(crds(self.home.path(), &arguments), 50, 100);
        server.wait_for_text("listening on port");
        self.server = Some(server);
    }
}

#[test]
fn names_are_unique_and_told_to_all() {
    let lab = Lab::new();
    let john = lab.online("John");
    let peter = lab.online("Peter");
    john.wait_for_line("[Peter joined]");

    let stella = start_client(lab.home.path(), &lab.address);
    stella.answer(MAIN, "name john");
    stella.answer(MAIN, "connect");
    stella.wait_for_line("[Username has already been used. Please enter another name.]");
    stella.answer("Your name: ", "PETER");
    stella.wait_for("that it is taken too", |screen| {
        let taken = "[Username has already been used. Please enter another name.]";
        screen.contents().matches(taken).count() == 2
    });
    stella.answer("Your name: ", "quit");
    stella.wait_for_text("`quit`");
    stella.answer("Your name: ", "Stella");
    stella.wait_for_line("[Welcome Stella!]");
    for client in [&john, &peter] {
        client.wait_for_line("[Stella joined]");
    }
    lab.answer(&john, "@names");
    john.wait_for_line("[Connected users: John, Peter, Stella]");
    lab.answer(&john, "name Peter");
    john.wait_for_line("[Username has already been used. Please enter another name.]");
    john.answer("Your name: ", "Jon");
    for client in [&peter, &stella] {
        client.wait_for_line("[John is now known as Jon]");
    }
    lab.answer(&john, "report");
    john.wait_for("a row of each", |screen| {
        let contents = screen.contents();
        let mut names = contents.lines().skip_while(|row| !row.starts_with("NAME"));
        ["NAME", "Jon", "Peter", "Stella"].iter().all(|name| {
            let row = names.next().unwrap_or_default();
            row.split_whitespace().next() == Some(name)
        })
    });
    lab.answer(&peter, "@quit");
    peter.wait_for_prompt(MAIN);
    for client in [&john, &stella] {
        client.wait_for_line("[Peter exited]");
    }
    // Killed: nobody could say goodbye.
    drop(stella);
    john.wait_for_line("[Stella exited]");
}

#[test]
fn a_word_to_one_person_reaches_nobody_else() {
    let lab = Lab::new();
    let john = lab.online("John");
    let peter = lab.in_lobby("Peter");
    let stella = lab.in_lobby("Stella");
    stella.answer("[lobby] Stella> ", "@John Are you free next Tuesday?");
    stella.wait_for_text("(private to John) Stella: Are you free next Tuesday?");
    john.wait_for_text("(private) Stella: Are you free next Tuesday?");
    lab.answer(&john, "reply yes, at eight");
    stella.wait_for_text("(private) John: yes, at eight");
    lab.answer(&john, "msg Peter and you?");
    peter.wait_for_text("(private) John: and you?");

    stella.answer("[lobby] Stella> ", "@Nobody hi");
    stella.wait_for_text("Nobody is not online");
    stella.answer("[lobby] Stella> ", "@John");
    stella.wait_for_text("write it as `@NAME TEXT`");
    stella.answer("[lobby] Stella> ", "/reply see you");
    john.wait_for_text("(private) Stella: see you");
    // What was said before and not meant for him would stand above this.
    stella.answer("[lobby] Stella> ", "to all");
    peter.wait_for_text("Stella: to all");
    let seen = peter.lines().join("\n");
    assert!(
        !seen.contains("Tuesday") && !seen.contains("at eight"),
        "{seen}"
    );
    assert!(
        !seen.contains("see you") && !seen.contains("@John"),
        "{seen}"
    );
}

#[test]
fn in_a_room_the_line_after_a_name_that_is_taken_is_said() {
    let lab = Lab::new();
    let ann = lab.in_lobby("Ann");
    let mel = lab.in_lobby("Mel");
    ann.wait_for_line("[Mel is in the lobby]");
    mel.answer("[lobby] Mel> ", "/name ann");
    mel.wait_for_line("[Username has already been used. Please enter another name.]");
    mel.wait_for_line("[your name stays Mel]");
    mel.answer("[lobby] Mel> ", "hello");
    ann.wait_for_text("Mel: hello");
}

#[test]
fn two_ats_say_one_and_what_somebody_does_is_shown_so() {
    let lab = Lab::new();
    let ann = lab.in_lobby("Ann");
    let mel = lab.in_lobby("Mel");
    ann.wait_for_line("[Mel is in the lobby]");
    ann.answer("[lobby] Ann> ", "@@home is where I am");
    ann.answer("[lobby] Ann> ", "/me waves");
    ann.answer("[lobby] Ann> ", "//etc");
    for client in [&ann, &mel] {
        client.wait_for_text("Ann: @home is where I am");
        client.wait_for_text("* Ann waves");
        client.wait_for_text("Ann: /etc");
    }
    // Ann sees her own lines once: what comes over the server is not shown besides.
    mel.answer("[lobby] Mel> ", "good to see you");
    ann.wait_for_text("Mel: good to see you");
    let own = ann.lines();
    let own = own.iter().filter(|line| line.contains("@home is where"));
    assert_eq!(own.count(), 1);
    mel.answer("[lobby] Mel> ", "/who");
    mel.wait_for("who is in the lobby", |screen| {
        let contents = screen.contents();
        let row = |name: &str| contents.lines().any(|row| row.starts_with(name));
        row("NAME ") && row("Ann ") && row("Mel ")
    });
    mel.answer("[lobby] Mel> ", "/ignore ann");
    mel.wait_for_line("[You ignore ann: nothing of ann is shown]");
    ann.answer("[lobby] Ann> ", "can you hear me?");
    ann.answer("[lobby] Ann> ", "@Mel can you?");
    ann.wait_for_text("(private to Mel) Ann: can you?");
    mel.answer("[lobby] Mel> ", "/unignore Ann");
    mel.wait_for_line("[You ignore ann no more]");
    ann.answer("[lobby] Ann> ", "and now?");
    mel.wait_for_text("Ann: and now?");
    let seen = mel.lines().join("\n");
    assert!(!seen.contains("can you"), "{seen}");
    ann.type_text(LEAVE);
    ann.wait_for_prompt(&lab.prompt());
    mel.wait_for_line("[Ann left the lobby]");
    mel.answer("[lobby] Mel> ", "/clear");
    mel.wait_for("an empty screen", |screen| {
        screen.contents().trim() == "[lobby] Mel>"
    });
}

#[test]
fn what_others_do_and_where_is_the_same_in_every_kind_of_room() {
    let lab = Lab::new();
    let ann = lab.online("Ann");
    let mel = lab.online("Mel");
    let group = free_group();
    let (address, port) = (group.group(), group.port());
    lab.answer(&ann, &format!("makeroom lab1 {address} {port} --plain"));
    lab.answer(&ann, "chat lab1");
    lab.answer(&mel, "chat lab1");
    mel.wait_for_prompt("[lab1] Mel> ");
    ann.answer("[lab1] Ann> ", "/me waves");
    for client in [&ann, &mel] {
        client.wait_for_text("* Ann waves");
    }
    let server = lab.server.as_ref().unwrap();
    server.wait_for_line("[lab1] Ann: /me waves");
    // A word to one person never goes out over multicast.
    ann.answer("[lab1] Ann> ", "@Mel psst");
    mel.wait_for_text("(private) Ann: psst");
    ann.answer("[lab1] Ann> ", "/topic The exam");
    for client in [&ann, &mel] {
        client.wait_for_line("[topic of lab1, set by Ann: The exam]");
    }
    mel.type_text(LEAVE);
    lab.answer(&mel, "chat lab1");
    mel.wait_for_line("[topic: The exam]");
    mel.answer("[lab1] Mel> ", "/names");
    mel.wait_for_line("[Connected users: Ann, Mel]");
    mel.answer("[lab1] Mel> ", "@quit");
    mel.wait_for_line("[left room lab1]");
    mel.wait_for_prompt(MAIN);
    ann.wait_for_line("[Mel exited]");
}

#[test]
fn a_room_lets_in_as_many_as_it_may() {
    let lab = Lab::new();
    let ann = lab.online("Ann");
    let mel = lab.online("Mel");
    lab.answer(&ann, "makeroom tiny --limit 1");
    lab.answer(&ann, "chat tiny");
    ann.wait_for_prompt("[tiny] Ann> ");
    lab.answer(&mel, "chat tiny");
    mel.wait_for_text(
        "The server rejects the join request. The chatroom has reached its maximum capacity.",
    );
    mel.wait_for_prompt(&lab.prompt());
    ann.type_text(LEAVE);
    ann.wait_for_prompt(&lab.prompt());
    lab.answer(&mel, "chat tiny");
    mel.wait_for_prompt("[tiny] Mel> ");
}

#[test]
fn where_the_server_is_full_a_name_still_serves_in_rooms() {
    let full =
        "The server rejects the join request. The chatroom has reached its maximum capacity.";
    let lab = Lab::with_flags(&["--limit", "1"]);
    let ann = lab.online("Ann");
    let times_told = |client: &Terminal, times: usize| {
        client.wait_for("that it is full", |screen| {
            screen.contents().matches(full).count() == times
        });
    };
    let mel = start_client(lab.home.path(), &lab.address);
    mel.answer(MAIN, "name Mel");
    mel.answer(MAIN, "connect");
    times_told(&mel, 1);
    lab.answer(&mel, "chat lobby");
    times_told(&mel, 2);
    lab.answer(&mel, "makeroom lab1");
    lab.answer(&mel, "chat lab1");
    mel.wait_for_prompt("[lab1] Mel> ");
    // Nobody is asked for one name after the other, of which none would do.
    let lou = start_client(lab.home.path(), &lab.address);
    lou.answer(MAIN, "connect");
    lab.answer(&lou, "chat lobby");
    lou.answer("Your name: ", "Lou");
    times_told(&lou, 1);
    lab.answer(&ann, "@quit");
    ann.wait_for_prompt(MAIN);
    lab.answer(&lou, "name Lou");
    lou.wait_for_line("[Welcome Lou!]");
    mel.answer("[lab1] Mel> ", "@names");
    mel.wait_for_line("[Connected users: Lou]");
}

#[test]
fn a_server_that_hangs_holds_up_nobody_in_a_room() {
    let lab = Lab::new();
    let ann = lab.online("Ann");
    let [mel, lou] = ["Mel", "Lou"].map(|name| lab.online(name));
    lab.answer(&ann, "makeroom lab1");
    lab.answer(&ann, "chat lab1");
    for (client, name) in [(&mel, "Mel"), (&lou, "Lou")] {
        lab.answer(client, "chat lab1");
        client.answer(&format!("[lab1] {name}> "), "good morning");
        ann.wait_for_text(&format!("{name}: good morning"));
    }
    lab.hang_server();
    mel.type_text(LEAVE);
    ann.answer("[lab1] Ann> ", "/who");
    // Some seconds later the server counts as gone, and the prompt would be another.
    mel.wait_for_line("[left room lab1]");
    mel.wait_for_prompt(&lab.prompt());
    ann.wait_for_text("NAME ");
    ann.answer("[lab1] Ann> ", "I see you");
    ann.wait_for_text("Ann: I see you");
    let seen = ann.lines().join("\n");
    assert!(!seen.contains("server is gone"), "{seen}");
    // Before that its silence is no reason to talk by its relay.
    ann.wait_for_text("server is gone");
    let seen = ann.lines().join("\n");
    assert!(!seen.contains("using the relay"), "{seen}");
    ann.answer("[lab1] Ann> ", "still there?");
    lou.wait_for_text("Ann: still there?");
}

#[test]
fn a_terminal_rings_for_what_it_was_told_to() {
    let lab = Lab::new();
    let ann = lab.in_lobby("Ann");
    let listeners = ["off", "private", "all"].map(|bell| {
        let name = format!("Mel-{bell}");
        let arguments = ["--server", &lab.address, "--name", &name, "--bell", bell];
        let client = Terminal::start(crds(lab.home.path(), &arguments), 50, 100);
        client.answer(MAIN, "connect");
        lab.answer(&client, "chat lobby");
        client.wait_for_prompt(&format!("[lobby] {name}> "));
        ann.answer("[lobby] Ann> ", &format!("@{name} psst"));
        client.wait_for_text("(private) Ann: psst");
        client
    });
    ann.answer("[lobby] Ann> ", "to all");
    let rung = listeners.map(|client| {
        // Behind the line stands its bell.
        client.wait_for_text("Ann: to all");
        client.wait_for("prompt", |screen| screen.contents().ends_with("> "));
        client.bells.load(Ordering::Relaxed)
    });
    assert_eq!(rung, [0, 1, 2]);
}

#[test]
fn a_group_talks_among_itself() {
    let lab = Lab::new();
    let john = lab.online("John");
    let peter = lab.online("Peter");
    let stella = lab.in_lobby("Stella");
    lab.answer(&peter, "@group set dinner John, Stella");
    peter.wait_for_line("[The dinner group is made of John, Stella]");
    for client in [&john, &stella] {
        client.wait_for_line("[You are enrolled in the dinner group]");
    }
    lab.answer(&john, "@group send at eight?");
    john.wait_for_text("(group dinner) John: at eight?");
    stella.wait_for_text("(group dinner) John: at eight?");
    stella.answer("[lobby] Stella> ", "/group send dinner fine");
    john.wait_for_text("(group dinner) Stella: fine");

    for (line, told) in [
        ("@group send may I come?", "you are in no group"),
        (
            "@group send dinner may I come?",
            "you are not a member of group dinner",
        ),
        ("@group set dinner Peter", "group name dinner is taken"),
        (
            "@group set d-inner Peter",
            "group name `d-inner` is not allowed",
        ),
        ("@group set tea Nobody", "Nobody is not online"),
        (
            "@group delete dinner",
            "you are not a member of group dinner",
        ),
        ("@group leave tea", "no such group: tea"),
        ("@group dance", "write it as `@group set"),
    ] {
        lab.answer(&peter, line);
        peter.wait_for_text(told);
    }
    john.wait_for_prompt(&lab.prompt());
    john.type_text(&format!("@group leave d{TAB}"));
    john.wait_for_prompt(&format!("{}@group leave dinner ", lab.prompt()));
    john.type_text(ENTER);
    john.wait_for_line("[You left the dinner group]");
    stella.wait_for_line("[John left the dinner group]");
    stella.answer("[lobby] Stella> ", "/groups");
    stella.wait_for_line("[dinner: Stella]");
    stella.answer("[lobby] Stella> ", "@group delete dinner");
    stella.wait_for_line("[The dinner group is deleted]");
    stella.answer("[lobby] Stella> ", "/groups");
    stella.wait_for_text("[You are in no group");
    let seen = peter.lines().join("\n");
    assert!(
        !seen.contains("at eight") && !seen.contains("fine"),
        "{seen}"
    );
}

#[test]
fn whom_one_follows_is_heard_from_any_room() {
    let lab = Lab::new();
    let fan = lab.online("Fan");
    let alice = lab.in_lobby("Alice");
    let bob = lab.in_lobby("Bob");
    lab.answer(&fan, "follow @alice");
    fan.wait_for_line("[You follow @alice]");
    lab.answer(&fan, "follow Exam");
    fan.wait_for_line("[You follow the word exam]");
    lab.answer(&fan, "following");
    fan.wait_for_line("[You follow: @alice, exam]");
    bob.answer("[lobby] Bob> ", "nothing of interest");
    alice.answer("[lobby] Alice> ", "good morning");
    fan.wait_for_text("(in lobby) Alice: good morning");
    bob.answer("[lobby] Bob> ", "when is the exam?");
    fan.wait_for_text("(in lobby) Bob: when is the exam?");
    lab.answer(&fan, "unfollow @alice");
    fan.wait_for_line("[You follow @alice no more]");
    alice.answer("[lobby] Alice> ", "unheard");
    bob.wait_for_text("Alice: unheard");
    bob.answer("[lobby] Bob> ", "the exam is over");
    fan.wait_for_text("(in lobby) Bob: the exam is over");
    let seen = fan.lines().join("\n");
    assert!(
        !seen.contains("unheard") && !seen.contains("of interest"),
        "{seen}"
    );
}

#[test]
fn who_is_away_is_said_to_who_whispers() {
    let lab = Lab::new();
    let john = lab.online("John");
    let mel = lab.online("Mel");
    lab.answer(&john, "away at lunch");
    john.wait_for_line("[You are away: at lunch]");
    lab.answer(&mel, "@John hungry?");
    john.wait_for_text("(private) Mel: hungry?");
    mel.wait_for("that he is away", |screen| {
        let contents = screen.contents();
        let mut lines = contents.lines();
        lines.any(|line| line.starts_with('[') && line.contains("at lunch"))
    });
    lab.answer(&john, "away");
    john.wait_for_line("[You are back]");
}

#[test]
fn clients_come_back_with_names_and_groups() {
    let mut lab = Lab::new();
    let john = lab.online("John");
    let stella = lab.in_lobby("Stella");
    lab.answer(&john, "@group set dinner John, Stella");
    john.wait_for_line("[You are enrolled in the dinner group]");
    stella.wait_for_line("[You are enrolled in the dinner group]");
    lab.answer(&john, "follow exam");
    john.wait_for_line("[You follow the word exam]");
    lab.kill_server();
    for client in [&john, &stella] {
        client.wait_for_text("[The connection to the server is gone");
    }
    stella.answer("[lobby] Stella> ", "can anybody hear me?");
    stella.wait_for_text("the connection to the server is lost");
    lab.start_server_again();
    for client in [&john, &stella] {
        client.wait_for_line(&format!("[Connected to {} again]", lab.address));
    }
    // A prompt that stood there says where one was: the next one where one is.
    john.type_text(ENTER);
    lab.answer(&john, "@group send dinner still at eight?");
    stella.wait_for_text("(group dinner) John: still at eight?");
    stella.answer("[lobby] Stella> ", "after the exam");
    john.wait_for_text("(in lobby) Stella: after the exam");
    stella.answer("[lobby] Stella> ", "@names");
    stella.wait_for("both names", |screen| {
        let contents = screen.contents();
        contents.contains("[Connected users: John, Stella]")
            || contents.contains("[Connected users: Stella, John]")
    });
}

#[test]
fn a_server_that_stops_says_so() {
    let lab = Lab::new();
    let john = lab.online("John");
    lab.server.as_ref().unwrap().type_text("\x03");
    john.wait_for_line("[The server is shutting down]");
    john.wait_for_text("[Rooms go on without it; the client comes back when it does.]");
}

#[test]
fn a_script_whose_name_is_taken_ends() {
    let lab = Lab::new();
    let _john = lab.online("John");
    let output = piped(lab.home.path(), &lab.address, "connect\nnames\n");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        errors,
        "crds: Username has already been used. Please enter another name.\n"
    );
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains("Connected users"), "{shown}");
}

/// The client in a pipe, as John.
fn piped(home: &Path, server: &str, script: &str) -> std::process::Output {
    let arguments = ["--interface", "lo", "--server", server, "--name", "John"];
    let input = home.join("script");
    std::fs::write(&input, script).unwrap();
    let mut command = crds(home, &arguments);
    command.stdin(std::fs::File::open(input).unwrap());
    command.output().unwrap()
}
