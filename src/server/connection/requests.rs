//! What a line of a client asks, held against the limits and passed on to the owner of the hub.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Connection, End, PIECES_PER_SECOND_MAX};
use crate::control::{
    self, Framed, LineError, Refusal, RefusalCode, Reply, Request, Token, VERSION, datagrams,
    plain_words::{self, Spoken},
};
use crate::server::answer::{Answer, Speech};
use crate::server::job::Job;
use crate::server::line_budget::Verdict;
use crate::server::rendered::Form;

impl Connection {
    /// Reads one line and passes its request on; its answer joins those that are waited for.
    /// `Err` says why this was the last line.
    pub(super) async fn take_line(
        &mut self,
        line: Result<Framed, LineError>,
        words: Speech,
        waiting: &mut Vec<(Speech, Answer)>,
    ) -> Result<(), End> {
        if let Ok(framed) = &line
            && self.carry(framed)?
        {
            return Ok(());
        }
        let is_piece = line
            .as_ref()
            .is_ok_and(|framed| self.speaks_json && control::asks_for_piece(&framed.line));
        let Framed { line, bulk } = match self.readable(line, is_piece)? {
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

    /// Passes a piece of datagrams on, if this is one. It is not answered: what comes too fast is lost, as on any
    /// network; who goes on is dropped.
    fn carry(&mut self, framed: &Framed) -> Result<bool, End> {
        let (Some(piece), true) = (&framed.bulk, self.speaks_json) else {
            return Ok(false);
        };
        let Some(room) = datagrams::announced(&framed.line) else {
            return Ok(false);
        };
        let now = Instant::now().into_std();
        let datagrams = datagrams::read(piece).count();
        // One without any is no less to read.
        let mut verdicts = (0..datagrams.max(1)).map(|_| self.relay_budget.spend(now));
        match verdicts.find(|verdict| *verdict != Verdict::Read) {
            Some(Verdict::Drop) => return Err(too_fast()),
            None if datagrams > 0 => {
                let client = self.caller.client;
                self.hub.bridge.carry(client, room, piece.clone());
            }
            _ => {}
        }
        Ok(true)
    }

    /// Holds a line against the limits.
    fn readable(
        &mut self,
        line: Result<Framed, LineError>,
        is_piece: bool,
    ) -> Result<Result<Framed, Refusal>, End> {
        let now = Instant::now().into_std();
        let verdict = match line {
            Ok(_) if is_piece => self.piece_budget.spend(now),
            Ok(_) => self.budget.spend(now),
            Err(_) => self.budget.refuse_unreadable(now),
        };
        if verdict == Verdict::Drop {
            return Err(too_fast());
        }
        let (code, text) = match line {
            Ok(line) if verdict == Verdict::Read => return Ok(Ok(line)),
            Ok(_) => {
                let lines_max = match is_piece {
                    true => PIECES_PER_SECOND_MAX,
                    false => self.limits.lines_per_second_max,
                };
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
        let by = self.caller;
        match request {
            Request::Hello { resume, .. } => self.pass_hello(resume).await,
            Request::Ping => Answer::Ready(Ok(Reply::Done)),
            Request::Bye => {
                // Before the answer: who comes back at once finds name and place free.
                let _ = self.hub.jobs.send(Job::Gone(by.client)).await;
                Answer::Ready(Ok(Reply::Done))
            }
            Request::GetDirectory => {
                let form = match speech {
                    Speech::Words => Form::Line,
                    Speech::WordsUnframed => Form::Object,
                    Speech::Json(_) => Form::Array,
                };
                Answer::Directory(self.ask(|answer| Job::Show { form, answer }).await)
            }
            Request::GetFile { hash, offset } => Answer::Piece { hash, offset },
            Request::PutFile {
                offer,
                offset,
                bytes,
            } => match self.files.write(offer, offset, bytes).await {
                Ok(answered) => Answer::Asked(answered),
                Err(refusal) => Answer::Ready(Err(refusal)),
            },
            Request::History { .. } | Request::Search { .. } => Answer::Past(Box::new(request)),
            request => {
                if let Request::OfferFile { offer, .. } = &request
                    && let Err(refusal) = self.files.check(offer).await
                {
                    return Answer::Ready(Err(refusal));
                }
                let is_name = matches!(request, Request::Name(_));
                let job = |answer| Job::Ask {
                    by,
                    request,
                    answer,
                };
                let answered = self.ask(job).await;
                match is_name {
                    true => Answer::Online(answered),
                    false => Answer::Asked(answered),
                }
            }
        }
    }

    async fn pass_hello(&mut self, resume: Option<Token>) -> Answer {
        let mut random = [0; 16];
        if let Err(error) = getrandom::fill(&mut random) {
            let text = format!("the system gives no random numbers: {error}");
            self.shutdown.fail(text.clone());
            let refusal = Refusal::new(RefusalCode::ServerStopping, text);
            return Answer::Ready(Err(refusal));
        }
        self.speaks_json = true;
        let (by, outbox) = (self.caller, self.outbox.take());
        let job = |answer| Job::Hello {
            by,
            outbox,
            token: Token::from_random(random),
            resume,
            answer,
        };
        Answer::Online(self.ask(job).await)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        // If the owner is gone, the answer's other end is dropped here, which is answered in turn.
        let _ = self.hub.jobs.send(job(answer)).await;
        answered
    }
}

fn too_fast() -> End {
    End::Dropped("too fast, or too many lines that cannot be read: goodbye".to_owned())
}
