//! Tool calls as a model writes them: their arguments are JSON text, which may be anything.

use std::borrow::Cow;

use conversant_core::{InvalidToolCall, ToolCall};
use serde_json::{Map, Value as Json};

/// Reads a call's arguments as the reference does, with Python's `json.loads(strict=False)`: raw control characters may stand
/// in strings. An empty text is what many servers send for a tool without parameters.
///
/// # Errors
/// The call as the model wrote it, if the arguments are no JSON object.
pub(super) fn read_call(
    id: Option<String>,
    name: Option<String>,
    arguments: String,
) -> Result<ToolCall, Box<InvalidToolCall>> {
    let error = match parse(&arguments) {
        Ok(args) => {
            let mut call = ToolCall::new(name.unwrap_or_default(), args);
            call.id = id;
            return Ok(call);
        }
        Err(error) => error,
    };
    let mut call = InvalidToolCall::default();
    (call.id, call.name, call.args) = (id, name, Some(arguments));
    call.error = Some(error);
    Err(Box::new(call))
}

fn parse(arguments: &str) -> Result<Json, String> {
    if arguments.trim().is_empty() {
        return Ok(Json::Object(Map::new()));
    }
    let value: Json = serde_json::from_str(arguments)
        .or_else(|error| match escape_controls(arguments) {
            Cow::Borrowed(_) => Err(error),
            Cow::Owned(escaped) => serde_json::from_str(&escaped),
        })
        .map_err(|error| {
            format!("the arguments are no JSON (line {}, column {})", error.line(), error.column())
        })?;
    match value {
        Json::Object(_) => Ok(value),
        // What is false in Python is no argument at all.
        Json::Null | Json::Bool(false) => Ok(Json::Object(Map::new())),
        Json::Array(items) if items.is_empty() => Ok(Json::Object(Map::new())),
        Json::Bool(true) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err("the arguments are no JSON object".to_owned())
        }
    }
}

/// Escapes the raw control characters inside of strings.
fn escape_controls(json: &str) -> Cow<'_, str> {
    if !json.bytes().any(|byte| byte < 0x20) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            '"' if !escaped => in_string = !in_string,
            '\0'..='\u{1f}' if in_string => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
                escaped = false;
                continue;
            }
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;
