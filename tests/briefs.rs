//! Each of three lab briefs has a program in `examples/` that does what it asks for. Here their scripts are
//! played, in terminals, against the real server.
#![allow(clippy::disallowed_types, clippy::disallowed_methods)]

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

#[path = "common/program.rs"]
mod program;
#[path = "common/pty.rs"]
mod pty;
#[path = "common/session.rs"]
mod session;
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
        let home = tempfile::tempdir().unwrap();
        let (server, address) = start_server(home.path());
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
    let tests: PathBuf = std::env::current_exe().unwrap();
    let program = tests.parent().unwrap().parent().unwrap();
    let program = program.join("examples").join(name);
    assert!(program.exists(), "`cargo build --examples` makes {name}");
    let mut command = Command::new(program);
    command.args(arguments);
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
        let contents = screen.contents();
        contents.lines().filter(|shown| *shown == line).count() == times
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
