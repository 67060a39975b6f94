//! Requests, to and from their lines.

use std::net::Ipv4Addr;

use super::{Carried, CarriedError, carried, line, offer, written};
use crate::chat::{
    FileOffer, HistoryQuery, MemberLimit, MessageText, NewRoom, RecordRange, RoomAddress, Since,
    excerpt, printable,
};
use crate::control::{FileFor, Refusal, RefusalCode, Request, RequestKind};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A request as it is written; which fields it has depends on `request`.
#[derive(Default, Serialize, Deserialize)]
struct WireRequest {
    id: u64,
    request: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<Ipv4Addr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ago: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<u64>,
}

/// The number alone, for the answer to a request that cannot be read whole.
#[derive(Deserialize)]
struct WireId {
    id: Option<u64>,
}

/// Which request a line makes.
#[derive(Deserialize)]
struct WireWord {
    request: Option<String>,
}

/// Whether a line asks for a piece of a file, or brings one: these are not counted among what is said.
pub fn asks_for_piece(line: &str) -> bool {
    let kinds = [RequestKind::GetFile, RequestKind::PutFile].map(RequestKind::as_str);
    // Most lines do not, which is seen without reading them as what they are.
    line.trim_start().starts_with('{')
        && kinds.iter().any(|kind| line.contains(kind))
        && serde_json::from_str::<WireWord>(line)
            .ok()
            .and_then(|wire| wire.request)
            .is_some_and(|request| kinds.contains(&request.as_str()))
}

/// The line that asks, with its end, and the text that follows if it is long. The
/// [raw bytes](Request::raw_bytes) of a file are to follow it.
pub fn request_line(id: u64, request: &Request) -> String {
    let message = request.message().map(Carried::from).unwrap_or_default();
    let mut wire = WireRequest {
        id,
        request: request.kind().as_str().to_owned(),
        text: message.text,
        bytes: message.bytes.or(request.raw_bytes().map(Bytes::len)),
        ..WireRequest::default()
    };
    fill(&mut wire, request);
    line(&wire, message.bulk)
}

/// What the request carries beside a message.
fn fill(wire: &mut WireRequest, request: &Request) {
    match request {
        Request::Hello { version, resume } => {
            wire.version = Some(*version);
            wire.resume = resume.map(|token| token.to_string());
        }
        Request::Name(name) => {
            wire.name = Some(name.to_string());
        }
        Request::Enter {
            room,
            via,
            member,
            interface,
            name,
        } => {
            wire.room = Some(room.to_string());
            wire.via = Some(via.as_str().to_owned());
            wire.member = member.map(|member| member.to_string());
            wire.interface = *interface;
            wire.name = name.as_ref().map(ToString::to_string);
        }
        Request::Leave(room) | Request::Members(room) => {
            wire.room = Some(room.to_string());
        }
        Request::GroupSet { group, members } => {
            wire.group = Some(group.to_string());
            wire.members = Some(written(members));
        }
        Request::GroupLeave(group) => {
            wire.group = Some(group.to_string());
        }
        Request::GroupDelete(group) => {
            wire.group = Some(group.to_string());
        }
        Request::Follow(what) => {
            wire.what = Some(what.to_string());
        }
        Request::Unfollow(what) => {
            wire.what = Some(what.to_string());
        }
        Request::Away(reason) => {
            wire.text = reason.as_ref().map(ToString::to_string);
        }
        Request::Topic { room, topic } => {
            wire.room = Some(room.to_string());
            wire.text = topic.as_ref().map(ToString::to_string);
        }
        Request::History { room, query } => {
            wire.room = Some(room.to_string());
            match query.since {
                Some(Since::Ago(millis)) => wire.ago = Some(millis),
                Some(Since::At(moment)) => wire.since = Some(moment),
                None => {}
            }
            wire.before = query.before;
            wire.origin = query.of.map(|of| of.origin.to_string());
            wire.first = query.of.map(|of| of.first);
            wire.end = query.of.map(|of| of.end);
            wire.limit = query.limit.map(i64::from);
        }
        Request::Search {
            room,
            words,
            before,
            limit,
        } => {
            wire.room = room.as_ref().map(ToString::to_string);
            wire.words = Some(words.to_string());
            wire.before = *before;
            wire.limit = limit.map(i64::from);
        }
        Request::MakeRoom(new) => {
            wire.name = Some(new.name.to_string());
            wire.address = new.address.map(|a| a.group().to_string());
            wire.port = new.address.map(|a| a.port().into());
            wire.dialect = Some(new.dialect.to_string());
            wire.limit = new.limit.map(|limit| limit.get().into());
            wire.topic = new.topic.as_ref().map(ToString::to_string);
            wire.history = new.history.map(|history| history.to_string());
        }
        Request::DeleteRoom(name) => {
            wire.name = Some(name.to_string());
        }
        Request::GetFile { hash, offset } => {
            wire.hash = Some(hash.to_string());
            wire.offset = Some(*offset);
        }
        Request::PutFile { offer, offset, .. } => {
            fill_offer(wire, offer);
            wire.offset = Some(*offset);
        }
        Request::OfferFile { to, offer, said_at } => {
            fill_offer(wire, offer);
            wire.said_at = *said_at;
            match to {
                FileFor::Room(room) => wire.room = Some(room.to_string()),
                FileFor::Person(name) => wire.to = Some(name.to_string()),
            }
        }
        Request::Say { room, said_at, .. } => {
            wire.room = Some(room.to_string());
            wire.said_at = *said_at;
        }
        Request::Whisper { to, .. } => wire.to = Some(to.to_string()),
        Request::GroupSend(_)
        | Request::Names
        | Request::Report
        | Request::Groups
        | Request::Following
        | Request::GetDirectory
        | Request::Watch
        | Request::Ping
        | Request::Bye => {}
    }
}

fn fill_offer(wire: &mut WireRequest, offer: &FileOffer) {
    wire.name = Some(offer.name.to_string());
    wire.size = Some(offer.size_bytes);
    wire.hash = Some(offer.hash.to_string());
}

/// Reads a request, with the raw bytes that followed its line. The number is given back wherever it can
/// be read, so that the refusal carries it.
pub fn parse_request(text: &str, bulk: Option<&[u8]>) -> (Option<u64>, Result<Request, Refusal>) {
    match serde_json::from_str::<WireRequest>(text) {
        Ok(wire) => (Some(wire.id), to_request(wire, bulk)),
        Err(error) => {
            let id = serde_json::from_str::<WireId>(text).ok().and_then(|w| w.id);
            let text = printable(&format!("not a request: {error}")).into_owned();
            (id, Err(malformed(text)))
        }
    }
}

fn malformed(text: String) -> Refusal {
    Refusal::new(RefusalCode::Malformed, text)
}

fn to_request(wire: WireRequest, bulk: Option<&[u8]>) -> Result<Request, Refusal> {
    let kind = kind_of(&wire.request)?;
    let missing = |field: &str| {
        let text = format!("request `{}` needs the field `{field}`", kind.as_str());
        malformed(text)
    };
    let name = || wire.name.as_deref().ok_or_else(|| missing("name"));
    let room = || wire.room.as_deref().ok_or_else(|| missing("room"));
    let group = || wire.group.as_deref().ok_or_else(|| missing("group"));
    let what = || wire.what.as_deref().ok_or_else(|| missing("what"));
    let text = || text_of(kind, wire.text.clone(), bulk);
    let offset = || wire.offset.ok_or_else(|| missing("offset"));
    let short_text = || wire.text.as_deref().map(str::parse).transpose();
    Ok(match kind {
        RequestKind::Hello => Request::Hello {
            version: wire.version.ok_or_else(|| missing("version"))?,
            // What is no token is no token of ours: passed over like one that nobody knows.
            resume: wire.resume.as_deref().and_then(|token| token.parse().ok()),
        },
        RequestKind::Name => Request::Name(name()?.parse()?),
        RequestKind::Names => Request::Names,
        RequestKind::Report => Request::Report,
        RequestKind::Enter => Request::Enter {
            room: room()?.parse()?,
            via: word(wire.via.as_deref().ok_or_else(|| missing("via"))?)?,
            member: wire.member.as_deref().map(word).transpose()?,
            interface: wire.interface,
            name: wire.name.as_deref().map(str::parse).transpose()?,
        },
        RequestKind::Leave => Request::Leave(room()?.parse()?),
        RequestKind::Say => Request::Say {
            room: room()?.parse()?,
            text: text()?,
            said_at: wire.said_at,
        },
        RequestKind::Members => Request::Members(room()?.parse()?),
        RequestKind::Watch => Request::Watch,
        RequestKind::Whisper => Request::Whisper {
            to: wire.to.as_deref().ok_or_else(|| missing("to"))?.parse()?,
            text: text()?,
        },
        RequestKind::GroupSet => {
            let members = wire.members.as_deref().unwrap_or_default();
            if members.is_empty() {
                return Err(missing("members"));
            }
            Request::GroupSet {
                group: group()?.parse()?,
                members: members
                    .iter()
                    .map(|m| m.parse())
                    .collect::<Result<_, _>>()?,
            }
        }
        RequestKind::GroupSend => Request::GroupSend(text()?),
        RequestKind::GroupLeave => Request::GroupLeave(group()?.parse()?),
        RequestKind::GroupDelete => Request::GroupDelete(group()?.parse()?),
        RequestKind::Groups => Request::Groups,
        RequestKind::Follow => Request::Follow(what()?.parse()?),
        RequestKind::Unfollow => Request::Unfollow(what()?.parse()?),
        RequestKind::Following => Request::Following,
        RequestKind::Away => Request::Away(short_text()?),
        RequestKind::Topic => Request::Topic {
            room: room()?.parse()?,
            topic: short_text()?,
        },
        RequestKind::History => Request::History {
            room: room()?.parse()?,
            query: history_query(&wire)?,
        },
        RequestKind::Search => Request::Search {
            room: wire.room.as_deref().map(str::parse).transpose()?,
            words: wire
                .words
                .as_deref()
                .ok_or_else(|| missing("words"))?
                .parse()?,
            before: wire.before,
            limit: page_limit(&wire)?,
        },
        RequestKind::GetDirectory => Request::GetDirectory,
        RequestKind::MakeRoom => Request::MakeRoom(NewRoom {
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
            limit: wire.limit.map(MemberLimit::new).transpose()?,
            topic: wire.topic.as_deref().map(str::parse).transpose()?,
            history: wire.history.as_deref().map(str::parse).transpose()?,
        }),
        RequestKind::DeleteRoom => Request::DeleteRoom(name()?.parse()?),
        RequestKind::GetFile => Request::GetFile {
            hash: word(wire.hash.as_deref().ok_or_else(|| missing("hash"))?)?,
            offset: offset()?,
        },
        RequestKind::PutFile => Request::PutFile {
            offer: offer_of(&wire, &missing)?,
            offset: offset()?,
            bytes: Bytes::copy_from_slice(bulk.unwrap_or_default()),
        },
        RequestKind::OfferFile => Request::OfferFile {
            to: match (wire.room.as_deref(), wire.to.as_deref()) {
                (Some(room), None) => FileFor::Room(room.parse()?),
                (None, Some(name)) => FileFor::Person(name.parse()?),
                _ => return Err(missing("room` or `to")),
            },
            offer: offer_of(&wire, &missing)?,
            said_at: wire.said_at,
        },
        RequestKind::Ping => Request::Ping,
        RequestKind::Bye => Request::Bye,
    })
}

fn offer_of(wire: &WireRequest, missing: &impl Fn(&str) -> Refusal) -> Result<FileOffer, Refusal> {
    let name = wire.name.as_deref().ok_or_else(|| missing("name"))?;
    let size_bytes = wire.size.ok_or_else(|| missing("size"))?;
    let hash = wire.hash.as_deref().ok_or_else(|| missing("hash"))?;
    offer(name, size_bytes, hash).map_err(|error| malformed(error.to_string()))
}

fn history_query(wire: &WireRequest) -> Result<HistoryQuery, Refusal> {
    let since = match (wire.since, wire.ago) {
        (None, None) => None,
        (Some(moment), None) => Some(Since::At(moment)),
        (None, Some(millis)) => Some(Since::Ago(millis)),
        (Some(_), Some(_)) => {
            let text = "request `history` takes `since` or `ago`, not both";
            return Err(malformed(text.to_owned()));
        }
    };
    let of = match (&wire.origin, wire.first, wire.end) {
        (None, None, None) => None,
        (Some(origin), Some(first), Some(end)) => Some(RecordRange {
            origin: word(origin)?,
            first,
            end,
        }),
        _ => {
            let text = "request `history` takes `origin`, `first` and `end` together";
            return Err(malformed(text.to_owned()));
        }
    };
    Ok(HistoryQuery {
        since,
        before: wire.before,
        of,
        limit: page_limit(wire)?,
    })
}

fn page_limit(wire: &WireRequest) -> Result<Option<u32>, Refusal> {
    let limit = wire.limit.map(|limit| u32::try_from(limit.max(1)));
    limit
        .transpose()
        .map_err(|_| malformed("the field `limit` is too large".to_owned()))
}

fn kind_of(given: &str) -> Result<RequestKind, Refusal> {
    let kind = RequestKind::ALL.iter().find(|kind| kind.as_str() == given);
    kind.copied().ok_or_else(|| {
        let word = excerpt(given, 64);
        let known: Vec<_> = RequestKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let text = format!(
            "unknown request `{word}`: the requests are {}",
            known.join(", ")
        );
        Refusal::new(RefusalCode::UnknownCommand, text)
    })
}

/// A field that only programs fill in.
fn word<T: std::str::FromStr>(given: &str) -> Result<T, Refusal>
where
    T::Err: std::fmt::Display,
{
    given
        .parse()
        .map_err(|error: T::Err| malformed(error.to_string()))
}

fn text_of(
    kind: RequestKind,
    text: Option<String>,
    bulk: Option<&[u8]>,
) -> Result<MessageText, Refusal> {
    carried(text, bulk).map_err(|error| match error {
        CarriedError::Missing => malformed(format!(
            "request `{}` needs either the field `text` or `bytes` with the text behind the line",
            kind.as_str()
        )),
        CarriedError::NotUtf8 => malformed("the text behind the line is no UTF-8".to_owned()),
        CarriedError::NotAllowed(error) => error.into(),
    })
}
