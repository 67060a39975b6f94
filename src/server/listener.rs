//! Accepts connections, counts them, and ends them all in order.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::bridge::{SEAT_FILES, SEATS_MAX, TRANSFER_FILES_MAX};
use super::connection::Connection;
use super::files::Files;
use super::hub_task::{self, HubHandle, Owners, Stores};
use super::job::Caller;
use super::socket::close_gently;
use super::{Config, Limits, ServeError, Shutdown, past};
use crate::control::{FILE_PIECE_BYTES, Group, Refusal, RefusalCode, plain_words};
use crate::directory::{self, Directory};
use crate::hub::{self, ClientId, Hub};
use crate::store::{FileStore, History, KeepLimits, KeptRoom, PARTS_MAX, Store};

/// How long connections get to end by themselves when the server stops.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// How long to wait after the system refused a connection for want of something, most likely of files.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Connections that the system may hold for us until they are accepted.
const BACKLOG: i32 = 1024;

/// Clients that are told at once that the server is full; more are closed without a word.
const TURNED_AWAY_AT_ONCE_MAX: usize = 64;

/// Files that a server has open beside its connections, with some to spare.
const FILES_OF_OUR_OWN: usize = 64 + PARTS_MAX;

/// How long a client that is turned away may take to read why.
const TURN_AWAY_WAIT: Duration = Duration::from_secs(1);

/// A server that listens; [`Server::run`] serves.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    limits: Arc<Limits>,
    hub: HubHandle,
    files: Files,
    owners: Owners,
    shutdown: Shutdown,
}

impl Server {
    /// Opens the store, then the port. Must be called on a tokio runtime. `shutdown` ends it.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub fn bind(config: Config, shutdown: Shutdown) -> Result<Self, ServeError> {
        let (store, kept) = Store::open(&config.data)?;
        let keep = KeepLimits {
            total_bytes: config.limits.keep_bytes_max,
            file_bytes_max: config.limits.keep_file_bytes_max,
        };
        let files = (keep.total_bytes > 0)
            .then(|| FileStore::open(&config.data, keep, FILE_PIECE_BYTES))
            .transpose()?;
        let files = Files::spawn(files, &shutdown);
        allow_files(config.limits.connections_max);
        let listener = listen(config.listen, config.port)?;
        let port = match listener.local_addr() {
            Ok(address) => address.port(),
            Err(error) => return Err(ServeError::Failed(error.to_string())),
        };
        let mut directory = Directory::new(directory::Config {
            rooms_max: config.limits.rooms_max,
            port_picked: port,
            seed: getrandom::u64().map_err(ServeError::Random)?,
        });
        let history = match config.history.is_off() {
            true => None,
            false => {
                let rooms = kept.rooms.iter().map(|(id, room)| KeptRoom {
                    id: *id,
                    name: room.name.clone(),
                    limit: room.history,
                });
                Some(History::open(&config.data, config.history, rooms)?)
            }
        };
        for (id, room) in kept.rooms {
            directory.restore(id, room);
        }
        let mut hub = Hub::new(hub::Config {
            people_max: config.limits.people_max,
            lobby_next: past::lobby_next(history.as_ref()),
        });
        for (name, members) in kept.groups {
            hub.restore_group(Group { name, members });
        }
        let kept = Stores {
            store,
            history,
            files: files.clone(),
        };
        let (hub, owners) =
            hub_task::spawn(hub, directory, kept, config.interface, shutdown.clone());
        Ok(Self {
            listener,
            port,
            limits: Arc::new(config.limits),
            hub,
            files,
            owners,
            shutdown,
        })
    }

    /// The TCP port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Serves until the shutdown is requested, then ends each connection in order.
    ///
    /// # Errors
    /// A part of the server failed.
    pub async fn run(self) -> Result<(), ServeError> {
        tracing::info!(
            "Chat Room Directory Server listening on port {}...",
            self.port
        );
        let connections = TaskTracker::new();
        let mut accept_fails = false;
        let mut last_client = 0;
        let places = Arc::new(Semaphore::new(self.limits.connections_max));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.shutdown.requested() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    accept_fails = false;
                    last_client += 1;
                    let caller = Caller {
                        client: ClientId(last_client),
                        address: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
                        local: stream.local_addr().map_or(peer.ip(), |local| local.ip()),
                    };
                    self.admit(stream, caller, &places, &connections);
                }
                Err(error) => {
                    if !std::mem::replace(&mut accept_fails, true) {
                        tracing::warn!(
                            "Cannot accept connections: {error} (raise the limit with `ulimit -n`, or lower --max-connections)"
                        );
                    }
                    tokio::time::sleep(ACCEPT_RETRY_WAIT).await;
                }
            }
        }
        drop(self.listener);
        connections.close();
        if timeout(STOP_WAIT, connections.wait()).await.is_err() {
            tracing::warn!("{} connections did not end in time", connections.len());
        }
        // What was said last is written, whatever still holds the history open.
        if let Some(history) = self.hub.history.clone() {
            let _ = tokio::task::spawn_blocking(move || history.flush()).await;
        }
        drop(self.hub);
        // Connections that did not end in time still hold the owner; the process's end closes both.
        if connections.is_empty() {
            let thread = self.owners.hub;
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
            // The others in its rooms are told that the server leaves.
            let _ = timeout(STOP_WAIT, self.owners.bridge).await;
        }
        match self.shutdown.failure() {
            Some(reason) => Err(ServeError::Failed(reason.to_owned())),
            None => Ok(()),
        }
    }

    fn admit(
        &self,
        stream: TcpStream,
        caller: Caller,
        places: &Arc<Semaphore>,
        connections: &TaskTracker,
    ) {
        let peer = caller.address;
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            tracing::warn!("Connection from {peer} turned away: the server is full");
            if connections.len() < self.limits.connections_max + TURNED_AWAY_AT_ONCE_MAX {
                connections.spawn(turn_away(stream, self.limits.connections_max));
            }
            return;
        };
        tracing::info!("Client connected from {peer}");
        let connection = Connection::new(
            stream,
            caller,
            Arc::clone(&self.limits),
            self.hub.clone(),
            self.files.clone(),
            self.shutdown.clone(),
        );
        connections.spawn(async move {
            // Told also when the task is ended from outside or panics.
            let _told = ClosedReport(peer);
            connection.run().await;
            drop(place);
        });
    }
}

struct ClosedReport(SocketAddr);

impl Drop for ClosedReport {
    fn drop(&mut self) {
        tracing::info!("Connection from {} closed", self.0);
    }
}

async fn turn_away(mut stream: TcpStream, connections_max: usize) {
    let refusal = Refusal::new(
        RefusalCode::ServerFull,
        format!("the server is full ({connections_max} connections): try again later"),
    );
    let line = plain_words::answer(&Err(refusal)) + "\n";
    // A line fits into the system's buffer; where it does not, the client has gone.
    if let Ok(Ok(())) = timeout(TURN_AWAY_WAIT, stream.write_all(line.as_bytes())).await {
        close_gently(stream).await;
    }
}

/// Asks the system for as many open files as the connections need. If it gives fewer, the clients
/// beyond wait, which is told when it happens.
fn allow_files(connections_max: usize) {
    let of_clients = connections_max + TURNED_AWAY_AT_ONCE_MAX;
    let needed =
        (of_clients + FILES_OF_OUR_OWN + SEATS_MAX * SEAT_FILES + TRANSFER_FILES_MAX) as u64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let current = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
        let limit = Rlimit {
            current: Some(current),
            ..limit
        };
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// One socket for IPv4 and IPv6 where the system has IPv6, else for IPv4 alone.
fn listen(address: Option<IpAddr>, port: u16) -> Result<TcpListener, ServeError> {
    let wanted = address.unwrap_or(Ipv6Addr::UNSPECIFIED.into());
    let mut tried = SocketAddr::new(wanted, port);
    let mut bound = bind(tried);
    if address.is_none()
        && let Err(error) = &bound
        && error.kind() != io::ErrorKind::AddrInUse
    {
        tried = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        bound = bind(tried);
    }
    bound.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::PortInUse(port),
        _ => ServeError::Listen {
            address: tried,
            source,
        },
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        socket.set_only_v6(false)?;
    }
    // A restart may take the port while old connections linger.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}
