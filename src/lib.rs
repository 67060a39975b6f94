//! `crds`: chat rooms for the people on one local network.
//!
//! A tour of the layers, from the inside out. The first are pure: no socket, no clock, no randomness;
//! what time it is and which seed to use come in as arguments.
//!
//! - [`time`]: moments and spans, in microseconds.
//! - [`chat`]: the words that all others share. A `RoomAddress` or a `UserName` that exists is valid.
//! - [`directory`]: which rooms there are; names and addresses stay unique.
//! - [`control`]: what client and server say to each other over TCP, to and from bounded lines.
//! - [`hub`]: who is online and who hears what: names, the lobby, whispers, groups, follows.
//! - [`multicast`]: what members of a room say to each other over UDP.
//! - [`sim`]: many members of a reliable room over one virtual network, and what they were promised.
//!
//! Around them, the drivers that touch the world:
//!
//! - [`files`]: files on their way to the disk and from it: parts that survive a crash, names that are safe.
//! - [`net`]: sockets, and what goes over them: control lines; rooms, with a task for a person's seat, the observer for the
//!   server's own and the relay for whom multicast does not reach; transfers, files by multicast, with a thread for each.
//! - [`store`]: what must survive a restart.
//! - [`server`]: the directory server, one task a connection and one owner of hub and directory.
//! - [`gateway`]: ways to the server for what speaks neither its protocol nor multicast: the page in a browser.
//! - [`client`]: the library to build programs on: [`client::Connection`] and [`client::Room`].
//! - [`terminal`]: what a person types and reads.
//! - [`cli`]: the flags of every command.
//!
//! `tests/layers.rs` holds which of them may use which.

pub mod chat;
pub mod cli;
pub mod client;
pub mod control;
pub mod directory;
pub mod files;
pub mod gateway;
pub mod hub;
pub mod multicast;
pub mod net;
pub mod server;
pub mod sim;
pub mod store;
pub mod terminal;
pub mod time;
