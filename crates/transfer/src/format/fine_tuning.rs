//! OpenAI's lines for fine-tuning chat models: a conversation on each, as the chat endpoint takes
//! it.
//!
//! `{"messages": [{"role": …, "content": …}, …], "tools": […], "parallel_tool_calls": …}`. An
//! assistant message may have a `weight` of 0 or 1 by which it takes part in the training.

use std::io::{self, Write};

use conversant_core::{Content, InvalidToolCall, Message, Part, Role, ToolCall, Turn};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::{
    Forms,
    tool_calls::{Call, arguments, call_id},
};
use crate::{
    conversation::{Conversation, Taken},
    event::{OmissionReason, Omitted},
};

/// The field of a message that holds its weight, here and in a line.
const WEIGHT: &str = "weight";

#[derive(Deserialize)]
struct Line {
    messages: Vec<Json>,
    #[serde(default)]
    tools: Json,
    #[serde(default)]
    functions: Json,
}

/// Reads a conversation.
pub(crate) fn read(text: &[u8]) -> Result<Conversation, serde_json::Error> {
    let line: Line = serde_json::from_slice(text)?;
    let mut conversation = Conversation::default();
    if [line.tools, line.functions]
        .iter()
        .any(|list| list.as_array().is_some_and(|l| !l.is_empty()))
    {
        conversation.omitted.push(Omitted::whole(OmissionReason::ToolDefinitions));
    }
    // The id of a call in the older form, which has none.
    let mut function_call = None;
    for (message, position) in line.messages.iter().zip(1..) {
        match read_message(message, position, &mut function_call) {
            Ok(message) => conversation.messages.push(Taken::new(position, message)),
            Err(reason) => conversation.omit(position, reason),
        }
    }
    Ok(conversation)
}

fn read_message(
    message: &Json,
    position: u64,
    function_call: &mut Option<String>,
) -> Result<Message, OmissionReason> {
    let text = |name: &str| message.get(name).and_then(Json::as_str);
    let call_before = function_call.take();
    let mut read = match text("role").ok_or(OmissionReason::UnknownRole)? {
        "system" | "developer" => Message::system(content(message)?),
        "user" => Message::human(content(message)?),
        "assistant" => {
            let mut calls = Calls::default();
            let listed = list(message, "tool_calls");
            for (index, call) in listed.iter().enumerate() {
                let id = call.get("id").and_then(Json::as_str);
                let id = id.map_or_else(|| call_id(position, index), str::to_owned);
                calls.add(call.get("function"), id)?;
            }
            if let Some(call) = message.get("function_call").filter(|call| !call.is_null()) {
                let id = call_id(position, listed.len());
                calls.add(Some(call), id.clone())?;
                *function_call = Some(id);
            }
            let content = match message.get("content") {
                None | Some(Json::Null) if !calls.is_empty() => Content::default(),
                _ => content(message)?,
            };
            let answer = Message::ai(content).with_tool_calls(calls.valid);
            answer.with_invalid_tool_calls(calls.invalid)
        }
        "tool" => {
            let id = text("tool_call_id").ok_or(OmissionReason::ToolResultWithoutCall)?;
            Message::tool(content(message)?, id)
        }
        "function" => {
            let id = call_before.ok_or(OmissionReason::ToolResultWithoutCall)?;
            Message::tool(content(message)?, id)
        }
        _ => return Err(OmissionReason::UnknownRole),
    };
    if let Some(name) = text("name") {
        read = read.with_name(name);
    }
    if let Some(weight) = message.get(WEIGHT).filter(|weight| weight.is_number()) {
        read = read.with_extra(WEIGHT, weight.clone());
    }
    Ok(read)
}

/// The tool calls of a message.
#[derive(Default)]
struct Calls {
    valid: Vec<ToolCall>,
    /// Calls whose arguments are a text that is not JSON.
    invalid: Vec<InvalidToolCall>,
}

impl Calls {
    /// Adds `{"name": …, "arguments": …}`.
    fn add(&mut self, call: Option<&Json>, id: String) -> Result<(), OmissionReason> {
        let name = call.and_then(|call| call.get("name")?.as_str());
        let (call, name) = call.zip(name).ok_or(OmissionReason::InvalidMessage)?;
        let given = call.get("arguments").unwrap_or(&Json::Null);
        if let Some(arguments) = arguments(given) {
            self.valid.push(ToolCall::new(name, arguments).with_id(id));
            return Ok(());
        }
        let mut invalid = InvalidToolCall::default();
        invalid.name = Some(name.to_owned());
        invalid.args = Some(given.as_str().ok_or(OmissionReason::InvalidMessage)?.to_owned());
        invalid.id = Some(id);
        self.invalid.push(invalid);
        Ok(())
    }

    const fn is_empty(&self) -> bool {
        self.valid.is_empty() && self.invalid.is_empty()
    }
}

fn list<'m>(message: &'m Json, name: &str) -> &'m [Json] {
    message.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// Reads a text, or a list of parts.
fn content(message: &Json) -> Result<Content, OmissionReason> {
    let part = |part: &Json| part.as_object().cloned().map(Part::from_object);
    match message.get("content") {
        Some(Json::String(text)) => Ok(Content::from(text.as_str())),
        Some(Json::Array(parts)) => {
            let parts: Option<Vec<_>> = parts.iter().map(part).collect();
            parts.map(Content::from).ok_or(OmissionReason::InvalidMessage)
        }
        // A refusal takes the place of the content.
        _ => match message.get("refusal") {
            Some(Json::String(text)) => Ok(Content::from(text.as_str())),
            _ => Err(OmissionReason::InvalidMessage),
        },
    }
}

/// Writes a conversation as an object, and returns the number of turns of which something was
/// written: none if nothing can be.
pub(crate) fn write(
    to: impl Write,
    turns: &[Turn],
    omit: &mut impl FnMut(Omitted),
) -> io::Result<usize> {
    let mut messages = Vec::new();
    let mut has_answer = false;
    let forms = Forms { part: is_image_url, call: |call| call.name.is_some() };
    let written = super::training_messages(turns, omit, &forms, |message, text, calls| {
        let mut object = Map::new();
        let role = match message.role() {
            Role::System => "system",
            Role::Human => "user",
            Role::Ai => "assistant",
            Role::Tool => "tool",
            _ => return false,
        };
        has_answer |= *message.role() == Role::Ai;
        object.insert("role".to_owned(), role.into());
        let content = match message.content() {
            Content::Parts(parts) if parts.iter().any(is_image_url) => {
                parts.iter().filter_map(write_part).collect()
            }
            _ if text.is_empty() && !calls.is_empty() => Json::Null,
            _ => text.into(),
        };
        object.insert("content".to_owned(), content);
        if let Some(name) = message.name().filter(|_| *message.role() != Role::Tool) {
            object.insert("name".to_owned(), name.into());
        }
        if let Some(id) = message.tool_call_id() {
            object.insert("tool_call_id".to_owned(), id.into());
        }
        if !calls.is_empty() {
            let call = |call: &Call<'_>| {
                let function = json!({"name": call.name, "arguments": call.arguments.text()});
                json!({"id": call.id, "type": "function", "function": function})
            };
            object.insert("tool_calls".to_owned(), calls.iter().map(call).collect());
        }
        if let Some(weight) = message.extra().get(WEIGHT) {
            object.insert(WEIGHT.to_owned(), weight.clone());
        }
        messages.push(Json::Object(object));
        true
    });
    if messages.is_empty() {
        return Ok(0);
    }
    if !has_answer {
        omit(Omitted::whole(OmissionReason::NoAnswer));
        return Ok(0);
    }
    serde_json::to_writer(to, &json!({"messages": messages}))?;
    Ok(written)
}

/// Returns whether a part is an image by URL, which models are trained on.
fn is_image_url(part: &Part) -> bool {
    let kind = part.as_object().and_then(|part| part.get("type")).and_then(Json::as_str);
    kind == Some("image_url")
}

fn write_part(part: &Part) -> Option<Json> {
    if is_image_url(part) {
        return part.as_object().cloned().map(Json::Object);
    }
    part.as_text().map(|text| json!({"type": "text", "text": text}))
}
