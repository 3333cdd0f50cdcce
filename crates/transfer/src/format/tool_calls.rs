//! Tool calls as other formats write them.

use serde_json::{Map, Value as Json};

/// Returns the arguments of a call as an object: they are one, or its JSON text. No arguments are
/// an empty object.
pub(crate) fn arguments(arguments: &Json) -> Option<Json> {
    match arguments {
        Json::Null => Some(Json::Object(Map::new())),
        Json::Object(_) => Some(arguments.clone()),
        Json::String(text) if text.trim().is_empty() => Some(Json::Object(Map::new())),
        Json::String(text) => serde_json::from_str(text).ok().filter(Json::is_object),
        _ => None,
    }
}

/// Returns an id for a call of a format without ids: the same at every import.
pub(crate) fn call_id(position: u64, index: usize) -> String {
    format!("call_{position}_{index}")
}
