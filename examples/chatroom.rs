//! A chatroom of at most three, as a lab brief wants it: who joins sees all that was said before; an attachment comes to
//! everybody's `downloads` folder, and a text is shown as well.
//!
//! ```text
//! crds serve --port 18000 --limit 3      # in one terminal
//! cargo run --example chatroom           # in others, each in a folder of its own; or: chatroom HOST [PORT]
//! ```
#![allow(clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crds::chat::{
    ByteSize, FileOffer, Happening, HistoryEntry, HistoryPage, HistoryQuery, MessageText, RoomName,
    ServerAddress, SessionId, UserName, printable,
};
use crds::client::{
    Connection, ConnectionEvent, FileFor, Files, RefusalCode, RequestError, ServerEvent,
    SourceFile, Transfer,
};
use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

#[path = "common/keyboard.rs"]
mod keyboard;
use keyboard::{AnyError, Keyboard, end};

const USAGE: &str = "usage: chatroom [HOST [PORT]]";

const MENU: &str = "\
Please select one of the following options:
1. Get a report of the chatroom from the server.
2. Request to join the chatroom.
3. Quit the program.";

const WELCOME: &str = "\
The server welcomes you to the chatroom.
Type lowercase 'q' and press enter at any time to quit the chatroom.
Type lowercase 'a' and press enter at any time to upload an attachment to the chatroom.
Here is a history of the chatroom.";

/// The brief's words for a name that is taken. Those for a full chatroom are the server's own.
const NAME_IN_USE: &str =
    "The server rejects the join request. Another user is using this username.";

/// Who announces. Nobody can have this name.
const SERVER: &str = "Server";

/// Where attachments are kept.
const DOWNLOADS: &str = "downloads";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    end(chatroom().await)
}

async fn chatroom() -> Result<(), AnyError> {
    let server = server()?;
    let mut keyboard = Keyboard::new();
    loop {
        println!("{MENU}");
        let Some(choice) = keyboard.ask("Your choice: ").await else {
            return Ok(());
        };
        let done = match choice.trim() {
            "1" => report(&server).await,
            "2" => join(&server, &mut keyboard).await,
            "3" => return Ok(()),
            _ => Err("Please enter 1, 2 or 3.".into()),
        };
        if let Err(error) = done {
            println!("{}", printable(&error.to_string()));
        }
    }
}

fn server() -> Result<ServerAddress, AnyError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (host, port) = match arguments.as_slice() {
        [] => ("127.0.0.1", "18000"),
        [host] => (host.as_str(), "18000"),
        [host, port] => (host.as_str(), port.as_str()),
        _ => return Err(USAGE.into()),
    };
    Ok(ServerAddress {
        host: host.to_owned(),
        port: port.parse().map_err(|_| USAGE)?,
    })
}

async fn report(server: &ServerAddress) -> Result<(), AnyError> {
    let connection = Connection::open(server, None).await?;
    let users = connection.report().await?;
    match users.len() {
        1 => println!("There is 1 active user in the chatroom."),
        number => println!("There are {number} active users in the chatroom."),
    }
    for (number, user) in (1..).zip(users) {
        let (ip, port) = (user.address.ip().to_canonical(), user.address.port());
        println!("{number}. {} at IP: {ip} and port: {port}.", user.name);
    }
    connection.bye().await;
    Ok(())
}

async fn join(server: &ServerAddress, keyboard: &mut Keyboard) -> Result<(), AnyError> {
    let Some(name) = keyboard.ask("Please enter a username: ").await else {
        return Ok(());
    };
    let name: UserName = name.trim().parse()?;
    let connection = Connection::open(server, None).await?;
    match connection.set_name(&name).await {
        Err(RequestError::Refusal(why)) if why.code == RefusalCode::NameInUse => {
            return Err(NAME_IN_USE.into());
        }
        named => named?,
    }
    // What all say is said in the lobby, which every server has. That we joined is the last thing in its history.
    connection.enter_lobby().await?;
    let query = HistoryQuery::default();
    let history = connection.whole_history(RoomName::lobby(), query, None);
    let history = history.await;
    println!("{WELCOME}");
    let shown_to = match history {
        Ok(history) => show_history(&connection.files(), history).await,
        Err(RequestError::Refusal(why)) => {
            println!("{}", printable(&why.text));
            0
        }
        Err(gone) => return Err(gone.into()),
    };
    chat(connection, keyboard, shown_to).await
}

/// Shows it all. What happens in the chatroom has numbers; gives back the first that is not shown.
async fn show_history(files: &Files, mut history: HistoryPage) -> u64 {
    files.show_texts(&mut history.entries, usize::MAX).await;
    for entry in &history.entries {
        println!("{}", past(entry));
    }
    let mut positions = history.positions.iter();
    let lobby = positions.find(|position| position.origin == SessionId(0));
    lobby.map_or(0, |position| position.next)
}

fn past(entry: &HistoryEntry) -> String {
    let from = entry.from.as_str();
    let announced = match &entry.what {
        Happening::Text(text) => return stamped(entry.said_at, from, text.as_str()),
        Happening::File(file) => {
            let size = ByteSize(file.size_bytes);
            format!("{from} uploaded {} ({size}).", file.name)
        }
        Happening::Joined => format!("{from} joined the chatroom."),
        Happening::Left => format!("{from} left the chatroom."),
        Happening::Renamed(name) => format!("{from} is called {name} now."),
    };
    stamped(entry.said_at, SERVER, &announced)
}

async fn chat(
    mut connection: Connection,
    keyboard: &mut Keyboard,
    shown_to: u64,
) -> Result<(), AnyError> {
    // Files are on their way while we chat. What became of them comes here.
    let (told, mut news) = mpsc::unbounded_channel();
    loop {
        tokio::select! {
            line = keyboard.line() => match line.as_deref().map(str::trim_end) {
                None | Some("q") => break,
                Some("a") => {
                    let path = keyboard.ask("Please enter the file path and name: ").await;
                    let path = PathBuf::from(path.unwrap_or_default().trim());
                    meanwhile(&told, upload(connection.files(), path));
                }
                Some(line) => if let Err(error) = say(&connection, line).await {
                    println!("{}", printable(&error.to_string()));
                },
            },
            Some(lines) = news.recv() => println!("{lines}"),
            event = connection.next_event() => match event {
                ConnectionEvent::Server(event) if is_past(&event, shown_to) => {}
                ConnectionEvent::Server(ServerEvent::File { room: Some(_), from, offer, said_at, .. }) => {
                    meanwhile(&told, download(connection.files(), from, offer, said_at));
                }
                ConnectionEvent::Server(ServerEvent::ServerStopping) => {
                    return Err("The server is shutting down.".into());
                }
                ConnectionEvent::Server(event) => show(event),
                ConnectionEvent::Lost(why) => {
                    return Err(format!("The connection to the server is lost: {why}.").into());
                }
                ConnectionEvent::Missed(events) => println!("{events} messages were missed."),
                _ => {}
            },
        }
    }
    connection.bye().await;
    Ok(())
}

async fn say(connection: &Connection, line: &str) -> Result<(), AnyError> {
    Ok(connection.say(RoomName::lobby(), line.parse()?).await?)
}

/// Does it while we chat, and then tells what there is to show.
fn meanwhile(
    told: &mpsc::UnboundedSender<String>,
    work: impl Future<Output = Option<String>> + Send + 'static,
) {
    let told = told.clone();
    tokio::spawn(async move {
        if let Some(lines) = work.await {
            // Who has quit needs not to be told.
            let _ = told.send(lines);
        }
    });
}

/// Brings a file to the server, which tells all of it, and so us; there is more to show only if that fails.
async fn upload(files: Files, path: PathBuf) -> Option<String> {
    let uploading = async {
        let source = Arc::new(spawn_blocking(move || SourceFile::open(&path)).await??);
        let transfer = Transfer::default();
        files.upload(Arc::clone(&source), &transfer).await?;
        let all = FileFor::Room(RoomName::lobby());
        files.offer(all, source.offer().clone()).await?;
        Ok::<_, AnyError>(())
    };
    let error = uploading.await.err()?;
    Some(printable(&format!("Not uploaded: {error}")).into_owned())
}

/// Fetches a file. What it says is shown, if it is a text.
async fn download(
    files: Files,
    from: UserName,
    offer: FileOffer,
    said_at: Timestamp,
) -> Option<String> {
    let folder = Path::new(DOWNLOADS);
    let path = match files.download(&offer, folder, &Transfer::default()).await {
        Ok(path) => path,
        Err(error) => {
            let name = offer.name;
            let text = format!("{from} uploaded {name}, which did not come: {error}");
            return Some(stamped(said_at, SERVER, &text));
        }
    };
    let is_short = offer.size_bytes <= MessageText::BYTES_MAX as u64;
    let shown = path.display().to_string();
    let read = spawn_blocking(move || is_short.then(|| std::fs::read(path).ok())?);
    let content = read.await.ok().flatten();
    Some(match content.and_then(MessageText::of_file) {
        Some(text) => stamped(said_at, from.as_str(), text.as_str()),
        None => {
            let text = format!("{from} uploaded a file that is no short text. It is in {shown}.");
            stamped(said_at, SERVER, &text)
        }
    })
}

/// Whether it was shown with the history.
fn is_past(event: &ServerEvent, shown_to: u64) -> bool {
    match event {
        ServerEvent::Line { number, .. }
        | ServerEvent::Entered { number, .. }
        | ServerEvent::Left { number, .. } => *number < shown_to,
        ServerEvent::File { number, .. } => number.is_some_and(|number| number < shown_to),
        _ => false,
    }
}

fn show(event: ServerEvent) {
    println!(
        "{}",
        match event {
            ServerEvent::Line {
                from,
                text,
                said_at,
                ..
            } => stamped(said_at, &from, text.as_str()),
            ServerEvent::Entered { name, at, .. } => {
                stamped(at, SERVER, &format!("{name} joined the chatroom."))
            }
            ServerEvent::Left { name, at, .. } => {
                stamped(at, SERVER, &format!("{name} left the chatroom."))
            }
            ServerEvent::Notice(text) => printable(&text).into_owned(),
            _ => return,
        }
    );
}

/// `[20:36:22] Fire: Hey guys!`, made safe for the terminal. Of several lines each begins so: none passes for
/// somebody else's.
fn stamped(at: Timestamp, from: &str, text: &str) -> String {
    let time = at.to_zoned(TimeZone::system()).strftime("%H:%M:%S");
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.map(|line| format!("[{time}] {}: {}", printable(from), printable(line)));
    lines.collect::<Vec<_>>().join("\n")
}
