//! The answer of a chain.

use std::{borrow::Cow, sync::Arc};

use conversant_core::{FinishReason, Message, Messages, Reply, Value, Variables};

use crate::resumed::Completed;

/// The result of [`Chain::run`](crate::Chain::run): the outputs, and the messages for the turn.
///
/// `Debug` withholds message text.
///
/// # Examples
///
/// The answer of a custom chain that looked something up. A memory stores the lookup with the turn:
///
/// ```
/// use conversant_chains::Answer;
/// use conversant_core::{Message, ToolCall, vars};
/// use serde_json::json;
///
/// let call = ToolCall::new("hours", json!({"day": "Monday"})).with_id("call_1");
/// let answer = Answer::new(vars! { "text" => "Until six." }).with_messages(vec![
///     Message::ai("").with_tool_calls([call]),
///     Message::tool("18:00", "call_1"),
///     Message::ai("Until six."),
/// ]);
/// assert_eq!(answer.messages.map(|messages| messages.len()), Some(3));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The outputs, by name.
    pub outputs: Variables,
    /// The model's reply, if the first output is the answer of one model.
    pub reply: Option<Reply>,
    /// The messages of the turn after the user's: tool calls, their results, the answer. If `None`,
    /// the reply's messages; without a reply, the output that the memory's keys select. There is at
    /// least one, and each tool call before the last message has its result.
    pub messages: Option<Messages>,
    /// The answers that the parser refused before this one.
    pub refused: Vec<Reply>,
    /// The steps that do not run again if the answer calls tools and its turn is resumed.
    pub(crate) completed: Option<Arc<Completed>>,
}

impl Answer {
    /// Returns whether a limit or a filter cut the reply off.
    pub(crate) fn is_cut_off(&self) -> bool {
        let reason = self.reply.as_ref().and_then(|reply| reply.finish_reason.as_ref());
        reason.is_some_and(FinishReason::is_cut_off)
    }

    /// Creates an answer from its outputs.
    #[must_use]
    pub const fn new(outputs: Variables) -> Self {
        Self { outputs, reply: None, messages: None, completed: None, refused: Vec::new() }
    }

    /// Sets the model's reply.
    #[must_use]
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.reply = Some(reply);
        self
    }

    /// Sets the messages of the turn after the user's.
    #[must_use]
    pub fn with_messages(mut self, messages: impl Into<Messages>) -> Self {
        self.messages = Some(messages.into());
        self
    }

    /// Returns the reply, or a reply with the text of the first of a chain's outputs.
    pub(crate) fn reply_of(&self, outputs: &[Cow<'static, str>]) -> Reply {
        self.reply.clone().unwrap_or_else(|| {
            let output = outputs.first().and_then(|name| self.outputs.get(name));
            let text = output.map(Value::to_text).unwrap_or_default();
            Reply::new(Message::ai(text.into_owned()))
        })
    }

    /// Returns the reply, or a reply with the text of the first output.
    pub(crate) fn to_reply(&self) -> Reply {
        self.reply.clone().unwrap_or_else(|| {
            let first = self.outputs.iter().next();
            let text = first.map(|(_, value)| value.to_text().into_owned()).unwrap_or_default();
            Reply::new(Message::ai(text))
        })
    }
}
