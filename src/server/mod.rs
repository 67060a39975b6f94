//! The directory server: a task for each connection, and one owner of hub and directory that all ask.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

mod activity;
mod answer;
mod bridge;
mod connection;
mod delivery;
mod entrance;
mod files;
mod hub_task;
mod job;
mod line_budget;
mod listener;
pub mod log;
mod outbox;
mod outcome;
mod past;
mod rendered;
mod shutdown;
mod socket;
mod stream;
mod told;
mod upload;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use entrance::{Ends, Entrance, REQUESTS_AT_ONCE_MAX};
pub use listener::{Server, listen};
pub use shutdown::{EXPENDABLE_THREAD, Shutdown};
pub use socket::prepare;
pub use stream::Link;
pub use upload::Upload;

use crate::chat::HistoryLimit;
use crate::store;

/// What a server is told when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; none for all interfaces, IPv4 and IPv6.
    pub listen: Option<IpAddr>,
    /// The TCP port; 0 for a free one.
    pub port: u16,
    /// The folder for what must survive a restart.
    pub data: PathBuf,
    /// The interface for the server's own seats in rooms, by name or address; none for those that its clients
    /// are on.
    pub interface: Option<String>,
    /// How much of each room's talk is kept; a room may have less.
    pub history: HistoryLimit,
    /// What clients may use up.
    pub limits: Limits,
}

/// What clients may use up.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections_max: usize,
    /// Lines that one client may send in a second; as many again may come at once.
    pub lines_per_second_max: u32,
    /// Bytes of a line, without its end.
    pub line_bytes_max: usize,
    /// Rooms in the directory.
    pub rooms_max: usize,
    /// Files that are kept, all together in bytes; 0 to keep none.
    pub keep_bytes_max: u64,
    /// The largest file that is kept, in bytes.
    pub keep_file_bytes_max: u64,
    /// People online at once; none for as many as there are connections.
    pub people_max: Option<usize>,
    /// How long a connection may say nothing before it is asked, and then closed.
    pub idle_max: Duration,
    /// The same for one with somebody online, who must not seem to be there for long after a lost connection.
    pub heartbeat: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1000,
            lines_per_second_max: 500,
            line_bytes_max: crate::control::LINE_BYTES_MAX,
            rooms_max: 10_000,
            keep_bytes_max: 10 << 30,
            // A file of 4 GiB passes, and one a little over.
            keep_file_bytes_max: 5 << 30,
            people_max: None,
            idle_max: Duration::from_secs(3600),
            heartbeat: Duration::from_secs(10),
        }
    }
}

/// Why a server could not start, or had to stop. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Store(#[from] store::OpenError),
    /// Another program has the port.
    #[error("port {0} is in use: another server? Choose another with --port, or 0 for a free one")]
    PortInUse(u16),
    /// The address or port cannot be listened on.
    #[error("cannot listen on {address}: {source} (see --listen and --port)")]
    Listen {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// A part of the server failed while it ran.
    #[error("the server failed and stopped: {0}")]
    Failed(String),
}
