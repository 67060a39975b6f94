//! A chat of `@` commands: whoever connects talks to all, or with `@NAME` to one, or with `@group` to some.
//!
//! ```text
//! crds serve                        # in one terminal
//! cargo run --example at_chat       # in others; asks for the server's address and port, and for a name
//! ```
//!
//! `@names`, `@NAME TEXT`, `@group set GROUP NAME, NAME…`, `@group send TEXT`, `@group leave GROUP`,
//! `@group delete GROUP`, `@quit`. Whatever the server says stands in square brackets.

use crds::chat::{RoomName, UserName, printable};
use crds::client::{Connection, ConnectionEvent, RequestError, ServerEvent};

#[path = "common/keyboard.rs"]
mod keyboard;
use keyboard::{AnyError, Keyboard, end};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    end(chat().await.map_err(|error| format!("[{error}]")))
}

async fn chat() -> Result<(), AnyError> {
    let mut keyboard = Keyboard::new();
    let host = ask(&mut keyboard, "Server address: ").await?;
    let port = ask(&mut keyboard, "Port: ").await?;
    let server = format!("{}:{}", host.trim(), port.trim()).parse()?;
    let mut connection = Connection::open(&server, None).await?;
    let me = take_name(&connection, &mut keyboard).await?;
    // What all hear is said in the lobby, which every server has.
    connection.enter_lobby().await?;
    loop {
        tokio::select! {
            line = keyboard.line() => match line {
                Some(line) if line.trim() != "@quit" => {
                    if let Err(error) = obey(&connection, line.trim()).await {
                        println!("[{error}]");
                    }
                }
                _ => break,
            },
            event = connection.next_event() => show(event, &me),
        }
    }
    connection.bye().await;
    println!("[Disconnected]");
    Ok(())
}

async fn ask(keyboard: &mut Keyboard, question: &str) -> Result<String, AnyError> {
    let answer = keyboard.ask(question).await;
    answer.ok_or_else(|| "no answer".into())
}

/// Asks until the server gives the name.
async fn take_name(connection: &Connection, keyboard: &mut Keyboard) -> Result<UserName, AnyError> {
    loop {
        let given = ask(keyboard, "Username: ").await?;
        let name = match given.trim().parse::<UserName>() {
            Ok(name) => name,
            Err(error) => {
                println!("[{error}]");
                continue;
            }
        };
        match connection.set_name(&name).await {
            Ok(()) => return Ok(name),
            Err(RequestError::Refusal(refusal)) => println!("[{refusal}]"),
            Err(gone) => return Err(gone.into()),
        }
    }
}

async fn obey(connection: &Connection, line: &str) -> Result<(), AnyError> {
    let (word, text) = line.split_once(' ').unwrap_or((line, ""));
    match word.strip_prefix('@') {
        None if line.is_empty() => Ok(()),
        None => Ok(connection.say(RoomName::lobby(), line.parse()?).await?),
        Some("names") => {
            let names = connection.names().await?;
            println!("[Connected users: {}]", listed(&names));
            Ok(())
        }
        Some("group") => obey_group(connection, text.trim()).await,
        Some(name) => Ok(connection.whisper(name.parse()?, text.parse()?).await?),
    }
}

async fn obey_group(connection: &Connection, line: &str) -> Result<(), AnyError> {
    let (what, rest) = line.split_once(' ').unwrap_or((line, ""));
    match what {
        "set" => {
            let (group, members) = rest.split_once(' ').unwrap_or((rest, ""));
            let members = members.split(',').map(|name| name.trim().parse());
            let members = members.collect::<Result<Vec<_>, _>>()?;
            connection.set_group(group.parse()?, members).await?;
            println!("[The {group} group is made]");
        }
        "send" => connection.say_to_group(rest.parse()?).await?,
        "leave" => {
            connection.leave_group(rest.trim().parse()?).await?;
            println!("[You left the {} group]", rest.trim());
        }
        "delete" => {
            connection.delete_group(rest.trim().parse()?).await?;
            println!("[The {} group is deleted]", rest.trim());
        }
        _ => println!("[@group set GROUP NAME, NAME… | send TEXT | leave GROUP | delete GROUP]"),
    }
    Ok(())
}

fn show(event: ConnectionEvent, me: &UserName) {
    let text = match event {
        ConnectionEvent::Server(event) => match event {
            ServerEvent::Welcome(name) => format!("[Welcome {name}!]"),
            ServerEvent::Joined(name) => format!("[{name} joined]"),
            ServerEvent::Exited(name) => format!("[{name} exited]"),
            ServerEvent::Renamed { before, name } => format!("[{before} is now known as {name}]"),
            ServerEvent::Line { from, text, .. } if from != me.as_str() => {
                format!("[{from}:] {text}")
            }
            ServerEvent::Whisper { from, text } => format!("[{from}, to you alone:] {text}"),
            ServerEvent::Enrolled { group, .. } => {
                format!("[You are enrolled in the {group} group]")
            }
            ServerEvent::GroupLine { group, from, text } => format!("[{from}, to {group}:] {text}"),
            ServerEvent::GroupLeft { group, by } => format!("[{by} left the {group} group]"),
            ServerEvent::GroupDeleted { group, by } => format!("[{by} deleted the {group} group]"),
            ServerEvent::Notice(text) => format!("[{text}]"),
            ServerEvent::ServerStopping => "[The server is shutting down]".to_owned(),
            _ => return,
        },
        ConnectionEvent::Lost(reason) => format!("[Connection lost: {reason}]"),
        ConnectionEvent::Back => "[Connected again]".to_owned(),
        ConnectionEvent::NameLost { why, .. } | ConnectionEvent::RoomLost { why, .. } => {
            format!("[{why}]")
        }
        ConnectionEvent::Missed(events) => format!("[{events} messages were missed]"),
    };
    // What others write must not play with the terminal.
    println!("{}", printable(&text));
}

fn listed(names: &[UserName]) -> String {
    let names: Vec<&str> = names.iter().map(UserName::as_str).collect();
    names.join(", ")
}
