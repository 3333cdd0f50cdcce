//! Failures as HTTP responses.

use std::{error::Error, fmt};

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use conversant_core::HistoryError;
use serde_json::json;

/// A failure of a request: its status, and a line for the person at the browser.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    line: String,
}

impl Failure {
    /// Creates a failure.
    pub fn new(status: StatusCode, line: impl Into<String>) -> Self {
        Self { status, line: line.into() }
    }

    /// Creates the failure of a value that is not valid.
    pub fn invalid(error: impl Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

/// Returns an error and its causes in one line.
pub fn line(error: impl Error + 'static) -> String {
    chat::failure::Failure::other(error).to_string()
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        let status = match &error {
            HistoryError::UnknownTurn { .. } => StatusCode::NOT_FOUND,
            HistoryError::InvalidText { .. } => StatusCode::BAD_REQUEST,
            HistoryError::Stale { .. } => StatusCode::CONFLICT,
            HistoryError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            HistoryError::Busy | HistoryError::TimedOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
            HistoryError::Unsupported { .. } => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let line = line(error);
        if status.is_server_error() {
            eprintln!("web-chat: {line}");
        }
        Self { status, line }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.line}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        response
    }
}
