//! An instant messenger: everybody on the server reads what anybody writes.
//!
//! ```text
//! crds serve --port 12000                                  # in one terminal
//! cargo run --example messenger -- duck 127.0.0.1 12000    # in others
//! ```

use crds::chat::{RoomName, UserName, printable};
use crds::client::{Connection, ConnectionEvent, ServerEvent};

#[path = "common/keyboard.rs"]
mod keyboard;
use keyboard::{AnyError, Keyboard, end};

const USAGE: &str = "usage: messenger USERNAME HOST PORT";

const HELP: &str = "\
A line is sent to everybody. The commands:
  /name NAME          choose a new name
  /list               list who is here
  /whisper NAME TEXT  send TEXT to NAME alone
  /help               show this
  /leave              leave the chat";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    end(messenger().await)
}

async fn messenger() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, host, port] = arguments.as_slice() else {
        return Err(USAGE.into());
    };
    let name: UserName = name.parse()?;
    let server = format!("{host}:{port}").parse()?;
    // Without a name nobody may send, so it comes first.
    let mut connection = Connection::open(&server, Some(&name)).await?;
    // What everybody reads is said in the lobby, which every server has.
    connection.enter_lobby().await?;
    println!("{HELP}");
    let mut keyboard = Keyboard::new();
    loop {
        tokio::select! {
            line = keyboard.line() => match line {
                Some(line) if line.trim() != "/leave" => {
                    if let Err(error) = obey(&connection, line.trim()).await {
                        println!("{error}");
                    }
                }
                _ => break,
            },
            event = connection.next_event() => show(event),
        }
    }
    connection.bye().await;
    println!("You have left.");
    Ok(())
}

async fn obey(connection: &Connection, line: &str) -> Result<(), AnyError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => {}
        "/help" => println!("{HELP}"),
        "/list" => {
            for name in connection.names().await? {
                println!("  {name}");
            }
        }
        "/name" => {
            let name: UserName = rest.trim().parse()?;
            connection.set_name(&name).await?;
            println!("You are now called {name}.");
        }
        "/whisper" => {
            let (to, text) = rest.trim().split_once(' ').ok_or("/whisper NAME TEXT")?;
            connection.whisper(to.parse()?, text.parse()?).await?;
            println!("(to {to} alone) {text}");
        }
        command if command.starts_with('/') => {
            return Err(format!("unknown command {command}: /help shows the commands").into());
        }
        _ => connection.say(RoomName::lobby(), line.parse()?).await?,
    }
    Ok(())
}

fn show(event: ConnectionEvent) {
    let text = match event {
        ConnectionEvent::Server(event) => match event {
            ServerEvent::Welcome(name) => format!("Welcome, {name}!"),
            ServerEvent::Joined(name) => format!("{name} has joined"),
            ServerEvent::Exited(name) => format!("{name} has left"),
            ServerEvent::Renamed { before, name } => format!("{before} is now called {name}"),
            // The server sends it to everybody: so who wrote it sees that it arrived.
            ServerEvent::Line { from, text, .. } => format!("{from}: {text}"),
            ServerEvent::Whisper { from, text } => format!("(to you alone) {from}: {text}"),
            ServerEvent::Notice(text) => text,
            ServerEvent::ServerStopping => "The server is shutting down.".to_owned(),
            _ => return,
        },
        ConnectionEvent::Lost(reason) => {
            format!("The connection is lost ({reason}); it is tried again until it is back.")
        }
        ConnectionEvent::Back => "The connection is back.".to_owned(),
        ConnectionEvent::NameLost { name, why } => {
            format!("{name} is not your name any more: {why} /name NAME chooses another.")
        }
        ConnectionEvent::RoomLost { why, .. } => why.to_string(),
        ConnectionEvent::Missed(events) => format!("{events} messages were missed."),
    };
    // What others write must not play with the terminal.
    println!("{}", printable(&text));
}
