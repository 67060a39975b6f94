//! The answer to one line, in the way in which the line was spoken.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::chat::FileHash;
use crate::control::{self, Refusal, RefusalCode, Reply, Request, plain_words};

/// How a line was spoken, and so is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Speech {
    Words,
    /// Without a line end, so the answer has none either.
    WordsUnframed,
    /// With the number of the request, if it could be read.
    Json(Option<u64>),
}

/// An answer, or where it will come from.
pub(super) enum Answer {
    Ready(Result<Reply, Refusal>),
    Help,
    /// To be looked up, which the owner of the hub has no part in.
    Past(Box<Request>),
    Asked(oneshot::Receiver<Result<Reply, Refusal>>),
    /// As [`Answer::Asked`]; if it is done, somebody is online at this connection.
    Online(oneshot::Receiver<Result<Reply, Refusal>>),
    /// A piece of a file, read when it is written.
    Piece {
        hash: FileHash,
        offset: u64,
    },
    /// Rendered already, in the form that the speech wants.
    Directory(oneshot::Receiver<Arc<str>>),
}

impl Answer {
    /// Waits until it is known whether this answer tells that somebody is online here.
    pub(super) async fn settled(self) -> (Self, bool) {
        let Self::Online(answered) = self else {
            return (self, false);
        };
        let result = answered.await.unwrap_or_else(|_| Err(stopping()));
        let is_online = match &result {
            Ok(Reply::Hello { name, .. }) => name.is_some(),
            result => result.is_ok(),
        };
        (Self::Ready(result), is_online)
    }

    /// Waits for the answer. Its text has the line end that belongs to it.
    pub(super) async fn text(self, speech: Speech) -> String {
        let result = match self {
            Self::Ready(result) => result,
            Self::Asked(answered) | Self::Online(answered) => {
                answered.await.unwrap_or_else(|_| Err(stopping()))
            }
            Self::Directory(answered) => match answered.await {
                Ok(text) => return directory_text(speech, &text),
                Err(_) => Err(stopping()),
            },
            // Written by the connection, which has the files.
            Self::Piece { .. } => return String::new(),
            // It is looked up before.
            Self::Past(_) => Err(stopping()),
            Self::Help => return framed(speech, plain_words::answer_to_help()),
        };
        match (speech, &result) {
            (Speech::Json(Some(id)), Ok(reply)) => control::reply_line(id, reply),
            (Speech::Json(id), Err(refusal)) => control::refusal_line(id, refusal),
            _ => framed(speech, plain_words::answer(&result)),
        }
    }
}

fn directory_text(speech: Speech, rendered: &str) -> String {
    match speech {
        Speech::Json(Some(id)) => control::reply_line_with_directory(id, rendered),
        _ => framed(speech, rendered.to_owned()),
    }
}

fn framed(speech: Speech, mut text: String) -> String {
    if !matches!(speech, Speech::WordsUnframed) {
        text.push('\n');
    }
    text
}

/// Who was asked ended before the answer, as the server ends.
pub(super) fn stopping() -> Refusal {
    let text = "the server is shutting down: this was not done";
    Refusal::new(RefusalCode::ServerStopping, text)
}
