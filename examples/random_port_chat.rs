//! A chat whose server picks a port; without the server the clients end.
//!
//! ```text
//! crds serve --port 0                                            # says on which port it listens
//! cargo run --example random_port_chat -- 127.0.0.1:PORT alice   # in other terminals
//! ```
//!
//! A line is sent to everybody else, who sees it as `@alice: TEXT`. `!follow @bob` and `!follow exam` mark what bob says
//! and what has that word in it, and bring it from other rooms too; `!unfollow` ends that, `!exit` the client.

use crds::chat::{Followed, MessageText, RoomName, ServerAddress, TopicWord, UserName, printable};
use crds::client::{Connection, ConnectionEvent, ServerEvent};

#[path = "common/keyboard.rs"]
mod keyboard;
use keyboard::{AnyError, Keyboard, end};

const USAGE: &str = "usage: random_port_chat HOST:PORT USERNAME";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    end(chat().await)
}

async fn chat() -> Result<(), AnyError> {
    let mut arguments = std::env::args().skip(1);
    let server: ServerAddress = arguments.next().ok_or(USAGE)?.parse()?;
    let me: UserName = arguments.next().ok_or(USAGE)?.parse()?;
    let mut connection = Connection::open(&server, Some(&me)).await?;
    connection.enter_lobby().await?;
    println!("Connected to the chat server at {server} as {me}.");
    let mut keyboard = Keyboard::new();
    let mut followed = Vec::new();
    loop {
        tokio::select! {
            line = keyboard.line() => match line {
                Some(line) if line.trim() != "!exit" => {
                    if let Err(error) = obey(&connection, line.trim(), &mut followed).await {
                        println!("{error}");
                    }
                }
                _ => break,
            },
            event = connection.next_event() => match event {
                ConnectionEvent::Server(ServerEvent::ServerStopping) | ConnectionEvent::Lost(_) => {
                    println!("The chat server is gone, and so is this client.");
                    return Ok(());
                }
                ConnectionEvent::Server(event) => show(event, &me, &followed),
                _ => {}
            },
        }
    }
    // The server takes us off its list.
    connection.bye().await;
    println!("Disconnected.");
    Ok(())
}

async fn obey(
    connection: &Connection,
    line: &str,
    followed: &mut Vec<Followed>,
) -> Result<(), AnyError> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" => {}
        "!follow" => {
            connection.follow(rest.trim().parse()?).await?;
            *followed = connection.following().await?;
            println!("You follow {}", rest.trim());
        }
        "!unfollow" => {
            connection.unfollow(rest.trim().parse()?).await?;
            *followed = connection.following().await?;
            println!("You follow {} no more", rest.trim());
        }
        command if command.starts_with('!') => {
            return Err("the commands are !follow, !unfollow and !exit".into());
        }
        _ => connection.say(RoomName::lobby(), line.parse()?).await?,
    }
    Ok(())
}

fn show(event: ServerEvent, me: &UserName, followed: &[Followed]) {
    let text = match event {
        ServerEvent::Line { from, text, .. } if from != me.as_str() => {
            let mark = if is_followed(followed, &from, &text) {
                "* "
            } else {
                ""
            };
            format!("{mark}@{from}: {text}")
        }
        ServerEvent::Followed { room, from, text } => format!("* ({room}) @{from}: {text}"),
        ServerEvent::Notice(text) => text,
        _ => return,
    };
    // What others write must not play with the terminal.
    println!("{}", printable(&text));
}

fn is_followed(followed: &[Followed], from: &str, text: &MessageText) -> bool {
    let words = TopicWord::all_of(text.as_str());
    followed.iter().any(|what| match what {
        Followed::User(name) => from.parse::<UserName>().is_ok_and(|from| from == *name),
        Followed::Word(word) => words.contains(word),
    })
}
