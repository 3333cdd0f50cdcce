//! The messages of a branch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversant_core::{Message, Role, ToolCall};
use serde_json::{Map, Value as Json, json};

use crate::{
    conversation::{Conversation, Taken},
    event::OmissionReason,
    format::tool_calls::call_id,
};

/// Reads the messages of a branch into a conversation.
pub(super) struct Reader<'c> {
    conversation: &'c mut Conversation,
    /// The call of a tool that was read last, until another message follows its results.
    call: Option<Call>,
}

struct Call {
    id: String,
    /// The index of the message with the call.
    index: usize,
    /// The index and the text of the message with the results, which the end of the call completes:
    /// a result for each would copy all before it.
    results: Option<(usize, String)>,
}

impl<'c> Reader<'c> {
    pub(super) fn new(conversation: &'c mut Conversation) -> Self {
        Self { conversation, call: None }
    }

    /// Reads the next message.
    pub(super) fn read(&mut self, position: u64, message: &Json) {
        let text_of = |field: &Json| field.as_str().map(str::to_owned);
        let role = message.get("author").and_then(|author| author.get("role")).and_then(text_of);
        let recipient = message.get("recipient").and_then(Json::as_str).unwrap_or("all");
        let is_call = role.as_deref() == Some("assistant") && recipient != "all";
        let is_result = role.as_deref() == Some("tool");
        let content = match Content::read(message.get("content").unwrap_or(&Json::Null)) {
            Ok(content) => content,
            // The result of a call may be of a kind that only the tool's own display knows.
            Err(_) if is_result && self.call.is_some() => Content::unreadable(),
            Err(reason) => return self.conversation.omit(position, reason),
        };
        if is_hidden(message) && !is_call && !is_result {
            if !content.text.is_empty() || content.parts > 0 {
                self.conversation.omit(position, OmissionReason::Hidden);
            }
            return;
        }
        for _ in 0..content.parts {
            self.conversation.omit(position, OmissionReason::Part);
        }
        let text = content.text;
        let read = match role.as_deref() {
            Some("tool") => return self.read_result(position, &text),
            Some("assistant") if is_call => {
                self.end_call();
                let id = call_id(position, 0);
                let index = self.conversation.messages.len();
                self.call = Some(Call { id: id.clone(), index, results: None });
                let call = ToolCall::new(tool_name(recipient), arguments(&text)).with_id(id);
                Message::ai("").with_tool_calls([call])
            }
            // A message without content is the beginning of one that was not written.
            Some("user" | "assistant" | "system") if text.is_empty() && content.parts == 0 => {
                return;
            }
            Some("user") => Message::human(text),
            Some("system") => Message::system(text),
            Some("assistant") => Message::ai(text),
            _ => return self.conversation.omit(position, OmissionReason::UnknownRole),
        };
        if !is_call {
            self.end_call();
        }
        let is_answer = *read.role() == Role::Ai;
        self.conversation.messages.push(Taken {
            position,
            message: if is_answer { with_model(read, message) } else { read },
            created_at: message.get("create_time").and_then(time),
            incomplete: is_answer && !is_call && is_cut_off(message),
        });
    }

    /// Reads the result of a tool. The results of one call are one message.
    fn read_result(&mut self, position: u64, text: &str) {
        let Some(call) = &mut self.call else {
            let reason = OmissionReason::ToolResultWithoutCall;
            return self.conversation.omit(position, reason);
        };
        match &mut call.results {
            None => {
                let index = self.conversation.messages.len();
                let message = Message::tool("", call.id.as_str());
                self.conversation.messages.push(Taken::new(position, message));
                call.results = Some((index, text.to_owned()));
            }
            Some((_, results)) if results.is_empty() => results.push_str(text),
            Some((_, results)) if !text.is_empty() => {
                results.push('\n');
                results.push_str(text);
            }
            Some(_) => {}
        }
    }

    /// Ends a call. One without a result is left out: providers would refuse the conversation.
    fn end_call(&mut self) {
        let Some(Call { id, index, results }) = self.call.take() else { return };
        match results {
            Some((index, text)) => {
                if let Some(result) = self.conversation.messages.get_mut(index) {
                    result.message = Message::tool(text, id);
                }
            }
            None => {
                let removed = self.conversation.messages.remove(index);
                self.conversation.omit(removed.position, OmissionReason::UnansweredToolCalls);
            }
        }
    }

    pub(super) fn finish(mut self) {
        self.end_call();
    }
}

/// The content of a message, as text.
struct Content {
    text: String,
    /// The number of parts that are not text.
    parts: usize,
}

impl Content {
    const fn unreadable() -> Self {
        Self { text: String::new(), parts: 1 }
    }

    fn read(content: &Json) -> Result<Self, OmissionReason> {
        let field = |name: &str| content.get(name).and_then(Json::as_str).map(str::to_owned);
        let kind = content.get("content_type").and_then(Json::as_str);
        match kind.ok_or(OmissionReason::InvalidMessage)? {
            "text" | "multimodal_text" => {
                let parts = content.get("parts").and_then(Json::as_array);
                Ok(Self::of_parts(parts.ok_or(OmissionReason::InvalidMessage)?))
            }
            "thoughts" | "reasoning_recap" => Err(OmissionReason::Reasoning),
            "user_editable_context" | "model_editable_context" => Err(OmissionReason::Hidden),
            // Code that a tool runs, its output, pages and quotes of the browser, errors of tools.
            _ => {
                let text = field("text").or_else(|| field("result"));
                let text = text.ok_or(OmissionReason::UnknownContent)?;
                Ok(Self { text, parts: 0 })
            }
        }
    }

    fn of_parts(parts: &[Json]) -> Self {
        let text_of = |part: &Json| {
            // A transcription is an object with a text.
            let text = part.as_str().or_else(|| part.get("text")?.as_str());
            text.map(str::to_owned)
        };
        let texts: Vec<_> = parts.iter().filter_map(text_of).collect();
        Self { parts: parts.len() - texts.len(), text: texts.join("\n") }
    }
}

fn is_hidden(message: &Json) -> bool {
    let metadata = message.get("metadata");
    let mark = metadata.and_then(|m| m.get("is_visually_hidden_from_conversation"));
    mark == Some(&Json::Bool(true))
        || message.get("weight").and_then(Json::as_f64).is_some_and(|weight| weight == 0.0)
}

/// Returns whether an answer was stopped, or is not finished.
fn is_cut_off(message: &Json) -> bool {
    let status = message.get("status").and_then(Json::as_str);
    let details = message.get("metadata").and_then(|metadata| metadata.get("finish_details"));
    let finish = details.and_then(|details| details.get("type")).and_then(Json::as_str);
    matches!(status, Some("in_progress" | "finished_partial_completion"))
        || matches!(finish, Some("interrupted" | "max_tokens"))
}

/// Adds the model that answered, under LangChain's name.
fn with_model(answer: Message, message: &Json) -> Message {
    let model = message.get("metadata").and_then(|metadata| metadata.get("model_slug"));
    match model.and_then(Json::as_str) {
        Some(model) => answer.with_extra("response_metadata", json!({"model_name": model})),
        None => answer,
    }
}

/// Returns a tool's name in the characters that providers accept.
fn tool_name(recipient: &str) -> String {
    let allowed = |char: char| char.is_ascii_alphanumeric() || "_-".contains(char);
    let name = recipient.chars().take(64);
    name.map(|char| if allowed(char) { char } else { '_' }).collect()
}

/// Returns the arguments of a call: the text itself if it is an object, or an object with it.
fn arguments(text: &str) -> Json {
    match serde_json::from_str::<Map<String, Json>>(text) {
        Ok(object) => Json::Object(object),
        Err(_) => json!({ "input": text }),
    }
}

/// Reads a time in seconds since 1970.
pub(super) fn time(seconds: &Json) -> Option<SystemTime> {
    let since = Duration::try_from_secs_f64(seconds.as_f64()?).ok()?;
    UNIX_EPOCH.checked_add(since)
}
