//! The library to build programs on: a [`Connection`] to a directory server, and a [`Room`] to talk in.
//!
//! A room needs no server: whoever knows its address can join. A [`Seat`] is one in a reliable room for a program without a
//! runtime.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod connection;
mod file_source;
mod overlap;
mod room;
mod room_files;
mod turn;

pub use crate::control::{Event as ServerEvent, FileFor, Group, Online, Refusal, RefusalCode, Via};
pub use crate::files::{FileError, PartFile, SourceFile, prepare_folder};
pub use crate::multicast::content::Offer;
pub use crate::multicast::file::Layout;
pub use crate::multicast::session::{Delivered, Event, SendError, Session};
pub use crate::net::transfer::{Incoming, Outgoing, Received, Sent};
pub use crate::net::{
    Interface, InterfaceError, KnownPast, OpenError, RelayLink, RoomEvent, RoomMember, RoomOptions,
    RoomStats, Said, SayError, Seat, SeatOptions, Towards, Traffic, new_member,
};
pub use connection::{
    ConnectError, Connection, ConnectionEvent, Entry, Files, RequestError, Transfer, TransferError,
};
pub use file_source::FileSource;
pub use overlap::Overlap;
pub use room::Room;
pub use room_files::{Fetched, RoomFileError, RoomFiles, Shared, open_source};
pub use turn::Turn;
