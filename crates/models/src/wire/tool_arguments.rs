//! Parses the arguments of tool calls, which models write as JSON text.

use std::borrow::Cow;

use conversant_core::{InvalidToolCall, ToolCall};
use serde_json::{Map, Value as Json};

/// The deepest nesting of arguments that histories store: they accept 120 levels, of which the
/// message takes four.
const MAX_DEPTH: usize = 116;
/// The maximum number of values in the arguments of an answer.
const MAX_VALUES: usize = 256 * 1024;

/// Reads the tool calls of an answer.
#[derive(Debug)]
pub(super) struct CallReader {
    /// Whether the answer was cut off, so that arguments may be missing.
    is_cut_off: bool,
    /// The number of values that arguments may still have, if they may have too many.
    left: Option<usize>,
}

impl CallReader {
    /// Starts an answer whose arguments have a number of bytes together.
    pub(super) fn new(is_cut_off: bool, bytes: usize) -> Self {
        // A value and what separates it from the next take two bytes.
        Self { is_cut_off, left: (bytes / 2 >= MAX_VALUES).then_some(MAX_VALUES) }
    }

    /// Reads a call, as LangChain 0.1.20 `output_parsers/openai_tools.py::parse_tool_call` does,
    /// with Python's `json.loads(strict=False)`: strings may hold raw control characters. Empty
    /// text is `{}`, which many servers send for a tool without parameters. In an answer that was
    /// cut off, the arguments may be what is missing then.
    ///
    /// # Errors
    /// The call as the model wrote it, if the arguments are not a JSON object that histories
    /// store, may not have come, or have too many values.
    pub(super) fn read(
        &mut self,
        id: Option<String>,
        name: Option<String>,
        arguments: String,
    ) -> Result<ToolCall, Box<InvalidToolCall>> {
        let error = match self.check(&arguments).and_then(|()| parse(&arguments)) {
            Ok(args) => {
                let mut call = ToolCall::new(name.unwrap_or_default(), args);
                call.id = id;
                return Ok(call);
            }
            Err(error) => error,
        };
        Err(invalid(id, name, arguments, error))
    }

    fn check(&mut self, arguments: &str) -> Result<(), String> {
        if self.is_cut_off && arguments.trim().is_empty() {
            return Err("the answer was cut off before the arguments".to_owned());
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(count_values(arguments)).ok_or_else(|| {
                format!("the arguments of the answer hold more than {MAX_VALUES} values")
            })?;
        }
        Ok(())
    }
}

/// Returns a call that cannot be made, as the model wrote it.
pub(super) fn invalid(
    id: Option<String>,
    name: Option<String>,
    arguments: String,
    error: String,
) -> Box<InvalidToolCall> {
    let mut call = InvalidToolCall::default();
    (call.id, call.name, call.args) = (id, name, Some(arguments));
    call.error = Some(error);
    Box::new(call)
}

/// Returns a number of values that JSON does not exceed.
fn count_values(json: &str) -> usize {
    let (mut count, mut in_string, mut is_escaped, mut before) = (1_usize, false, false, 0);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' | b',' if !in_string => count += 1,
            // There is nothing in it.
            b']' | b'}' if !in_string && matches!(before, b'[' | b'{') => count -= 1,
            _ => {}
        }
        before = byte;
    }
    count
}

/// Parses arguments, of which none are an empty object.
pub(super) fn parse(arguments: &str) -> Result<Json, String> {
    if arguments.trim().is_empty() {
        return Ok(Json::Object(Map::new()));
    }
    let value: Json = serde_json::from_str(arguments)
        .or_else(|error| match escape_controls(arguments) {
            Cow::Borrowed(_) => Err(error),
            Cow::Owned(escaped) => serde_json::from_str(&escaped),
        })
        .map_err(|error| {
            format!("the arguments are not JSON (line {}, column {})", error.line(), error.column())
        })?;
    match value {
        Json::Object(_) if is_too_deep(&value, MAX_DEPTH) => {
            Err(format!("the arguments are nested more than {MAX_DEPTH} levels deep"))
        }
        Json::Object(_) => Ok(value),
        // Values that are false in Python count as no arguments.
        Json::Null | Json::Bool(false) => Ok(Json::Object(Map::new())),
        Json::Array(items) if items.is_empty() => Ok(Json::Object(Map::new())),
        Json::Bool(true) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err("the arguments are not a JSON object".to_owned())
        }
    }
}

/// Returns whether a value that was parsed, so of at most 127 levels, has more than `levels`.
fn is_too_deep(value: &Json, levels: usize) -> bool {
    let inner = |value: &Json| is_too_deep(value, levels.saturating_sub(1));
    match value {
        Json::Object(fields) => levels == 0 || fields.values().any(inner),
        Json::Array(items) => levels == 0 || items.iter().any(inner),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
    }
}

/// Escapes raw control characters inside strings.
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
