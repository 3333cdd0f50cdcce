//! Finds and reads the error in a body or an event, in any of the forms that servers use.
//!
//! Servers put errors into bodies with an error status, into bodies with status 200, and into
//! events of a stream: as `{"error": {…}}`, `{"error": "…"}`, in an array, in a list of `errors`,
//! as FastAPI's `detail`, flat, or as plain text. All of them are read here.

use std::{borrow::Cow, time::Duration};

use conversant_core::{ApiError, ModelError, StatusKind, shown_name};
use serde_json::Value as Json;

use self::kind::{kind_of_name, kind_of_status};
use super::{context_length, decode};

mod informative;
mod kind;
mod wait;

/// The maximum size of a body that is searched for an error, in bytes.
const MAX_SEARCHED: usize = 256 * 1024;
/// The maximum number of messages that are taken from a list of errors.
const MAX_MESSAGES: usize = 8;
/// The names of an error's message, the most telling first.
const MESSAGES: &[&str] = &[
    "message",
    "detail",
    "msg",
    "error_message",
    "error_msg",
    "errmsg",
    "err_msg",
    "status_msg",
    "error_description",
    "Message",
    "description",
    "reason",
    "title",
];
/// The names of its code and of its type.
const CODES: &[&str] = &["code", "status_code", "error_code", "errcode", "Code", "status"];
const TYPES: &[&str] = &["type", "error_type", "__type", EXCEPTION];
/// The type of frameworks, which write the text of the exception after it.
const EXCEPTION: &str = "exception";

/// Reads the body of a response with an error status.
pub(crate) fn of_status(
    status: u16,
    body: &[u8],
    request_id: Option<String>,
    retry_after: Option<Duration>,
) -> ApiError {
    let json = parse(body);
    let found = json.as_ref().and_then(|json| find(json).or_else(|| flat(json)));
    let mut error = found.map_or_else(|| ApiError::new(StatusKind::Other), fields);
    if error.message.is_empty() && json.is_none() {
        error.message = plain(body).into();
    }
    error.kind = match status {
        429 if is_quota(&error) => StatusKind::QuotaExhausted,
        status => kind_of_status(status),
    };
    error.request_id = request_id;
    let mut error = finish(error, body);
    error.retry_after = retry_after.or(error.retry_after);
    error
}

/// Finds the error that a body without an answer is, if it is one.
pub(super) fn instead_of_answer(body: &[u8]) -> Option<ApiError> {
    let json = parse(body)?;
    let error = find(&json).or_else(|| flat(&json))?;
    Some(finish(of_error(error), body))
}

/// Finds the error that an event without a piece of an answer is, if it is one. Servers also report
/// in such events what they do.
pub(super) fn instead_of_piece(data: &[u8]) -> Option<ApiError> {
    let json = parse(data)?;
    let flat = || flat(&json).filter(|json| !informative::is_informative(json));
    let error = find(&json).or_else(flat)?;
    Some(finish(of_error(error), data))
}

/// Reads an error value that came with an answer, if it is one: servers with one struct for all
/// answers write it as `null`, `""` or `{}` where there is none.
pub(super) fn with_answer(error: &Json, body: &[u8]) -> Option<ApiError> {
    if is_blank(error) {
        return None;
    }
    // Of `{"error": true, "message": …}` the fields are at the top.
    let at_top = error.is_boolean().then(|| instead_of_answer(body)).flatten();
    Some(at_top.unwrap_or_else(|| finish(of_error(first(error)), body)))
}

/// Makes the error of a code and a message.
pub(super) fn of_code(code: &str, message: &str, body: &[u8]) -> ApiError {
    let mut error = ApiError::new(kind_of_name(code).unwrap_or(StatusKind::Other));
    error.code = Some(code).filter(|code| is_code(code)).map(str::to_owned);
    error.message = if message.is_empty() && error.code.is_none() { code } else { message }.into();
    finish(error, body)
}

/// Reads what came in an event that is marked as an error.
pub(super) fn of_event(data: &str) -> ApiError {
    let json = parse(data.as_bytes());
    let error = match &json {
        Some(json) => of_error(find(json).unwrap_or(json)),
        None => {
            let mut error = ApiError::new(StatusKind::Other);
            error.message = data.trim().into();
            error
        }
    };
    finish(error, data.as_bytes())
}

/// Makes the error of a body that is an error although its status is one of success.
pub(super) fn in_body(error: ApiError) -> ModelError {
    ModelError::ApiErrorInBody { error: Box::new(error) }
}

fn parse(body: &[u8]) -> Option<Json> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body = body.get(..MAX_SEARCHED).unwrap_or(body);
    serde_json::from_slice(body).ok().or_else(|| {
        // The first of several values, or one that is followed by the end of a stream.
        let text = std::str::from_utf8(body).ok()?;
        let text = text.trim_start().strip_prefix("data:").unwrap_or(text);
        let text = decode::repaired(text);
        let mut values = serde_json::Deserializer::from_str(&text).into_iter();
        values.next()?.ok().filter(|value: &Json| value.is_object() || value.is_array())
    })
}

fn finish(mut error: ApiError, body: &[u8]) -> ApiError {
    error.body = decode::excerpt(body);
    error.context_length = context_length::is_exceeded(&error);
    error.retry_after = error.retry_after.or_else(|| wait::in_message(&error.message));
    error.message = decode::cut(error.message);
    error
}

/// Finds the error in a value that says that it is one.
fn find(json: &Json) -> Option<&Json> {
    match json {
        Json::Array(items) => items.first().and_then(find),
        Json::Object(fields) => {
            let error = ["error", "errors", "Error"].iter().find_map(|name| {
                let error = fields.get(*name).filter(|error| !is_blank(error))?;
                // `{"error": true, "message": …}`: the fields are at the top.
                Some(if error.is_boolean() { json } else { first(error) })
            });
            let nested = || {
                ["response", "Response", "base_resp", "body"].iter().find_map(|name| {
                    let nested = fields.get(*name)?;
                    find(nested).or_else(|| is_failed(nested).then_some(nested))
                })
            };
            let says = fields.get("object").and_then(Json::as_str) == Some("error")
                || fields.get("type").and_then(Json::as_str) == Some("error");
            error.or_else(nested).or(says.then_some(json))
        }
        _ => None,
    }
}

/// Returns whether an object has a status code that is not one of success.
fn is_failed(json: &Json) -> bool {
    json.get("status_code").and_then(Json::as_i64).is_some_and(|code| code != 0 && code != 200)
}

/// Returns an object with the fields of an error at the top. It is an error only without an answer.
fn flat(json: &Json) -> Option<&Json> {
    let json = if let Json::Array(items) = json { items.first()? } else { json };
    let fields = json.as_object()?;
    // What keeps a connection open is an object, too.
    let kind = fields.get("type").or_else(|| fields.get("object")).and_then(Json::as_str);
    let is_other = kind.is_some_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        ["ping", "keep", "heartbeat", "completion", "progress"].iter().any(|it| kind.contains(it))
    });
    (!is_other && !message_of(json).is_empty()).then_some(json)
}

/// Returns the first of a list of errors, or the error itself.
fn first(error: &Json) -> &Json {
    match error.as_array().and_then(|list| list.first()) {
        // Several texts are read together.
        Some(item) if item.is_object() => item,
        _ => error,
    }
}

fn is_blank(error: &Json) -> bool {
    match error {
        Json::Null | Json::Bool(false) => true,
        Json::String(text) => text.trim().is_empty(),
        Json::Array(items) => items.iter().all(is_blank),
        Json::Object(fields) => fields.values().all(is_blank),
        Json::Number(number) => number.as_f64() == Some(0.0),
        Json::Bool(true) => false,
    }
}

/// Reads an error; its kind is that of its code or type.
fn of_error(error: &Json) -> ApiError {
    let mut error = fields(error);
    let names = [error.code.as_deref(), error.error_type.as_deref()];
    error.kind = names.into_iter().flatten().find_map(kind_of_name).unwrap_or(StatusKind::Other);
    error
}

/// Reads the fields of an error, with values of any kind. A text in place of a code is a message,
/// which may quote the prompt.
fn fields(error: &Json) -> ApiError {
    let mut read = ApiError::new(StatusKind::Other);
    let code = |names: &[&str]| {
        names.iter().find_map(|name| match error.get(*name)? {
            Json::String(text) => {
                let is_exception = *name == EXCEPTION;
                let code = text.split_once(':').filter(|_| is_exception).map_or(&**text, |it| it.0);
                is_code(code).then(|| code.to_owned())
            }
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    read.code = code(CODES);
    read.error_type = code(TYPES).filter(|name| name != "error");
    let param = error.get("param");
    read.param = param.and_then(|param| match param {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    });
    read.retry_after = wait::in_details(error);
    read.message = message_of(error).into();
    if read.message.is_empty() {
        let text = |name: &&str| error.get(name)?.as_str().filter(|text| !is_code(text));
        let text = CODES.iter().chain(TYPES).find_map(text);
        read.message = text.unwrap_or_default().trim().into();
    }
    read
}

/// Returns whether a text is a code or the name of a type.
fn is_code(text: &str) -> bool {
    !text.is_empty() && matches!(shown_name(text), Cow::Borrowed(_))
}

/// Returns what an error says. A message may itself be an object or a list.
fn message_of(error: &Json) -> String {
    match error {
        Json::String(text) => text.trim().to_owned(),
        Json::Array(items) => {
            let messages = items.iter().take(MAX_MESSAGES).map(message_of);
            messages.filter(|message| !message.is_empty()).collect::<Vec<_>>().join("; ")
        }
        Json::Object(fields) => {
            let named = MESSAGES.iter().find_map(|name| {
                let message = message_of(fields.get(*name)?);
                (!message.is_empty()).then_some(message)
            });
            let nested =
                || message_of(fields.get("error").or_else(|| fields.get("errors"))?).into();
            named.or_else(nested).unwrap_or_default()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => String::new(),
    }
}

/// Returns a body of plain text as the message. HTML is not a message.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..decode::MAX_KEPT).unwrap_or(body));
    if decode::is_page(&text) { String::new() } else { text.trim().to_owned() }
}

fn is_quota(error: &ApiError) -> bool {
    let names = [error.code.as_deref(), error.error_type.as_deref()];
    names.into_iter().flatten().any(|name| kind_of_name(name) == Some(StatusKind::QuotaExhausted))
}
