//! What client and server say to each other over TCP: bounded lines of UTF-8, in plain words or in
//! JSON. Pure: bytes in, values out. `report/PROTOCOL.md` is the same for a reader, and a test holds
//! the two together.

mod json;
mod line_buffer;
pub mod plain_words;
mod reply;
mod request;

pub use json::{
    JsonError, ServerLine, directory_array, event_line, parse_request, parse_server_line,
    refusal_line, reply_line, reply_line_with_directory, request_line,
};
pub use line_buffer::{LineBuffer, LineError};
pub use reply::{Event, Refusal, RefusalCode, Reply};
pub use request::{Request, RequestKind};

/// The version of the JSON lines; `hello` settles it.
pub const VERSION: u32 = 1;

/// The longest line that a server receives unless told otherwise, in bytes without its end.
pub const LINE_BYTES_MAX: usize = 65_536;

/// The longest answer that a client accepts, in bytes: a directory of 100,000 rooms with all that is
/// known of them fits twice.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
