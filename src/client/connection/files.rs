//! Files to the server and from it, in pieces: several are under way at a time, and lines go between them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::ahead::Ahead;
use super::requests::now;
use super::task::Command;
use super::{Connection, RequestError};
use crate::chat::{FileHash, FileOffer};
use crate::control::{FILE_PIECE_BYTES, FileFor, RefusalCode, Reply, Request};
use crate::files::{FileError, PartFile, SourceFile, find_same};

/// Pieces between the disk and the network, in memory.
const PIECES_HELD_MAX: usize = 4;

/// How long a piece may take: on a slow network all that wait before it take that long.
const PIECE_WAIT: Duration = Duration::from_secs(60);

/// A file that nobody offers any more, and of which the server has some: whoever still brings the rest does so within this.
const WITHDRAWN_PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait before asking again when the server does not have it yet, or is not there: at first, and then
/// twice as long each time up to the last.
const AGAIN_WAIT: Duration = Duration::from_millis(250);
const AGAIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// Files to the server of a connection and from it, for a task of its own. Ends when the connection is dropped.
#[derive(Clone, Debug)]
pub struct Files {
    commands: mpsc::WeakSender<Command>,
}

/// How a file is to travel.
#[derive(Clone, Debug)]
pub struct Transfer {
    /// How long it may stand still, be it that the server is gone or does not have the file yet.
    pub patience: Duration,
    /// Ends it. What was received so far is removed.
    pub cancel: CancellationToken,
    /// Who offered it does not any more: when nothing comes any more it is waited for no longer, and what was received stays.
    pub withdrawn: CancellationToken,
    /// The server is about to have it, as it heard the offer too: as long as that stands it is waited for, though the server
    /// does not know of it.
    pub is_expected: bool,
    /// How many bytes have been done.
    pub progress: watch::Sender<u64>,
    /// How many of these an earlier attempt had received; known when the file's part is opened.
    pub resumed_bytes: Arc<OnceLock<u64>>,
}

impl Default for Transfer {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            cancel: CancellationToken::new(),
            withdrawn: CancellationToken::new(),
            is_expected: false,
            progress: watch::Sender::new(0),
            resumed_bytes: Arc::default(),
        }
    }
}

impl Transfer {
    /// The part was opened, and has so much. Where it is opened again, what it had at first stands.
    pub(in crate::client) fn note_resumed(&self, bytes: u64) {
        self.resumed_bytes.get_or_init(|| bytes);
        self.progress.send_replace(bytes);
    }
}

/// Why a file did not travel. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Its place here.
    #[error(transparent)]
    File(#[from] FileError),
    /// The server refuses, or is gone for too long.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The server gave what is no piece of it.
    #[error("the server has another file under this hash: ask who sent it to send it again")]
    Another,
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl TransferError {
    /// Whether it may go on later.
    fn is_for_now(&self) -> bool {
        match self {
            Self::Request(RequestError::Lost(_) | RequestError::Gone(_)) => true,
            Self::Request(RequestError::Refusal(refusal)) => matches!(
                refusal.code,
                RefusalCode::FileNotWhole | RefusalCode::TooFast | RefusalCode::ServerStopping
            ),
            _ => false,
        }
    }

    fn is_unknown(&self) -> bool {
        self.is_refusal(RefusalCode::NoSuchFile)
    }

    fn is_refusal(&self, code: RefusalCode) -> bool {
        matches!(self, Self::Request(RequestError::Refusal(refusal)) if refusal.code == code)
    }
}

impl Connection {
    /// The way of files.
    pub fn files(&self) -> Files {
        Files {
            commands: self.commands.downgrade(),
        }
    }
}

/// Where this very file is already: all of it is done then.
pub(in crate::client) async fn find_here(
    offer: &FileOffer,
    folder: &Path,
    transfer: &Transfer,
) -> Option<PathBuf> {
    let (wanted, folder) = (offer.clone(), folder.to_owned());
    let found = spawn_blocking(move || find_same(&folder, &wanted)).await;
    let path = joined(found)?;
    transfer.progress.send_replace(offer.size_bytes);
    Some(path)
}

pub(super) type Answer = oneshot::Receiver<Result<Reply, RequestError>>;

/// Whether something goes on: each time it does not, a longer wait, until the patience ends.
struct Standstill {
    patience: Duration,
    since: Instant,
    wait: Duration,
    /// What stood in the way last: the server tells how much it has of what is on its way to it.
    why: String,
}

impl Standstill {
    fn new(patience: Duration) -> Self {
        Self {
            patience,
            since: Instant::now(),
            wait: AGAIN_WAIT,
            why: String::new(),
        }
    }

    fn goes_on(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Waits after what is wrong for now; gives it back if it has been so for too long.
    async fn wait_after(&mut self, error: TransferError) -> Result<(), TransferError> {
        match error.is_for_now() {
            true => self.wait_more(error).await,
            false => Err(error),
        }
    }

    /// The same, whatever is wrong.
    async fn wait_more(&mut self, error: TransferError) -> Result<(), TransferError> {
        let why = error.to_string();
        if why != self.why {
            self.since = Instant::now();
            self.why = why;
        }
        if self.since.elapsed() >= self.patience {
            return Err(error);
        }
        sleep(self.wait).await;
        self.wait = (2 * self.wait).min(AGAIN_WAIT_MAX);
        Ok(())
    }
}

impl Files {
    /// Tells all in the lobby, or one person, of a file that the server has.
    ///
    /// # Errors
    /// The server does not have it as a whole, or says why not.
    pub async fn offer(&self, to: FileFor, offer: FileOffer) -> Result<(), RequestError> {
        let answer = self.start(Request::OfferFile {
            to,
            offer,
            said_at: Some(now()),
        });
        let answer = answer.await?;
        answered(answer).await.map(drop)
    }

    /// Brings a file to the server, from where it stopped if some of it is there, and waits until it is kept.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub async fn upload(
        &self,
        source: Arc<SourceFile>,
        transfer: &Transfer,
    ) -> Result<(), TransferError> {
        let uploading = async {
            let mut standstill = Standstill::new(transfer.patience);
            loop {
                match self.put_rest(&source, transfer, &mut standstill).await {
                    Ok(true) => return Ok(()),
                    // All is there, and its hash is looked at.
                    Ok(false) => sleep(AGAIN_WAIT).await,
                    Err(error) if self.is_closed() => return Err(error),
                    Err(error) => standstill.wait_after(error).await?,
                }
            }
        };
        tokio::select! {
            uploaded = uploading => uploaded,
            () = transfer.cancel.cancelled() => Err(TransferError::Cancelled),
        }
    }

    /// Sends what is missing; whether the server keeps the file now.
    async fn put_rest(
        &self,
        source: &Arc<SourceFile>,
        transfer: &Transfer,
        standstill: &mut Standstill,
    ) -> Result<bool, TransferError> {
        let size_bytes = source.offer().size_bytes;
        let question = self.put(source.offer(), 0, Bytes::new()).await?;
        let (mut have_bytes, mut is_kept) = file_state(answered(question).await?)?;
        let mut pieces = read_pieces(Arc::clone(source), have_bytes);
        let mut waiting = VecDeque::new();
        let mut ahead = Ahead::new(Instant::now());
        loop {
            transfer.progress.send_replace(have_bytes);
            if is_kept {
                return Ok(true);
            }
            while waiting.len() < ahead.pieces()
                && let Some(piece) = pieces.recv().await
            {
                let (offset, bytes) = piece?;
                waiting.push_back(self.put(source.offer(), offset, bytes).await?);
            }
            let Some(answer) = waiting.pop_front() else {
                return match have_bytes < size_bytes {
                    true => Err(unexpected().into()),
                    false => Ok(false),
                };
            };
            (have_bytes, is_kept) = file_state(answered(answer).await?)?;
            ahead.note_answer(Instant::now());
            standstill.goes_on();
        }
    }

    async fn put(
        &self,
        offer: &FileOffer,
        offset: u64,
        bytes: Bytes,
    ) -> Result<Answer, RequestError> {
        let offer = offer.clone();
        self.start(Request::PutFile {
            offer,
            offset,
            bytes,
        })
        .await
    }

    /// Fetches a file that the server has, or will have, into `folder`, unless it is there already, and tells where it is
    /// there. What an earlier attempt has received is kept; what this one has is there for the next unless it is cancelled.
    ///
    /// # Errors
    /// See [`TransferError`].
    pub async fn download(
        &self,
        offer: &FileOffer,
        folder: &Path,
        transfer: &Transfer,
    ) -> Result<PathBuf, TransferError> {
        match find_here(offer, folder, transfer).await {
            Some(path) => Ok(path),
            None => self.download_missing(offer, folder, transfer).await,
        }
    }

    /// The same of a file that is known not to be there.
    pub(in crate::client) async fn download_missing(
        &self,
        offer: &FileOffer,
        folder: &Path,
        transfer: &Transfer,
    ) -> Result<PathBuf, TransferError> {
        let (wanted, folder) = (offer.clone(), folder.to_owned());
        let first = tokio::select! {
            first = self.await_first(offer, transfer) => first?,
            () = transfer.cancel.cancelled() => {
                // It may have begun to come another time, or by another way. Where there is no folder yet nothing has.
                let removed = spawn_blocking(move || PartFile::remove(&folder, &wanted));
                let _ = joined(removed.await);
                return Err(TransferError::Cancelled);
            }
        };
        let opened = spawn_blocking(move || PartFile::open(&folder, &wanted, FILE_PIECE_BYTES));
        let part = joined(opened.await)?;
        let received_bytes = part.received_bytes();
        transfer.note_resumed(received_bytes);
        let missing = (0..part.blocks()).filter(|piece| !part.has(*piece));
        let missing: VecDeque<u64> = missing.collect();
        let (pieces, saving) = save_pieces(part);
        let fetched = tokio::select! {
            fetched = self.fetch(offer, first, missing, pieces, transfer) => fetched,
            () = transfer.cancel.cancelled() => Err(TransferError::Cancelled),
        };
        let (part, saved) = joined(saving.await);
        saved?;
        match fetched {
            Ok(()) => {
                let published = spawn_blocking(move || part.publish());
                Ok(joined(published.await)?)
            }
            Err(TransferError::Cancelled) => {
                part.discard()?;
                Err(TransferError::Cancelled)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for the first piece, none of an empty file: before the server has some of it no part is made here, nor one that is
    /// there cut anew.
    async fn await_first(
        &self,
        offer: &FileOffer,
        transfer: &Transfer,
    ) -> Result<Option<Bytes>, TransferError> {
        if offer.size_bytes == 0 {
            return Ok(None);
        }
        let mut standstill = Standstill::new(transfer.patience);
        loop {
            let asked = async { answered(self.get(offer.hash, 0).await?).await };
            let error = match asked.await {
                Ok(reply) => return piece_of(offer, 0, reply).map(Some),
                Err(error) if self.is_closed() => return Err(error.into()),
                Err(error) => TransferError::from(error),
            };
            let is_withdrawn = transfer.withdrawn.is_cancelled();
            if is_withdrawn && error.is_refusal(RefusalCode::FileNotWhole) {
                standstill.patience = transfer.patience.min(WITHDRAWN_PATIENCE);
            }
            let is_expected = transfer.is_expected && !is_withdrawn;
            match is_expected && error.is_unknown() {
                true => standstill.wait_more(error).await?,
                false => standstill.wait_after(error).await?,
            }
        }
    }

    async fn fetch(
        &self,
        offer: &FileOffer,
        mut first: Option<Bytes>,
        mut missing: VecDeque<u64>,
        pieces: mpsc::Sender<(u64, Bytes)>,
        transfer: &Transfer,
    ) -> Result<(), TransferError> {
        let mut standstill = Standstill::new(transfer.patience);
        let mut waiting: VecDeque<(u64, Answer)> = VecDeque::new();
        let mut ahead = Ahead::new(Instant::now());
        loop {
            let next = match first.take() {
                Some(bytes) if missing.front() == Some(&0) => {
                    missing.pop_front();
                    Ok(Some((0, bytes)))
                }
                _ => {
                    let most = ahead.pieces();
                    (self.fetch_next(offer, &mut missing, &mut waiting, most)).await
                }
            };
            match next {
                Ok(Some((piece, bytes))) => {
                    ahead.note_answer(Instant::now());
                    standstill.goes_on();
                    let bytes_more = bytes.len() as u64;
                    // Whoever saves has ended only for a reason that it tells itself.
                    if pieces.send((piece, bytes)).await.is_err() {
                        return Ok(());
                    }
                    transfer.progress.send_modify(|done| *done += bytes_more);
                }
                Ok(None) => return Ok(()),
                Err(error) if self.is_closed() => return Err(error),
                Err(error) => {
                    // Those behind it are asked for again too.
                    let behind = waiting.drain(..).rev();
                    behind.for_each(|(piece, _)| missing.push_front(piece));
                    standstill.wait_after(error).await?;
                }
            }
        }
    }

    /// Asks ahead for as many as `most`, and waits for the piece that was asked for first; none if there are no more.
    async fn fetch_next(
        &self,
        offer: &FileOffer,
        missing: &mut VecDeque<u64>,
        waiting: &mut VecDeque<(u64, Answer)>,
        most: usize,
    ) -> Result<Option<(u64, Bytes)>, TransferError> {
        while waiting.len() < most
            && let Some(&piece) = missing.front()
        {
            waiting.push_back((piece, self.get(offer.hash, piece).await?));
            missing.pop_front();
        }
        let Some((piece, answer)) = waiting.front_mut() else {
            return Ok(None);
        };
        let (piece, answered) = (*piece, answered(answer).await?);
        waiting.pop_front();
        piece_of(offer, piece, answered).map(|bytes| Some((piece, bytes)))
    }

    pub(super) async fn get(&self, hash: FileHash, piece: u64) -> Result<Answer, RequestError> {
        let offset = piece * u64::from(FILE_PIECE_BYTES);
        self.start(Request::GetFile { hash, offset }).await
    }

    /// Whether the connection was dropped, and so will not come back.
    fn is_closed(&self) -> bool {
        self.commands.upgrade().is_none()
    }

    /// Sends a request, and gives back where its answer will come from.
    async fn start(&self, request: Request) -> Result<Answer, RequestError> {
        let commands = self.commands.upgrade().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        let command = Command {
            request,
            answer,
            route: None,
        };
        commands.send(command).await.map_err(|_| closed())?;
        Ok(answered)
    }
}

/// What the server has sent of it, as long as it must be there.
fn piece_of(offer: &FileOffer, piece: u64, answered: Reply) -> Result<Bytes, TransferError> {
    let Reply::FilePiece { size_bytes, bytes } = answered else {
        return Err(unexpected().into());
    };
    let rest = offer.size_bytes - piece * u64::from(FILE_PIECE_BYTES);
    let is_whole = bytes.len() as u64 == rest.min(FILE_PIECE_BYTES.into());
    match size_bytes == offer.size_bytes && is_whole {
        true => Ok(bytes),
        false => Err(TransferError::Another),
    }
}

pub(super) async fn answered(
    answer: impl Future<Output = Result<Result<Reply, RequestError>, oneshot::error::RecvError>>,
) -> Result<Reply, RequestError> {
    match timeout(PIECE_WAIT, answer).await {
        Ok(answer) => answer.map_err(|_| closed())?,
        Err(_) => Err(RequestError::Gone("it does not answer".to_owned())),
    }
}

fn file_state(reply: Reply) -> Result<(u64, bool), RequestError> {
    match reply {
        Reply::FileState {
            have_bytes,
            is_kept,
        } => Ok((have_bytes, is_kept)),
        _ => Err(unexpected()),
    }
}

fn closed() -> RequestError {
    RequestError::Gone("it was closed".to_owned())
}

fn unexpected() -> RequestError {
    RequestError::Gone("it answers another question".to_owned())
}

/// What a thread has done that only panics end early.
fn joined<T>(done: Result<T, tokio::task::JoinError>) -> T {
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Reads pieces ahead on a thread, from the first one that is not all before `from_bytes`. Ends when nobody takes
/// them, or with what is wrong.
fn read_pieces(
    source: Arc<SourceFile>,
    from_bytes: u64,
) -> mpsc::Receiver<Result<(u64, Bytes), FileError>> {
    let (pieces, pieces_out) = mpsc::channel(PIECES_HELD_MAX);
    spawn_blocking(move || {
        let piece_bytes = u64::from(FILE_PIECE_BYTES);
        let size_bytes = source.offer().size_bytes;
        let mut offset = from_bytes / piece_bytes * piece_bytes;
        while offset < size_bytes {
            let piece = (size_bytes - offset).min(piece_bytes);
            let mut bytes = vec![0; usize::try_from(piece).unwrap_or(usize::MAX)];
            let read = source.read_at(&mut bytes, offset);
            let is_last = read.is_err();
            if pieces
                .blocking_send(read.map(|()| (offset, bytes.into())))
                .is_err()
                || is_last
            {
                return;
            }
            offset += piece;
        }
        if let Err(error) = source.check_unchanged() {
            // As above.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    pieces_out
}

type Saving = JoinHandle<(PartFile, Result<(), FileError>)>;

/// Writes pieces on a thread until no more come; then gives the part back.
fn save_pieces(mut part: PartFile) -> (mpsc::Sender<(u64, Bytes)>, Saving) {
    let (pieces, mut pieces_out) = mpsc::channel::<(u64, Bytes)>(PIECES_HELD_MAX);
    let saving = spawn_blocking(move || {
        while let Some((piece, bytes)) = pieces_out.blocking_recv() {
            if let Err(error) = part.write_block(piece, &bytes) {
                return (part, Err(error));
            }
        }
        (part, Ok(()))
    });
    (pieces, saving)
}
