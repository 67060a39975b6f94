//! Files of a reliable room: by multicast, and through the server for whom that does not reach.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::connection::find_here;
use super::{Files, RequestError, Transfer, TransferError, Turn};
use crate::control::RefusalCode;
use crate::files::{FileError, PartFile, SourceFile};
use crate::multicast::content::Offer;
use crate::multicast::file::Layout;
use crate::multicast::session::Delivered;
use crate::net::transfer::{Incoming, Outgoing, Received, Sent};
use crate::net::{RoomCommand, SayError};

/// How long the server may take to have a file that does not come on by multicast.
const SERVER_PATIENCE: Duration = Duration::from_secs(2);

/// Who takes a file has said so after this; who takes it later is not waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// So long it is waited for somebody to take it, or for who took it and was not heard of any more.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether others wait for the turn of what stands still.
const TURN_LOOK: Duration = Duration::from_secs(1);

/// Who looks so late stood still, as a command does that was suspended, and heard nobody meanwhile.
const STOOD_STILL_MIN: Duration = Duration::from_secs(2);

/// How often it is looked by which way the room is reached.
const WAY_LOOK: Duration = Duration::from_secs(1);

/// How often it is looked at the time.
const LOOK: Duration = Duration::from_millis(100);

/// The way of files into a room and out of it, for a task of its own. Ends when the room is left.
#[derive(Clone, Debug)]
pub struct RoomFiles {
    room: mpsc::WeakSender<RoomCommand>,
    server: Option<Files>,
}

/// A file that was offered to the room.
#[derive(Debug)]
pub enum Shared {
    /// It is sent to whoever wants it until this is dropped.
    ByMulticast(Outgoing),
    /// The server has it, and sends it.
    ByServer,
}

/// A file that is there.
#[derive(Debug)]
pub struct Fetched {
    /// Where.
    pub path: PathBuf,
    /// It goes on answering who asks, see [`Fetched::linger`].
    incoming: Option<Incoming>,
}

impl Fetched {
    /// It is there, and there is nobody to answer.
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            incoming: None,
        }
    }

    /// Goes on answering who asks whether it is here, until that ends by itself after some seconds.
    pub async fn linger(self) {
        if let Some(incoming) = self.incoming {
            incoming.ended().await;
        }
    }
}

/// Why a file did not travel. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RoomFileError {
    /// Its place here.
    #[error(transparent)]
    File(#[from] FileError),
    /// The room does not take it.
    #[error(transparent)]
    Room(#[from] SayError),
    /// The way through the server.
    #[error(transparent)]
    Server(#[from] TransferError),
    /// Who offered it does not any more, and the server does not have it.
    #[error("it is not offered any more: what came is kept for when it is offered again")]
    Withdrawn,
    /// It could not go on.
    #[error("{0}")]
    Failed(String),
}

impl RoomFileError {
    /// Whether it was ended by who asked for it.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Server(TransferError::Cancelled))
    }

    /// Whether just the server does not have it: it may come from who offers it.
    pub fn is_not_there(&self) -> bool {
        matches!(self, Self::Server(error) if is_not_there(error))
    }
}

impl RoomFiles {
    pub(super) fn new(room: mpsc::WeakSender<RoomCommand>, server: Option<Files>) -> Self {
        Self { room, server }
    }

    /// Offers a file to the room. Whom the server relays brings it to the server first.
    ///
    /// # Errors
    /// See [`RoomFileError`].
    pub async fn share(
        &self,
        source: SourceFile,
        transfer: &Transfer,
    ) -> Result<Shared, RoomFileError> {
        // Before that it is not known whom it would reach.
        self.ask(RoomCommand::AwaitWay).await?;
        let server = match &self.server {
            Some(server) if self.is_relayed().await => server,
            _ => return self.share_by_multicast(source).await,
        };
        let source = Arc::new(source);
        server.upload(Arc::clone(&source), transfer).await?;
        let file = source.offer().clone();
        self.ask(|answer| RoomCommand::OfferKept(file, answer))
            .await??;
        Ok(Shared::ByServer)
    }

    /// Waits until all who take the file have it, the server too, and tells how many that are beside it. Who was there and
    /// has not taken it within a second is not waited for, nor who takes it and is not heard of for long. If the server takes it, that is waited for too.
    ///
    /// # Errors
    /// It cannot be sent any more.
    pub async fn all_have(
        &self,
        outgoing: &Outgoing,
        mut on_change: impl FnMut(&Sent, usize),
    ) -> Result<Delivered, RoomFileError> {
        let started = Instant::now();
        let there = self.ask(RoomCommand::Members).await?.len();
        let mut state = outgoing.state();
        let mut before = state.borrow().clone();
        let mut quiet = Quiet::since(started);
        let mut took = 0;
        loop {
            let now = state.borrow_and_update().clone();
            if let Some(reason) = now.failed {
                return Err(RoomFileError::Failed(reason));
            }
            let is_quiet = quiet.lasts(now == before, Instant::now());
            took = took.max(now.done + now.waiting);
            on_change(&now, took);
            let has_server_answered = now.is_kept || now.is_being_kept || self.server.is_none();
            // Of whom we have not heard yet, because we have just come, may take it too.
            let have_answered = there > 0 && took >= there && has_server_answered;
            let all_answered = have_answered || started.elapsed() >= ANSWER_WAIT;
            let is_taken = took > 0 || there == 0 || now.is_kept;
            let all_have_it = now.done == took && is_taken && !now.is_being_kept;
            if all_have_it && all_answered || is_quiet {
                return Ok(Delivered {
                    by: now.done,
                    of: took,
                });
            }
            before = now;
            tokio::select! {
                changed = state.changed() => changed.map_err(|_| SayError::Left)?,
                () = sleep(LOOK) => {}
            }
        }
    }

    async fn share_by_multicast(&self, source: SourceFile) -> Result<Shared, RoomFileError> {
        let source = Box::new(source);
        let sent = self.ask(|answer| RoomCommand::SendFile(source, answer));
        Ok(Shared::ByMulticast(sent.await??))
    }

    /// Receives a file that was offered into `folder`, unless it is there already. What an earlier attempt has received is kept;
    /// what this one has is there for the next, unless it is cancelled. While nobody sends it, it waits; but not for one that
    /// was withdrawn.
    ///
    /// # Errors
    /// See [`RoomFileError`].
    pub async fn fetch(
        &self,
        offer: &Offer,
        folder: &Path,
        transfer: &Transfer,
        turn: &mut Turn,
    ) -> Result<Fetched, RoomFileError> {
        if let Some(path) = find_here(&offer.file, folder, transfer).await {
            return Ok(self.confirmed(offer, path).await);
        }
        let mut is_stalled = false;
        loop {
            let is_gone = self.is_gone(transfer);
            if let Some(path) = self
                .ask_server(offer, folder, transfer, is_stalled || is_gone)
                .await?
            {
                return Ok(match is_gone || self.is_relayed().await {
                    true => Fetched::at(path),
                    // Who sends it by multicast counts who has it.
                    false => self.confirmed(offer, path).await,
                });
            }
            if is_gone {
                return Err(RoomFileError::Withdrawn);
            }
            match self.receive(offer, folder, transfer, turn).await? {
                Some(fetched) => return Ok(fetched),
                None => is_stalled = true,
            }
            if turn.may_be_wanted() {
                tokio::select! {
                    () = turn.pass_on() => {}
                    () = transfer.cancel.cancelled() => {
                        remove_part(offer, folder).await?;
                        return Err(TransferError::Cancelled.into());
                    }
                }
            }
        }
    }

    /// It is here, which is told to who sends it by multicast.
    async fn confirmed(&self, offer: &Offer, path: PathBuf) -> Fetched {
        let (offer, there) = (offer.clone(), path.clone());
        let incoming = self.ask(|answer| RoomCommand::ConfirmFile(offer, there, answer));
        // Where that cannot be told it is here all the same.
        let incoming = incoming.await.ok().and_then(Result::ok);
        Fetched { path, incoming }
    }

    /// Has it from the server, if that is the way to it, or it `must` be: none if the server does not have it.
    async fn ask_server(
        &self,
        offer: &Offer,
        folder: &Path,
        transfer: &Transfer,
        must: bool,
    ) -> Result<Option<PathBuf>, RoomFileError> {
        let is_relayed = self.is_relayed().await;
        let Some(server) = self.server.as_ref().filter(|_| is_relayed || must) else {
            return Ok(None);
        };
        let patience = match is_relayed {
            true => transfer.patience,
            false => SERVER_PATIENCE,
        };
        let transfer = Transfer {
            patience,
            is_expected: is_relayed,
            ..transfer.clone()
        };
        let fetched = server.download_missing(&offer.file, folder, &transfer);
        match fetched.await {
            Ok(path) => Ok(Some(path)),
            // It may come by multicast still.
            Err(error) if !is_relayed && is_not_there(&error) => Ok(None),
            Err(error) if self.is_gone(&transfer) && is_not_there(&error) => {
                Err(RoomFileError::Withdrawn)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Receives it by multicast; none if it does not come on, and the server may have it, or others wait for their turn.
    async fn receive(
        &self,
        offer: &Offer,
        folder: &Path,
        transfer: &Transfer,
        turn: &Turn,
    ) -> Result<Option<Fetched>, RoomFileError> {
        let part = Box::new(open_part(offer, folder).await?);
        transfer.note_resumed(part.received_bytes());
        let wanted = offer.clone();
        let incoming = self.ask(|answer| RoomCommand::ReceiveFile(wanted, part, answer));
        let incoming = incoming.await??;
        let ended = tokio::select! {
            ended = self.watch(&incoming, transfer, turn) => ended,
            () = transfer.cancel.cancelled() => Err(TransferError::Cancelled.into()),
        };
        match ended {
            Ok(Some(path)) => {
                return Ok(Some(Fetched {
                    path,
                    incoming: Some(incoming),
                }));
            }
            Ok(None) => incoming.end().await,
            Err(error) => {
                incoming.end().await;
                if error.is_cancelled() {
                    remove_part(offer, folder).await?;
                }
                return Err(error);
            }
        }
        Ok(None)
    }

    async fn watch(
        &self,
        incoming: &Incoming,
        transfer: &Transfer,
        turn: &Turn,
    ) -> Result<Option<PathBuf>, RoomFileError> {
        let mut state = incoming.state();
        loop {
            let now = state.borrow_and_update().clone();
            let stands_still = match now {
                Received::Whole(path) => return Ok(Some(path)),
                Received::Failed(reason) => return Err(RoomFileError::Failed(reason)),
                Received::Part {
                    have_bytes,
                    is_stalled,
                } => {
                    transfer.progress.send_replace(have_bytes);
                    is_stalled
                }
            };
            // Others may send it still, as the server does: as long as it comes on it is received.
            if stands_still
                && (self.is_gone(transfer) || self.server.is_some() || turn.may_be_wanted())
            {
                return Ok(None);
            }
            let is_waiting = !transfer.withdrawn.is_cancelled();
            let changed = tokio::select! {
                changed = state.changed() => changed,
                () = transfer.withdrawn.cancelled(), if is_waiting => Ok(()),
                () = sleep(TURN_LOOK), if stands_still => Ok(()),
            };
            if changed.is_err() {
                return Err(SayError::Left.into());
            }
        }
    }

    /// Waits until nobody gets the file by multicast any more, as what goes to the room goes through the server's relay, and
    /// the server does not have it: it is to be [shared](Self::share) once more. Never comes where there is no server.
    pub async fn needs_server(&self, outgoing: &Outgoing) {
        if self.server.is_none() {
            return std::future::pending().await;
        }
        let state = outgoing.state();
        while !self.is_relayed().await || state.borrow().is_kept {
            sleep(WAY_LOOK).await;
        }
    }

    /// Whether nobody offers it any more, or would be heard of who offers it again, as we have left.
    fn is_gone(&self, transfer: &Transfer) -> bool {
        transfer.withdrawn.is_cancelled() || self.room.upgrade().is_none()
    }

    async fn is_relayed(&self) -> bool {
        let stats = self.ask(RoomCommand::Stats).await;
        let traffic = stats.ok().and_then(|stats| stats.traffic);
        traffic.is_some_and(|traffic| traffic.is_relayed)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> RoomCommand,
    ) -> Result<T, SayError> {
        let room = self.room.upgrade().ok_or(SayError::Left)?;
        let (answer, answered) = oneshot::channel();
        let sent = room.send(command(answer)).await;
        sent.map_err(|_| SayError::Left)?;
        answered.await.map_err(|_| SayError::Left)
    }
}

/// How long nothing has moved.
struct Quiet {
    since: Instant,
    looked: Instant,
}

impl Quiet {
    fn since(now: Instant) -> Self {
        Self {
            since: now,
            looked: now,
        }
    }

    /// Whether nothing has moved for too long.
    fn lasts(&mut self, is_same: bool, now: Instant) -> bool {
        let stood_still = now.duration_since(self.looked) >= STOOD_STILL_MIN;
        self.looked = now;
        if stood_still || !is_same {
            self.since = now;
        }
        now.duration_since(self.since) >= SILENCE_MAX
    }
}

/// Opens a file to send. That takes as long as it takes to read it, for its hash.
///
/// # Errors
/// It cannot be read, or is nothing that can be sent.
pub async fn open_source(path: PathBuf) -> Result<SourceFile, RoomFileError> {
    let opened = spawn_blocking(move || SourceFile::open(&path)).await;
    Ok(opened.map_err(ended_early)??)
}

/// Whether the server just does not have it, or keeps nothing.
fn is_not_there(error: &TransferError) -> bool {
    match error {
        TransferError::Request(RequestError::Refusal(refusal)) => matches!(
            refusal.code,
            RefusalCode::NoSuchFile
                | RefusalCode::FileNotWhole
                | RefusalCode::FileTooLarge
                | RefusalCode::FilesOff
        ),
        TransferError::Request(RequestError::Lost(_) | RequestError::Gone(_)) => true,
        _ => false,
    }
}

/// What came of a file that nobody wants any more.
async fn remove_part(offer: &Offer, folder: &Path) -> Result<(), RoomFileError> {
    let (folder, file) = (folder.to_owned(), offer.file.clone());
    let removed = spawn_blocking(move || PartFile::remove(&folder, &file));
    Ok(removed.await.map_err(ended_early)??)
}

async fn open_part(offer: &Offer, folder: &Path) -> Result<PartFile, RoomFileError> {
    let (folder, file) = (folder.to_owned(), offer.file.clone());
    let block_bytes = u32::try_from(Layout::of(offer).block_bytes()).unwrap_or(u32::MAX);
    let opened = spawn_blocking(move || PartFile::open(&folder, &file, block_bytes)).await;
    Ok(opened.map_err(ended_early)??)
}

fn ended_early(error: tokio::task::JoinError) -> RoomFileError {
    RoomFileError::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_suspended_waits_anew_for_those_who_take_a_file() {
        let start = Instant::now();
        let mut quiet = Quiet::since(start);
        let mut lasts =
            |is_same, millis| quiet.lasts(is_same, start + Duration::from_millis(millis));
        assert!(!lasts(true, 1_000));
        assert!(!lasts(true, 30_000));
        assert!((31..40).all(|second| !lasts(true, 1000 * second)));
        assert!(!lasts(false, 40_000));
        assert!((41..50).all(|second| !lasts(true, 1000 * second)));
        assert!(lasts(true, 50_000));
    }
}
