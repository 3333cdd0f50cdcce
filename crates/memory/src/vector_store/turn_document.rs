//! The document of a turn: its place in the conversation, and its messages.

use conversant_core::{Document, Match, Message, Messages, Value, Version};
use serde_json::{Error, Value as Json};

/// Returns whether a turn begins in the conversation before a version.
pub(super) fn begins_before(found: &Match, end: Version) -> bool {
    number(&found.document, "epoch") == i64::try_from(end.epoch).ok()
        && number(&found.document, "first") < i64::try_from(end.messages).ok()
}

/// Returns a number. Some stores keep numbers as floats or as texts.
pub(super) fn number(document: &Document, name: &str) -> Option<i64> {
    match document.metadata.get(name)? {
        Value::Integer(number) => Some(*number),
        Value::Float(number) if number.fract() == 0.0 => format!("{number:.0}").parse().ok(),
        Value::Text(text) => text.strip_suffix(".0").unwrap_or(text).parse().ok(),
        _ => None,
    }
}

/// Returns the messages of turns, in the order of the conversation.
pub(super) fn messages_of(mut found: Vec<Match>) -> Result<Messages, Error> {
    found.sort_by_key(|found| number(&found.document, "first"));
    let mut messages = Messages::new();
    for Match { document, .. } in found {
        let turn: Messages = match document.metadata.get("messages") {
            Some(Value::Data(stored)) => serde_json::from_value(Json::clone(stored))?,
            // Some stores keep data as text.
            Some(Value::Text(stored)) => serde_json::from_str(stored)?,
            // A document that was corrected or that is not a turn.
            _ => Message::human(document.text).into(),
        };
        messages.append(&turn);
    }
    Ok(messages)
}
