//! Sockets: the drivers around the pure protocols.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod interface;
mod line_stream;
mod multicast_socket;
mod room_task;

pub use interface::{Interface, InterfaceError, Towards};
pub use line_stream::{LineStream, StreamError};
pub use multicast_socket::OpenError;
pub use room_task::{RoomCommand, RoomEvent, RoomStats, SayError, spawn_room};
