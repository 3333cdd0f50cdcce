//! Failures as HTTP responses. The log has the whole report; the client gets a short text.

use std::{error::Error, time::Duration};

use axum::{
    Json,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use conversant_chains::ChainError;
use conversant_core::{HistoryError, Report};
use serde_json::json;
use tokio::task::JoinError;

/// The wait before a request is repeated, where the failure says none.
const RETRY: Duration = Duration::from_secs(1);

/// Returns a function that makes a response with a status from an error.
pub(crate) fn status<E: Error>(status: StatusCode) -> impl Fn(E) -> Response {
    move |error| response(status, &error, None)
}

/// Returns the response of a call that did not come to its end. Its text has none of the panic's
/// words, which may be those of the user.
#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn of_task(error: JoinError) -> Response {
    eprintln!("service: a call {}", if error.is_panic() { "panicked" } else { "was cancelled" });
    let line = "cannot answer: the service failed; try again";
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    (status, Json(json!({"error": line, "answer": null}))).into_response()
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn of_call(error: ChainError) -> Response {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_GATEWAY);
    // An answer whose turn was not saved was paid for: the client gets it.
    let answer = match &error {
        ChainError::NotSaved(not_saved) => Some(not_saved.text.as_str()),
        _ => None,
    };
    let wait = error.retry_after().or_else(|| error.is_retryable().then_some(RETRY));
    retry_after(response(status, &error, answer), wait)
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn of_history(error: HistoryError) -> Response {
    let status = StatusCode::from_u16(error.http_status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    retry_after(response(status, &error, None), error.is_retryable().then_some(RETRY))
}

/// Says when the client may repeat the request.
fn retry_after(mut response: Response, wait: Option<Duration>) -> Response {
    let seconds = wait.map(|wait| (RETRY_AFTER, wait.as_secs().max(1).into()));
    response.headers_mut().extend(seconds);
    response
}

fn response(status: StatusCode, error: &dyn Error, answer: Option<&str>) -> Response {
    (status, Json(json!({"error": log(error), "answer": answer}))).into_response()
}

/// Logs the report of an error, and returns its text for the client.
pub(crate) fn log(error: &dyn Error) -> String {
    eprintln!("service: {}", Report::new(error));
    error.to_string()
}
