//! The commands that do one thing and exit: `rooms`, `send`, `listen`.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;

use super::Settings;
use super::lines::{read_line, tell};
use super::render::directory;
use crate::chat::{MessageTextError, RoomAddress, RoomName, UserName, is_printable};
use crate::cli::{ListenArgs, RoomsArgs, SendArgs};
use crate::client::{ConnectError, Connection, Interface, InterfaceError, OpenError, RequestError};
use crate::client::{Room, RoomEvent, RoomOptions, Towards};

/// Why a command was not carried out. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OneshotError {
    /// The words on the command line do not fit.
    #[error("{0}")]
    Usage(String),
    /// No server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The directory does not have the room.
    #[error("no such room: {0} (`crds rooms` lists the rooms)")]
    NoSuchRoom(RoomName),
    /// No interface to use.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The room could not be joined.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Not everything was said; why was told before.
    #[error("{0} of {1} lines were not said")]
    NotSaid(usize, usize),
    /// Standard input or output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// `crds rooms`: prints the directory.
///
/// # Errors
/// See [`OneshotError`]; so for the others.
pub async fn rooms(args: RoomsArgs, settings: Settings) -> Result<(), OneshotError> {
    let mut connection = Connection::open(&settings.server, None).await?;
    let rooms = connection.get_directory().await?;
    connection.bye().await;
    let mut output = io::stdout().lock();
    if args.json {
        for room in rooms {
            let object = json!({
                "name": room.name.as_str(),
                "address": room.address.group(),
                "port": room.address.port(),
                "dialect": room.dialect.as_str(),
                "made_by": room.made_by.name.as_ref().map(|name| name.as_str()),
                "made_from": room.made_by.address,
                "made_at": room.made_at,
            });
            writeln!(output, "{object}")?;
        }
    } else {
        let heading = io::stdout().is_terminal();
        for line in directory(&rooms, heading) {
            writeln!(output, "{line}")?;
        }
    }
    Ok(output.flush()?)
}

/// `crds send`: says the words, or each line of standard input.
///
/// # Errors
/// See [`OneshotError`].
pub async fn send(args: SendArgs, settings: Settings) -> Result<(), OneshotError> {
    let (place, words) = match (args.group.group, args.words.split_first()) {
        (Some(group), _) => (Place::Group(group), args.words.as_slice()),
        (None, Some((room, words))) => {
            let room = room.parse::<RoomName>();
            let room = room.map_err(|error| OneshotError::Usage(error.to_string()))?;
            (Place::Room(room), words)
        }
        (None, None) => {
            let text = "where? Write `crds send ROOM [TEXT]...` or `crds send --group ADDRESS:PORT [TEXT]...`";
            return Err(OneshotError::Usage(text.to_owned()));
        }
    };
    let (room, _) = join(&place, &settings).await?;
    let mut lines = match words {
        [] => lines_of_input(),
        words => single(words.join(" ")),
    };
    let (mut said, mut failed) = (0, 0);
    while let Some(line) = lines.recv().await {
        let result = match line?.parse() {
            Ok(text) => room.say(text).await.map_err(|error| error.to_string()),
            Err(MessageTextError::Blank) => continue,
            Err(error) => Err(error.to_string()),
        };
        said += 1;
        if let Err(error) = result {
            failed += 1;
            tell(&error);
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(OneshotError::NotSaid(failed, said)),
    }
}

/// `crds listen`: prints what is said until it is enough.
///
/// # Errors
/// See [`OneshotError`].
pub async fn listen(args: ListenArgs, settings: Settings) -> Result<(), OneshotError> {
    let place = match (args.group.group, args.room) {
        (Some(group), _) => Place::Group(group),
        (None, Some(room)) => Place::Room(room),
        (None, None) => return Err(OneshotError::Usage("which room?".to_owned())),
    };
    let (mut room, label) = join(&place, &settings).await?;
    let end = async {
        match args.seconds {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    // Made once: a signal that came while nobody waited for it would be lost.
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(end, interrupted);
    let mut left = args.count;
    while left != Some(0) {
        let event = tokio::select! {
            event = room.next_event() => event,
            () = &mut end => break,
            _ = &mut interrupted => break,
        };
        let Some(event) = event else { break };
        if matches!(event, RoomEvent::Message(_)) {
            left = left.map(|left| left - 1);
        }
        if args.json {
            let line = json_line(&label, &event);
            writeln!(io::stdout(), "{line}")?;
        } else {
            match event {
                RoomEvent::Message(message) => {
                    let line = settings.style.message(&message.from, message.text.as_str());
                    writeln!(io::stdout(), "{line}")?;
                }
                RoomEvent::Notice(text) => tell(&text),
            }
        }
        io::stdout().flush()?;
    }
    Ok(())
}

enum Place {
    Room(RoomName),
    Group(RoomAddress),
}

/// Joins the room, and says so on standard error. Also gives what to call it.
async fn join(place: &Place, settings: &Settings) -> Result<(Room, String), OneshotError> {
    let (address, label, towards) = match place {
        Place::Group(address) => (*address, address.to_string(), Towards::Group(*address)),
        Place::Room(name) => {
            let mut connection = Connection::open(&settings.server, None).await?;
            let rooms = connection.get_directory().await?;
            let towards = Towards::Server(connection.local_address());
            connection.bye().await;
            let room = rooms.into_iter().find(|room| room.name == *name);
            let room = room.ok_or_else(|| OneshotError::NoSuchRoom(name.clone()))?;
            (room.address, room.name.to_string(), towards)
        }
    };
    let interface = Interface::choose(settings.interface.as_deref(), towards)?;
    let options = RoomOptions {
        interface: interface.clone(),
        ttl: settings.ttl,
        name: settings.name.clone().unwrap_or_else(default_name),
    };
    let room = Room::join(address, options)?;
    match place {
        Place::Group(_) => tell(&format!("in room {label} on {interface}")),
        Place::Room(_) => tell(&format!("in room {label} ({address}) on {interface}")),
    }
    Ok((room, label))
}

/// The login name where it can be a name here, else `guest`: these commands ask nothing.
fn default_name() -> UserName {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find_map(|name| name.parse().ok())
        .unwrap_or_else(|| "guest".parse().expect("a valid name"))
}

fn single(line: String) -> mpsc::Receiver<io::Result<String>> {
    let (lines, received) = mpsc::channel(1);
    // There is room for one.
    let _ = lines.try_send(Ok(line));
    received
}

/// The lines of standard input, read on a thread of their own because reading blocks.
fn lines_of_input() -> mpsc::Receiver<io::Result<String>> {
    let (lines, received) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        while let Some(line) = read_line(&mut input).transpose() {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    received
}

fn json_line(room: &str, event: &RoomEvent) -> String {
    let (event, from, text) = match event {
        RoomEvent::Message(message) => ("message", Some(&message.from), message.text.as_str()),
        RoomEvent::Notice(text) => ("notice", None, text.as_str()),
    };
    let at = Timestamp::now();
    one_line(&json!({ "event": event, "room": room, "from": from, "text": text, "at": at }))
}

/// JSON that a terminal can be shown: what could move a cursor or turn the reading direction is
/// escaped. Such characters occur only inside strings.
fn one_line(object: &serde_json::Value) -> String {
    let mut line = String::new();
    for c in object.to_string().chars() {
        match is_printable(c) {
            true => line.push(c),
            false => line.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    line
}
