//! `reply`: one call of an adapter, answered with the bytes of the case.

use conversant_core::{Message, ModelError, Report};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{
    adapter::{Adapter, Failed, Kind, shown},
    raw_server::{RawServer, Response},
};
use crate::{
    case,
    difference::{Mismatch, first_mismatch},
    failure::Failure,
};

#[derive(Deserialize)]
struct Input {
    adapter: Kind,
    #[serde(default)]
    stream: bool,
    #[serde(flatten)]
    response: Response,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let server = RawServer::start(vec![input.response]).map_err(|error| Failure::broken(&error))?;
    let adapter = Adapter::new(input.adapter, &server.url("/v1"), input.stream)?;
    let reply = adapter.ask(Message::human("hi").into()).map_err(|error| failure(&error))?;
    Ok(shown(&reply))
}

/// Describes an error: its variant, and everything that can be read of it.
pub(super) fn failure(error: &Failed) -> Failure {
    match error {
        Failed::Model(error) => Failure::Described(json!({
            "kind": kind(error),
            "says": everything(error),
            "context_length": error.is_context_length(),
        })),
        Failed::Pieces => Failure::Broken("the pieces are not the content".to_owned()),
    }
}

fn kind(error: &ModelError) -> &'static str {
    match error {
        ModelError::Config { .. } => "config",
        ModelError::Connect { .. } => "connect",
        ModelError::Timeout { .. } => "timeout",
        ModelError::Transport { .. } => "transport",
        ModelError::Redirect { .. } => "redirect",
        ModelError::Status { .. } => "status",
        ModelError::ApiErrorInBody { .. } => "api_error_in_body",
        ModelError::Decode(_) => "decode",
        ModelError::EmptyAnswer { .. } => "empty_answer",
        ModelError::Incomplete { .. } => "incomplete",
        ModelError::Refused { .. } => "refused",
        ModelError::BodyTooLarge { .. } => "body_too_large",
        ModelError::StreamTruncated { .. } => "stream_truncated",
        ModelError::Stream { .. } => "stream",
        _ => "other",
    }
}

fn everything(error: &ModelError) -> String {
    let mut text = Report::new(error).to_string();
    let mut add = |more: &str| {
        text.push('\n');
        text.push_str(more);
    };
    if let Some(error) = error.api_error() {
        let names = [&error.code, &error.error_type, &error.param];
        names.into_iter().flatten().for_each(|name| add(name));
        add(&error.message);
        add(&error.body);
    }
    match error {
        ModelError::Decode(error) => add(&error.body),
        ModelError::Refused { text } => add(text),
        _ => {}
    }
    text
}

pub(crate) fn compare(expected: &Json, got: &Json) -> Option<Mismatch> {
    let mut got = got.clone();
    if let (Some(expected), Some(error)) = (expected.get("err"), got.get_mut("err")) {
        meet(expected, error);
    }
    let calls = expected.pointer("/ok/tool_calls").and_then(Json::as_array);
    for (index, call) in calls.into_iter().flatten().enumerate() {
        let id = got.pointer(&format!("/ok/tool_calls/{index}/id")).cloned();
        let others = got.pointer("/ok/tool_calls").and_then(Json::as_array);
        let same = others.into_iter().flatten().filter(|other| other.get("id") == id.as_ref());
        // The server gave none: a made-up one is right, unless it is blank or another call's.
        let is_own = same.count() == 1 && id.as_ref().is_some_and(|id| id != "");
        if call.get("id").is_some_and(Json::is_null)
            && is_own
            && let Some(id) = got.pointer_mut(&format!("/ok/tool_calls/{index}/id"))
        {
            *id = Json::Null;
        }
    }
    first_mismatch(expected, &got)
}

/// Writes into an error what was expected of it, where it meets that.
fn meet(expected: &Json, error: &mut Json) {
    let Some(error) = error.as_object_mut() else { return };
    error.retain(|name, _| expected.get(name).is_some());
    let kinds = expected.get("kind").cloned().unwrap_or_default();
    let is_kind = |kind: &Json| match &kinds {
        Json::Array(kinds) => kinds.contains(kind),
        only => only == kind,
    };
    if error.get("kind").is_some_and(is_kind) {
        error.insert("kind".to_owned(), kinds);
    }
    let says = expected.get("says").cloned().unwrap_or_default();
    let contains =
        |said: &Json| said.as_str().zip(says.as_str()).is_some_and(|(said, it)| said.contains(it));
    if error.get("says").is_some_and(contains) {
        error.insert("says".to_owned(), says);
    }
}
