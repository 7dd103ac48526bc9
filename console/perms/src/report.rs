//! What a command has to say.

use serde::Serialize;
use serde_json::{Value, json};

use crate::exit::ExitStatus;
use crate::failure::Failure;

/// The result of a command.
#[derive(Debug, Default)]
pub struct Report {
    /// `data` of the JSON output.
    pub data: Value,
    /// The same for people; ends in a newline unless it is empty.
    pub text: String,
    /// How the program ends when nothing failed.
    pub status: ExitStatus,
    /// What went wrong after something was done.
    pub failure: Option<Failure>,
}

impl Report {
    /// Data and its text.
    pub fn new(data: Value, text: impl Into<String>) -> Self {
        Self { data, text: text.into(), ..Self::default() }
    }

    /// `items` and `total`.
    pub fn list(items: Vec<Value>, total: usize, text: impl Into<String>) -> Self {
        Self::new(json!({ "items": items, "total": total }), text)
    }

    /// Ends with another code, though nothing failed.
    #[must_use]
    pub fn with_status(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }

    /// What is done and what went wrong then.
    #[must_use]
    pub fn with_failure(self, failure: Failure) -> Self {
        Self { failure: Some(failure), ..self }
    }
}

/// Something that may surprise, and that is no failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Stable code.
    pub code: &'static str,
    /// One line.
    pub message: String,
}
