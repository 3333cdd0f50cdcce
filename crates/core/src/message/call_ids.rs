//! The ids of a message's tool calls.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::{message::Message, role::Role, turn::TurnId};

impl Message {
    /// Iterates over the ids of the tool calls that need a result; a call without an id is `None`.
    ///
    /// These are the valid calls, those whose arguments are not valid JSON, and, of a message
    /// without either, the ones that LangChain before 0.1.17 stored in `additional_kwargs` alone.
    /// A provider refuses a conversation in which one of them has no result.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, ToolCall};
    /// use serde_json::json;
    ///
    /// let calls = [ToolCall::new("time", json!({})).with_id("call_1")];
    /// let answer = Message::ai("").with_tool_calls(calls);
    /// assert_eq!(answer.call_ids().collect::<Vec<_>>(), [Some("call_1")]);
    ///
    /// let calls = json!({"tool_calls": [{"id": "call_1", "function": {"name": "time"}}]});
    /// let older = Message::ai("").with_extra("additional_kwargs", calls);
    /// assert_eq!(older.call_ids().collect::<Vec<_>>(), [Some("call_1")]);
    /// ```
    pub fn call_ids(&self) -> impl Iterator<Item = Option<&str>> {
        let valid = self.tool_calls().iter().map(|call| call.id.as_deref());
        let invalid = self.invalid_tool_calls().iter().map(|call| call.id.as_deref());
        let raw = self.raw_tool_calls().iter().map(|call| call.get("id").and_then(Json::as_str));
        valid.chain(invalid).chain(raw)
    }

    /// Returns the tool calls that LangChain before 0.1.17 stored as the provider sent them, in
    /// `additional_kwargs`. A message that has others has none of these: later versions store both.
    #[must_use]
    pub fn raw_tool_calls(&self) -> &[Json] {
        let has_own = !self.tool_calls().is_empty() || !self.invalid_tool_calls().is_empty();
        if has_own || *self.role() != Role::Ai {
            return &[];
        }
        let kwargs = self.extra().get("additional_kwargs");
        let calls = kwargs.and_then(|kwargs| kwargs.get("tool_calls")?.as_array());
        calls.map_or(&[], Vec::as_slice)
    }

    /// Returns the message with an id for each tool call that has none, so that a result can name
    /// its call. Calls whose arguments are not valid JSON get one too.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, ToolCall};
    /// use serde_json::json;
    ///
    /// let answer = Message::ai("").with_tool_calls([ToolCall::new("time", json!({}))]);
    /// let answer = answer.with_call_ids();
    /// let id = answer.tool_calls()[0].id.clone().unwrap();
    /// let result = Message::tool("12:00", id);
    /// # let _ = result;
    /// ```
    #[must_use]
    pub fn with_call_ids(&self) -> Cow<'_, Self> {
        let lacks = |id: &Option<String>| id.as_deref().is_none_or(str::is_empty);
        let ids = self.tool_calls().iter().map(|call| &call.id);
        if !ids.chain(self.invalid_tool_calls().iter().map(|call| &call.id)).any(lacks) {
            return Cow::Borrowed(self);
        }
        let mut calls = self.tool_calls().to_vec();
        let mut invalid = self.invalid_tool_calls().to_vec();
        let ids = calls.iter_mut().map(|call| &mut call.id);
        let ids = ids.chain(invalid.iter_mut().map(|call| &mut call.id));
        for id in ids.filter(|id| lacks(id)) {
            // OpenAI takes ids of at most 40 characters.
            *id = Some(format!("call_{}", TurnId::random().to_string().replace('-', "")));
        }
        Cow::Owned(self.clone().with_tool_calls(calls).with_invalid_tool_calls(invalid))
    }
}
