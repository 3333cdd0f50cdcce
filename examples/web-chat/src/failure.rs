//! Failures as HTTP responses.

use std::{error::Error, fmt};

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use conversant_core::{HistoryError, Report};
use serde_json::json;

/// A failure of a request: its status, and a line for the person at the browser.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    line: String,
    /// Whether the same request may succeed later.
    is_retryable: bool,
}

impl Failure {
    /// Creates a failure. One of a service that is not available may pass.
    pub fn new(status: StatusCode, line: impl Into<String>) -> Self {
        let is_retryable = status == StatusCode::SERVICE_UNAVAILABLE;
        Self { status, line: line.into(), is_retryable }
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
        let status = StatusCode::from_u16(error.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_retryable = error.is_retryable();
        if status.is_server_error() {
            eprintln!("web-chat: {}", Report::new(&error));
        }
        Self { status, line: line(error), is_retryable }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({"error": self.line}))).into_response();
        if self.is_retryable {
            response.headers_mut().insert(RETRY_AFTER, 1.into());
        }
        response
    }
}
