//! The one way in for all connections, whatever carries them: each takes a place, and gets a task.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::answer::stopping;
use super::connection::Connection;
use super::files::Files;
use super::hub_task::HubHandle;
use super::job::{Caller, Job};
use super::socket::close_gently;
use super::stream::{self, Link, Stream};
use super::upload::Upload;
use super::{Limits, Shutdown};
use crate::chat::{AvatarId, FileHash, FileOffer, UserName};
use crate::control::{Refusal, RefusalCode, Token, plain_words};
use crate::hub::ClientId;

/// Clients that are told at once that the server is full; more are closed without a word.
pub(super) const TURNED_AWAY_AT_ONCE_MAX: usize = 64;

/// Requests that come over no connection of the server's own and are carried out at once: files that are brought or
/// fetched, and what a page is made of.
pub const REQUESTS_AT_ONCE_MAX: usize = 1024;

/// How long a client that is turned away may take to read why.
const TURN_AWAY_WAIT: Duration = Duration::from_secs(1);

/// Lets connections in that come over something else than a socket of the server's own. It outlives the server
/// without holding it.
#[derive(Clone, Debug)]
pub struct Entrance(pub(super) Weak<Admission>);

/// Where a client is, and our own end of its connection.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    /// The client's address and port.
    pub peer: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Admission {
    pub(super) limits: Arc<Limits>,
    pub(super) hub: HubHandle,
    pub(super) files: Files,
    pub(super) shutdown: Shutdown,
    pub(super) connections: TaskTracker,
    places: Arc<Semaphore>,
    last_client: AtomicU64,
}

impl Entrance {
    /// A connection for a client.
    ///
    /// # Errors
    /// The server is full, or ends.
    pub fn connect(&self, ends: Ends) -> Result<Link, Refusal> {
        let admission = self.admission()?;
        let place = admission.place(ends.peer)?;
        let (link, stream) = stream::link();
        admission.admit(stream, ends, place);
        Ok(link)
    }

    /// What clients may use up.
    ///
    /// # Errors
    /// The server ends.
    pub fn limits(&self) -> Result<Arc<Limits>, Refusal> {
        let admission = self.admission()?;
        Ok(Arc::clone(&admission.limits))
    }

    /// Who is online at the connection that was given this token with its hello.
    ///
    /// # Errors
    /// Nobody is, or the server ends.
    pub async fn online(&self, token: Token) -> Result<UserName, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Job::WhoIs { token, answer }).await?;
        let name = answered.await.map_err(|_| stopping())?;
        name.ok_or_else(|| {
            let text = "only who is online may do this: take a name on the page first";
            Refusal::new(RefusalCode::NameFirst, text)
        })
    }

    /// A file on its way to the server; `size_bytes` is what is told of its length, if anything.
    ///
    /// # Errors
    /// It is too large, or there is no place for it.
    pub async fn begin_upload(&self, size_bytes: Option<u64>) -> Result<Upload, Refusal> {
        let files = self.admission()?.files.clone();
        Upload::begin(files, size_bytes).await
    }

    /// A file that the server keeps, to be read.
    ///
    /// # Errors
    /// It has none with this hash, or not all of it.
    pub async fn kept_file(&self, hash: FileHash) -> Result<(File, FileOffer), Refusal> {
        let files = self.admission()?.files.clone();
        let opened = files.ask(move |store| store.open_kept(hash)).await?;
        Ok(opened.await.map_err(|_| stopping())??)
    }

    /// Sets the picture of who is online at the connection with this token; none to have none. It is not looked at.
    ///
    /// # Errors
    /// Nobody is online there, it cannot be saved, or the server ends.
    pub async fn set_avatar(&self, token: Token, picture: Option<Bytes>) -> Result<(), Refusal> {
        let (answer, answered) = oneshot::channel();
        let job = Job::SetAvatar {
            token,
            picture,
            answer,
        };
        self.ask(job).await?;
        answered.await.map_err(|_| stopping())?.map(drop)
    }

    /// A picture that somebody has.
    ///
    /// # Errors
    /// The server ends.
    pub async fn avatar(&self, id: AvatarId) -> Result<Option<Bytes>, Refusal> {
        let (answer, answered) = oneshot::channel();
        self.ask(Job::Avatar { id, answer }).await?;
        answered.await.map_err(|_| stopping())
    }

    /// If the owner is gone, the answer's other end is dropped here, which is noticed there.
    async fn ask(&self, job: Job) -> Result<(), Refusal> {
        let jobs = self.admission()?.hub.jobs.clone();
        let _ = jobs.send(job).await;
        Ok(())
    }

    fn admission(&self) -> Result<Arc<Admission>, Refusal> {
        self.0.upgrade().ok_or_else(stopping)
    }
}

impl Admission {
    pub(super) fn new(
        limits: Arc<Limits>,
        hub: HubHandle,
        files: Files,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            places: Arc::new(Semaphore::new(limits.connections_max)),
            limits,
            hub,
            files,
            shutdown,
            connections: TaskTracker::new(),
            last_client: AtomicU64::new(0),
        }
    }

    /// Lets a client in that has come to the server's own socket, or tells it that there is no place.
    pub(super) fn accept(&self, stream: TcpStream, ends: Ends) {
        match self.place(ends.peer) {
            Ok(place) => self.admit(Stream::Tcp(Arc::new(stream)), ends, place),
            Err(refusal)
                if self.connections.len()
                    < self.limits.connections_max + TURNED_AWAY_AT_ONCE_MAX =>
            {
                self.connections.spawn(turn_away(stream, refusal));
            }
            Err(_) => {}
        }
    }

    fn place(&self, peer: SocketAddr) -> Result<OwnedSemaphorePermit, Refusal> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| {
            tracing::warn!("Connection from {peer} turned away: the server is full");
            let connections_max = self.limits.connections_max;
            Refusal::new(
                RefusalCode::ServerFull,
                format!("the server is full ({connections_max} connections): try again later"),
            )
        })
    }

    fn admit(&self, stream: Stream, ends: Ends, place: OwnedSemaphorePermit) {
        let peer = SocketAddr::new(ends.peer.ip().to_canonical(), ends.peer.port());
        let caller = Caller {
            client: ClientId(self.last_client.fetch_add(1, Ordering::Relaxed) + 1),
            address: peer,
            local: ends.local.ip(),
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
        self.connections.spawn(async move {
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

async fn turn_away(mut stream: TcpStream, refusal: Refusal) {
    let line = plain_words::answer(&Err(refusal)) + "\n";
    // A line fits into the system's buffer; where it does not, the client has gone.
    if let Ok(Ok(())) = timeout(TURN_AWAY_WAIT, stream.write_all(line.as_bytes())).await {
        close_gently(&stream).await;
    }
}
