//! The commands that do one thing and exit: `rooms`, `send`, `listen`.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::lines::{read_line, tell};
use super::progress::described;
use super::relay::ask_for_relay;
use super::render::{directory, notice};
use super::saver::{Saved, Saver};
use super::send_file::{SendFileError, send_file};
use super::{Settings, Style};
use crate::chat::{
    BitRate, Dialect, Happening, HistoryEntry, HistoryQuery, MemberLimit, MessageTextError,
    OneLine, RecordRange, RoomAddress, RoomName, Since, UserName, is_printable, printable,
};
use crate::cli::{ListenArgs, RoomsArgs, SendArgs};
use crate::client::{
    ConnectError, Connection, Delivered, Interface, InterfaceError, KnownPast, OpenError, Overlap,
    RequestError, Room, RoomEvent, RoomOptions, Said, Towards, new_member,
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
    /// No interface to use.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The room could not be joined.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Not everything was said; why was told before.
    #[error("{0} of {1} lines were not said")]
    NotSaid(usize, usize),
    /// A member is there that did not report what was said last.
    #[error("not delivered to all: {0} of {1} members reported it within {WAIT} s", WAIT = DELIVERY_WAIT.as_secs())]
    NotDelivered(usize, usize),
    /// The file was not sent.
    #[error(transparent)]
    SendFile(#[from] SendFileError),
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

/// How long members may take to report what was said. One that is gone is not waited for that long.
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
    let Joined {
        mut room,
        dialect,
        connection,
        ..
    } = join(&place, None, &settings).await?;
    let joined = Instant::now();
    // What nobody reads would hold the room up.
    tokio::spawn(tell_of_room(room.take_events()));
    if dialect == Dialect::Reliable {
        gather(&room).await;
    }
    let mut lines = match (words, &args.file) {
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
    let mut delivered = Delivered { by: 0, of: 0 };
    if let Some(path) = &args.file {
        send_file(&room, path).await?;
    }
    if let (Dialect::Reliable, Some(last)) = (dialect, last) {
        sleep_until(joined + CONCLUDE_WAIT).await;
        delivered = await_delivery(&room, last).await;
        tell(&format!(
            "delivered to {} of {}",
            delivered.by, delivered.of
        ));
    }
    room.leave().await;
    if let Some(connection) = connection {
        connection.bye().await;
    }
    match failed {
        0 if delivered.by < delivered.of => {
            Err(OneshotError::NotDelivered(delivered.by, delivered.of))
        }
        0 => Ok(()),
        failed => Err(OneshotError::NotSaid(failed, said)),
    }
}

/// As long as something still goes out, the members have time to report.
async fn await_delivery(room: &Room, last: Said) -> Delivered {
    let mut queued_before = u64::MAX;
    loop {
        let delivered = room.delivered(last, DELIVERY_WAIT).await;
        let traffic = room.stats().await.and_then(|stats| stats.traffic);
        let queued = traffic.map_or(0, |traffic| traffic.queued_bytes);
        if delivered.by == delivered.of || queued == 0 || queued >= queued_before {
            return delivered;
        }
        queued_before = queued;
    }
}

/// Tells what concerns the sender. What others say meanwhile is for those who listen.
async fn tell_of_room(mut events: mpsc::Receiver<RoomEvent>) {
    while let Some(event) = events.recv().await {
        if let RoomEvent::Slow(_) | RoomEvent::Undelivered { .. } | RoomEvent::Notice(_) = event {
            notice(&event).iter().for_each(|text| tell(text));
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

/// `crds listen`: prints what is said until it is enough.
///
/// # Errors
/// See [`OneshotError`].
pub async fn listen(args: ListenArgs, settings: Settings) -> Result<(), OneshotError> {
    let place = match (args.group.group, args.room) {
        (Some(group), _) => Place::Group(group, args.group.dialect()),
        (None, Some(room)) => Place::Room(room),
        (None, None) => return Err(OneshotError::Usage("which room?".to_owned())),
    };
    let Joined {
        mut room,
        label,
        connection,
        past,
        mut overlap,
        ..
    } = join(&place, args.since, &settings).await?;
    let mut output = Listener {
        label,
        is_json: args.json,
        style: settings.style,
        left: args.count,
    };
    output.tell_past(&past, false)?;
    let end = async {
        match args.seconds {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    // Made once: a signal that came while nobody waited for it would be lost.
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(end, interrupted);
    let mut saver = args.save.as_deref().map(Saver::new);
    while !output.has_enough() {
        let event = tokio::select! {
            event = room.next_event() => event,
            saved = next_saved(&mut saver) => {
                output.tell_saved(&saved)?;
                continue;
            }
            () = &mut end => break,
            _ = &mut interrupted => break,
        };
        let Some(event) = event else { break };
        if let (Some(saver), RoomEvent::Offered { from, offer, .. }) = (&mut saver, &event) {
            saver.take(&room, from.clone(), offer.clone()).await;
        }
        if let RoomEvent::Message(message) = &event
            && overlap.has(&message.from, message.text.as_str())
        {
            continue;
        }
        output.tell(&event)?;
        if let (RoomEvent::Gap { range, .. }, Place::Room(name), Some(connection)) =
            (&event, &place, &connection)
        {
            let late = late(connection, name, *range).await;
            output.tell_past(&late, true)?;
        }
    }
    room.leave().await;
    if let Some(connection) = connection {
        connection.bye().await;
    }
    Ok(())
}

/// What became of a file that is saved; never without a saver.
async fn next_saved(saver: &mut Option<Saver>) -> Saved {
    let saved = match saver {
        Some(saver) => saver.next().await,
        None => None,
    };
    match saved {
        Some(saved) => saved,
        None => std::future::pending().await,
    }
}

/// Where a file was saved is the answer of the command; why it was not is not. `room` for JSON.
fn show_saved(saved: &Saved, room: Option<&str>) -> io::Result<()> {
    let Saved {
        from,
        offer,
        result,
    } = saved;
    let what = format!("{} from {}", described(&offer.file), printable(from));
    match (result, room) {
        (Err(reason), None) => tell(&format!("{what} was not saved: {reason}")),
        (Ok(path), None) => tell(&format!("saved {}: {what}", path.display())),
        (result, Some(room)) => {
            let object = json!({
                "event": "saved",
                "from": from,
                "name": offer.file.name.as_str(),
                "bytes": offer.file.size_bytes,
                "hash": offer.file.hash.to_string(),
                "path": result.as_ref().ok(),
                "error": result.as_ref().err(),
                "room": room,
                "at": Timestamp::now().to_string(),
            });
            writeln!(io::stdout(), "{}", one_line(&object))?;
        }
    }
    io::stdout().flush()
}

/// Records that no member has any more: what the server has kept of them.
async fn late(connection: &Connection, room: &RoomName, of: RecordRange) -> Vec<HistoryEntry> {
    let query = HistoryQuery {
        of: Some(of),
        ..HistoryQuery::default()
    };
    let kept = connection.whole_history(room.clone(), query, None).await;
    kept.map_or_else(|_| Vec::new(), |kept| kept.entries)
}

/// What `crds listen` prints.
struct Listener {
    /// What the room is called.
    label: String,
    is_json: bool,
    style: Style,
    /// Messages that may still come, if they are counted.
    left: Option<u64>,
}

impl Listener {
    fn has_enough(&self) -> bool {
        self.left == Some(0)
    }

    fn count(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    fn tell(&mut self, event: &RoomEvent) -> io::Result<()> {
        if matches!(event, RoomEvent::Message(_) | RoomEvent::Stranger(_)) {
            self.count();
        }
        match self.is_json {
            true => writeln!(io::stdout(), "{}", json_line(&self.label, event))?,
            false => show(event, self.style)?,
        }
        io::stdout().flush()
    }

    fn tell_saved(&mut self, saved: &Saved) -> io::Result<()> {
        self.count();
        show_saved(saved, self.is_json.then_some(self.label.as_str()))
    }

    /// What was said before; or late, if what was said after it was told already.
    fn tell_past(&mut self, entries: &[HistoryEntry], is_late: bool) -> io::Result<()> {
        for entry in entries {
            if self.has_enough() {
                break;
            }
            if matches!(entry.what, Happening::Text(_)) {
                self.count();
            }
            let line = match self.is_json {
                true => Some(past_json_line(&self.label, entry, is_late)),
                false => show_past(entry, self.style),
            };
            line.map_or(Ok(()), |line| writeln!(io::stdout(), "{line}"))?;
        }
        io::stdout().flush()
    }
}

/// A message as it reads on standard output; anything else goes to standard error.
fn show_past(entry: &HistoryEntry, style: Style) -> Option<String> {
    match &entry.what {
        Happening::Text(text) => {
            let text = text.as_str().replace("\r\n", "\n").replace('\n', "⏎");
            let entry = HistoryEntry {
                what: Happening::Text(text.parse().ok()?),
                ..entry.clone()
            };
            Some(style.past(&entry, None))
        }
        _ => {
            let plain = Style {
                color: false,
                ..style
            };
            tell(&plain.past(entry, None));
            None
        }
    }
}

/// Messages on standard output, everything else on standard error.
fn show(event: &RoomEvent, style: Style) -> io::Result<()> {
    let line = match event {
        RoomEvent::Message(message) => {
            style.message_in_one_line(&message.from, message.text.as_str())
        }
        RoomEvent::Stranger(message) => style.stranger(&message.from, message.text.as_str()),
        other => {
            let text = notice(other).unwrap_or_default();
            tell(&printable(&text));
            return Ok(());
        }
    };
    writeln!(io::stdout(), "{line}")
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

/// Joins the room, and says so on standard error. With what was said there since then.
async fn join(
    place: &Place,
    since: Option<Since>,
    settings: &Settings,
) -> Result<Joined, OneshotError> {
    let name = settings.name.clone().unwrap_or_else(default_name);
    let options = |interface: &Interface, dialect| RoomOptions {
        interface: interface.clone(),
        ttl: settings.ttl,
        name: name.clone(),
        dialect,
        rate_max: settings.rate_max.map(BitRate::bytes_per_second),
        replaces: None,
        id: None,
        relay: None,
        past: None,
    };
    match place {
        Place::Group(address, dialect) => {
            let interface = choose(settings, Towards::Group(*address))?;
            let room = Room::join(*address, options(&interface, *dialect))?;
            tell(&format!("in room {address} on {interface}"));
            Ok(Joined {
                room,
                label: address.to_string(),
                dialect: *dialect,
                connection: None,
                past: Vec::new(),
                overlap: Overlap::default(),
            })
        }
        Place::Room(room_name) => {
            let connection = Connection::open(&settings.server, None).await?;
            let rooms = connection.get_directory().await?;
            let entry = rooms.into_iter().find(|room| room.name == *room_name);
            let entry = entry.ok_or_else(|| OneshotError::NoSuchRoom(room_name.clone()))?;
            let interface = choose(settings, Towards::Server(connection.local_address()))?;
            let mut options = options(&interface, entry.dialect);
            let id = new_member()?;
            options.id = Some(id);
            let choice = settings.transport;
            // Beside a client of this name that is online.
            let name = Some(options.name.clone());
            let relay = ask_for_relay(&connection, choice, &entry, id, &interface, name).await;
            options.relay = relay.map_err(RequestError::from)?;
            let query = HistoryQuery {
                since,
                ..HistoryQuery::default()
            };
            let ask = async || {
                let asked = connection.whole_history(entry.name.clone(), query.clone(), None);
                match since {
                    Some(_) => asked.await.map(Some),
                    None => Ok(None),
                }
            };
            let (mut past, mut overlap) = (None, Overlap::default());
            let asked = std::time::Instant::now();
            if entry.dialect == Dialect::Reliable {
                // It is joined where its history ends.
                past = ask().await?;
                options.past = past.as_ref().map(|page| KnownPast {
                    positions: page.positions.clone(),
                    asked,
                });
            }
            let room = Room::join(entry.address, options)?;
            if entry.dialect == Dialect::Plain {
                // What is heard meanwhile waits, and is held against the history.
                past = ask().await?;
                let page = past.as_ref();
                overlap = page.map_or(overlap, |page| Overlap::new(page, asked));
            }
            tell(&format!(
                "in room {} ({}) on {interface}",
                entry.name, entry.address
            ));
            room.way_known().await;
            Ok(Joined {
                room,
                label: entry.name.to_string(),
                dialect: entry.dialect,
                connection: Some(connection),
                past: past.map_or_else(Vec::new, |page| page.entries),
                overlap,
            })
        }
    }
}

fn choose(settings: &Settings, towards: Towards) -> Result<Interface, InterfaceError> {
    Interface::choose(settings.interface.as_deref(), towards)
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

fn json_line(room: &str, event: &RoomEvent) -> String {
    let mut object = match event {
        RoomEvent::Message(message) | RoomEvent::Stranger(message) => {
            let mut object =
                json!({ "event": "message", "from": message.from, "text": message.text.as_str() });
            if let Some(said_at) = message.said_at {
                object["said_at"] = Value::from(said_at.to_string());
            }
            object
        }
        RoomEvent::Offered { from, offer, .. } => json!({
            "event": "file",
            "from": from,
            "name": offer.file.name.as_str(),
            "bytes": offer.file.size_bytes,
            "hash": offer.file.hash.to_string(),
        }),
        RoomEvent::Withdrawn { from, offer } => json!({
            "event": "withdrawn",
            "from": from,
            "name": offer.file.name.as_str(),
            "hash": offer.file.hash.to_string(),
        }),
        RoomEvent::Present(names) => json!({ "event": "present", "names": names }),
        RoomEvent::Joined(name) => json!({ "event": "joined", "name": name }),
        RoomEvent::Left(name) => json!({ "event": "left", "name": name }),
        RoomEvent::Renamed { before, now } => {
            json!({ "event": "renamed", "before": before, "name": now })
        }
        RoomEvent::Gap { from, records, .. } => {
            json!({ "event": "gap", "from": from, "records": records })
        }
        RoomEvent::Slow(name) => json!({ "event": "slow", "name": name }),
        RoomEvent::ShownAs(name) => json!({ "event": "shown-as", "name": name }),
        RoomEvent::Undelivered { text, members } => {
            json!({ "event": "undelivered", "text": text, "members": members })
        }
        RoomEvent::Notice(text) => json!({ "event": "notice", "text": text }),
    };
    // So that it is not taken for a member's.
    if let RoomEvent::Stranger(_) = event {
        object["dialect"] = Value::from("plain");
    }
    object["room"] = Value::from(room);
    object["at"] = Value::from(Timestamp::now().to_string());
    one_line(&object)
}

/// The same for what was said before; with the time when it was said.
fn past_json_line(room: &str, entry: &HistoryEntry, is_late: bool) -> String {
    let mut object = match &entry.what {
        Happening::Text(text) => json!({ "event": "message", "text": text.as_str() }),
        Happening::File(file) => json!({
            "event": "file",
            "name": file.name.as_str(),
            "bytes": file.size_bytes,
            "hash": file.hash.to_string(),
        }),
        Happening::Joined => json!({ "event": "joined" }),
        Happening::Left => json!({ "event": "left" }),
        Happening::Renamed(name) => {
            json!({ "event": "renamed", "before": entry.from, "name": name })
        }
    };
    match entry.what {
        Happening::Text(_) | Happening::File(_) => object["from"] = Value::from(&*entry.from),
        Happening::Joined | Happening::Left => object["name"] = Value::from(&*entry.from),
        Happening::Renamed(_) => {}
    }
    object["room"] = Value::from(room);
    object["at"] = Value::from(entry.said_at.to_string());
    object["history"] = Value::from(true);
    if is_late {
        object["late"] = Value::from(true);
    }
    one_line(&object)
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
