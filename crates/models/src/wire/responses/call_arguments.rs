//! Compares the arguments of a call, which a response has several times.

use conversant_core::InvalidToolCall;
use serde_json::Value as Json;

use crate::wire::tool_arguments::{invalid, parse};

/// How arguments that came again compare with those that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// They are not a JSON object with fields.
    Less,
    /// They are the first that are a JSON object with fields.
    More,
    /// They are the same JSON.
    Same,
    /// Both are JSON objects with fields, and differ.
    Other,
}

/// Compares arguments that came again with those that are known.
pub(super) fn compare(known: &str, again: &str) -> Said {
    let fields = |text: &str| match parse(text) {
        Ok(Json::Object(fields)) if !fields.is_empty() => Some(fields),
        _ => None,
    };
    match fields(again) {
        None if known.trim().is_empty() && !again.trim().is_empty() => Said::More,
        None => Said::Less,
        Some(again) => match fields(known) {
            None => Said::More,
            Some(known) if known == again => Said::Same,
            Some(_) => Said::Other,
        },
    }
}

/// Returns a call whose arguments came twice, and differ: it is not known which the model wrote.
pub(super) fn disputed_call(
    id: Option<String>,
    name: Option<String>,
    arguments: String,
) -> Box<InvalidToolCall> {
    invalid(id, name, arguments, "the server sent other arguments at the end".to_owned())
}
