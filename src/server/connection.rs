//! One client's connection: reads lines, asks the owner of the directory, answers in the same order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{Answer, Speech};
use super::directory_task::{DirectoryHandle, Form, Job};
use super::line_budget::{LineBudget, Verdict};
use super::{Limits, Shutdown};
use crate::chat::{Origin, UserName};
use crate::control::{
    self, Event, Framed, LineBuffer, LineError, Refusal, RefusalCode, Reply, Request, Token,
    VERSION,
    plain_words::{self, Spoken},
};

/// How long a command without a line end waits for more: a person's program sends a command whole.
const UNFRAMED_WAIT: Duration = Duration::from_millis(100);

/// How long a client may take to read what it is sent; then it is dropped.
const WRITE_WAIT: Duration = Duration::from_secs(10);

/// How long a connection that we close may take to read the rest.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How long a client that was asked for a sign of life may take to give one.
const IDLE_ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Requests of one connection that may wait for an answer together, and share a commit.
const REQUESTS_WAITING_MAX: usize = 256;

/// Answers are written when they have this many bytes, or when there are no more.
const WRITE_BYTES: usize = 64 * 1024;

/// What is read at once, in bytes.
const READ_BYTES: usize = 4096;

/// Bytes below a tab begin no text: some other program's protocol.
const TEXT_FIRST_BYTE_MIN: u8 = 0x09;

pub(super) struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    limits: Arc<Limits>,
    directory: DirectoryHandle,
    events: broadcast::Receiver<Event>,
    shutdown: Shutdown,
    lines: LineBuffer,
    budget: LineBudget,
    /// What the client says that it is called.
    name: Option<UserName>,
    /// It has said hello in JSON, and hears events.
    speaks_json: bool,
    /// It has sent something.
    has_sent: bool,
    /// It has sent a line end, so it knows of them.
    has_ended_line: bool,
    /// When to answer a command without a line end.
    unframed_at: Option<Instant>,
    heard_at: Instant,
    /// It was silent for long and was asked for a sign of life.
    was_asked: bool,
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
        stream: TcpStream,
        peer: SocketAddr,
        limits: Arc<Limits>,
        directory: DirectoryHandle,
        shutdown: Shutdown,
    ) -> Self {
        let now = Instant::now();
        // Answers are small and waited for; without this option nothing is wrong, only slower.
        let _ = stream.set_nodelay(true);
        Self {
            stream,
            peer,
            events: directory.events.subscribe(),
            directory,
            shutdown,
            lines: LineBuffer::new(limits.line_bytes_max),
            budget: LineBudget::new(limits.lines_per_second_max, now.into_std()),
            limits,
            name: None,
            speaks_json: false,
            has_sent: false,
            has_ended_line: false,
            unframed_at: None,
            heard_at: now,
            was_asked: false,
        }
    }

    /// Serves the client until it leaves, is dropped, or the server stops.
    pub(super) async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        let last_words = match end {
            End::Gone => return,
            End::Bye => String::new(),
            End::Dropped(reason) => self.unasked(Event::Notice, reason),
            End::Stopping => self.unasked(
                |_| Event::ServerStopping,
                "the server is shutting down".to_owned(),
            ),
        };
        let _ = self.write(last_words.as_bytes()).await;
        close_gently(self.stream).await;
    }

    /// Waits for the next thing to happen, and deals with it.
    async fn step(&mut self) -> Result<(), End> {
        let began_line = !self.lines.pending().is_empty();
        self.lines.space().reserve(READ_BYTES);
        let idle_at = self.heard_at + self.limits.idle_max;
        let idle_at = match self.was_asked {
            true => idle_at + IDLE_ANSWER_WAIT.min(self.limits.idle_max),
            false => idle_at,
        };
        tokio::select! {
            read = self.stream.read_buf(self.lines.space()) => match read? {
                0 => {
                    self.answer_rest().await?;
                    Err(End::Gone)
                }
                bytes => self.take_read(bytes, began_line).await,
            },
            event = self.events.recv() => self.pass_on(event).await,
            () = at(self.unframed_at) => self.answer_rest().await,
            () = sleep_until(idle_at) => self.ask_for_sign_of_life().await,
            () = self.shutdown.requested() => Err(End::Stopping),
        }
    }

    async fn take_read(&mut self, bytes: usize, began_line: bool) -> Result<(), End> {
        let pending = self.lines.pending();
        let read = &pending[pending.len() - bytes..];
        if !std::mem::replace(&mut self.has_sent, true) && read[0] < TEXT_FIRST_BYTE_MIN {
            tracing::warn!(
                "Connection from {} speaks another protocol (its first byte is {:#04x})",
                self.peer,
                read[0]
            );
            return Err(End::Gone);
        }
        self.has_ended_line |= read.contains(&b'\n');
        self.heard_at = Instant::now();
        self.was_asked = false;
        self.answer_lines().await?;
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

    /// Reads one line and passes its request on; its answer joins those that are waited for.
    /// `Err` says why this was the last line.
    async fn take_line(
        &mut self,
        line: Result<Framed, LineError>,
        words: Speech,
        waiting: &mut Vec<(Speech, Answer)>,
    ) -> Result<(), End> {
        let Framed { line, bulk } = match self.readable(line)? {
            Ok(framed) if framed.line.trim().is_empty() => return Ok(()),
            Ok(framed) => framed,
            Err(refusal) => {
                waiting.push((self.own_speech(words), Answer::Ready(Err(refusal))));
                return Ok(());
            }
        };
        let (speech, request) = if line.trim_start().starts_with('{') {
            let (id, request) = control::parse_request(&line, bulk.as_deref());
            (Speech::Json(id), request)
        } else {
            match plain_words::parse(&line) {
                Ok(Spoken::Request(request)) => (words, Ok(request)),
                Ok(Spoken::Help) => {
                    waiting.push((words, Answer::Help));
                    return Ok(());
                }
                Err(refusal) => (words, Err(refusal)),
            }
        };
        let is_bye = matches!(request, Ok(Request::Bye));
        let answer = match request.and_then(|request| self.admit(request, speech)) {
            Ok(request) => self.pass_request(request, speech).await,
            Err(refusal) => Answer::Ready(Err(refusal)),
        };
        waiting.push((speech, answer));
        if is_bye { Err(End::Bye) } else { Ok(()) }
    }

    /// Holds a line against the limits.
    fn readable(
        &mut self,
        line: Result<Framed, LineError>,
    ) -> Result<Result<Framed, Refusal>, End> {
        let now = Instant::now().into_std();
        let verdict = match line {
            Ok(_) => self.budget.spend(now),
            Err(_) => self.budget.refuse_unreadable(now),
        };
        if verdict == Verdict::Drop {
            let reason = "too fast, or too many lines that cannot be read: goodbye";
            return Err(End::Dropped(reason.to_owned()));
        }
        let (code, text) = match line {
            Ok(line) if verdict == Verdict::Read => return Ok(Ok(line)),
            Ok(_) => {
                let lines_max = self.limits.lines_per_second_max;
                let text =
                    format!("too fast: at most {lines_max} lines a second; this one was not read");
                (RefusalCode::TooFast, text)
            }
            Err(error) if error.is_last() => return Err(End::Dropped(error.to_string())),
            Err(error @ LineError::TooLong(_)) => (RefusalCode::LineTooLong, error.to_string()),
            Err(error) => (RefusalCode::Malformed, error.to_string()),
        };
        Ok(Err(Refusal::new(code, text)))
    }

    /// How to answer a line that could not be read.
    fn own_speech(&self, words: Speech) -> Speech {
        match self.speaks_json {
            true => Speech::Json(None),
            false => words,
        }
    }

    /// Speaking JSON begins with `hello`.
    fn admit(&self, request: Request, speech: Speech) -> Result<Request, Refusal> {
        match (&request, speech) {
            (Request::Hello { version, .. }, _) if *version != VERSION => Err(Refusal::new(
                RefusalCode::VersionNotSpoken,
                format!(
                    "this server speaks version {VERSION}, not {version}: use the same crds on both sides"
                ),
            )),
            (Request::Hello { .. }, _) | (_, Speech::Words | Speech::WordsUnframed) => Ok(request),
            (_, Speech::Json(_)) if self.speaks_json => Ok(request),
            (_, Speech::Json(_)) => Err(Refusal::new(
                RefusalCode::HelloFirst,
                "say hello first: {\"id\":1,\"request\":\"hello\",\"version\":1}",
            )),
        }
    }

    async fn pass_request(&mut self, request: Request, speech: Speech) -> Answer {
        let by = Origin {
            name: self.name.clone(),
            address: self.peer,
        };
        match request {
            Request::Hello { version, .. } => {
                self.speaks_json = true;
                let mut random = [0; 16];
                if let Err(error) = getrandom::fill(&mut random) {
                    let text = format!("the system gives no random numbers: {error}");
                    let refusal = Refusal::new(RefusalCode::ServerStopping, text);
                    return Answer::Ready(Err(refusal));
                }
                Answer::Ready(Ok(Reply::Hello {
                    version,
                    program: concat!("crds ", env!("CARGO_PKG_VERSION")).to_owned(),
                    token: Token::from_random(random),
                    name: None,
                }))
            }
            Request::Name(name) => {
                self.name = Some(name);
                Answer::Ready(Ok(Reply::Done))
            }
            Request::Ping | Request::Bye => Answer::Ready(Ok(Reply::Done)),
            Request::GetDirectory => {
                let form = match speech {
                    Speech::Words => Form::Line,
                    Speech::WordsUnframed => Form::Object,
                    Speech::Json(_) => Form::Array,
                };
                Answer::Directory(self.ask(|answer| Job::Show { form, answer }).await)
            }
            Request::MakeRoom(new) => {
                Answer::Change(self.ask(|answer| Job::Make { new, by, answer }).await)
            }
            Request::DeleteRoom(name) => {
                Answer::Change(self.ask(|answer| Job::Delete { name, by, answer }).await)
            }
            other => {
                let text = format!("this server does not do `{}` yet", other.kind().as_str());
                Answer::Ready(Err(Refusal::new(RefusalCode::UnknownCommand, text)))
            }
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        // If the owner is gone, the answer's other end is dropped here, which is answered in turn.
        let _ = self.directory.jobs.send(job(answer)).await;
        answered
    }

    async fn write_answers(&mut self, waiting: Vec<(Speech, Answer)>) -> Result<(), End> {
        let mut text = String::new();
        for (speech, answer) in waiting {
            text.push_str(&answer.text(speech).await);
            if text.len() >= WRITE_BYTES {
                self.write(text.as_bytes()).await?;
                text.clear();
            }
        }
        self.write(text.as_bytes()).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        match timeout(WRITE_WAIT, self.stream.write_all(bytes)).await {
            Ok(written) => Ok(written?),
            Err(_) => {
                tracing::warn!("Connection from {} does not read: dropped", self.peer);
                Err(End::Gone)
            }
        }
    }

    async fn pass_on(
        &mut self,
        event: Result<Event, broadcast::error::RecvError>,
    ) -> Result<(), End> {
        match event {
            Ok(event) if self.speaks_json => {
                self.write(control::event_line(&event).as_bytes()).await
            }
            Ok(_) => Ok(()),
            Err(broadcast::error::RecvError::Lagged(_)) if !self.speaks_json => Ok(()),
            Err(broadcast::error::RecvError::Lagged(missed)) => Err(End::Dropped(format!(
                "too slow: {missed} events were missed; connect again"
            ))),
            Err(broadcast::error::RecvError::Closed) => Err(End::Stopping),
        }
    }

    async fn ask_for_sign_of_life(&mut self) -> Result<(), End> {
        let idle_seconds = self.limits.idle_max.as_secs();
        if std::mem::replace(&mut self.was_asked, true) {
            return Err(End::Dropped(format!(
                "nothing was said for {idle_seconds} s: goodbye"
            )));
        }
        let wait_seconds = IDLE_ANSWER_WAIT.min(self.limits.idle_max).as_secs();
        let text = format!(
            "nothing was said for {idle_seconds} s: the connection is closed in {wait_seconds} s unless a line comes"
        );
        let line = self.unasked(Event::Idle, text);
        self.write(line.as_bytes()).await
    }

    /// A line that nobody asked for.
    fn unasked(&self, event: impl FnOnce(String) -> Event, text: String) -> String {
        match self.speaks_json {
            true => control::event_line(&event(text)),
            false => format!("ERR {text}\n"),
        }
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Ends a connection so that the client can read the last words: closing while it still sends would
/// make the system throw them away.
pub(super) async fn close_gently(mut stream: TcpStream) {
    let rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    // Whoever goes on sending is cut off.
    let _ = timeout(CLOSE_WAIT, rest).await;
}
