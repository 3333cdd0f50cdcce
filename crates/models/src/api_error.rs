//! What servers say of an error: OpenAI's form, llama.cpp's, and whatever else stands in a body.

use std::time::Duration;

use conversant_core::{ApiError, ModelError, StatusKind};
use serde_json::Value as Json;

use crate::wire::kept;

/// Reads the body of an answer with an error status.
pub(crate) fn of_status(
    status: u16,
    body: &[u8],
    request_id: Option<String>,
    retry_after: Option<Duration>,
) -> ApiError {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    // `{"error": {…}}`, or the error's own fields at the top, or nothing to read.
    let error = json.as_ref().map(|json| json.get("error").unwrap_or(json));
    let mut read = error.map_or_else(|| ApiError::new(StatusKind::Other), fields);
    read.kind = match status {
        429 if is_quota(&read) => StatusKind::QuotaExhausted,
        status => kind_of_status(status),
    };
    read.body = kept(body);
    read.request_id = request_id;
    read.retry_after = retry_after;
    read
}

/// Makes the error of a body that is an error although its status is one of success.
pub(crate) fn error_in_body(error: &Json, body: &[u8]) -> ModelError {
    let mut read = of_error(error);
    read.body = kept(body);
    ModelError::ApiErrorInBody { error: Box::new(read) }
}

/// Reads an error object; its kind is told from its code and type.
pub(crate) fn of_error(error: &Json) -> ApiError {
    let mut read = fields(error);
    let names = [read.code.as_deref(), read.error_type.as_deref()];
    read.kind = names.into_iter().flatten().find_map(kind_of_name).unwrap_or(StatusKind::Other);
    read
}

/// Reads an error's fields, whatever kinds of values they have.
fn fields(error: &Json) -> ApiError {
    let mut read = ApiError::new(StatusKind::Other);
    let text = |name: &str| match error.get(name)? {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    read.code = text("code");
    read.error_type = text("type");
    read.param = text("param");
    read.message =
        text("message").or_else(|| error.as_str().map(str::to_owned)).unwrap_or_default().into();
    read
}

fn is_quota(error: &ApiError) -> bool {
    [&error.code, &error.error_type]
        .into_iter()
        .any(|name| name.as_deref() == Some("insufficient_quota"))
}

fn kind_of_status(status: u16) -> StatusKind {
    match status {
        400 => StatusKind::BadRequest,
        401 => StatusKind::Auth,
        403 => StatusKind::Permission,
        404 => StatusKind::NotFound,
        408 => StatusKind::RequestTimeout,
        409 => StatusKind::Conflict,
        413 => StatusKind::TooLarge,
        422 => StatusKind::Unprocessable,
        429 => StatusKind::RateLimit,
        503 | 529 => StatusKind::Overloaded,
        500..=599 => StatusKind::Server,
        _ => StatusKind::Other,
    }
}

/// Tells the kind from a code or type: OpenAI's, Anthropic's, llama.cpp's, or an HTTP status in their place.
fn kind_of_name(name: &str) -> Option<StatusKind> {
    Some(match name {
        "insufficient_quota" => StatusKind::QuotaExhausted,
        "rate_limit_exceeded" | "rate_limit_error" | "tokens" | "requests" => StatusKind::RateLimit,
        "invalid_api_key" | "authentication_error" => StatusKind::Auth,
        "permission_error" => StatusKind::Permission,
        "model_not_found" | "not_found_error" => StatusKind::NotFound,
        "overloaded_error" | "unavailable_error" => StatusKind::Overloaded,
        "server_error" | "api_error" | "internal_server_error" => StatusKind::Server,
        "invalid_request_error" | "context_length_exceeded" | "exceed_context_size_error" => {
            StatusKind::BadRequest
        }
        _ => {
            return name
                .parse()
                .ok()
                .filter(|status| (400..600).contains(status))
                .map(kind_of_status);
        }
    })
}
