//! Answers, to and from their lines.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::{WireEntry, WirePosition};
use super::{JsonError, ServerLine, all_parsed, line, parsed, parsed_if_there, required, written};
use crate::chat::{HistoryPage, MemberLimit, Origin, RecordId, Room, RoomAddress};
use crate::control::{Group, Online, Present, Refusal, RefusalCode, Reply};

#[derive(Serialize, Deserialize)]
pub(super) struct WireRoom {
    name: String,
    address: String,
    port: u16,
    dialect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<String>,
    made_from: String,
    made_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct WireOnline {
    name: String,
    address: String,
    since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WirePresent {
    name: String,
    via: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own: bool,
}

#[derive(Serialize, Deserialize)]
struct WireGroup {
    name: String,
    members: Vec<String>,
}

/// An answer; which fields it has depends on the one of `reply` and `error` that is there.
#[derive(Default, Serialize, Deserialize)]
struct WireAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    program: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    avatars: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Vec<WireOnline>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bridge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<WirePresent>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<WireGroup>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    following: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<WireRoom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<Vec<WireRoom>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<WireEntry>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    positions: Option<Vec<WirePosition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    have: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

/// The line that answers, with its end. The [raw bytes](Reply::raw_bytes) of a file are to follow it.
pub fn reply_line(id: u64, reply: &Reply) -> String {
    let mut wire = WireAnswer {
        id: Some(id),
        reply: Some(reply.as_str().to_owned()),
        ..WireAnswer::default()
    };
    match reply {
        Reply::Hello {
            version,
            program,
            token,
            name,
        } => {
            wire.version = Some(*version);
            wire.program = Some(program.clone());
            wire.token = Some(token.to_string());
            wire.name = name.as_ref().map(ToString::to_string);
        }
        Reply::Names { names, avatars } => {
            wire.names = Some(written(names));
            let avatars = avatars.iter();
            wire.avatars = avatars
                .map(|(n, a)| (n.to_string(), a.to_string()))
                .collect();
        }
        Reply::Report(online) => {
            wire.online = Some(online.iter().map(WireOnline::from).collect());
        }
        Reply::Done => {}
        Reply::Entered { bridge, member } => {
            wire.bridge = bridge.map(|bridge| bridge.to_string());
            wire.member = member.map(|member| member.to_string());
        }
        Reply::Said(record) => {
            wire.origin = Some(record.origin.to_string());
            wire.sequence = Some(record.sequence);
        }
        Reply::Members(members) => {
            wire.members = Some(members.iter().map(WirePresent::from).collect());
        }
        Reply::Groups(groups) => {
            wire.groups = Some(groups.iter().map(WireGroup::from).collect());
        }
        Reply::Following(followed) => {
            wire.following = Some(written(followed));
        }
        Reply::History(page) => {
            wire.entries = Some(page.entries.iter().map(WireEntry::from).collect());
            wire.before = page.before;
            wire.kept = Some(page.kept);
            wire.positions = Some(page.positions.iter().map(WirePosition::from).collect());
            wire.now = Some(page.now);
        }
        Reply::Found { found, before } => {
            wire.entries = Some(found.iter().map(WireEntry::from).collect());
            wire.before = *before;
        }
        Reply::Directory(rooms) => {
            wire.rooms = Some(rooms.iter().map(WireRoom::from).collect());
        }
        Reply::RoomMade(room) => {
            wire.room = Some(room.into());
        }
        Reply::RoomDeleted(room) => {
            wire.room = Some(room.into());
        }
        Reply::FilePiece { size_bytes, .. } => {
            wire.size = Some(*size_bytes);
            wire.bytes = reply.raw_bytes().map(Bytes::len);
        }
        Reply::FileState {
            have_bytes,
            is_kept,
        } => {
            wire.have = Some(*have_bytes);
            wire.whole = Some(*is_kept);
        }
    }
    line(&wire, None)
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
    let wire = WireAnswer {
        id,
        error: Some(refusal.code.as_str().to_owned()),
        text: Some(refusal.text.clone()),
        ..WireAnswer::default()
    };
    line(&wire, None)
}

pub(super) fn parse(text: &str, bulk: Option<&[u8]>) -> Result<ServerLine, JsonError> {
    let wire: WireAnswer = serde_json::from_str(text)?;
    let id = wire.id;
    if let Some(word) = &wire.error {
        let code = RefusalCode::ALL.iter().find(|code| code.as_str() == word);
        let refusal = Refusal {
            code: code.copied().unwrap_or(RefusalCode::Malformed),
            text: wire.text.unwrap_or_else(|| word.clone()),
        };
        return Ok(ServerLine::Answer(id, Err(refusal)));
    }
    to_reply(wire, bulk).map(|reply| ServerLine::Answer(id, Ok(reply)))
}

fn to_reply(wire: WireAnswer, bulk: Option<&[u8]>) -> Result<Reply, JsonError> {
    match required(wire.reply, "reply")?.as_str() {
        "hello" => Ok(Reply::Hello {
            version: required(wire.version, "version")?,
            program: required(wire.program, "program")?,
            token: parsed(&required(wire.token, "token")?)?,
            name: parsed_if_there(wire.name.as_deref())?,
        }),
        "done" => Ok(Reply::Done),
        "names" => Ok(Reply::Names {
            names: all_parsed(&required(wire.names, "names")?)?,
            avatars: {
                let avatars = wire.avatars.iter();
                let avatars = avatars.map(|(n, a)| Ok((parsed(n)?, parsed(a)?)));
                avatars.collect::<Result<_, JsonError>>()?
            },
        }),
        "report" => all_read(required(wire.online, "online")?).map(Reply::Report),
        "entered" => Ok(Reply::Entered {
            bridge: parsed_if_there(wire.bridge.as_deref())?,
            member: parsed_if_there(wire.member.as_deref())?,
        }),
        "said" => Ok(Reply::Said(RecordId {
            origin: parsed(&required(wire.origin, "origin")?)?,
            sequence: required(wire.sequence, "sequence")?,
        })),
        "members" => all_read(required(wire.members, "members")?).map(Reply::Members),
        "groups" => all_read(required(wire.groups, "groups")?).map(Reply::Groups),
        "following" => all_parsed(&required(wire.following, "following")?).map(Reply::Following),
        "history" => Ok(Reply::History(HistoryPage {
            entries: all_read(required(wire.entries, "entries")?)?,
            before: wire.before,
            kept: required(wire.kept, "kept")?,
            positions: all_read(required(wire.positions, "positions")?)?,
            now: required(wire.now, "now")?,
        })),
        "found" => Ok(Reply::Found {
            found: all_read(required(wire.entries, "entries")?)?,
            before: wire.before,
        }),
        "directory" => all_read(required(wire.rooms, "rooms")?).map(Reply::Directory),
        "room-made" => Ok(Reply::RoomMade(required(wire.room, "room")?.try_into()?)),
        "room-deleted" => Ok(Reply::RoomDeleted(required(wire.room, "room")?.try_into()?)),
        "file-piece" => Ok(Reply::FilePiece {
            size_bytes: required(wire.size, "size")?,
            bytes: Bytes::copy_from_slice(bulk.unwrap_or_default()),
        }),
        "file-state" => Ok(Reply::FileState {
            have_bytes: required(wire.have, "have")?,
            is_kept: required(wire.whole, "whole")?,
        }),
        other => Err(JsonError::Field(format!("unknown reply `{other}`"))),
    }
}

fn all_read<W, T: TryFrom<W, Error = JsonError>>(wires: Vec<W>) -> Result<Vec<T>, JsonError> {
    wires.into_iter().map(T::try_from).collect()
}

impl From<&Room> for WireRoom {
    fn from(room: &Room) -> Self {
        Self {
            name: room.name.to_string(),
            address: room.address.group().to_string(),
            port: room.address.port(),
            dialect: room.dialect.to_string(),
            limit: room.limit.map(|limit| limit.get().into()),
            topic: room.topic.as_ref().map(ToString::to_string),
            history: room.history.map(|history| history.to_string()),
            made_by: room.made_by.name.as_ref().map(ToString::to_string),
            made_from: room.made_by.address.to_string(),
            made_at: room.made_at,
        }
    }
}

impl TryFrom<WireRoom> for Room {
    type Error = JsonError;

    fn try_from(wire: WireRoom) -> Result<Self, JsonError> {
        let field = |error: &dyn std::fmt::Display| JsonError::Field(error.to_string());
        let made_by = Origin {
            name: parsed_if_there(wire.made_by.as_deref())?,
            address: parsed(&wire.made_from)?,
        };
        Ok(Self {
            name: parsed(&wire.name)?,
            address: RoomAddress::new(parsed(&wire.address)?, wire.port)
                .map_err(|error| field(&error))?,
            dialect: parsed(&wire.dialect)?,
            limit: match wire.limit.map(MemberLimit::new).transpose() {
                Ok(limit) => limit,
                Err(error) => return Err(field(&error)),
            },
            topic: parsed_if_there(wire.topic.as_deref())?,
            history: parsed_if_there(wire.history.as_deref())?,
            made_by,
            made_at: wire.made_at,
        })
    }
}

impl From<&Online> for WireOnline {
    fn from(online: &Online) -> Self {
        Self {
            name: online.name.to_string(),
            address: online.address.to_string(),
            since: online.since,
            room: online.room.as_ref().map(ToString::to_string),
            via: online.via.map(|via| via.as_str().to_owned()),
            away: online.away.as_ref().map(ToString::to_string),
            avatar: online.avatar.map(|avatar| avatar.to_string()),
        }
    }
}

impl TryFrom<WireOnline> for Online {
    type Error = JsonError;

    fn try_from(wire: WireOnline) -> Result<Self, JsonError> {
        Ok(Self {
            name: parsed(&wire.name)?,
            address: parsed(&wire.address)?,
            since: wire.since,
            room: parsed_if_there(wire.room.as_deref())?,
            via: parsed_if_there(wire.via.as_deref())?,
            away: parsed_if_there(wire.away.as_deref())?,
            avatar: parsed_if_there(wire.avatar.as_deref())?,
        })
    }
}

impl From<&Present> for WirePresent {
    fn from(present: &Present) -> Self {
        Self {
            name: present.name.clone(),
            via: present.via.as_str().to_owned(),
            own: present.is_own,
        }
    }
}

impl TryFrom<WirePresent> for Present {
    type Error = JsonError;

    fn try_from(wire: WirePresent) -> Result<Self, JsonError> {
        Ok(Self {
            name: wire.name,
            via: parsed(&wire.via)?,
            is_own: wire.own,
        })
    }
}

impl From<&Group> for WireGroup {
    fn from(group: &Group) -> Self {
        Self {
            name: group.name.to_string(),
            members: written(&group.members),
        }
    }
}

impl TryFrom<WireGroup> for Group {
    type Error = JsonError;

    fn try_from(wire: WireGroup) -> Result<Self, JsonError> {
        Ok(Self {
            name: parsed(&wire.name)?,
            members: all_parsed(&wire.members)?,
        })
    }
}
