//! The protocol as our own client speaks it: an object a line, read into values and written from them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Event, Refusal, RefusalCode, Reply, Request, RequestKind};
use crate::chat::{Origin, Room, RoomAddress, printable};

/// A line of JSON that is not of the protocol.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// No JSON, or a field of the wrong kind.
    #[error("not a line of the protocol: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A field is missing, or its value is not allowed.
    #[error("not a line of the protocol: {0}")]
    Field(String),
}

/// What a server sends: the answer to a request, or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerLine {
    /// To the request with this number, or to a line whose number could not be read.
    Answer(Option<u64>, Result<Reply, Refusal>),
    /// Nobody asked.
    Event(Event),
}

/// A request as it is written; which fields it has depends on `request`.
#[derive(Default, Serialize, Deserialize)]
struct WireRequest {
    id: u64,
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<String>,
}

/// The number alone, for the answer to a request that cannot be read whole.
#[derive(Deserialize)]
struct WireId {
    id: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireRoom {
    name: String,
    address: String,
    port: u16,
    dialect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<String>,
    made_from: String,
    made_at: Timestamp,
}

/// Whatever a server sends; which fields it has depends on the one of `reply`, `error` and `event`
/// that is there.
#[derive(Default, Serialize, Deserialize)]
struct WireServerLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<WireRoom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Vec<WireRoom>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The line that asks, with its end.
pub fn request_line(id: u64, request: &Request) -> String {
    let mut wire = WireRequest {
        id,
        ..WireRequest::default()
    };
    let kind = match request {
        Request::Hello { version } => {
            wire.version = Some(*version);
            RequestKind::Hello
        }
        Request::Name(name) => {
            wire.name = Some(name.to_string());
            RequestKind::Name
        }
        Request::GetDirectory => RequestKind::GetDirectory,
        Request::MakeRoom {
            name,
            address,
            dialect,
        } => {
            wire.name = Some(name.to_string());
            wire.address = address.map(|a| a.group().to_string());
            wire.port = address.map(|a| a.port().into());
            wire.dialect = Some(dialect.to_string());
            RequestKind::MakeRoom
        }
        Request::DeleteRoom(name) => {
            wire.name = Some(name.to_string());
            RequestKind::DeleteRoom
        }
        Request::Ping => RequestKind::Ping,
        Request::Bye => RequestKind::Bye,
    };
    wire.request = kind.as_str().to_owned();
    line(&wire)
}

/// Reads a request. The number is given back wherever it can be read, so that the refusal carries it.
pub fn parse_request(text: &str) -> (Option<u64>, Result<Request, Refusal>) {
    match serde_json::from_str::<WireRequest>(text) {
        Ok(wire) => (Some(wire.id), to_request(wire)),
        Err(error) => {
            let id = serde_json::from_str::<WireId>(text).ok().and_then(|w| w.id);
            let text = printable(&format!("not a request: {error}")).into_owned();
            (id, Err(Refusal::new(RefusalCode::Malformed, text)))
        }
    }
}

fn to_request(wire: WireRequest) -> Result<Request, Refusal> {
    let kind = RequestKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == wire.request)
        .ok_or_else(|| {
            let word: String = printable(&wire.request).chars().take(64).collect();
            let known: Vec<_> = RequestKind::ALL.iter().map(|kind| kind.as_str()).collect();
            let text = format!(
                "unknown request `{word}`: the requests are {}",
                known.join(", ")
            );
            Refusal::new(RefusalCode::UnknownCommand, text)
        })?;
    let missing = |field: &str| {
        let text = format!("request `{}` needs the field `{field}`", kind.as_str());
        Refusal::new(RefusalCode::Malformed, text)
    };
    let name = || wire.name.as_deref().ok_or_else(|| missing("name"));
    match kind {
        RequestKind::Hello => Ok(Request::Hello {
            version: wire.version.ok_or_else(|| missing("version"))?,
        }),
        RequestKind::Name => Ok(Request::Name(name()?.parse()?)),
        RequestKind::GetDirectory => Ok(Request::GetDirectory),
        RequestKind::MakeRoom => Ok(Request::MakeRoom {
            name: name()?.parse()?,
            address: match (&wire.address, wire.port) {
                (None, None) => None,
                (Some(address), Some(port)) => {
                    Some(RoomAddress::from_words(address, &port.to_string())?)
                }
                (None, Some(_)) => return Err(missing("address")),
                (Some(_), None) => return Err(missing("port")),
            },
            dialect: match &wire.dialect {
                Some(word) => word.parse()?,
                None => return Err(missing("dialect")),
            },
        }),
        RequestKind::DeleteRoom => Ok(Request::DeleteRoom(name()?.parse()?)),
        RequestKind::Ping => Ok(Request::Ping),
        RequestKind::Bye => Ok(Request::Bye),
    }
}

/// The line that answers, with its end.
pub fn reply_line(id: u64, reply: &Reply) -> String {
    let mut wire = WireServerLine {
        id: Some(id),
        ..WireServerLine::default()
    };
    let word = match reply {
        Reply::Hello { version, program } => {
            wire.version = Some(*version);
            wire.program = Some(program.clone());
            "hello"
        }
        Reply::Done => "done",
        Reply::Directory(rooms) => {
            wire.rooms = Some(rooms.iter().map(WireRoom::from).collect());
            "directory"
        }
        Reply::RoomMade(room) => {
            wire.room = Some(room.into());
            "room-made"
        }
        Reply::RoomDeleted(room) => {
            wire.room = Some(room.into());
            "room-deleted"
        }
    };
    wire.reply = Some(word.to_owned());
    line(&wire)
}

/// The rooms as one JSON array, to be rendered once and sent many times.
pub fn directory_array<'a>(rooms: impl Iterator<Item = &'a Room>) -> String {
    let rooms: Vec<WireRoom> = rooms.map(WireRoom::from).collect();
    serde_json::to_string(&rooms).expect("strings and numbers always serialise")
}

/// [`reply_line`] for [`Reply::Directory`], around an array that is rendered already.
pub fn reply_line_with_directory(id: u64, array: &str) -> String {
    format!("{{\"id\":{id},\"reply\":\"directory\",\"rooms\":{array}}}\n")
}

/// The line that refuses, with its end.
pub fn refusal_line(id: Option<u64>, refusal: &Refusal) -> String {
    line(&WireServerLine {
        id,
        error: Some(refusal.code.as_str().to_owned()),
        text: Some(refusal.text.clone()),
        ..WireServerLine::default()
    })
}

/// The line of an event, with its end.
pub fn event_line(event: &Event) -> String {
    let mut wire = WireServerLine::default();
    let word = match event {
        Event::RoomDeleted { name, by } => {
            wire.name = Some(name.to_string());
            wire.by = Some(by.clone());
            "room-deleted"
        }
        Event::Idle(text) => {
            wire.text = Some(text.clone());
            "idle"
        }
        Event::Notice(text) => {
            wire.text = Some(text.clone());
            "notice"
        }
        Event::ServerStopping => "server-stopping",
    };
    wire.event = Some(word.to_owned());
    line(&wire)
}

/// Reads what a server sent. An event that this version does not know comes as a notice.
///
/// # Errors
/// It is no line of the protocol.
pub fn parse_server_line(text: &str) -> Result<ServerLine, JsonError> {
    // A server that is full does not wait to hear how its client speaks.
    if let Some(text) = text.strip_prefix("ERR ") {
        let refusal = Refusal::new(RefusalCode::ServerFull, text);
        return Ok(ServerLine::Answer(None, Err(refusal)));
    }
    let wire: WireServerLine = serde_json::from_str(text)?;
    if let Some(word) = &wire.error {
        let code = RefusalCode::ALL.iter().find(|code| code.as_str() == word);
        let refusal = Refusal {
            code: code.copied().unwrap_or(RefusalCode::Malformed),
            text: wire.text.unwrap_or_else(|| word.clone()),
        };
        return Ok(ServerLine::Answer(wire.id, Err(refusal)));
    }
    if wire.event.is_some() {
        return to_event(wire).map(ServerLine::Event);
    }
    let id = wire.id;
    to_reply(wire).map(|reply| ServerLine::Answer(id, Ok(reply)))
}

fn to_event(wire: WireServerLine) -> Result<Event, JsonError> {
    match wire.event.as_deref() {
        Some("room-deleted") => Ok(Event::RoomDeleted {
            name: parsed(&required(wire.name, "name")?)?,
            by: required(wire.by, "by")?,
        }),
        Some("idle") => Ok(Event::Idle(wire.text.unwrap_or_default())),
        Some("server-stopping") => Ok(Event::ServerStopping),
        word => Ok(Event::Notice(
            wire.text
                .or_else(|| word.map(str::to_owned))
                .unwrap_or_default(),
        )),
    }
}

fn to_reply(wire: WireServerLine) -> Result<Reply, JsonError> {
    match required(wire.reply, "reply")?.as_str() {
        "hello" => Ok(Reply::Hello {
            version: required(wire.version, "version")?,
            program: required(wire.program, "program")?,
        }),
        "done" => Ok(Reply::Done),
        "directory" => {
            let rooms = required(wire.rooms, "rooms")?;
            let rooms: Result<_, _> = rooms.into_iter().map(Room::try_from).collect();
            Ok(Reply::Directory(rooms?))
        }
        "room-made" => Ok(Reply::RoomMade(required(wire.room, "room")?.try_into()?)),
        "room-deleted" => Ok(Reply::RoomDeleted(required(wire.room, "room")?.try_into()?)),
        other => Err(JsonError::Field(format!("unknown reply `{other}`"))),
    }
}

fn line(wire: &impl Serialize) -> String {
    let mut line = serde_json::to_string(wire).expect("strings and numbers always serialise");
    line.push('\n');
    line
}

fn required<T>(field: Option<T>, name: &str) -> Result<T, JsonError> {
    field.ok_or_else(|| JsonError::Field(format!("the field `{name}` is missing")))
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, JsonError>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| JsonError::Field(error.to_string()))
}

impl From<&Room> for WireRoom {
    fn from(room: &Room) -> Self {
        Self {
            name: room.name.to_string(),
            address: room.address.group().to_string(),
            port: room.address.port(),
            dialect: room.dialect.to_string(),
            made_by: room.made_by.name.as_ref().map(ToString::to_string),
            made_from: room.made_by.address.to_string(),
            made_at: room.made_at,
        }
    }
}

impl TryFrom<WireRoom> for Room {
    type Error = JsonError;

    fn try_from(wire: WireRoom) -> Result<Self, JsonError> {
        let made_by = Origin {
            name: wire.made_by.as_deref().map(parsed).transpose()?,
            address: parsed(&wire.made_from)?,
        };
        Ok(Self {
            name: parsed(&wire.name)?,
            address: RoomAddress::new(parsed(&wire.address)?, wire.port)
                .map_err(|error| JsonError::Field(error.to_string()))?,
            dialect: parsed(&wire.dialect)?,
            made_by,
            made_at: wire.made_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Dialect;
    use crate::control::VERSION;
    use proptest::prelude::*;

    fn room(made_by: Option<&str>) -> Room {
        Room {
            name: "r1".parse().unwrap(),
            address: "239.1.1.1:6000".parse().unwrap(),
            dialect: Dialect::Plain,
            made_by: Origin {
                name: made_by.map(|name| name.parse().unwrap()),
                address: "[::1]:5".parse().unwrap(),
            },
            made_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        }
    }

    #[test]
    fn every_request_that_is_written_reads_back() {
        let make = |address: Option<&str>| Request::MakeRoom {
            name: "r1".parse().unwrap(),
            address: address.map(|a| a.parse().unwrap()),
            dialect: Dialect::Plain,
        };
        for request in [
            Request::Hello { version: VERSION },
            Request::Name("Émile".parse().unwrap()),
            Request::GetDirectory,
            make(None),
            make(Some("239.1.1.1:6000")),
            Request::DeleteRoom("r1".parse().unwrap()),
            Request::Ping,
            Request::Bye,
        ] {
            let line = request_line(7, &request);
            assert_eq!(parse_request(line.trim_end()), (Some(7), Ok(request)));
        }
    }

    #[test]
    fn every_answer_that_is_written_reads_back() {
        for reply in [
            Reply::Hello {
                version: 1,
                program: "crds 0.1.0".into(),
            },
            Reply::Done,
            Reply::Directory(vec![room(Some("Mel")), room(None)]),
            Reply::RoomMade(room(None)),
            Reply::RoomDeleted(room(Some("Mel"))),
        ] {
            let line = reply_line(3, &reply);
            if let Reply::Directory(rooms) = &reply {
                let array = directory_array(rooms.iter());
                assert_eq!(reply_line_with_directory(3, &array), line);
            }
            let word = line.split('"').nth(5).unwrap();
            assert!(Reply::NAMES.contains(&word), "{word}");
            let read = parse_server_line(line.trim_end()).unwrap();
            assert_eq!(read, ServerLine::Answer(Some(3), Ok(reply)));
        }
        for event in [
            Event::RoomDeleted {
                name: "r1".parse().unwrap(),
                by: "Mel".into(),
            },
            Event::Idle("still there?".into()),
            Event::Notice("soon".into()),
            Event::ServerStopping,
        ] {
            let line = event_line(&event);
            let word = line.split('"').nth(3).unwrap();
            assert!(Event::NAMES.contains(&word), "{word}");
            let read = parse_server_line(line.trim_end()).unwrap();
            assert_eq!(read, ServerLine::Event(event));
        }
        for &code in RefusalCode::ALL {
            let refusal = Refusal::new(code, "because");
            let read = parse_server_line(refusal_line(None, &refusal).trim_end()).unwrap();
            assert_eq!(read, ServerLine::Answer(None, Err(refusal)));
        }
    }

    #[test]
    fn a_bad_request_is_refused_under_its_number() {
        let refused = |text: &str| {
            let (id, result) = parse_request(text);
            (id, result.unwrap_err().code)
        };
        assert_eq!(refused("{"), (None, RefusalCode::Malformed));
        assert_eq!(
            refused(r#"{"id":4,"request":7}"#),
            (Some(4), RefusalCode::Malformed)
        );
        assert_eq!(
            refused(r#"{"id":4,"request":"dance"}"#),
            (Some(4), RefusalCode::UnknownCommand)
        );
        assert_eq!(
            refused(r#"{"id":4,"request":"make-room"}"#),
            (Some(4), RefusalCode::Malformed)
        );
        let make = |rest: &str| format!(r#"{{"id":4,"request":"make-room","name":"r"{rest}}}"#);
        assert_eq!(
            refused(&make(
                r#","dialect":"plain","address":"239.1.1.1","port":65536"#
            )),
            (Some(4), RefusalCode::AddressNotAllowed)
        );
        assert_eq!(
            refused(&make(
                r#","dialect":"plain","address":"239.1.1.1","port":-1"#
            )),
            (Some(4), RefusalCode::AddressNotAllowed)
        );
        assert_eq!(
            refused(&make(r#","dialect":"klingon""#)),
            (Some(4), RefusalCode::UnknownDialect)
        );
    }

    proptest! {
        #[test]
        fn no_line_panics_either_side(text in "\\PC*|\\{\"(id|request|event|reply|error)\":.{0,40}\\}") {
            let (_, result) = parse_request(&text);
            if let Err(refusal) = result {
                prop_assert!(!refusal.text.contains(char::is_control));
            }
            let _ = parse_server_line(&text);
        }
    }
}
