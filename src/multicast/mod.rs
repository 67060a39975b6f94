//! What the members of a room say to each other over UDP. Pure: bytes in, values out.

pub mod config;
pub mod plain;
