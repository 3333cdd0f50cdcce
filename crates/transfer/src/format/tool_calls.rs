//! Tool calls as other formats write them.

use std::borrow::Cow;

use conversant_core::Message;
use serde_json::{Map, Value as Json};

/// A tool call of a message.
pub(crate) struct Call<'m> {
    pub(crate) id: Option<&'m str>,
    pub(crate) name: Option<&'m str>,
    pub(crate) arguments: Arguments<'m>,
}

/// The arguments of a call, as the message has them.
pub(crate) enum Arguments<'m> {
    Json(&'m Json),
    /// A text that is JSON, or not quite.
    Text(&'m str),
}

impl Arguments<'_> {
    /// Returns the arguments as a text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Json(arguments) => Cow::Owned(arguments.to_string()),
            Self::Text(text) => Cow::Borrowed(text),
        }
    }

    /// Returns the arguments as JSON, if they are.
    pub(crate) fn json(&self) -> Option<Cow<'_, Json>> {
        match self {
            Self::Json(arguments) => Some(Cow::Borrowed(*arguments)),
            Self::Text(text) => from_text(text).map(Cow::Owned),
        }
    }
}

/// Returns the tool calls of a message that need results: the valid ones, the invalid ones, or
/// those of LangChain before 0.1.17.
pub(crate) fn calls_of(message: &Message) -> Vec<Call<'_>> {
    let valid = message.tool_calls().iter().map(|call| Call {
        id: call.id.as_deref(),
        name: Some(&call.name),
        arguments: Arguments::Json(&call.args),
    });
    let invalid = message.invalid_tool_calls().iter().map(|call| Call {
        id: call.id.as_deref(),
        name: call.name.as_deref(),
        arguments: Arguments::Text(call.args.as_deref().unwrap_or_default()),
    });
    let raw = message.raw_tool_calls().iter().map(|call| {
        let field = |name: &str| call.get("function")?.get(name)?.as_str();
        Call {
            id: call.get("id").and_then(Json::as_str),
            name: field("name"),
            arguments: Arguments::Text(field("arguments").unwrap_or_default()),
        }
    });
    valid.chain(invalid).chain(raw).collect()
}

/// Returns the arguments of a call as an object: they are one, or its JSON text. No arguments are
/// an empty object.
pub(crate) fn arguments(arguments: &Json) -> Option<Json> {
    match arguments {
        Json::Null => Some(Json::Object(Map::new())),
        Json::Object(_) => Some(arguments.clone()),
        Json::String(text) => from_text(text),
        _ => None,
    }
}

fn from_text(text: &str) -> Option<Json> {
    if text.trim().is_empty() {
        return Some(Json::Object(Map::new()));
    }
    serde_json::from_str(text).ok().filter(Json::is_object)
}

/// Returns an id for a call of a format without ids: the same at every import.
pub(crate) fn call_id(position: u64, index: usize) -> String {
    format!("call_{position}_{index}")
}
