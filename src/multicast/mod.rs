//! What the members of a room say to each other over UDP. Pure: bytes in, values out.
//!
//! [`plain`] is what rooms speak today. [`session`] is the reliable room, which the simulator plays and
//! no room uses yet.

mod budget;
pub mod config;
mod membership;
mod nack;
pub mod packet;
pub mod plain;
pub mod session;
mod stream;
