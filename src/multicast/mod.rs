//! What the members of a room say to each other over UDP. Pure: bytes in, values out.
//!
//! [`plain`] is what rooms speak today. [`session`] is the reliable room, which the simulator plays and
//! no room uses yet.

mod arrivals;
mod budget;
pub mod config;
mod membership;
mod nack;
mod pace;
pub mod packet;
pub mod plain;
mod quantised;
pub mod session;
mod stream;
