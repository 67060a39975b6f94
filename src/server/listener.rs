//! Accepts connections, counts them, and ends them all in order.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::bridge::{SEAT_FILES, SEATS_MAX, TRANSFER_FILES_MAX};
use super::entrance::{Admission, Ends, Entrance, REQUESTS_AT_ONCE_MAX, TURNED_AWAY_AT_ONCE_MAX};
use super::files::Files;
use super::hub_task::{self, Owners, Stores};
use super::{Config, ServeError, Shutdown, past};
use crate::control::{FILE_PIECE_BYTES, Group};
use crate::directory::{self, Directory};
use crate::hub::{self, Hub};
use crate::store::{
    Beside, FileStore, History, KEPT_FILES_MAX, KeepLimits, KeptRoom, PARTS_MAX, Store, UPLOADS_MAX,
};

/// How long connections get to end by themselves when the server stops.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// How long to wait after the system refused a connection for want of something, most likely of files.
const ACCEPT_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Connections that the system may hold for us until they are accepted.
const BACKLOG: i32 = 1024;

/// Files that a server has open beside its connections, with some to spare.
const FILES_OF_OUR_OWN: usize = 64 + PARTS_MAX + UPLOADS_MAX + 2 * REQUESTS_AT_ONCE_MAX;

/// A server that listens; [`Server::run`] serves.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    port: u16,
    admission: Arc<Admission>,
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
            files_max: KEPT_FILES_MAX,
            file_bytes_max: config.limits.keep_file_bytes_max,
        };
        let files = (keep.total_bytes > 0)
            .then(|| FileStore::open(&config.data, keep, FILE_PIECE_BYTES))
            .transpose()?;
        let files = Files::spawn(files, &shutdown);
        allow_files(config.limits.connections_max);
        let listener =
            listen(config.listen, config.port).map_err(|(address, source)| {
                match source.kind() {
                    io::ErrorKind::AddrInUse => ServeError::PortInUse(config.port),
                    _ => ServeError::Listen { address, source },
                }
            })?;
        let port = match listener.local_addr() {
            Ok(address) => address.port(),
            Err(error) => return Err(ServeError::Failed(error.to_string())),
        };
        let mut directory = Directory::new(directory::Config {
            rooms_max: config.limits.rooms_max,
            port_picked: port,
            seed: getrandom::u64().map_err(ServeError::Random)?,
        });
        let beside = Beside {
            id: kept.id,
            last_room: kept.last_room,
        };
        let (history, last_kept) = match config.history.is_off() {
            true => {
                let rooms = kept.rooms.iter().map(|(id, _)| *id).collect();
                (None, History::settle(&config.data, &beside, &rooms)?)
            }
            false => {
                let rooms = kept.rooms.iter().map(|(id, room)| KeptRoom {
                    id: *id,
                    name: room.name.clone(),
                    limit: room.history,
                });
                let history = History::open(&config.data, config.history, &beside, rooms)?;
                let last_kept = history.last_room();
                (Some(history), last_kept)
            }
        };
        for (id, room) in kept.rooms {
            directory.restore(id, room);
        }
        for last in [kept.last_room, last_kept].into_iter().flatten() {
            directory.note_used(last);
        }
        let mut hub = Hub::new(hub::Config {
            people_max: config.limits.people_max,
            lobby_next: past::lobby_next(history.as_ref(), Timestamp::now()),
        });
        for (name, members) in kept.groups {
            hub.restore_group(Group { name, members });
        }
        for (key, avatar) in kept.avatars {
            hub.restore_avatar(key, avatar);
        }
        let kept = Stores {
            store,
            history,
            files: files.clone(),
        };
        let (hub, owners) =
            hub_task::spawn(hub, directory, kept, config.interface, shutdown.clone());
        let limits = Arc::new(config.limits);
        Ok(Self {
            listener,
            port,
            admission: Arc::new(Admission::new(limits, hub, files, shutdown.clone())),
            owners,
            shutdown,
        })
    }

    /// The way in for what does not come over the server's own port.
    pub fn entrance(&self) -> Entrance {
        Entrance(Arc::downgrade(&self.admission))
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
        let mut accept_fails = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.shutdown.requested() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    accept_fails = false;
                    let local = stream.local_addr().unwrap_or(peer);
                    self.admission.accept(stream, Ends { peer, local });
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
        let connections = self.admission.connections.clone();
        connections.close();
        if timeout(STOP_WAIT, connections.wait()).await.is_err() {
            tracing::warn!("{} connections did not end in time", connections.len());
        }
        // What was said last is written, whatever still holds the history open.
        if let Some(history) = self.admission.hub.history.clone() {
            let _ = tokio::task::spawn_blocking(move || history.flush()).await;
        }
        drop(self.admission);
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

/// Listens on an address, or on all; one socket for IPv4 and IPv6 where the system has IPv6, else for IPv4
/// alone. Must be called on a tokio runtime.
///
/// # Errors
/// What the system said, with where it was tried.
pub fn listen(address: Option<IpAddr>, port: u16) -> Result<TcpListener, (SocketAddr, io::Error)> {
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
    bound.map_err(|source| (tried, source))
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
