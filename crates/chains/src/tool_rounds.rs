//! The rounds of a tool loop, put together from the pieces of its stream.

use std::{collections::BTreeMap, sync::Arc};

use conversant_core::{Delta, Message, Messages, ToolCall, ToolCallDelta, ToolResultDelta};
use serde_json::{Map, Value as Json};

/// The rounds that have ended: each one has its calls and all of their results.
#[derive(Debug, Default)]
pub(crate) struct ToolRounds {
    messages: Messages,
    /// The calls of the running round, by their indices.
    calls: BTreeMap<usize, ToolCallDelta>,
    /// The answer of the running round, if the loop has given it whole.
    answer: Option<Arc<Message>>,
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
                if let Some(name) = &more.name {
                    call.name.get_or_insert_default().push_str(name);
                }
                call.arguments.push_str(&more.arguments);
            }
            Delta::ToolResult(result) => self.read_result(result, received),
            _ => {}
        }
    }

    fn read_result(&mut self, result: &ToolResultDelta, received: &str) {
        if self.results.is_empty() {
            self.round_start = self.text_start;
            self.text_start = received.len();
            self.answer.clone_from(&result.answer);
        }
        self.results.push(result.message.clone());
        let calls = match &self.answer {
            Some(answer) => answer.tool_calls().len() + answer.invalid_tool_calls().len(),
            None => self.calls.len(),
        };
        if self.results.len() >= calls {
            self.end_round(received);
        }
    }

    /// Returns what follows the last result of the text that was received.
    pub(crate) fn text_of<'r>(&self, received: &'r str) -> &'r str {
        received.get(self.text_start..).unwrap_or_default()
    }

    /// Returns the calls and the results of the rounds that have ended.
    pub(crate) fn into_messages(self) -> Messages {
        self.messages
    }

    fn end_round(&mut self, received: &str) {
        let calls = std::mem::take(&mut self.calls);
        let results = std::mem::take(&mut self.results);
        let text = received.get(self.round_start..self.text_start).unwrap_or_default();
        let answer = self.answer.take().or_else(|| answer_of(text, calls, &results).map(Arc::new));
        let Some(answer) = answer.filter(|_| !self.is_broken) else {
            self.is_broken = true;
            return;
        };
        self.messages.push(answer);
        self.messages.extend(results);
    }
}

/// Returns the answer of a round whose loop has not given it, or `None` if its calls are not those
/// that have the results.
fn answer_of(
    text: &str,
    calls: BTreeMap<usize, ToolCallDelta>,
    results: &[Message],
) -> Option<Message> {
    let calls: Vec<_> = calls.into_values().map(call_of).collect::<Option<_>>()?;
    let is_answered =
        |call: &ToolCall| results.iter().any(|result| result.tool_call_id() == call.id.as_deref());
    let is_whole = calls.len() == results.len() && calls.iter().all(is_answered);
    is_whole.then(|| Message::ai(text).with_tool_calls(calls))
}

/// Returns a call, or `None` if it has no id or no object as its arguments.
fn call_of(pieces: ToolCallDelta) -> Option<ToolCall> {
    let args = match pieces.arguments.trim() {
        "" | "null" => Json::Object(Map::new()),
        arguments => serde_json::from_str(arguments).ok().filter(Json::is_object)?,
    };
    Some(ToolCall::new(pieces.name?, args).with_id(pieces.id?))
}
