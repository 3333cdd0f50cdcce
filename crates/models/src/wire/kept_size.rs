//! How much of an answer's limit a value that is kept as JSON takes.

use serde_json::Value as Json;

/// The amount for a value besides its text, in bytes. In memory it takes twice that and more.
const PER_VALUE: usize = 32;

/// Returns the size of a value, in bytes: its texts, its names, and an amount for each value in it.
pub(super) fn kept_size(value: &Json) -> usize {
    let inner: usize = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(kept_size).sum(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + kept_size(value)).sum()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => 0,
    };
    PER_VALUE + inner
}
