//! What the members of a room say to each other over UDP. Pure: bytes in, values out.
//!
//! [`plain`] is the dialect of programs for the lab, a datagram a line. [`session`] is one member of a
//! reliable room, with [`packet`] for its datagrams, [`content`] for what a message holds and [`config`] for its
//! limits.

mod arrivals;
mod budget;
pub mod config;
pub mod content;
pub mod file;
mod floor;
mod membership;
mod nack;
mod pace;
pub mod packet;
pub mod plain;
mod progress;
mod quantised;
pub mod session;
mod stream;
pub mod transport;
