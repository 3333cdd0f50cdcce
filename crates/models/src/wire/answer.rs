//! A decoded answer: choices with their messages, before the adapter's checks.

use conversant_core::{
    Choice, Content, FinishReason, InvalidToolCall, Message, ModelError, Reply, ToolCall, Usage,
};
use serde_json::{Map, Value as Json, json};

use super::provider_fields::stand_for_text;

/// The field of `response_metadata` that says in which form empty content came.
pub(crate) const EMPTY_CONTENT: &str = "empty_content";

/// An answer as it was decoded.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(crate) reply: Reply,
    /// Whether there was no content at all, not even an empty text.
    pub(crate) is_absent: bool,
    pub(crate) refusal: Option<String>,
}

/// One choice of an answer.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) content: Option<Content>,
    /// Whether there was no `content`, not even `null`.
    pub(super) is_content_absent: bool,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) invalid_tool_calls: Vec<InvalidToolCall>,
    /// The fields that go to `additional_kwargs`.
    pub(super) kept: Option<Box<Map<String, Json>>>,
    pub(super) finish_reason: Option<FinishReason>,
}

impl Draft {
    fn has_calls(&self) -> bool {
        !self.tool_calls.is_empty() || !self.invalid_tool_calls.is_empty()
    }

    fn is_absent(&self) -> bool {
        let is_said = || self.kept.as_deref().is_some_and(stand_for_text);
        self.content.is_none() && !self.has_calls() && !is_said()
    }

    fn into_choice(mut self) -> Choice {
        if let Some(kept) = &mut self.kept {
            // Empty fields are dropped, except that some servers require the reasoning of a tool
            // call even if it is empty.
            let calls = !self.tool_calls.is_empty() || !self.invalid_tool_calls.is_empty();
            kept.retain(|name, value| !is_blank(value) || (calls && name == "reasoning_content"));
        }
        if let Some(refusal) = self.refusal.take().filter(|text| !text.is_empty()) {
            self.kept.get_or_insert_default().insert("refusal".to_owned(), refusal.into());
        }
        let form = match &self.content {
            // `null` is what goes out where nothing else is known.
            None if self.is_content_absent => Some("absent"),
            Some(Content::Text(text)) if text.is_empty() => Some("text"),
            _ => None,
        };
        let form = form.filter(|_| self.has_calls());
        let mut message = Message::ai(self.content.unwrap_or_default());
        if !self.tool_calls.is_empty() {
            message = message.with_tool_calls(self.tool_calls);
        }
        if !self.invalid_tool_calls.is_empty() {
            message = message.with_invalid_tool_calls(self.invalid_tool_calls);
        }
        if let Some(kept) = self.kept.filter(|kept| !kept.is_empty()) {
            message = message.with_extra("additional_kwargs", *kept);
        }
        if let Some(form) = form {
            message = message.with_extra("response_metadata", json!({ EMPTY_CONTENT: form }));
        }
        Choice::new(message, self.finish_reason)
    }
}

impl Answer {
    /// Makes an answer of its choices. The first is the answer.
    ///
    /// # Errors
    /// [`ModelError::EmptyAnswer`], if there are no choices.
    pub(super) fn of(
        choices: impl IntoIterator<Item = Draft>,
        model: Option<String>,
        usage: Option<Usage>,
    ) -> Result<Self, ModelError> {
        let mut choices = choices.into_iter();
        let first = choices.next().ok_or(ModelError::EmptyAnswer { finish_reason: None })?;
        let (is_absent, refusal) = (first.is_absent(), first.refusal.clone());
        let first = first.into_choice();
        let mut reply = Reply::new(first.message);
        reply.finish_reason = first.finish_reason;
        (reply.model, reply.usage) = (model, usage);
        reply.alternatives.extend(choices.map(Draft::into_choice));
        Ok(Self { reply, is_absent, refusal: refusal.filter(|text| !text.is_empty()) })
    }
}

fn is_blank(value: &Json) -> bool {
    match value {
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        value => value.is_null(),
    }
}
