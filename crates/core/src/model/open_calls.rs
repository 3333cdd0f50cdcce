//! The tool calls of an answer that have no result yet.

use super::reply::Reply;
use crate::{
    message::Message,
    tool_call::{InvalidToolCall, ToolCall},
};

impl Reply {
    /// Returns the tool calls of the answer that have no result yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Message, Reply, ToolCall};
    /// use serde_json::json;
    ///
    /// let calls = ["time", "mail"].map(|name| ToolCall::new(name, json!({})).with_id(name));
    /// let result = Message::tool("12:00", "time").with_name("time");
    /// let reply = Reply::new(Message::ai("").with_tool_calls(calls));
    /// let reply = reply.with_call_results(vec![result]);
    /// let open: Vec<_> = reply.open_calls().iter().map(|call| &*call.name).collect();
    /// assert_eq!(open, ["mail"]);
    /// ```
    #[must_use]
    pub fn open_calls(&self) -> Vec<&ToolCall> {
        let mut results: Vec<_> = self.call_results.iter().collect();
        let mut is_open =
            |call: &&ToolCall| !take_result(&mut results, call.id.as_deref(), Some(&call.name));
        self.message.tool_calls().iter().filter(|call| is_open(call)).collect()
    }

    /// Returns the tool calls of the answer whose arguments are not valid JSON and that have no
    /// result yet.
    #[must_use]
    pub fn open_invalid_calls(&self) -> Vec<&InvalidToolCall> {
        let mut results: Vec<_> = self.call_results.iter().collect();
        let mut is_open = |call: &&InvalidToolCall| {
            !take_result(&mut results, call.id.as_deref(), call.name.as_deref())
        };
        self.message.invalid_tool_calls().iter().filter(|call| is_open(call)).collect()
    }
}

/// Takes the result of a call out of a list. Returns whether there was one.
fn take_result(results: &mut Vec<&Message>, id: Option<&str>, name: Option<&str>) -> bool {
    let is_of_call = |result: &&Message| {
        result.tool_call_id().unwrap_or_default() == id.unwrap_or_default() && result.name() == name
    };
    let found = results.iter().position(is_of_call);
    found.map(|index| results.remove(index)).is_some()
}
