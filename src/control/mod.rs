//! What client and server say to each other over TCP: bounded lines of UTF-8, in plain words or in
//! JSON. Pure: bytes in, values out. `report/PROTOCOL.md` is the same for a reader, and a test holds
//! the two together.

pub mod datagrams;
mod event;
mod json;
mod line_buffer;
pub mod plain_words;
mod reply;
mod request;
mod token;
mod words;

pub use event::{Activity, Event};
pub use json::{
    JsonError, ServerLine, asks_for_piece, directory_array, event_line, parse_request,
    parse_server_line, refusal_line, reply_line, reply_line_with_directory, request_line,
};
pub use line_buffer::{Framed, LineBuffer, LineError};
pub use reply::{Group, Online, Present, Refusal, RefusalCode, Reply};
pub use request::{FileFor, Request, RequestKind, Via, ViaError};
pub use token::{Token, TokenError};

/// The version of the JSON lines; `hello` settles it.
pub const VERSION: u32 = 1;

/// The longest line that a server receives unless told otherwise, in bytes without its end.
pub const LINE_BYTES_MAX: usize = 65_536;

/// The longest answer that a client accepts, in bytes: a directory of 100,000 rooms with all that is
/// known of them fits twice.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most raw bytes that follow a line which says so: a file is sent in pieces, so that it never
/// holds up a line for long.
pub const BULK_BYTES_MAX: usize = 65_536;

/// How a file travels: in pieces of this many bytes, the last one shorter. The most that may follow a line.
pub const FILE_PIECE_BYTES: u32 = 65_536;

/// A longer text follows its line as raw bytes, so that no line with it passes the limit however
/// much of it must be escaped.
pub const TEXT_IN_LINE_BYTES_MAX: usize = 8192;
