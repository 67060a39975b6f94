//! One client's connection: reads lines, asks the owner of the hub, answers in the same order, and
//! passes on what the owner has to tell.

mod requests;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{Answer, Speech};
use super::files::Files;
use super::hub_task::HubHandle;
use super::job::{Caller, Job};
use super::line_budget::LineBudget;
use super::outbox::{self, LetGo, Outbox, OutboxReader, Outgoing};
use super::past::{self, Asker};
use super::stream::Stream;
use super::{Limits, Shutdown};
use crate::chat::FileHash;
use crate::control::{self, Event, Framed, LineBuffer, Refusal, Reply, Request, plain_words};

/// How long a command without a line end waits for more: a person's program sends a command whole.
const UNFRAMED_WAIT: Duration = Duration::from_millis(100);

/// How long a client may take nothing of what it is sent; then it is dropped. On a slow network it takes little, but some.
const WRITE_WAIT: Duration = Duration::from_secs(10);

/// How long what is written together may take, however it goes on: all that may wait for a client, 4 MiB, takes so long
/// at 64 kbit/s. Who takes a byte now and then holds no more than that meanwhile: what more is said to it finds its outbox
/// full, and then it is let go of.
const WHOLE_WRITE_WAIT: Duration = Duration::from_secs(10 * 60);

/// How long a client that was asked for a sign of life may take to give one.
const IDLE_ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Requests of one connection that may wait for an answer together, and share a commit.
const REQUESTS_WAITING_MAX: usize = 256;

/// Answers are written when they have this many bytes, or when there are no more.
const WRITE_BYTES: usize = 64 * 1024;

/// So many times the lines that a client may send in a second, datagrams may come to be carried: each goes to a whole
/// network.
const DATAGRAMS_FOR_EACH_LINE: u32 = 10;

/// Pieces of files that a client may ask for or bring in a second: a gibibyte, more than networks carry. It bounds
/// what one can do to the server with questions alone.
const PIECES_PER_SECOND_MAX: u32 = 16_384;

/// What is read at once, in bytes. An idle connection holds none of it.
const READ_BYTES: usize = 16 * 1024;

/// Bytes below a tab begin no text: some other program's protocol.
const TEXT_FIRST_BYTE_MIN: u8 = 0x09;

pub(super) struct Connection {
    stream: Stream,
    caller: Caller,
    limits: Arc<Limits>,
    hub: HubHandle,
    files: Files,
    /// Given to the owner with the first hello.
    outbox: Option<Outbox>,
    unasked_for: OutboxReader,
    shutdown: Shutdown,
    lines: LineBuffer,
    budget: LineBudget,
    /// Datagrams that may still be carried.
    relay_budget: LineBudget,
    /// Pieces of files that may still be asked for or brought.
    piece_budget: LineBudget,
    /// It has said hello in JSON, and hears events.
    speaks_json: bool,
    /// Somebody is online here, as far as the owner has answered.
    is_online: bool,
    /// It has sent something.
    has_sent: bool,
    /// It has sent a line end, so it knows of them.
    has_ended_line: bool,
    /// When to answer a command without a line end.
    unframed_at: Option<Instant>,
    heard_at: Instant,
    /// It was silent for long and was asked then for a sign of life.
    asked_at: Option<Instant>,
}

/// Why a connection ends.
enum End {
    /// The client closed it, or it broke: nobody is there to be told.
    Gone,
    /// The client said goodbye.
    Bye,
    /// It is dropped, and told why.
    Dropped(String),
    /// The server stops.
    Stopping,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl Connection {
    pub(super) fn new(
        stream: Stream,
        caller: Caller,
        limits: Arc<Limits>,
        hub: HubHandle,
        files: Files,
        shutdown: Shutdown,
    ) -> Self {
        let now = Instant::now();
        stream.prepare();
        let (outbox, unasked_for) = outbox::outbox(stream.socket());
        Self {
            stream,
            caller,
            hub,
            files,
            outbox: Some(outbox),
            unasked_for,
            shutdown,
            lines: LineBuffer::new(limits.line_bytes_max),
            budget: LineBudget::new(limits.lines_per_second_max, now.into_std()),
            relay_budget: LineBudget::new(
                limits
                    .lines_per_second_max
                    .saturating_mul(DATAGRAMS_FOR_EACH_LINE),
                now.into_std(),
            ),
            piece_budget: LineBudget::new(PIECES_PER_SECOND_MAX, now.into_std()),
            limits,
            speaks_json: false,
            is_online: false,
            has_sent: false,
            has_ended_line: false,
            unframed_at: None,
            heard_at: now,
            asked_at: None,
        }
    }

    /// Serves the client until it leaves, is dropped, or the server stops.
    pub(super) async fn run(mut self) {
        let end = self.serve().await;
        if !matches!(end, End::Stopping | End::Bye) {
            // If the owner is gone, it needs not to be told.
            let _ = self.hub.jobs.send(Job::Gone(self.caller.client)).await;
        }
        let last_words = match end {
            End::Gone => return,
            End::Bye => String::new(),
            End::Dropped(reason) => self.unasked(Event::Notice, reason),
            End::Stopping => self.unasked(
                |_| Event::ServerStopping,
                "the server is shutting down".to_owned(),
            ),
        };
        self.unasked_for.hold();
        // Half of a line may have gone out.
        if self.write_waiting().await.is_ok() {
            let _ = self.write(last_words.into()).await;
            self.stream.close_gently().await;
        }
    }

    /// Waits for the next thing to happen, and deals with it, until the end. What is waited for is set
    /// up once, as there is little to do for a line, and much for a thousand connections. Nor do they hold what is
    /// only needed while a line is dealt with: that is boxed.
    async fn serve(&mut self) -> End {
        let shutdown = self.shutdown.clone();
        let mut stopping = pin!(shutdown.requested());
        let mut alarm = pin!(sleep_until(self.alarm_at()));
        loop {
            // A socket that always has something to read would never let others have this thread.
            consume_budget().await;
            let step = tokio::select! {
                // What has come while much was written counts before the silence.
                biased;
                () = &mut stopping => Err(End::Stopping),
                ready = self.stream.readable() => match ready {
                    Ok(()) => {
                        // What answers it goes out before what happens because of it.
                        self.unasked_for.hold();
                        Box::pin(self.read()).await
                    }
                    Err(error) => Err(error.into()),
                },
                () = &mut alarm => {
                    self.unasked_for.hold();
                    let step = Box::pin(self.take_alarm()).await;
                    alarm.as_mut().reset(self.alarm_at());
                    step
                }
                outgoing = self.unasked_for.next() => self.pass_on(outgoing).await,
            };
            if let Err(end) = step {
                return end;
            }
            self.unasked_for.release();
            // A later one is set when this one has gone off.
            if self.alarm_at() < alarm.deadline() {
                alarm.as_mut().reset(self.alarm_at());
            }
        }
    }

    /// Takes what the client has sent. What it was told before goes out first: so an answer comes after
    /// all that happened before its request.
    async fn read(&mut self) -> Result<(), End> {
        self.write_waiting().await?;
        let began_line = !self.lines.pending().is_empty();
        let space = self.lines.space();
        space.reserve(READ_BYTES);
        let step = match self.stream.try_read(space) {
            Ok(0) => {
                self.answer_rest().await?;
                Err(End::Gone)
            }
            Ok(bytes) => self.take_read(bytes, began_line).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        };
        self.lines.release();
        step
    }

    /// How long it may be silent before it is asked for a sign of life, and how long after that.
    fn patience(&self) -> (Duration, Duration) {
        let limits = &self.limits;
        match self.is_online && limits.heartbeat < limits.idle_max {
            true => {
                let wait = (limits.heartbeat / 2).max(Duration::from_secs(1));
                (limits.heartbeat, wait)
            }
            false => (limits.idle_max, IDLE_ANSWER_WAIT.min(limits.idle_max)),
        }
    }

    fn idle_at(&self) -> Instant {
        let (silence, wait) = self.patience();
        match self.asked_at {
            Some(asked_at) => asked_at + wait,
            None => self.heard_at + silence,
        }
    }

    fn alarm_at(&self) -> Instant {
        let idle_at = self.idle_at();
        self.unframed_at.map_or(idle_at, |at| at.min(idle_at))
    }

    async fn take_alarm(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.unframed_at.is_some_and(|at| at <= now) {
            self.answer_rest().await?;
        }
        match self.idle_at() <= now {
            true => self.ask_for_sign_of_life().await,
            false => Ok(()),
        }
    }

    async fn take_read(&mut self, bytes: usize, began_line: bool) -> Result<(), End> {
        let pending = self.lines.pending();
        let read = &pending[pending.len() - bytes..];
        if !std::mem::replace(&mut self.has_sent, true) && read[0] < TEXT_FIRST_BYTE_MIN {
            tracing::warn!(
                "Connection from {} speaks another protocol (its first byte is {:#04x})",
                self.caller.address,
                read[0]
            );
            return Err(End::Gone);
        }
        self.has_ended_line |= read.contains(&b'\n');
        self.asked_at = None;
        self.answer_lines().await?;
        // Answers may wait for long, and what came meanwhile is not read yet: that was no silence.
        self.heard_at = Instant::now();
        let came_whole = !self.has_ended_line && !began_line && self.is_command();
        self.unframed_at = came_whole.then(|| Instant::now() + UNFRAMED_WAIT);
        Ok(())
    }

    /// Whether what waits for its line end is a complete and valid command already.
    fn is_command(&self) -> bool {
        std::str::from_utf8(self.lines.pending()).is_ok_and(|text| plain_words::parse(text).is_ok())
    }

    /// Answers all lines that are there, in their order. Requests are passed on before the first
    /// answer is waited for, so that they share a commit.
    async fn answer_lines(&mut self) -> Result<(), End> {
        loop {
            let mut waiting = Vec::new();
            let mut end = Ok(());
            while waiting.len() < REQUESTS_WAITING_MAX && end.is_ok() {
                let Some(line) = self.lines.next_framed() else {
                    break;
                };
                end = self.take_line(line, Speech::Words, &mut waiting).await;
            }
            let is_last = waiting.len() < REQUESTS_WAITING_MAX;
            self.write_answers(waiting).await?;
            end?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Answers what stands there without a line end: no more will come, or it is waited for no longer.
    async fn answer_rest(&mut self) -> Result<(), End> {
        self.unframed_at = None;
        let speech = match self.has_ended_line {
            true => Speech::Words,
            false => Speech::WordsUnframed,
        };
        let Some(line) = self.lines.take_pending() else {
            return Ok(());
        };
        let line = line.map(|line| Framed { line, bulk: None });
        let mut waiting = Vec::new();
        let end = self.take_line(line, speech, &mut waiting).await;
        self.write_answers(waiting).await?;
        end
    }

    async fn write_answers(&mut self, waiting: Vec<(Speech, Answer)>) -> Result<(), End> {
        let mut text = String::new();
        for (speech, answer) in waiting {
            if let Answer::Piece { hash, offset } = answer {
                self.write(std::mem::take(&mut text).into()).await?;
                self.write_piece(speech, hash, offset).await?;
                continue;
            }
            let (answer, is_online) = answer.settled().await;
            self.is_online |= is_online;
            let answer = match answer {
                Answer::Past(request) => Answer::Ready(self.look_back(*request).await),
                answer => answer,
            };
            text.push_str(&answer.text(speech).await);
            if text.len() >= WRITE_BYTES {
                self.write(std::mem::take(&mut text).into()).await?;
            }
        }
        self.write(text.into()).await
    }

    /// Reads a piece of a file only when its turn has come, so that one is held at a time. What is told meanwhile
    /// goes between two of them.
    async fn write_piece(
        &mut self,
        speech: Speech,
        hash: FileHash,
        offset: u64,
    ) -> Result<(), End> {
        self.write_waiting().await?;
        let result = self.files.read(hash, offset).await;
        let bytes = match &result {
            Ok(reply) => reply.raw_bytes().cloned(),
            Err(_) => None,
        };
        let line = Answer::Ready(result).text(speech).await;
        let chunks = std::iter::once(line.into()).chain(bytes);
        self.write_all(chunks.collect()).await
    }

    /// Answered when its turn comes: by then it is known who asks.
    async fn look_back(&self, request: Request) -> Result<Reply, Refusal> {
        let asker = Asker {
            client: self.caller.client,
            is_online: self.is_online,
        };
        let history = self.hub.history.clone();
        past::answer(history, &self.hub.bridge, &self.files, asker, request).await
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), End> {
        match bytes.is_empty() {
            true => Ok(()),
            false => self.write_all(vec![bytes]).await,
        }
    }

    async fn write_all(&mut self, chunks: Vec<Bytes>) -> Result<(), End> {
        let written = self.stream.write_all(chunks, WRITE_WAIT);
        // The system's own is of a client that is gone.
        let is_ours = |error: &io::Error| {
            error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
        };
        match timeout(WHOLE_WRITE_WAIT, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if !is_ours(&error) => Err(error.into()),
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    "Connection from {} does not read: dropped",
                    self.caller.address
                );
                Err(End::Gone)
            }
        }
    }

    /// Writes what the owner has told so far.
    async fn write_waiting(&mut self) -> Result<(), End> {
        while let Some(outgoing) = self.unasked_for.try_next() {
            self.pass_on(outgoing).await?;
        }
        Ok(())
    }

    async fn pass_on(&mut self, outgoing: Outgoing) -> Result<(), End> {
        match outgoing {
            Outgoing::Chunks(chunks) => self.write_all(chunks).await,
            Outgoing::LetGo(LetGo::Resumed) => Err(End::Gone),
            Outgoing::LetGo(LetGo::TooSlow) => {
                tracing::warn!(
                    "Connection from {} reads too slowly: dropped",
                    self.caller.address
                );
                let text = "too slow: more is said than this connection takes; connect again";
                Err(End::Dropped(text.to_owned()))
            }
        }
    }

    async fn ask_for_sign_of_life(&mut self) -> Result<(), End> {
        let (silence, wait) = self.patience();
        let (idle_seconds, wait_seconds) = (silence.as_secs(), wait.as_secs());
        if self.asked_at.is_some() {
            return Err(End::Dropped(format!(
                "nothing was said for {idle_seconds} s: goodbye"
            )));
        }
        let text = format!(
            "nothing was said for {idle_seconds} s: the connection is closed in {wait_seconds} s unless a line comes"
        );
        // Half of a line may have gone out.
        self.write_waiting().await?;
        let line = self.unasked(Event::Idle, text);
        self.write(line.into()).await?;
        // That may have taken long.
        self.asked_at = Some(Instant::now());
        Ok(())
    }

    /// A line that nobody asked for.
    fn unasked(&self, event: impl FnOnce(String) -> Event, text: String) -> String {
        match self.speaks_json {
            true => control::event_line(&event(text)),
            false => format!("ERR {text}\n"),
        }
    }
}
