//! Sockets: the drivers around the pure protocols.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod clock;
mod group_sockets;
mod hosted_member;
mod interface;
mod line_stream;
mod multicast_socket;
mod observer;
mod offers;
mod relay;
mod room_event;
mod room_seat;
mod room_task;
mod seat;
mod speech;
pub mod transfer;
mod watched_socket;

pub use group_sockets::GroupSockets;
pub use hosted_member::{HostedMember, MemberTold};
pub use interface::{Interface, InterfaceError, Towards};
pub use line_stream::{LineStream, StreamError};
pub use multicast_socket::OpenError;
pub use observer::{Observed, ObservedMember, Observer};
pub use relay::{FromRelay, RelayLink};
pub use room_event::{RoomEvent, RoomMember, RoomStats, Said, SayError, Traffic};
pub use room_seat::{KnownPast, RoomCommand, RoomOptions, Seated};
pub use room_task::spawn_room;
pub use seat::{Seat, SeatOptions, new_member};
