//! The commands that do one thing and exit: `rooms`, `send`, `listen`.

mod listen;
mod saver;
mod send_file;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

pub use listen::listen;

use send_file::{SendFileError, send_file};

use super::Settings;
use super::joining::join_with_past;
use super::lines::{read_line, tell};
use super::relay::ask_for_relay;
use super::render::{directory, notice};
use super::signals::Ending;
use crate::chat::{
    BitRate, Dialect, HistoryEntry, HistoryQuery, MemberLimit, MessageText, MessageTextError,
    OneLine, RoomAddress, RoomName, Since, UserName, printable,
};
use crate::cli::{RoomsArgs, SendArgs};
use crate::client::{
    ConnectError, Connection, Delivered, FileError, Files, Interface, InterfaceError, OpenError,
    Overlap, RequestError, Room, RoomEvent, RoomOptions, Towards, new_member,
};

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
    /// These commands are not online, and so not in the lobby.
    #[error("the lobby is for those who are online: `chat lobby` in `crds` enters it")]
    Lobby,
    /// No interface to use.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The room could not be joined.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Not everything was said; why was told before.
    #[error("{0} of {1} lines were not said")]
    NotSaid(usize, usize),
    /// A member did not report all that was said: it does not answer, is gone, or gave some of it up.
    #[error("not delivered to all: {0} of {1} members have all of it")]
    NotDelivered(usize, usize),
    /// Files cannot be saved there.
    #[error(transparent)]
    Save(#[from] FileError),
    /// Files were not saved; why was told before.
    #[error("files that were offered and not saved: {0}")]
    NotSaved(usize),
    /// The file was not sent.
    #[error(transparent)]
    SendFile(#[from] SendFileError),
    /// Ctrl-C, or SIGTERM.
    #[error("interrupted")]
    Interrupted,
    /// Standard input or output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// How long it is looked who is there before something is said. Nobody there within that is nobody.
const GATHER_WAIT: Duration = Duration::from_secs(1);

/// How often it is looked.
const GATHER_LOOK: Duration = Duration::from_millis(20);

/// A member may be there whose answers got lost: it has so long to be heard of.
const CONCLUDE_WAIT: Duration = Duration::from_millis(500);

/// How long members may report nothing new of what was said. One that is gone is not waited for that long.
const DELIVERY_WAIT: Duration = Duration::from_secs(30);

/// `crds rooms`: prints the directory.
///
/// # Errors
/// See [`OneshotError`]; so for the others.
pub async fn rooms(args: RoomsArgs, settings: Settings) -> Result<(), OneshotError> {
    let connection = Connection::open(&settings.server, None).await?;
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
                "limit": room.limit.map(MemberLimit::get),
                "topic": room.topic.as_ref().map(OneLine::as_str),
                "history": room.history.map(|history| history.to_string()),
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

/// `crds send`: says the words, or each line of standard input, and waits until every member has it.
///
/// # Errors
/// See [`OneshotError`].
pub async fn send(args: SendArgs, settings: Settings) -> Result<(), OneshotError> {
    let (place, words) = match (args.group.group, args.words.split_first()) {
        (Some(group), _) => {
            let place = Place::Group(group, args.group.dialect());
            (place, args.words.as_slice())
        }
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
    let text = words.join(" ").parse::<MessageText>();
    if !words.is_empty() && text == Err(MessageTextError::Blank) {
        let text = "there is nothing to say: the text is blank";
        return Err(OneshotError::Usage(text.to_owned()));
    }
    let Joined {
        mut room,
        dialect,
        connection,
        ..
    } = join(&place, None, &settings).await?;
    // What nobody reads would hold the room up.
    tokio::spawn(tell_of_room(room.take_events()));
    let server = connection.as_ref().map(Connection::files);
    let mut ending = Ending::of_command()?;
    // Whatever comes of it, the others are told that we leave.
    let done = tokio::select! {
        done = say_all(&room, dialect, words, args.file.as_deref(), server) => done,
        () = ending.come() => Err(OneshotError::Interrupted),
    };
    ending.unless_again(leave(room, connection)).await;
    done
}

async fn say_all(
    room: &Room,
    dialect: Dialect,
    words: &[String],
    file: Option<&Path>,
    server: Option<Files>,
) -> Result<(), OneshotError> {
    room.way_known().await;
    let joined = Instant::now();
    if dialect == Dialect::Reliable {
        gather(room).await;
    }
    let mut lines = match (words, file) {
        ([], None) => lines_of_input(),
        ([], Some(_)) => none(),
        (words, _) => single(words.join(" ")),
    };
    let (mut said, mut failed, mut last) = (0, 0, None);
    while let Some(line) = lines.recv().await {
        let result = match line?.parse() {
            Ok(text) => match room.say(text).await {
                Ok(said) => {
                    last = Some(said);
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Err(MessageTextError::Blank) => continue,
            Err(error) => Err(error.to_string()),
        };
        said += 1;
        if let Err(error) = result {
            failed += 1;
            tell(&error);
        }
    }
    if let Some(path) = file {
        send_file(&room.files(server), path).await?;
    }
    let mut delivered = Delivered { by: 0, of: 0 };
    if let (Dialect::Reliable, Some(last)) = (dialect, last) {
        sleep_until(joined + CONCLUDE_WAIT).await;
        delivered = room.delivered(last, DELIVERY_WAIT).await;
        tell(&format!(
            "delivered to {} of {}",
            delivered.by, delivered.of
        ));
    }
    match failed {
        0 if delivered.by < delivered.of => {
            Err(OneshotError::NotDelivered(delivered.by, delivered.of))
        }
        0 => Ok(()),
        failed => Err(OneshotError::NotSaid(failed, said)),
    }
}

/// Tells what concerns the sender. What others say meanwhile is for those who listen.
async fn tell_of_room(mut events: mpsc::Receiver<RoomEvent>) {
    while let Some(event) = events.recv().await {
        if let RoomEvent::Slow(_) | RoomEvent::Undelivered { .. } | RoomEvent::Notice(_) = event {
            notice(&event)
                .iter()
                .for_each(|text| tell(&printable(text)));
        }
    }
}

/// Waits for the first member to be heard of.
async fn gather(room: &Room) {
    let end = Instant::now() + GATHER_WAIT;
    while Instant::now() < end && room.members().await.is_empty() {
        sleep(GATHER_LOOK).await;
    }
}

enum Place {
    Room(RoomName),
    Group(RoomAddress, Dialect),
}

/// In a room.
struct Joined {
    room: Room,
    /// What to call it.
    label: String,
    dialect: Dialect,
    /// To the server that would relay.
    connection: Option<Connection>,
    /// What was said before.
    past: Vec<HistoryEntry>,
    /// What of it may be heard too.
    overlap: Overlap,
}

/// Joins the room, and says so on standard error. With what was said there since then. By which way it is reached may not be
/// known yet: that takes long enough for somebody to end the program, and who is in a room leaves it in order.
async fn join(
    place: &Place,
    since: Option<Since>,
    settings: &Settings,
) -> Result<Joined, OneshotError> {
    match place {
        Place::Group(address, dialect) => join_group(*address, *dialect, settings),
        Place::Room(name) if name.is_lobby() => Err(OneshotError::Lobby),
        Place::Room(name) => join_room(name, since, settings).await,
    }
}

fn join_group(
    address: RoomAddress,
    dialect: Dialect,
    settings: &Settings,
) -> Result<Joined, OneshotError> {
    let options = options(dialect, Towards::Group(address), settings)?;
    let interface = options.interface.clone();
    let room = Room::join(address, options)?;
    tell(&format!("in room {address} on {interface}"));
    Ok(Joined {
        room,
        label: address.to_string(),
        dialect,
        connection: None,
        past: Vec::new(),
        overlap: Overlap::default(),
    })
}

async fn join_room(
    name: &RoomName,
    since: Option<Since>,
    settings: &Settings,
) -> Result<Joined, OneshotError> {
    let connection = Connection::open(&settings.server, None).await?;
    let rooms = connection.get_directory().await?;
    let entry = rooms.into_iter().find(|room| room.name == *name);
    let entry = entry.ok_or_else(|| OneshotError::NoSuchRoom(name.clone()))?;
    let towards = Towards::Server(connection.local_address());
    let mut options = options(entry.dialect, towards, settings)?;
    let interface = options.interface.clone();
    let id = new_member()?;
    options.id = Some(id);
    // Beside a client of this name that is online.
    let name = Some(options.name.clone());
    let choice = settings.transport;
    let relay = ask_for_relay(&connection, choice, &entry, id, &interface, name).await;
    options.relay = relay.map_err(RequestError::from)?;
    let query = HistoryQuery {
        since,
        ..HistoryQuery::default()
    };
    let ask = async || match since {
        Some(_) => {
            let asked = connection.whole_history(entry.name.clone(), query, None);
            Ok::<_, OneshotError>(Some(asked.await?))
        }
        None => Ok(None),
    };
    let joined = join_with_past(entry.address, options, ask).await?;
    tell(&format!(
        "in room {} ({}) on {interface}",
        entry.name, entry.address
    ));
    Ok(Joined {
        room: joined.room,
        label: entry.name.to_string(),
        dialect: entry.dialect,
        connection: Some(connection),
        past: joined.past.map_or_else(Vec::new, |page| page.entries),
        overlap: joined.overlap,
    })
}

fn options(
    dialect: Dialect,
    towards: Towards,
    settings: &Settings,
) -> Result<RoomOptions, InterfaceError> {
    Ok(RoomOptions {
        interface: Interface::choose(settings.interface.as_deref(), towards)?,
        ttl: settings.ttl,
        name: settings.name.clone().unwrap_or_else(default_name),
        dialect,
        rate_max: settings.rate_max.map(BitRate::bytes_per_second),
        replaces: None,
        id: None,
        relay: None,
        past: None,
    })
}

/// Leaves the room, then the server.
async fn leave(room: Room, connection: Option<Connection>) {
    room.leave().await;
    if let Some(connection) = connection {
        connection.bye().await;
    }
}

/// The login name where it can be a name here, else `guest`: these commands ask nothing.
fn default_name() -> UserName {
    ["USER", "LOGNAME", "USERNAME"]
        .into_iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find_map(|name| name.parse().ok())
        .unwrap_or_else(|| "guest".parse().expect("a valid name"))
}

fn none() -> mpsc::Receiver<io::Result<String>> {
    mpsc::channel(1).1
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
