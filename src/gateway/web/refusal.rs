//! A refusal as an answer of HTTP: its word and its text in JSON, as on a control connection.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::control::{Refusal, RefusalCode};

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    text: &'a str,
}

/// Why a request was not carried out.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    error: &'static str,
    text: String,
}

impl Refused {
    pub(super) fn new(status: StatusCode, error: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            status,
            error,
            text,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            RefusalCode::NoSuchFile => StatusCode::NOT_FOUND,
            RefusalCode::FileNotWhole => StatusCode::CONFLICT,
            RefusalCode::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            RefusalCode::DiskFull | RefusalCode::NotSaved => StatusCode::INSUFFICIENT_STORAGE,
            RefusalCode::NameFirst => StatusCode::UNAUTHORIZED,
            RefusalCode::FilesOff => StatusCode::FORBIDDEN,
            RefusalCode::ServerFull | RefusalCode::ServerStopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, refusal.code.as_str(), refusal.text)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = Body {
            error: self.error,
            text: &self.text,
        };
        json(self.status, &body)
    }
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_string(body).unwrap_or_default();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) fn not_found() -> Response {
    Refused::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here").into_response()
}

pub(super) async fn nothing_here() -> Response {
    not_found()
}

pub(super) async fn wrong_method() -> Response {
    let text = "this cannot be done here";
    Refused::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", text).into_response()
}
