//! The protocol as our own client speaks it: an object a line, read into values and written from them.
//! A text that is too long for a line follows it as raw bytes, whose number stands in the line.

mod event;
mod history;
mod reply;
mod request;
mod room_event;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use event::event_line;
pub use reply::{directory_array, refusal_line, reply_line, reply_line_with_directory};
pub use request::{asks_for_piece, parse_request, request_line};

use super::{Event, Refusal, RefusalCode, Reply, TEXT_IN_LINE_BYTES_MAX};
use crate::chat::{FileName, FileOffer, MessageText, MessageTextError, RoomName};

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
    /// A piece of datagrams of this room stands behind the line.
    Datagrams(RoomName),
}

/// Tells events from answers.
#[derive(Deserialize)]
struct WireKind {
    datagrams: Option<String>,
    event: Option<String>,
}

/// Reads what a server sent, with the raw bytes that followed. An event that this version does not
/// know comes as a notice.
///
/// # Errors
/// It is no line of the protocol.
pub fn parse_server_line(text: &str, bulk: Option<&[u8]>) -> Result<ServerLine, JsonError> {
    // A server that is full does not wait to hear how its client speaks.
    if let Some(text) = text.strip_prefix("ERR ") {
        let refusal = Refusal::new(RefusalCode::ServerFull, text);
        return Ok(ServerLine::Answer(None, Err(refusal)));
    }
    let kind = serde_json::from_str::<WireKind>(text)?;
    match (kind.event, kind.datagrams) {
        (Some(word), _) => event::parse(&word, text, bulk).map(ServerLine::Event),
        (None, Some(room)) => parsed(&room).map(ServerLine::Datagrams),
        (None, None) => reply::parse(text, bulk),
    }
}

/// A file as it is offered. What is no name of a file is made one.
fn offer(name: &str, size_bytes: u64, hash: &str) -> Result<FileOffer, JsonError> {
    Ok(FileOffer {
        name: FileName::of(name),
        size_bytes,
        hash: parsed(hash)?,
    })
}

/// A message as it is sent: in its line, or behind it.
#[derive(Default)]
struct Carried<'a> {
    text: Option<String>,
    bytes: Option<usize>,
    bulk: Option<&'a str>,
}

impl<'a> From<&'a MessageText> for Carried<'a> {
    fn from(message: &'a MessageText) -> Self {
        let text = message.as_str();
        if text.len() > TEXT_IN_LINE_BYTES_MAX {
            Self {
                bytes: Some(text.len()),
                bulk: Some(text),
                ..Self::default()
            }
        } else {
            Self {
                text: Some(text.to_owned()),
                ..Self::default()
            }
        }
    }
}

/// Why no text could be read.
enum CarriedError {
    /// It is neither in the line nor behind it, or both.
    Missing,
    NotUtf8,
    NotAllowed(MessageTextError),
}

/// The text that came in a line or behind it.
fn carried(text: Option<String>, bulk: Option<&[u8]>) -> Result<MessageText, CarriedError> {
    let text = match (&text, bulk) {
        (Some(text), None) => text.as_str(),
        (None, Some(bulk)) => std::str::from_utf8(bulk).map_err(|_| CarriedError::NotUtf8)?,
        _ => return Err(CarriedError::Missing),
    };
    text.parse().map_err(CarriedError::NotAllowed)
}

/// The line with its end, and what follows it.
fn line(wire: &impl Serialize, bulk: Option<&str>) -> String {
    let mut line = serde_json::to_string(wire).expect("strings and numbers always serialise");
    line.push('\n');
    line.push_str(bulk.unwrap_or_default());
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

/// As [`parsed`], for a field that may be left out.
fn parsed_if_there<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, JsonError>
where
    T::Err: std::fmt::Display,
{
    text.map(parsed).transpose()
}

/// As [`parsed`], for each of several.
fn all_parsed<T: std::str::FromStr>(texts: &[String]) -> Result<Vec<T>, JsonError>
where
    T::Err: std::fmt::Display,
{
    texts.iter().map(|text| parsed(text)).collect()
}

/// Texts for a field that holds several.
fn written<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
