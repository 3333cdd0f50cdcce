//! ShareGPT's data sets: objects with `conversations`, a list of `from` and `value`.
//!
//! FastChat's form is a list of `{"id": …, "conversations": [{"from": "human", "value": …}, …]}`.
//! LLaMA-Factory adds `function_call`, `observation`, `system`, `tools` and the lists of media.

use std::{
    collections::VecDeque,
    io::{self, Write},
};

use conversant_core::{Message, Role, SessionId, ToolCall, Turn};
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

/// The fields with images, sounds and films, to which marks such as `<image>` in a text refer.
const MEDIA: &[&str] = &["audio", "audios", "image", "images", "video", "videos"];

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    id: Json,
    #[serde(alias = "conversation", alias = "items")]
    conversations: Vec<Json>,
    #[serde(default)]
    system: Json,
    #[serde(default)]
    tools: Json,
    #[serde(flatten)]
    rest: Map<String, Json>,
}

/// The role of a `from`.
enum Sender {
    Role(Role),
    /// The model calls tools.
    Call,
    /// The result of a call.
    Result,
}

impl Sender {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "human" | "user" | "prompter" => Self::Role(Role::Human),
            "gpt" | "assistant" | "model" | "chatgpt" | "bing" | "bard" => Self::Role(Role::Ai),
            "system" => Self::Role(Role::System),
            "function_call" => Self::Call,
            "observation" | "tool" | "function_response" => Self::Result,
            _ => return None,
        })
    }
}

/// Reads a conversation.
pub(crate) fn read(text: &[u8]) -> Result<Conversation, serde_json::Error> {
    let entry: Entry = serde_json::from_slice(text)?;
    let mut conversation = Conversation {
        id: match entry.id {
            Json::String(id) => Some(id),
            Json::Number(id) => Some(id.to_string()),
            _ => None,
        },
        ..Conversation::default()
    };
    if !is_absent(&entry.tools) {
        conversation.omitted.push(Omitted::whole(OmissionReason::ToolDefinitions));
    }
    for _ in MEDIA.iter().filter(|name| entry.rest.get(**name).is_some_and(|m| !is_absent(m))) {
        conversation.omitted.push(Omitted::whole(OmissionReason::Part));
    }
    if let Some(system) = entry.system.as_str().filter(|system| !system.is_empty()) {
        conversation.messages.push(Taken::new(0, Message::system(system)));
    }
    // The calls whose results have not come yet.
    let mut open = VecDeque::new();
    for (message, position) in entry.conversations.iter().zip(1..) {
        match read_message(message, position, &mut open) {
            Ok(message) => conversation.messages.push(Taken::new(position, message)),
            Err(reason) => conversation.omit(position, reason),
        }
    }
    Ok(conversation)
}

fn read_message(
    message: &Json,
    position: u64,
    open: &mut VecDeque<String>,
) -> Result<Message, OmissionReason> {
    let field = |names: [&str; 2]| names.iter().find_map(|name| message.get(name)?.as_str());
    let sender = field(["from", "role"]).and_then(Sender::from_name);
    let sender = sender.ok_or(OmissionReason::UnknownRole)?;
    let value = field(["value", "content"]).ok_or(OmissionReason::InvalidMessage)?;
    match sender {
        Sender::Role(role) => {
            open.clear();
            Ok(Message::new(role, value))
        }
        Sender::Result => {
            let id = open.pop_front().ok_or(OmissionReason::ToolResultWithoutCall)?;
            Ok(Message::tool(value, id))
        }
        Sender::Call => {
            let calls = calls(value, position).ok_or(OmissionReason::InvalidMessage)?;
            *open = calls.iter().filter_map(|call| call.id.clone()).collect();
            Ok(Message::ai("").with_tool_calls(calls))
        }
    }
}

/// Reads one call, `{"name": …, "arguments": …}`, or a list of calls.
fn calls(value: &str, position: u64) -> Option<Vec<ToolCall>> {
    let calls = match serde_json::from_str(value).ok()? {
        Json::Array(calls) if !calls.is_empty() => calls,
        call @ Json::Object(_) => vec![call],
        _ => return None,
    };
    let call = |(index, call): (usize, Json)| {
        let name = call.get("name")?.as_str()?;
        let arguments = arguments(call.get("arguments").unwrap_or(&Json::Null))?;
        Some(ToolCall::new(name, arguments).with_id(call_id(position, index)))
    };
    calls.into_iter().enumerate().map(call).collect()
}

/// Returns whether a field is missing, or has nothing in it.
fn is_absent(field: &Json) -> bool {
    match field {
        Json::Null => true,
        Json::String(text) => text.trim().is_empty() || text == "[]",
        Json::Array(list) => list.is_empty(),
        _ => false,
    }
}

/// Writes a conversation as an object, and returns the number of turns of which something was
/// written: none if nothing can be.
pub(crate) fn write(
    to: impl Write,
    session: &SessionId,
    turns: &[Turn],
    omit: &mut impl FnMut(Omitted),
) -> io::Result<usize> {
    let mut messages = Vec::new();
    // The ids of the calls whose results come next, and the places of those that have come.
    let (mut called, mut results): (Vec<Option<String>>, Vec<usize>) = Default::default();
    let entry = |from: &str, value: &str| json!({"from": from, "value": value});
    // The arguments of a call are an object in the text of the entry.
    let has_form = |call: &Call<'_>| call.name.is_some() && call.arguments.json().is_some();
    let forms = Forms { part: |_| false, call: has_form };
    let written = super::training_messages(turns, omit, &forms, |message, text, calls| {
        let from = match message.role() {
            Role::Human => {
                results.clear();
                "human"
            }
            Role::System => {
                results.clear();
                "system"
            }
            Role::Tool => {
                // The format has no ids: results belong to calls by their order.
                let id = message.tool_call_id();
                let place = called.iter().position(|call| call.as_deref() == id);
                let place = place.unwrap_or(called.len());
                let after = results.partition_point(|earlier| *earlier <= place);
                let behind = results.len() - after;
                results.insert(after, place);
                messages.insert(messages.len().saturating_sub(behind), entry("observation", text));
                return true;
            }
            Role::Ai => {
                called = calls.iter().map(|call| call.id.map(str::to_owned)).collect();
                results.clear();
                if !text.is_empty() || calls.is_empty() {
                    messages.push(entry("gpt", text));
                }
                if !calls.is_empty() {
                    let calls = calls
                        .iter()
                        .map(|call| json!({"name": call.name, "arguments": call.arguments.json()}));
                    let mut calls: Vec<_> = calls.collect();
                    let calls = if calls.len() == 1 { calls.remove(0) } else { Json::Array(calls) };
                    messages.push(entry("function_call", &calls.to_string()));
                }
                return true;
            }
            _ => return false,
        };
        messages.push(entry(from, text));
        true
    });
    if messages.is_empty() {
        return Ok(0);
    }
    serde_json::to_writer(to, &json!({"id": session, "conversations": messages}))?;
    Ok(written)
}
