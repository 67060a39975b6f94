//! Why a command was not carried out.

use std::io;

use crate::client::{RefusalCode, RequestError};

pub(super) enum Failure {
    /// What went wrong and what to do, for the person.
    Text(String),
    /// Somebody else has the name; what the server says.
    NameTaken(String),
    /// Nobody reads the output any more.
    Output(io::Error),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refusal(refusal) if refusal.code == RefusalCode::NameInUse => {
                Self::NameTaken(refusal.text)
            }
            error => Self::Text(error.to_string()),
        }
    }
}
