//! Each of four lab briefs has a program in `examples/` that does what it asks for. Here their scripts are
//! played, in terminals, against the real server.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

#[path = "common/folder.rs"]
mod folder;
#[path = "common/patience.rs"]
mod patience;
#[path = "common/program.rs"]
mod program;
#[path = "common/pty.rs"]
mod pty;
#[path = "common/session.rs"]
mod session;
use folder::names_in;
use pty::{ENTER, LEAVE, Terminal};
use session::{MAIN, start_client, start_server};

const CTRL_C: &str = "\x03";

/// A server, and where it listens.
struct Lab {
    home: TempDir,
    server: Terminal,
    host: String,
    port: String,
}

impl Lab {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(flags: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (server, address) = start_server(home.path(), flags);
        let (host, port) = address.rsplit_once(':').unwrap();
        Self {
            home,
            server,
            host: host.to_owned(),
            port: port.to_owned(),
        }
    }
}

/// A program of `examples/`. Cargo builds them with the tests, beside the folder that these are in.
fn example(name: &str, arguments: &[&str]) -> Terminal {
    example_in(Path::new("."), name, arguments)
}

/// The same, in this folder.
fn example_in(folder: &Path, name: &str, arguments: &[&str]) -> Terminal {
    let tests: PathBuf = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap();
    let program = program.join("examples").join(name);
    assert!(program.exists(), "`cargo build --examples` makes {name}");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    Terminal::start(command, 50, 100)
}

/// Types a line and its end.
fn enter(terminal: &Terminal, line: &str) {
    terminal.type_text(line);
    terminal.type_text(ENTER);
}

/// Waits until this line stands there so many times.
fn wait_for_times(terminal: &Terminal, line: &str, times: usize) {
    terminal.wait_for(line, |screen| {
        let lines = pty::lines(screen);
        lines.iter().filter(|shown| *shown == line).count() == times
    });
}

fn shows(terminal: &Terminal, text: &str) -> bool {
    terminal.lines().iter().any(|line| line.contains(text))
}

fn at_chat(lab: &Lab, name: &str) -> Terminal {
    let client = example("at_chat", &[]);
    client.wait_for_prompt("Server address: ");
    enter(&client, &lab.host);
    client.wait_for_text("Port: ");
    enter(&client, &lab.port);
    client.wait_for_text("Username: ");
    enter(&client, name);
    client
}

#[test]
fn the_chat_of_at_commands() {
    let lab = Lab::new();
    let john = at_chat(&lab, "John");
    john.wait_for_line("[Welcome John!]");
    let peter = at_chat(&lab, "Peter");
    peter.wait_for_line("[Welcome Peter!]");
    john.wait_for_line("[Peter joined]");
    let stella = at_chat(&lab, "John");
    stella.wait_for_line("[Username has already been used. Please enter another name.]");
    // Typed before the question stands there, it would have the welcome behind it.
    stella.wait_for_prompt("Username: ");
    enter(&stella, "Stella");
    stella.wait_for_line("[Welcome Stella!]");
    for client in [&john, &peter] {
        client.wait_for_line("[Stella joined]");
    }

    enter(&john, "Should we wrap up this project?");
    for client in [&peter, &stella] {
        client.wait_for_line("[John:] Should we wrap up this project?");
    }
    assert!(!shows(&john, "[John:]"));
    enter(&john, "@names");
    john.wait_for_line("[Connected users: John, Peter, Stella]");
    enter(&john, "@Stella Are you available next Tuesday?");
    stella.wait_for_line("[John, to you alone:] Are you available next Tuesday?");
    enter(&stella, "@John Yes");
    john.wait_for_line("[Stella, to you alone:] Yes");
    enter(&john, "@Nobody hi");
    john.wait_for_text("Nobody is not online");

    enter(&peter, "@group set dinner John, Stella");
    for client in [&john, &stella] {
        client.wait_for_line("[You are enrolled in the dinner group]");
    }
    enter(&john, "@group send At eight?");
    stella.wait_for_line("[John, to dinner:] At eight?");
    enter(&peter, "@group send Me too?");
    peter.wait_for("that only members may", |screen| {
        let contents = screen.contents();
        let mut answers = contents
            .lines()
            .skip_while(|line| !line.contains("Me too?"));
        answers.any(|line| line.starts_with('[') && line.contains("group"))
    });
    enter(&peter, "@group set dinner Peter");
    peter.wait_for("that there is one", |screen| {
        let contents = screen.contents();
        let mut answers = contents
            .lines()
            .skip_while(|line| !line.contains("dinner Peter"));
        answers.any(|line| line.starts_with('[') && line.contains("dinner"))
    });
    enter(&peter, "@group set din-ner Peter");
    peter.wait_for_text("[group name `din-ner` is not allowed");
    enter(&stella, "@group leave dinner");
    stella.wait_for_line("[You left the dinner group]");
    john.wait_for_line("[Stella left the dinner group]");
    enter(&john, "@group delete dinner");
    john.wait_for_line("[The dinner group is deleted]");

    enter(&john, "@quit");
    for client in [&peter, &stella] {
        client.wait_for_line("[John exited]");
    }
    enter(&peter, "@quit");
    stella.wait_for_line("[Peter exited]");
    assert!(!shows(&peter, "Tuesday") && !shows(&peter, "[John, to dinner:]"));
    enter(&stella, "@quit");
    stella.wait_for_line("[Disconnected]");
}

fn messenger(lab: &Lab, name: &str) -> Terminal {
    example("messenger", &[name, &lab.host, &lab.port])
}

#[test]
fn the_instant_messenger() {
    let lab = Lab::new();
    let duck = messenger(&lab, "duck");
    duck.wait_for_line("Welcome, duck!");
    // The commands are shown at the start.
    duck.wait_for_text("/whisper NAME TEXT");
    let goose = messenger(&lab, "goose");
    goose.wait_for_line("Welcome, goose!");
    duck.wait_for_line("goose has joined");
    let again = messenger(&lab, "Duck");
    again.wait_for_text("Username has already been used.");

    enter(&duck, "quack");
    enter(&duck, "quack");
    for client in [&duck, &goose] {
        wait_for_times(client, "duck: quack", 2);
    }
    enter(&goose, "/name gander");
    duck.wait_for_line("goose is now called gander");
    enter(&duck, "/list");
    for name in ["  duck", "  gander"] {
        duck.wait_for_line(name);
    }
    enter(&duck, "/whisper gander psst");
    goose.wait_for_line("(to you alone) duck: psst");
    enter(&duck, "/whisper swan psst");
    duck.wait_for_text("swan is not online");
    enter(&duck, "/dance");
    duck.wait_for_text("unknown command /dance: /help shows the commands");

    let swan = messenger(&lab, "swan");
    swan.wait_for_line("Welcome, swan!");
    // Its connection is lost.
    drop(swan);
    for client in [&duck, &goose] {
        client.wait_for_line("swan has left");
    }
    enter(&goose, "/leave");
    goose.wait_for_line("You have left.");
    duck.wait_for_line("gander has left");
    enter(&duck, "alone");
    duck.wait_for_line("duck: alone");

    let nobody = example("messenger", &["duck", "127.0.0.1", "1"]);
    nobody.wait_for_text("no server at 127.0.0.1:1");
}

#[test]
fn the_chat_on_a_random_port() {
    let lab = Lab::new();
    let server = format!("{}:{}", lab.host, lab.port);
    let start = |name: &str| {
        let client = example("random_port_chat", &[&server, name]);
        client.wait_for_line(&format!(
            "Connected to the chat server at {server} as {name}."
        ));
        client
    };
    let (alice, bob) = (start("Alice"), start("Bob"));
    enter(&alice, "hello?");
    bob.wait_for_line("@Alice: hello?");
    enter(&bob, "hi Alice");
    alice.wait_for_line("@Bob: hi Alice");
    enter(&bob, "!follow @alice");
    bob.wait_for_line("You follow @alice");
    enter(&alice, "!follow exam");
    alice.wait_for_line("You follow exam");
    enter(&alice, "nice weather");
    bob.wait_for_line("* @Alice: nice weather");
    enter(&bob, "The EXAM is near");
    alice.wait_for_line("* @Bob: The EXAM is near");
    enter(&bob, "!unfollow @alice");
    bob.wait_for_line("You follow @alice no more");
    // Whoever follows hears it elsewhere too.
    let carol = start_client(lab.home.path(), &server);
    let connected = format!("crds {server}> ");
    carol.answer(MAIN, "name Carol");
    carol.answer(MAIN, "connect");
    carol.answer(&connected, "chat lobby");
    carol.wait_for_prompt("[lobby] Carol> ");
    carol.type_text(LEAVE);
    carol.answer(&connected, "follow @alice");
    carol.wait_for_line("[You follow @alice]");
    enter(&alice, "I have to go");
    bob.wait_for_line("@Alice: I have to go");
    carol.wait_for_text("(in lobby) Alice: I have to go");
    enter(&alice, "!exit");
    alice.wait_for_line("Disconnected.");
    carol.wait_for_line("[Alice exited]");
    lab.server.type_text(CTRL_C);
    bob.wait_for_line("The chat server is gone, and so is this client.");
    // Nobody sees what they say themselves come back.
    assert!(!shows(&alice, "@Alice:") && !shows(&bob, "@Bob:"));
}

const MENU: &str = "Please select one of the following options:";
const CHOICE: &str = "Your choice: ";
const PATH: &str = "Please enter the file path and name: ";
const COOL_FILE: &str = "I am on a light diet: I eat in daylight, I eat in moonlight, and sometimes, I eat in refrigerator light!";

/// A user of the chatroom, in a folder of their own.
struct User {
    terminal: Terminal,
    folder: PathBuf,
}

impl User {
    fn start(lab: &Lab, name: &str) -> Self {
        let folder = lab.home.path().join(name);
        for part in ["attachments", "downloads"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        fs::write(folder.join("attachments/coolfile1.txt"), COOL_FILE).unwrap();
        let terminal = example_in(&folder, "chatroom", &[&lab.host, &lab.port]);
        terminal.wait_for_prompt(CHOICE);
        Self { terminal, folder }
    }

    fn choose(&self, choice: &str) {
        self.terminal.answer(CHOICE, choice);
    }

    fn ask_to_join(&self, name: &str) {
        self.choose("2");
        self.terminal.answer("Please enter a username: ", name);
    }

    /// How often the menu was shown.
    fn menus(&self) -> usize {
        let lines = self.terminal.lines();
        lines.iter().filter(|line| *line == MENU).count()
    }

    fn say(&self, text: &str) {
        enter(&self.terminal, text);
    }

    /// Waits for a line with a time stamp, and gives back all of it.
    fn sees(&self, line: &str) -> String {
        self.sees_times(line, 1)
    }

    fn sees_times(&self, line: &str, times: usize) -> String {
        let is_it = |shown: &&String| unstamped(shown) == Some(line);
        self.terminal.wait_for(line, |screen| {
            pty::lines(screen).iter().filter(is_it).count() >= times
        });
        let lines = self.terminal.lines();
        lines.iter().find(is_it).unwrap().clone()
    }

    /// All lines with time stamps since they came in last.
    fn seen(&self) -> Vec<String> {
        let lines = self.terminal.lines();
        let came = lines
            .iter()
            .rposition(|line| line == "Here is a history of the chatroom.");
        let seen = lines.into_iter().skip(came.unwrap_or_default());
        seen.filter(|line| unstamped(line).is_some()).collect()
    }

    fn downloads(&self) -> Vec<String> {
        names_in(&self.folder.join("downloads"))
    }
}

/// What stands behind `[HH:MM:SS] `.
fn unstamped(line: &str) -> Option<&str> {
    let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let is_time = time.len() == 8 && time.chars().all(|c| c.is_ascii_digit() || c == ':');
    is_time.then_some(rest)
}

/// All see the line, with the same time.
fn all_see(users: &[&User], line: &str) {
    let lines: Vec<String> = users.iter().map(|user| user.sees(line)).collect();
    assert!(lines.iter().all(|other| *other == lines[0]), "{lines:?}");
}

/// One says something, which all see.
fn say(user: &User, name: &str, text: &str, users: &[&User]) {
    user.say(text);
    all_see(users, &format!("{name}: {text}"));
}

#[test]
fn the_chatroom_with_attachments() {
    // 1. The server.
    let lab = Lab::with(&["--limit", "3"]);
    let kept = lab.home.path().join("data/crds/downloads");
    // 2. Cool joins an empty chatroom.
    let cool = User::start(&lab, "cool");
    let menu = cool.terminal.lines();
    assert_eq!(
        menu[..5],
        [
            MENU,
            "1. Get a report of the chatroom from the server.",
            "2. Request to join the chatroom.",
            "3. Quit the program.",
            CHOICE.trim_end()
        ]
    );
    cool.ask_to_join("Cool");
    for line in [
        "The server welcomes you to the chatroom.",
        "Type lowercase 'q' and press enter at any time to quit the chatroom.",
        "Type lowercase 'a' and press enter at any time to upload an attachment to the chatroom.",
        "Here is a history of the chatroom.",
    ] {
        cool.terminal.wait_for_line(line);
    }
    cool.sees("Server: Cool joined the chatroom.");
    say(&cool, "Cool", "Hi", &[&cool]);
    lab.server.wait_for_text("Cool joined from 127.0.0.1:");
    lab.server.wait_for_line("[lobby] Cool: Hi");

    // 3. Fun joins, and sees what was said.
    let fun = User::start(&lab, "fun");
    fun.ask_to_join("Fun");
    let two = [&cool, &fun];
    for line in [
        "Server: Cool joined the chatroom.",
        "Cool: Hi",
        "Server: Fun joined the chatroom.",
    ] {
        all_see(&two, line);
    }
    say(&fun, "Fun", "Hi Cool, are you there?", &two);
    say(
        &cool,
        "Cool",
        "Hey Fun, glad that you joined. We can chat now.",
        &two,
    );
    say(&fun, "Fun", "Let's wait for Fire. He wanted to join.", &two);
    say(&cool, "Cool", "Ok", &two);

    // 4. A name that is taken.
    let fire = User::start(&lab, "fire");
    fire.ask_to_join("Fun");
    fire.terminal
        .wait_for_line("The server rejects the join request. Another user is using this username.");
    fire.terminal.wait_for_prompt(CHOICE);
    assert_eq!(fire.menus(), 2);
    fire.ask_to_join("Fire");
    let all = [&cool, &fun, &fire];
    all_see(&all, "Server: Fire joined the chatroom.");
    assert_eq!(fire.seen(), cool.seen());
    assert!(shows(
        &fire.terminal,
        "Cool: Hey Fun, glad that you joined."
    ));

    // 5. One too many.
    let mut sad = User::start(&lab, "sad");
    sad.ask_to_join("Sad");
    sad.terminal.wait_for_line(
        "The server rejects the join request. The chatroom has reached its maximum capacity.",
    );
    sad.choose("1");
    sad.terminal
        .wait_for_line("There are 3 active users in the chatroom.");
    for line in [
        "1. Cool at IP: 127.0.0.1 and port: ",
        "2. Fun at IP: 127.0.0.1 and port: ",
        "3. Fire at IP: 127.0.0.1 and port: ",
    ] {
        sad.terminal.wait_for_text(line);
        let lines = sad.terminal.lines();
        let port = lines
            .iter()
            .find_map(|shown| shown.strip_prefix(line)?.strip_suffix('.'));
        assert_ne!(port.unwrap().parse::<u16>().unwrap(), 0);
    }
    sad.choose("3");
    assert!(sad.terminal.wait_for_end().success());
    assert_eq!(sad.menus(), 3);
    assert!(!shows(&sad.terminal, "welcomes") && !shows(&cool.terminal, "Sad"));
    lab.server.wait_for_text("Name Sad refused to");

    // 6. An attachment.
    say(&fire, "Fire", "Hey guys! I just joined.", &all);
    say(&cool, "Cool", "What's up Fire?", &all);
    say(&fun, "Fun", "Hey Fire.", &all);
    say(&fire, "Fire", "Guys, I want to attach a cool file!", &all);
    for user in all {
        assert_eq!(user.downloads(), [""; 0]);
    }
    assert_eq!(names_in(&kept), [""; 0]);
    fire.say("a");
    fire.terminal.answer(PATH, "attachments/coolfile1.txt");
    all_see(&all, &format!("Fire: {COOL_FILE}"));
    let folders = all.map(|user| user.folder.join("downloads"));
    for folder in folders.iter().chain([&kept]) {
        assert_eq!(names_in(folder), ["coolfile1.txt"]);
        assert_eq!(
            fs::read_to_string(folder.join("coolfile1.txt")).unwrap(),
            COOL_FILE
        );
    }
    lab.server.wait_for_text("offers coolfile1.txt");

    // 7. Fire leaves.
    say(&fun, "Fun", "Hahaha", &all);
    say(&cool, "Cool", "That was cool! :)", &all);
    say(
        &fire,
        "Fire",
        "Alright guys. I should leave now. Buy.",
        &all,
    );
    fire.say("q");
    all_see(&two, "Server: Fire left the chatroom.");
    fire.terminal.wait_for_prompt(CHOICE);
    lab.server.wait_for_line("Fire exited");

    // 8. And comes back.
    say(&cool, "Cool", "Buy Fire.", &two);
    assert!(!shows(&fire.terminal, "Fire left") && !shows(&fire.terminal, "Buy Fire."));
    fire.ask_to_join("Fire");
    wait_for_times(&fire.terminal, "Here is a history of the chatroom.", 2);
    // The first time, and twice since, once in the history.
    fire.sees_times("Server: Fire joined the chatroom.", 3);
    cool.sees_times("Server: Fire joined the chatroom.", 2);
    assert_eq!(fire.seen(), cool.seen());
    let seen = fire.seen();
    let seen: Vec<&str> = seen.iter().filter_map(|line| unstamped(line)).collect();
    let file = format!("Fire: {COOL_FILE}");
    assert_eq!(
        seen,
        [
            "Server: Cool joined the chatroom.",
            "Cool: Hi",
            "Server: Fun joined the chatroom.",
            "Fun: Hi Cool, are you there?",
            "Cool: Hey Fun, glad that you joined. We can chat now.",
            "Fun: Let's wait for Fire. He wanted to join.",
            "Cool: Ok",
            "Server: Fire joined the chatroom.",
            "Fire: Hey guys! I just joined.",
            "Cool: What's up Fire?",
            "Fun: Hey Fire.",
            "Fire: Guys, I want to attach a cool file!",
            &file,
            "Fun: Hahaha",
            "Cool: That was cool! :)",
            "Fire: Alright guys. I should leave now. Buy.",
            "Server: Fire left the chatroom.",
            "Cool: Buy Fire.",
            "Server: Fire joined the chatroom.",
        ]
    );
    // Who comes back saves nothing once more.
    assert_eq!(fire.downloads(), ["coolfile1.txt"]);
}

#[test]
fn what_goes_wrong_in_the_chatroom_is_told() {
    let lab = Lab::with(&["--limit", "3"]);
    let cool = User::start(&lab, "cool");
    cool.choose("9");
    cool.terminal.wait_for_line("Please enter 1, 2 or 3.");
    cool.choose("1");
    cool.terminal
        .wait_for_line("There are 0 active users in the chatroom.");
    // Announcements are signed so.
    cool.ask_to_join("Server");
    cool.terminal.wait_for_text("choose another name");
    cool.ask_to_join("Cool");
    cool.sees("Server: Cool joined the chatroom.");
    let fun = User::start(&lab, "fun");
    fun.choose("1");
    fun.terminal
        .wait_for_line("There is 1 active user in the chatroom.");
    fun.ask_to_join("Fun");
    all_see(&[&cool, &fun], "Server: Fun joined the chatroom.");

    cool.say("");
    cool.terminal
        .wait_for_line("nothing to say: the text is blank");
    cool.say("a");
    cool.terminal.answer(PATH, "attachments/nothing.txt");
    cool.terminal.wait_for_text("Not uploaded: ");
    fs::write(cool.folder.join("attachments/noise.bin"), b"\0\x01\xff").unwrap();
    fs::write(
        cool.folder.join("attachments/forged.txt"),
        "one\n\n[00:00:00] Fun: two\n",
    )
    .unwrap();
    for path in ["attachments/noise.bin", "attachments/forged.txt"] {
        cool.say("a");
        cool.terminal.answer(PATH, path);
        let told =
            "Server: Cool uploaded a file that is no short text. It is in downloads/noise.bin.";
        all_see(&[&cool, &fun], told);
    }
    // Each line of a text has its sender.
    all_see(&[&cool, &fun], "Cool: [00:00:00] Fun: two");
    assert_eq!(names_in(&fun.folder.join("downloads")).len(), 2);

    lab.server.type_text(CTRL_C);
    for user in [&cool, &fun] {
        user.terminal.wait_for_line("The server is shutting down.");
    }
    cool.choose("1");
    cool.terminal.wait_for_text("no server at 127.0.0.1:");
}
