//! Variables as Python prints them.

use std::fmt::Write as _;

use conversant_core::{Message, Role, Value, Variables, python::float_repr};
use serde_json::{Map, Value as Json};

/// Returns variables as Python's `str` of a dictionary.
pub(crate) fn python_dict(variables: &Variables) -> String {
    let mut written = String::new();
    push_dict(&mut written, variables.iter().collect(), |written, value| match value {
        Value::Text(text) => push_string(written, text),
        Value::Messages(messages) => push_list(written, messages.iter(), push_message),
        Value::Data(data) => push_json(written, data),
        // Numbers: an integer, or a float as Python shows it.
        other => written.push_str(&other.to_text()),
    });
    written
}

fn push_dict<T>(
    written: &mut String,
    entries: Vec<(&str, T)>,
    mut push: impl FnMut(&mut String, T),
) {
    written.push('{');
    for (index, (name, value)) in entries.into_iter().enumerate() {
        written.push_str(if index == 0 { "" } else { ", " });
        push_string(written, name);
        written.push_str(": ");
        push(written, value);
    }
    written.push('}');
}

fn push_list<T>(
    written: &mut String,
    items: impl Iterator<Item = T>,
    mut push: impl FnMut(&mut String, T),
) {
    written.push('[');
    for (index, item) in items.enumerate() {
        written.push_str(if index == 0 { "" } else { ", " });
        push(written, item);
    }
    written.push(']');
}

fn push_json(written: &mut String, json: &Json) {
    match json {
        Json::Null => written.push_str("None"),
        Json::Bool(true) => written.push_str("True"),
        Json::Bool(false) => written.push_str("False"),
        Json::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => written.push_str(&float_repr(float)),
            None => written.push_str(&number.to_string()),
        },
        Json::String(text) => push_string(written, text),
        Json::Array(items) => push_list(written, items.iter(), push_json),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.as_str(), field));
            push_dict(written, fields.collect(), push_json);
        }
    }
}

/// The fields of LangChain's messages, in their order. Python shows those that are not empty, and
/// then others that a message has.
const FIELDS: [&str; 9] = [
    "additional_kwargs",
    "response_metadata",
    "name",
    "id",
    "example",
    "role",
    "tool_call_id",
    "tool_calls",
    "invalid_tool_calls",
];

/// Writes a message as LangChain 0.1.20 shows it
/// (`langchain_core/load/serializable.py::Serializable.__repr_args__`).
fn push_message(written: &mut String, message: &Message) {
    let stored = serde_json::to_value(message).unwrap_or_default();
    let none = Map::new();
    let fields = stored.get("data").and_then(Json::as_object).unwrap_or(&none);
    written.push_str(match message.role() {
        Role::System => "SystemMessage",
        Role::Human => "HumanMessage",
        Role::Ai => "AIMessage",
        Role::Tool => "ToolMessage",
        Role::Function => "FunctionMessage",
        _ => "ChatMessage",
    });
    written.push_str("(content=");
    push_json(written, fields.get("content").unwrap_or(&Json::Null));
    let known = FIELDS.iter().filter_map(|name| Some((*name, fields.get(*name)?)));
    let known = known.filter(|(_, value)| !is_default(value));
    let is_known = |name: &str| matches!(name, "content" | "type") || FIELDS.contains(&name);
    let others = fields.iter().map(|(name, value)| (name.as_str(), value));
    for (name, value) in known.chain(others.filter(|(name, _)| !is_known(name))) {
        // Writing to a `String` does not fail.
        let _ = write!(written, ", {name}=");
        push_json(written, value);
    }
    written.push(')');
}

fn is_default(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Writes a text as Python's `repr` does.
fn push_string(written: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    written.push(quote);
    for character in text.chars() {
        match character {
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\\' => written.push_str("\\\\"),
            character if character == quote => written.extend(['\\', character]),
            character => match (is_printable(character), u32::from(character)) {
                (true, _) => written.push(character),
                (false, code @ ..=0xff) => _ = write!(written, "\\x{code:02x}"),
                (false, code @ ..=0xffff) => _ = write!(written, "\\u{code:04x}"),
                (false, code) => _ = write!(written, "\\U{code:08x}"),
            },
        }
    }
    written.push(quote);
}

/// Returns whether Python prints a character as it is. The standard library escapes the same
/// categories of characters, if they are not the first of a text.
fn is_printable(character: char) -> bool {
    matches!(character, '"' | '\'') || !format!("a{character}").escape_debug().any(|c| c == '\\')
}
