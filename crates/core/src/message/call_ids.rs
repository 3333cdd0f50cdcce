//! Ids for tool calls that a model gave none.

use std::borrow::Cow;

use crate::{message::Message, turn::TurnId};

impl Message {
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
            *id = Some(format!("call_{}", TurnId::random()));
        }
        Cow::Owned(self.clone().with_tool_calls(calls).with_invalid_tool_calls(invalid))
    }
}
