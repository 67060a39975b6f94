//! A file that is offered in a room is received there, and kept.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::room_files::HeardOffer;
use super::talk_log::FileLog;
use crate::chat::FileOffer;
use crate::control::Refusal;
use crate::files::PartFile;
use crate::multicast::file::Layout;
use crate::net::OpenError;
use crate::net::transfer::{self, Incoming, Keeper, Received, ReceivingOptions};
use crate::server::files::Files;
use crate::store::{Begun, KeepError};

/// A file of which nothing comes for so long is given up: some seconds longer than it takes to notice. The next offer or
/// announcement goes on with it.
const STALLED_MAX: Duration = Duration::from_secs(10);

/// So is one of which something comes, but for so long nothing new: it would keep a place for nothing.
const NOTHING_NEW_MAX: Duration = Duration::from_secs(120);

/// Who sends it may ask for so long whether it arrived.
const LINGER: Duration = Duration::from_secs(3);

/// How often room is made for what came, and it is looked whether anything comes.
const LOOK: Duration = Duration::from_millis(500);

/// Why a file is not kept.
#[derive(Debug)]
pub(super) enum NotKept {
    /// Who offered it withdrew it, the seat was left, or somebody brings it by another way.
    Gone,
    /// It may work another time.
    Later(String),
    /// It will not.
    Refused(String),
}

impl From<KeepError> for NotKept {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::NotWhole { .. } => Self::Gone,
            KeepError::TooLarge(_) => Self::Refused(error.to_string()),
            // Where the server keeps its files is no secret from its own log.
            error => Self::Later(error.to_string()),
        }
    }
}

impl From<Refusal> for NotKept {
    fn from(refusal: Refusal) -> Self {
        Self::Later(refusal.text)
    }
}

pub(super) struct KeepTask {
    pub(super) log: FileLog,
    pub(super) files: Files,
    pub(super) options: ReceivingOptions,
    pub(super) heard: HeardOffer,
    /// Cancelled when it is withdrawn, or the seat is left.
    pub(super) withdrawn: CancellationToken,
}

impl KeepTask {
    /// Until the file is kept, or does not come. What comes out can go on answering who asks.
    pub(super) async fn run(&self) -> Result<Incoming, NotKept> {
        let incoming = match self.begin().await? {
            Begun::Part(part) => self.receive(*part).await?,
            Begun::Kept(kept) => return self.confirm(kept.path).await,
        };
        let received = tokio::select! {
            received = self.watch(&incoming) => received,
            () = self.withdrawn.cancelled() => Err(NotKept::Gone),
        };
        match received {
            Ok(()) => {
                let (file, from) = (self.heard.described(), self.heard.from());
                self.log.say(format_args!("keeps {file} of {from}"));
                Ok(incoming)
            }
            Err(error) => {
                // Its thread brings the part back before it ends.
                incoming.end().await;
                Err(error)
            }
        }
    }

    /// Goes on answering for some seconds who asks whether it is here.
    pub(super) async fn linger(&self, incoming: Incoming) {
        tokio::select! {
            _ = timeout(LINGER, incoming.ended()) => {}
            () = self.withdrawn.cancelled() => {}
        }
        incoming.end().await;
    }

    async fn begin(&self) -> Result<Begun, NotKept> {
        let block_bytes = Layout::of(&self.heard.offer).block_bytes();
        let block_bytes = u32::try_from(block_bytes).unwrap_or(u32::MAX);
        let file = self.heard.offer.file.clone();
        let begun = self.files.ask(move |store| store.begin(&file, block_bytes));
        // If the thread has ended, so does the server.
        Ok(begun.await?.await.map_err(|_| NotKept::Gone)??)
    }

    async fn receive(&self, part: PartFile) -> Result<Incoming, NotKept> {
        let offer = self.heard.offer.clone();
        let lent = Box::new(Lent {
            files: self.files.clone(),
            offer: offer.file.clone(),
            is_back: false,
        });
        let options = self.options.clone();
        // Opening sockets may wait, and so does giving the part back if that fails.
        start(move || transfer::receive(&options, &offer, part, lent)).await
    }

    /// Tells who sends it that it is here already.
    async fn confirm(&self, path: PathBuf) -> Result<Incoming, NotKept> {
        let (options, offer) = (self.options.clone(), self.heard.offer.clone());
        start(move || transfer::confirm(&options, &offer, path)).await
    }

    async fn watch(&self, incoming: &Incoming) -> Result<(), NotKept> {
        let mut state = incoming.state();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stalled_since: Option<Instant> = None;
        let mut grown = (0, Instant::now());
        loop {
            let now = state.borrow_and_update().clone();
            if let Received::Part { have_bytes, .. } = now
                && have_bytes != grown.0
            {
                grown = (have_bytes, Instant::now());
            }
            // When all is there its hash is looked at.
            let is_part = grown.0 < self.heard.offer.file.size_bytes;
            stalled_since = match now {
                Received::Whole(_) => return Ok(()),
                // What came may not be what its hash says, because another sent some of it.
                Received::Failed(reason) => return Err(NotKept::Later(reason)),
                Received::Part {
                    is_stalled: true, ..
                } => stalled_since.or_else(|| Some(Instant::now())),
                Received::Part { .. } => None,
            };
            if stalled_since.is_some_and(|since| since.elapsed() >= STALLED_MAX)
                || is_part && grown.1.elapsed() >= NOTHING_NEW_MAX
            {
                return Err(NotKept::Gone);
            }
            tokio::select! {
                changed = state.changed() => changed.map_err(|_| NotKept::Gone)?,
                _ = look.tick() => {
                    let room = self.files.ask(|store| store.keep_within_limits());
                    room.await?.await.map_err(|_| NotKept::Gone)??;
                }
            }
        }
    }
}

async fn start(
    open: impl FnOnce() -> Result<Incoming, OpenError> + Send + 'static,
) -> Result<Incoming, NotKept> {
    let started = spawn_blocking(open).await.map_err(|_| NotKept::Gone)?;
    started.map_err(|error| NotKept::Later(error.to_string()))
}

/// A part that the files' thread has given out, for the thread that receives it.
struct Lent {
    files: Files,
    offer: FileOffer,
    /// It was brought back.
    is_back: bool,
}

impl Keeper for Lent {
    fn finish(&mut self, mut part: PartFile) -> Result<PathBuf, String> {
        // The files' thread has others to serve meanwhile.
        let caught_up = part.catch_up(u64::MAX);
        caught_up.map_err(|error| error.to_string())?;
        self.is_back = true;
        let finished = self.files.ask_and_wait(move |store| store.finish(part));
        let kept = finished.map_err(|refusal| refusal.text)?;
        kept.map(|kept| kept.path)
            .map_err(|error| error.to_string())
    }

    fn abandon(&mut self, part: PartFile) {
        self.is_back = true;
        // At the server's end it stays where it is.
        let _ = self.files.ask_and_wait(move |store| store.abandon(part));
    }
}

impl Drop for Lent {
    /// Whatever went wrong: pieces may follow.
    fn drop(&mut self) {
        if !self.is_back {
            let offer = self.offer.clone();
            let _ = self.files.ask_and_wait(move |store| store.lost(&offer));
        }
    }
}
