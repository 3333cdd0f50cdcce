//! The rounds of a tool loop, put together from the pieces of its stream.

use std::collections::BTreeMap;

use conversant_core::{Delta, Message, Messages, ToolCall, ToolCallDelta};
use serde_json::{Map, Value as Json};

/// The rounds that have ended: each one has its calls and all of their results.
#[derive(Debug, Default)]
pub(crate) struct ToolRounds {
    messages: Vec<Message>,
    /// The calls of the running round, by their indices.
    calls: BTreeMap<usize, ToolCallDelta>,
    results: Vec<Message>,
    /// Where the texts of the running round and of what follows the last result start.
    round_start: usize,
    text_start: usize,
    /// Whether a round could not be read, so that the later ones do not follow the others.
    is_broken: bool,
}

impl ToolRounds {
    /// Reads a piece. `received` is the text of the pieces so far.
    pub(crate) fn read(&mut self, piece: &Delta, received: &str) {
        match piece {
            Delta::ToolCall(more) => {
                let call = self.calls.entry(more.index).or_default();
                call.id = more.id.clone().or(call.id.take());
                call.name = more.name.clone().or(call.name.take());
                call.arguments.push_str(&more.arguments);
            }
            Delta::ToolResult(result) => {
                if self.results.is_empty() {
                    self.round_start = self.text_start;
                    self.text_start = received.len();
                }
                self.results.push(Message::clone(result));
                if self.results.len() >= self.calls.len() {
                    self.end_round(received);
                }
            }
            _ => {}
        }
    }

    /// Returns what follows the last result of the text that was received.
    pub(crate) fn text_of<'r>(&self, received: &'r str) -> &'r str {
        received.get(self.text_start..).unwrap_or_default()
    }

    /// Returns the calls and the results of the rounds that have ended.
    pub(crate) fn into_messages(self) -> Messages {
        self.messages.into()
    }

    fn end_round(&mut self, received: &str) {
        let calls = std::mem::take(&mut self.calls);
        let results = std::mem::take(&mut self.results);
        let calls: Option<Vec<_>> = calls.into_values().map(call_of).collect();
        let is_answered = |calls: &Vec<ToolCall>| {
            let mut ids = calls.iter().map(|call| call.id.as_deref());
            !self.is_broken
                && ids.len() == results.len()
                && ids.all(|id| results.iter().any(|result| result.tool_call_id() == id))
        };
        let Some(calls) = calls.filter(is_answered) else {
            self.is_broken = true;
            return;
        };
        let text = received.get(self.round_start..self.text_start).unwrap_or_default();
        self.messages.push(Message::ai(text).with_tool_calls(calls));
        self.messages.extend(results);
    }
}

/// Returns a call, or `None` if it has no id or no object as its arguments.
fn call_of(pieces: ToolCallDelta) -> Option<ToolCall> {
    let args = match pieces.arguments.trim() {
        "" => Json::Object(Map::new()),
        arguments => serde_json::from_str(arguments).ok().filter(Json::is_object)?,
    };
    Some(ToolCall::new(pieces.name?, args).with_id(pieces.id?))
}
