//! Events of the room that somebody is hosted in, and of rooms that somebody watches, to and from their lines.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::message;
use super::reply::WireRoom;
use super::{Carried, JsonError, line, offer, parsed, required};
use crate::chat::{FileOffer, RecordId, Talk};
use crate::control::{Activity, Event};

/// An event of a room; which fields it has depends on `event`.
#[derive(Default, Serialize, Deserialize)]
struct WireRoomEvent {
    event: String,
    room: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct WireActivities {
    event: String,
    rooms: Vec<WireActivity>,
}

#[derive(Serialize, Deserialize)]
struct WireActivity {
    room: String,
    members: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct WireRoomMade {
    event: String,
    room: WireRoom,
}

/// The line of such an event, with its end, and the text that follows if it is long; none of others.
pub(super) fn line_of(event: &Event) -> Option<String> {
    let word = event.as_str().to_owned();
    match event {
        Event::Activity(rooms) => {
            let rooms = rooms.iter().map(WireActivity::from).collect();
            return Some(line(&WireActivities { event: word, rooms }, None));
        }
        Event::RoomMade(room) => {
            let room = WireRoom::from(&**room);
            return Some(line(&WireRoomMade { event: word, room }, None));
        }
        _ => {}
    }
    let message = event.message().map(Carried::from).unwrap_or_default();
    let mut wire = WireRoomEvent {
        event: word,
        text: message.text,
        bytes: message.bytes,
        ..WireRoomEvent::default()
    };
    fill(&mut wire, event).then(|| line(&wire, message.bulk))
}

/// What the event carries beside a message. False if it is not of these.
fn fill(wire: &mut WireRoomEvent, event: &Event) -> bool {
    match event {
        Event::Heard {
            room,
            from,
            at,
            said_at,
            record,
            is_own,
            ..
        } => {
            wire.room = room.to_string();
            wire.fill_said(from, *at, *said_at, *is_own);
            record.iter().for_each(|record| wire.fill_record(*record));
        }
        Event::Offered {
            room,
            from,
            offer,
            at,
            said_at,
            record,
            is_own,
        } => {
            wire.room = room.to_string();
            wire.fill_said(from, *at, *said_at, *is_own);
            wire.fill_offer(offer);
            wire.fill_record(*record);
        }
        Event::Came { room, name, at } | Event::Went { room, name, at } => {
            wire.room = room.to_string();
            wire.name = Some(name.clone());
            wire.at = Some(*at);
        }
        Event::Delivered {
            room,
            record,
            by,
            of,
        } => {
            wire.room = room.to_string();
            wire.fill_record(*record);
            (wire.by, wire.of) = (Some(*by), Some(*of));
        }
        Event::RoomNotice { room, text } => {
            wire.room = room.to_string();
            wire.text = Some(text.clone());
        }
        _ => return false,
    }
    true
}

pub(super) fn parse(word: &str, text: &str, bulk: Option<&[u8]>) -> Result<Event, JsonError> {
    match word {
        "activity" => {
            let wire: WireActivities = serde_json::from_str(text)?;
            let rooms = wire.rooms.into_iter().map(Activity::try_from);
            return Ok(Event::Activity(rooms.collect::<Result<_, _>>()?));
        }
        "room-made" => {
            let wire: WireRoomMade = serde_json::from_str(text)?;
            return Ok(Event::RoomMade(Box::new(wire.room.try_into()?)));
        }
        _ => {}
    }
    let wire: WireRoomEvent = serde_json::from_str(text)?;
    let room = parsed(&wire.room)?;
    let from = || required(wire.from.clone(), "from");
    let name = || required(wire.name.clone(), "name");
    let at = || required(wire.at, "at");
    Ok(match word {
        "line" => Event::Heard {
            room,
            from: from()?,
            at: at()?,
            said_at: wire.said_at.map_or_else(at, Ok)?,
            record: wire.record()?,
            is_own: wire.own,
            text: message(wire.text, bulk)?,
        },
        "file" => Event::Offered {
            room,
            from: from()?,
            offer: offer(
                &name()?,
                required(wire.size, "size")?,
                required(wire.hash.as_deref(), "hash")?,
            )?,
            at: at()?,
            said_at: wire.said_at.map_or_else(at, Ok)?,
            record: required(wire.record()?, "origin")?,
            is_own: wire.own,
        },
        "entered" => Event::Came {
            room,
            name: name()?,
            at: at()?,
        },
        "left" => Event::Went {
            room,
            name: name()?,
            at: at()?,
        },
        "delivered" => Event::Delivered {
            room,
            record: required(wire.record()?, "origin")?,
            by: required(wire.by, "by")?,
            of: required(wire.of, "of")?,
        },
        _ => Event::RoomNotice {
            room,
            text: wire.text.unwrap_or_default(),
        },
    })
}

impl WireRoomEvent {
    /// Who said something, and when.
    fn fill_said(&mut self, from: &str, at: Timestamp, said_at: Timestamp, is_own: bool) {
        self.from = Some(from.to_owned());
        (self.at, self.said_at) = (Some(at), Some(said_at));
        self.own = is_own;
    }

    fn fill_record(&mut self, record: RecordId) {
        self.origin = Some(record.origin.to_string());
        self.sequence = Some(record.sequence);
    }

    fn fill_offer(&mut self, offer: &FileOffer) {
        self.name = Some(offer.name.to_string());
        self.size = Some(offer.size_bytes);
        self.hash = Some(offer.hash.to_string());
    }

    fn record(&self) -> Result<Option<RecordId>, JsonError> {
        match (&self.origin, self.sequence) {
            (Some(origin), Some(sequence)) => Ok(Some(RecordId {
                origin: parsed(origin)?,
                sequence,
            })),
            _ => Ok(None),
        }
    }
}

impl From<&Activity> for WireActivity {
    fn from(activity: &Activity) -> Self {
        Self {
            room: activity.room.to_string(),
            members: activity.members,
            last: activity.talk.map(|talk| talk.last),
            total: activity.talk.map(|talk| talk.total),
        }
    }
}

impl TryFrom<WireActivity> for Activity {
    type Error = JsonError;

    fn try_from(wire: WireActivity) -> Result<Self, JsonError> {
        let talk = wire.last.zip(wire.total);
        Ok(Self {
            room: parsed(&wire.room)?,
            members: wire.members,
            talk: talk.map(|(last, total)| Talk { last, total }),
        })
    }
}
