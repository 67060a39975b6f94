//! Sockets: the drivers around the pure protocols.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod clock;
mod interface;
mod line_stream;
mod multicast_socket;
mod room_event;
mod room_task;
mod seat;
mod speech;

pub use interface::{Interface, InterfaceError, Towards};
pub use line_stream::{LineStream, StreamError};
pub use multicast_socket::OpenError;
pub use room_event::{RoomEvent, RoomMember, RoomStats, Said, SayError, Traffic};
pub use room_task::{RoomCommand, RoomOptions, Seated, spawn_room};
pub use seat::{Seat, SeatOptions};
