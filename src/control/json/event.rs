//! Events, to and from their lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Carried, CarriedError, JsonError, carried, line, offer, parsed, parsed_if_there, required,
    room_event,
};
use crate::chat::MessageText;
use crate::control::Event;

/// An event; which fields it has depends on `event`.
#[derive(Default, Serialize, Deserialize)]
struct WireEvent {
    event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

/// The line of an event, with its end, and the text that follows if it is long.
pub fn event_line(event: &Event) -> String {
    if let Some(line) = room_event::line_of(event) {
        return line;
    }
    let message = event.message().map(Carried::from).unwrap_or_default();
    let mut wire = WireEvent {
        event: event.as_str().to_owned(),
        text: message.text,
        bytes: message.bytes,
        ..WireEvent::default()
    };
    fill(&mut wire, event);
    line(&wire, message.bulk)
}

/// What the event carries beside a message.
fn fill(wire: &mut WireEvent, event: &Event) {
    match event {
        Event::Welcome(name) => {
            wire.name = Some(name.to_string());
        }
        Event::Joined(name) => {
            wire.name = Some(name.to_string());
        }
        Event::Exited(name) => {
            wire.name = Some(name.to_string());
        }
        Event::Renamed { before, name } => {
            wire.before = Some(before.to_string());
            wire.name = Some(name.to_string());
        }
        Event::Avatar { name, avatar } => {
            wire.name = Some(name.to_string());
            wire.avatar = avatar.map(|avatar| avatar.to_string());
        }
        Event::Entered {
            room,
            name,
            at,
            number,
        }
        | Event::Left {
            room,
            name,
            at,
            number,
        } => {
            wire.room = Some(room.to_string());
            wire.name = Some(name.to_string());
            wire.at = Some(*at);
            wire.number = Some(*number);
        }
        Event::Enrolled { group, by } => {
            wire.group = Some(group.to_string());
            wire.by = Some(by.to_string());
        }
        Event::GroupLeft { group, by } => {
            wire.group = Some(group.to_string());
            wire.by = Some(by.to_string());
        }
        Event::GroupDeleted { group, by } => {
            wire.group = Some(group.to_string());
            wire.by = Some(by.to_string());
        }
        Event::Topic { room, topic, by } => {
            wire.room = Some(room.to_string());
            wire.text = topic.as_ref().map(ToString::to_string);
            wire.by = Some(by.to_string());
        }
        Event::RoomDeleted { name, by } => {
            wire.name = Some(name.to_string());
            wire.by = Some(by.clone());
        }
        Event::Idle(text) => {
            wire.text = Some(text.clone());
        }
        Event::Notice(text) => {
            wire.text = Some(text.clone());
        }
        Event::Line {
            room,
            from,
            at,
            said_at,
            number,
            ..
        } => {
            wire.room = Some(room.to_string());
            wire.from = Some(from.clone());
            wire.at = Some(*at);
            wire.said_at = Some(*said_at);
            wire.number = Some(*number);
        }
        Event::File {
            room,
            from,
            offer,
            at,
            said_at,
            number,
        } => {
            wire.room = room.as_ref().map(ToString::to_string);
            wire.from = Some(from.to_string());
            wire.name = Some(offer.name.to_string());
            wire.size = Some(offer.size_bytes);
            wire.hash = Some(offer.hash.to_string());
            wire.at = Some(*at);
            wire.said_at = Some(*said_at);
            wire.number = *number;
        }
        Event::Whisper { from, .. } => wire.from = Some(from.to_string()),
        Event::GroupLine { group, from, .. } => {
            wire.group = Some(group.to_string());
            wire.from = Some(from.to_string());
        }
        Event::Followed { room, from, .. } => {
            wire.room = Some(room.to_string());
            wire.from = Some(from.clone());
        }
        Event::Reach { room, heard } => {
            wire.room = Some(room.to_string());
            wire.heard = Some(*heard);
        }
        Event::ServerStopping => {}
        // Written by their own.
        Event::Heard { .. }
        | Event::Offered { .. }
        | Event::Came { .. }
        | Event::Went { .. }
        | Event::Delivered { .. }
        | Event::RoomNotice { .. }
        | Event::Activity(_)
        | Event::RoomMade(_) => {}
    }
}

pub(super) fn parse(word: &str, text: &str, bulk: Option<&[u8]>) -> Result<Event, JsonError> {
    if matches!(word, "delivered" | "activity" | "room-made") {
        return room_event::parse(word, text, bulk);
    }
    let wire: WireEvent = serde_json::from_str(text)?;
    let is_of_room = wire.room.is_some() && wire.number.is_none();
    if is_of_room && matches!(word, "line" | "file" | "entered" | "left" | "notice") {
        return room_event::parse(word, text, bulk);
    }
    let name = || parsed(required(wire.name.as_deref(), "name")?);
    let room = || parsed(required(wire.room.as_deref(), "room")?);
    let group = || parsed(required(wire.group.as_deref(), "group")?);
    let by = || parsed(required(wire.by.as_deref(), "by")?);
    let from = || required(wire.from.as_deref(), "from");
    let at = || required(wire.at, "at");
    let number = || required(wire.number, "number");
    let text = || message(wire.text.clone(), bulk);
    Ok(match wire.event.as_str() {
        "welcome" => Event::Welcome(name()?),
        "joined" => Event::Joined(name()?),
        "exited" => Event::Exited(name()?),
        "renamed" => Event::Renamed {
            before: parsed(required(wire.before.as_deref(), "before")?)?,
            name: name()?,
        },
        "avatar" => Event::Avatar {
            name: name()?,
            avatar: parsed_if_there(wire.avatar.as_deref())?,
        },
        "line" => Event::Line {
            room: room()?,
            from: from()?.to_owned(),
            text: text()?,
            at: at()?,
            said_at: wire.said_at.map_or_else(at, Ok)?,
            number: number()?,
        },
        "file" => Event::File {
            room: parsed_if_there(wire.room.as_deref())?,
            from: parsed(from()?)?,
            offer: offer(
                required(wire.name.as_deref(), "name")?,
                required(wire.size, "size")?,
                required(wire.hash.as_deref(), "hash")?,
            )?,
            at: at()?,
            said_at: wire.said_at.map_or_else(at, Ok)?,
            number: wire.number,
        },
        "entered" => Event::Entered {
            room: room()?,
            name: name()?,
            at: at()?,
            number: number()?,
        },
        "left" => Event::Left {
            room: room()?,
            name: name()?,
            at: at()?,
            number: number()?,
        },
        "whisper" => Event::Whisper {
            from: parsed(from()?)?,
            text: text()?,
        },
        "enrolled" => Event::Enrolled {
            group: group()?,
            by: by()?,
        },
        "group-line" => Event::GroupLine {
            group: group()?,
            from: parsed(from()?)?,
            text: text()?,
        },
        "group-left" => Event::GroupLeft {
            group: group()?,
            by: by()?,
        },
        "group-deleted" => Event::GroupDeleted {
            group: group()?,
            by: by()?,
        },
        "followed" => Event::Followed {
            room: room()?,
            from: from()?.to_owned(),
            text: text()?,
        },
        "topic" => Event::Topic {
            room: room()?,
            topic: parsed_if_there(wire.text.as_deref())?,
            by: by()?,
        },
        "reach" => Event::Reach {
            room: room()?,
            heard: required(wire.heard, "heard")?,
        },
        "room-deleted" => Event::RoomDeleted {
            name: parsed(required(wire.name.as_deref(), "name")?)?,
            by: required(wire.by, "by")?,
        },
        "idle" => Event::Idle(wire.text.unwrap_or_default()),
        "server-stopping" => Event::ServerStopping,
        _ => Event::Notice(wire.text.unwrap_or(wire.event)),
    })
}

pub(super) fn message(text: Option<String>, bulk: Option<&[u8]>) -> Result<MessageText, JsonError> {
    carried(text, bulk).map_err(|error| {
        JsonError::Field(match error {
            CarriedError::Missing => "there is no text, or two".to_owned(),
            CarriedError::NotUtf8 => "the text is no UTF-8".to_owned(),
            CarriedError::NotAllowed(error) => error.to_string(),
        })
    })
}
