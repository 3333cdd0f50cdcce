//! Writes the options of a call: stop sequences, tools and the format of the answer.

use std::{borrow::Cow, fmt::Write as _};

use conversant_core::{CallOptions, ResponseFormat, ToolChoice, ToolDefinition, fnv1a};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::json;

use super::body_writer::BodyWriter;

/// Appends the stop sequences of the call, or else those of the adapter.
pub(crate) fn push_stop(body: &mut BodyWriter, call: &CallOptions, own: &CallOptions) {
    let stop = if call.stop.is_empty() { &own.stop } else { &call.stop };
    if !stop.is_empty() {
        push(body, "stop", stop);
    }
}

/// Appends the options of a call of the chat endpoint, or else those of the adapter.
pub(crate) fn push_chat_options(body: &mut BodyWriter, call: &CallOptions, own: &CallOptions) {
    push_stop(body, call, own);
    let tools = if call.tools.is_empty() { &own.tools } else { &call.tools };
    if !tools.is_empty() {
        push(body, "tools", &tools.iter().map(Tool).collect::<Vec<_>>());
        if let Some(choice) = call.tool_choice.as_ref().or(own.tool_choice.as_ref()) {
            push(body, "tool_choice", &Choice(choice));
        }
        if let Some(parallel) = call.parallel_tool_calls.or(own.parallel_tool_calls) {
            push(body, "parallel_tool_calls", &parallel);
        }
    }
    if let Some(format) = call.response_format.as_ref().or(own.response_format.as_ref()) {
        push(body, "response_format", &Format(format));
    }
}

/// The most characters of a prompt cache key that OpenAI and Azure take.
const MAX_KEY: usize = 64;

/// Appends the key of the prompt cache: the call's, or else the adapter's.
pub(crate) fn push_prompt_cache_key(body: &mut BodyWriter, call: &CallOptions, own: &CallOptions) {
    if let Some(key) = call.prompt_cache_key.as_ref().or(own.prompt_cache_key.as_ref()) {
        push(body, "prompt_cache_key", &*shortened_key(key));
    }
}

/// Returns a key of [`MAX_KEY`] characters in place of a longer one: its start, and a hash of it.
fn shortened_key(key: &str) -> Cow<'_, str> {
    if key.len() <= MAX_KEY || key.chars().nth(MAX_KEY).is_none() {
        return Cow::Borrowed(key);
    }
    let mut short: String = key.chars().take(MAX_KEY - 17).collect();
    // Writing to a `String` does not fail.
    _ = write!(short, "-{:016x}", fnv1a(key.bytes()));
    Cow::Owned(short)
}

fn push(body: &mut BodyWriter, name: &str, value: &(impl Serialize + ?Sized)) {
    body.push_json(name);
    body.push(b":");
    body.push_json(value);
    body.push(b",");
}

struct Tool<'t>(&'t ToolDefinition);

impl Serialize for Tool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("function", &Function(self.0))?;
        map.end()
    }
}

struct Function<'t>(&'t ToolDefinition);

impl Serialize for Function<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let tool = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &tool.name)?;
        if let Some(description) = &tool.description {
            map.serialize_entry("description", description)?;
        }
        map.serialize_entry("parameters", &tool.parameters)?;
        if let Some(strict) = tool.strict {
            map.serialize_entry("strict", &strict)?;
        }
        map.end()
    }
}

struct Choice<'c>(&'c ToolChoice);

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ToolChoice::None => serializer.serialize_str("none"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Tool(name) => {
                json!({"type": "function", "function": {"name": name}}).serialize(serializer)
            }
            // A choice that this version does not know is left to the model.
            _ => serializer.serialize_str("auto"),
        }
    }
}

struct Format<'f>(&'f ResponseFormat);

impl Serialize for Format<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ResponseFormat::JsonObject => json!({"type": "json_object"}).serialize(serializer),
            ResponseFormat::JsonSchema { name, schema, strict, .. } => {
                let mut format = json!({"name": name, "schema": schema});
                if let (Some(strict), Some(format)) = (strict, format.as_object_mut()) {
                    format.insert("strict".to_owned(), (*strict).into());
                }
                json!({"type": "json_schema", "json_schema": format}).serialize(serializer)
            }
            _ => json!({"type": "text"}).serialize(serializer),
        }
    }
}
