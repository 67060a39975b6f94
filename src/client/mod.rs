//! The library to build programs on: a [`Connection`] to a directory server, and a [`Room`] to talk in.
//!
//! A room needs no server: whoever knows its address can join.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod connection;
mod room;

pub use crate::net::{
    Interface, InterfaceError, OpenError, RoomEvent, RoomStats, SayError, Towards,
};
pub use connection::{ConnectError, Connection, RequestError, ServerEvent};
pub use room::{Room, RoomOptions};
