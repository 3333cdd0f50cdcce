//! Failures as HTTP responses.

use std::error::Error;

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use conversant_chains::ChainError;
use conversant_core::Report;
use serde_json::json;

/// A failure of a request. The log has the whole report; the client gets the status, a short text
/// and, if the answer was not saved, the answer.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    text: String,
    answer: Option<String>,
    retry_after: Option<u64>,
}

impl Failure {
    fn new(status: StatusCode, error: &dyn Error) -> Self {
        eprintln!("service: {status}: {}", Report::new(error));
        Self { status, text: error.to_string(), answer: None, retry_after: None }
    }

    pub(crate) fn bad_request(error: impl Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, &error)
    }

    pub(crate) fn internal(error: impl Error) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, &error)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl From<ChainError> for Failure {
    fn from(error: ChainError) -> Self {
        let status = match &error {
            ChainError::RefusedInput(_) | ChainError::MissingInputs { .. } => {
                StatusCode::BAD_REQUEST
            }
            ChainError::NotSaved(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ChainError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            error if error.is_deadline() => StatusCode::GATEWAY_TIMEOUT,
            error if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            ChainError::Model(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut failure = Self::new(status, &error);
        failure.answer = error.not_saved().map(|unsaved| unsaved.text.as_str().to_owned());
        if let ChainError::Model(error) = &error {
            let wait = error.api_error().and_then(|error| error.retry_after);
            failure.retry_after = wait.map(|wait| wait.as_secs().max(1));
        }
        failure
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Json(json!({"error": self.text, "answer": self.answer}));
        let mut response = (self.status, body).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
