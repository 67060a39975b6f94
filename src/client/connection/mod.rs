//! A connection to a directory server, which comes back by itself when it is lost.
//!
//! A task owns the TCP connection; [`Connection`] is the handle to it. Requests are in `requests`,
//! one TCP connection in `link`, what is asked for again after a loss in `standing`.

mod ahead;
mod backoff;
mod files;
mod link;
mod requests;
mod route;
mod standing;
mod task;
#[cfg(test)]
mod tests;
mod texts;

use std::io;
use std::net::IpAddr;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::chat::{RoomName, ServerAddress, UserName};
use crate::control::{Event, Refusal};
pub(super) use files::find_here;
pub use files::{Files, Transfer, TransferError};
use link::Link;
pub use route::Entry;
use task::{Command, Task};

/// Requests that wait for the task to take them; more wait with their callers.
const COMMANDS_MAX: usize = 64;

/// Events that wait for [`Connection::next_event`]; more are left out and counted.
const EVENTS_MAX: usize = 1024;

/// What happens on a connection without being asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The server tells this. Its texts are not safe to show as they are.
    Server(Event),
    /// The connection is lost, for this reason. It comes back by itself; requests fail until then.
    Lost(String),
    /// It is there again, and with it what was had on the server: name, rooms, whom one follows.
    Back,
    /// It is there again, but somebody has the name meanwhile: take another. The rest comes with that.
    NameLost {
        /// The name.
        name: UserName,
        /// What the server says.
        why: Refusal,
    },
    /// It is there again, but the server does not let one into this room again.
    RoomLost {
        /// The room.
        room: RoomName,
        /// What the server says.
        why: Refusal,
    },
    /// So many events came while nobody fetched any, and are left out here.
    Missed(u64),
}

/// Why there is no connection. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name is not known.
    #[error("host `{0}` not found: check the name, or give the server's address")]
    HostNotFound(String),
    /// Nothing listens there.
    #[error(
        "no server at {0} (connection refused): start one there with `crds serve`, or name another as HOST[:PORT]"
    )]
    Refused(ServerAddress),
    /// Nothing answers there.
    #[error("no answer from {0}: check the address, the network and the firewall")]
    NoAnswer(ServerAddress),
    /// The network does not lead there, or the connection broke.
    #[error("cannot reach {0}: {1}")]
    Io(ServerAddress, io::Error),
    /// Something answers, but not in this protocol.
    #[error("what answers at {0} is no crds server: {1}")]
    NotCrds(ServerAddress, String),
    /// The server does not want this client, and says why.
    #[error("the server at {0} refuses: {1}")]
    Refusal(ServerAddress, Refusal),
}

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server refuses, and says why.
    #[error(transparent)]
    Refusal(#[from] Refusal),
    /// There is no connection at the moment; the request was not sent.
    #[error("the connection to the server is lost ({0}): try again when it has come back")]
    Lost(String),
    /// It was lost while the answer was waited for.
    #[error(
        "the connection to the server was lost ({0}): look whether it was done when it has come back"
    )]
    Gone(String),
}

/// What is known of the server.
#[derive(Clone, Debug)]
struct Server {
    program: String,
    /// Our own address towards it.
    local: IpAddr,
}

/// A connection to a directory server. Dropping it closes it.
///
/// Several requests may be under way at a time. When the connection is lost it comes back by itself, with
/// what was had on the server; [`Connection::next_event`] tells of both.
#[derive(Debug)]
pub struct Connection {
    address: ServerAddress,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<ConnectionEvent>,
    server: watch::Receiver<Server>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Connects, and takes the name if one is given: without a name one is not online to others.
    /// Must be called on a tokio runtime. Tries once.
    ///
    /// # Errors
    /// See [`ConnectError`]; within 30 s.
    pub async fn open(
        address: &ServerAddress,
        name: Option<&UserName>,
    ) -> Result<Self, ConnectError> {
        let (link, greeting) = Link::open(address, None).await?;
        let (server_changes, server) = watch::channel(Server {
            program: greeting.program,
            local: greeting.local,
        });
        let (commands, commands_out) = mpsc::channel(COMMANDS_MAX);
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        let task = Task::new(
            address.clone(),
            greeting.token,
            commands_out,
            events_in,
            server_changes,
        );
        let connection = Self {
            address: address.clone(),
            commands,
            events,
            server,
            task: tokio::spawn(task.run(link)),
        };
        if let Some(name) = name {
            let named = connection.set_name(name).await;
            named.map_err(|error| match error {
                RequestError::Refusal(refusal) => ConnectError::Refusal(address.clone(), refusal),
                RequestError::Lost(reason) | RequestError::Gone(reason) => {
                    ConnectError::NotCrds(address.clone(), reason)
                }
            })?;
        }
        Ok(connection)
    }

    /// The server, as it was asked for.
    pub fn server(&self) -> &ServerAddress {
        &self.address
    }

    /// The server's program and version.
    pub fn program(&self) -> String {
        self.server.borrow().program.clone()
    }

    /// Our own address towards the server: its interface is the one for rooms.
    pub fn local_address(&self) -> IpAddr {
        self.server.borrow().local
    }

    /// The next thing that happens by itself. May be dropped and called again without losing any.
    pub async fn next_event(&mut self) -> ConnectionEvent {
        match self.events.recv().await {
            Some(event) => event,
            // The task outlives every handle but one that has said goodbye.
            None => std::future::pending().await,
        }
    }
}
