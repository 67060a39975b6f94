//! `crds listen`: what is said in a room, a line a message; before it what was said, if that is asked for.

use std::collections::BTreeSet;
use std::io::{self, LineWriter, Stdout, Write};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::saver::{Saved, Saver};
use super::{Joined, OneshotError, Place, join, leave};
use crate::chat::{
    FileHash, FileOffer, Happening, HistoryEntry, HistoryQuery, RecordRange, RoomName,
    is_printable, printable,
};
use crate::cli::ListenArgs;
use crate::client::{Connection, RoomEvent, prepare_folder};
use crate::terminal::bars::above;
use crate::terminal::lines::{Patient, tell};
use crate::terminal::progress::described;
use crate::terminal::render::notice;
use crate::terminal::signals::{Ending, EndingFlag};
use crate::terminal::{Settings, Style};

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
    if let Some(folder) = &args.save {
        prepare_folder(folder)?;
    }
    let mut joined = join(&place, args.since, &settings).await?;
    let mut ending = Ending::of_command()?;
    let mut output = Listener {
        label: joined.label.clone(),
        is_json: args.json,
        style: settings.style,
        left: args.count,
        not_saved: BTreeSet::new(),
        stdout: Patient::lines(io::stdout(), EndingFlag::of_command()?),
        told_offers: BTreeSet::new(),
    };
    let server = joined.connection.as_ref().map(Connection::files);
    let files = joined.room.files(server.clone());
    let folder = args.save.as_deref();
    let mut saver = folder.map(|folder| Saver::new(files, server, folder));
    let is_way_known = tokio::select! {
        () = joined.room.way_known() => true,
        () = ending.come() => false,
    };
    let heard = match is_way_known {
        true => {
            let end = end(args.seconds, &mut ending);
            hear(&mut joined, &place, &mut output, &mut saver, end).await
        }
        false => Ok(()),
    };
    let mut rest = saver.as_mut().map(Saver::done).unwrap_or_default();
    // Also where nobody reads any more what is heard: the others are told that we leave.
    let leaving = leave(joined.room, joined.connection);
    ending.unless_again(leaving).await;
    rest.extend(saver.iter_mut().flat_map(Saver::rest));
    let told = rest.iter().map(|saved| output.tell_saved(saved));
    let told = told.fold(heard, io::Result::and);
    match output.not_saved.len() {
        0 => Ok(told?),
        files => Err(OneshotError::NotSaved(files)),
    }
}

/// Until the time is over, if there is one, or a signal comes.
async fn end(time: Option<Duration>, ending: &mut Ending) {
    let over = async {
        match time {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => {}
        () = ending.come() => {}
    }
}

/// Prints what was said before, and what is said from now on, until it is enough or the end comes.
async fn hear(
    joined: &mut Joined,
    place: &Place,
    output: &mut Listener,
    saver: &mut Option<Saver>,
    end: impl Future<Output = ()>,
) -> io::Result<()> {
    output.tell_past(&joined.past, false, saver)?;
    tokio::pin!(end);
    while !output.has_enough() {
        let event = tokio::select! {
            event = joined.room.next_event() => event,
            saved = next_saved(saver) => {
                output.tell_saved(&saved)?;
                continue;
            }
            () = &mut end => break,
        };
        let Some(event) = event else { break };
        if let Some(saver) = saver {
            save(saver, &event);
        }
        if let RoomEvent::Message(message) = &event
            && joined.overlap.has(&message.from, message.text.as_str())
        {
            continue;
        }
        output.tell(&event)?;
        if let (RoomEvent::Gap { range, .. }, Place::Room(name), Some(connection)) =
            (&event, place, &joined.connection)
        {
            let late = late(connection, name, *range).await;
            output.tell_past(&late, true, saver)?;
        }
    }
    Ok(())
}

/// What is offered is to be saved.
fn save(saver: &mut Saver, event: &RoomEvent) {
    match event {
        RoomEvent::Offered {
            from,
            offer,
            is_again,
            ..
        } => saver.take(from.clone(), offer.clone(), *is_again),
        event => saver.note(event),
    }
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
    /// Files that were to be saved and were not, so far.
    not_saved: BTreeSet<FileHash>,
    stdout: LineWriter<Patient<Stdout>>,
    /// Files of the history, of which it was not told again that they are offered still.
    told_offers: BTreeSet<FileHash>,
}

impl Listener {
    fn has_enough(&self) -> bool {
        self.left == Some(0)
    }

    fn count(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    fn tell(&mut self, event: &RoomEvent) -> io::Result<()> {
        if let RoomEvent::Offered {
            offer,
            is_again: true,
            ..
        } = event
            && self.told_offers.remove(&offer.file.hash)
        {
            return Ok(());
        }
        if matches!(event, RoomEvent::Message(_) | RoomEvent::Stranger(_)) {
            self.count();
        }
        match self.is_json {
            true => self.print(&json_line(&self.label, event)),
            false => self.show(event),
        }
    }

    /// Messages on standard output, everything else on standard error.
    fn show(&mut self, event: &RoomEvent) -> io::Result<()> {
        let style = self.style;
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
        self.print(&line)
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        above(|| writeln!(self.stdout, "{line}"))
    }

    /// Where a file was saved, or why it was not.
    fn tell_saved(&mut self, saved: &Saved) -> io::Result<()> {
        self.count();
        // One that did not come may be offered again, and come then.
        match saved.result {
            Ok(_) => _ = self.not_saved.remove(&saved.file.hash),
            Err(_) => _ = self.not_saved.insert(saved.file.hash),
        }
        if self.is_json {
            return self.print(&saved_json_line(&self.label, saved));
        }
        let what = format!("{} from {}", described(&saved.file), saved.from);
        tell(&printable(&match &saved.result {
            Ok(path) => format!("saved {}: {what}", path.display()),
            Err(reason) => format!("{what} was not saved: {reason}"),
        }));
        Ok(())
    }

    /// What was said before; or late, if what was said after it was told already. Its files are saved too.
    fn tell_past(
        &mut self,
        entries: &[HistoryEntry],
        is_late: bool,
        saver: &mut Option<Saver>,
    ) -> io::Result<()> {
        for entry in entries {
            if self.has_enough() {
                break;
            }
            match &entry.what {
                Happening::Text(_) => self.count(),
                Happening::File(file) => _ = self.told_offers.insert(file.hash),
                _ => {}
            }
            let line = match self.is_json {
                true => Some(past_json_line(&self.label, entry, is_late)),
                false => show_past(entry, self.style),
            };
            line.map_or(Ok(()), |line| self.print(&line))?;
        }
        if let Some(saver) = saver {
            saver.take_past(entries);
        }
        Ok(())
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
        RoomEvent::Offered { from, offer, .. } => file_json("file", from, &offer.file),
        RoomEvent::Withdrawn { from, offer } => file_json("withdrawn", from, &offer.file),
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
        RoomEvent::Undelivered {
            text,
            more,
            members,
        } => {
            json!({ "event": "undelivered", "text": text, "more": more, "members": members })
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

fn file_json(event: &str, from: &str, file: &FileOffer) -> Value {
    json!({
        "event": event,
        "from": from,
        "name": file.name.as_str(),
        "bytes": file.size_bytes,
        "hash": file.hash.to_string(),
    })
}

fn saved_json_line(room: &str, saved: &Saved) -> String {
    let mut object = file_json("saved", &saved.from, &saved.file);
    match &saved.result {
        Ok(path) => object["path"] = Value::from(path.to_string_lossy()),
        Err(reason) => object["error"] = Value::from(reason.as_str()),
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
