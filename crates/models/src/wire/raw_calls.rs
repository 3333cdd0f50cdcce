//! Tool calls that a message has in `additional_kwargs` alone, as the chat endpoint sent them.
//! langchain-core stored them so before it had `tool_calls`.

use conversant_core::Message;
use serde_json::Value as Json;

/// A call as the chat endpoint sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawCall<'m> {
    pub(crate) id: Option<&'m str>,
    pub(crate) name: &'m str,
    /// JSON, as text.
    pub(crate) arguments: &'m str,
}

/// Returns the calls of an answer that has them in no other form.
pub(crate) fn raw_calls(message: &Message) -> impl Iterator<Item = RawCall<'_>> {
    message.raw_tool_calls().iter().filter_map(|call| {
        let function = call.get("function")?;
        Some(RawCall {
            id: call.get("id").and_then(Json::as_str),
            name: function.get("name")?.as_str()?,
            arguments: function.get("arguments").and_then(Json::as_str).unwrap_or_default(),
        })
    })
}
