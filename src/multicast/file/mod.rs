//! A file on its way to all members of a room: one copy on the wire for all.
//!
//! The file is cut into blocks of source symbols, and parity symbols can be made of each; any of them, as many as it
//! has source symbols, give the block back, so that one parity symbol repairs a different loss at every member. Members
//! answer with how many more they need (NORM, RFC 5740, in its terms: FEC-based repair of a file object). A [`Sender`] decides
//! which symbol goes out next, a [`Receiver`] puts blocks together and says what it needs. Neither sees the file:
//! whoever drives them reads and writes it.

mod fec;
mod field;
#[cfg(target_arch = "x86_64")]
mod gfni;
mod layout;
mod packet;
mod products;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use fec::{Fec, FecError};
pub use layout::{Layout, ObjectId};
pub use packet::{
    Announcement, Answer, BlockNeed, FileDatagram, NEED_BLOCKS_MAX, Need, SYMBOL_HEADER_BYTES,
    Symbol, decode, encode_announcement, encode_need, write_symbol_header,
};
pub use receiver::{Receiver, Whole};
pub use sender::{Planned, Progress, Sender, Step};
