//! One recorded call: a request and its answer.

use conversant_core::{CallOptions, Delta, Message, PromptValue, Reply, ReplyStream, ToolChoice};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

/// A request and its answer.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Exchange {
    pub(super) request: Json,
    /// The pieces of text of a streamed answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) pieces: Vec<String>,
    pub(super) reply: Reply,
}

impl Exchange {
    /// Returns the answer as a stream: in its pieces, if they were recorded.
    pub(super) fn into_stream(self) -> ReplyStream {
        if self.pieces.is_empty() {
            return ReplyStream::whole(self.reply);
        }
        let pieces = self.pieces.into_iter().map(|piece| Ok(Delta::Text(piece)));
        ReplyStream::from_pieces(pieces.chain([Ok(self.reply.into())]))
    }
}

/// Returns what identifies a request: its prompt and the options that change the answer.
pub(super) fn request_json(prompt: &PromptValue, options: &CallOptions) -> Json {
    let mut request = Map::new();
    match prompt.as_messages() {
        // A record of an earlier call has its times, which the answer does not depend on.
        Some(messages) => {
            let messages: Vec<_> = messages.iter().map(Message::without_call_record).collect();
            request.insert("messages".to_owned(), json!(messages))
        }
        None => request.insert("prompt".to_owned(), prompt.to_string().into()),
    };
    let mut set = |name: &str, value: Json| request.insert(name.to_owned(), value);
    if !options.stop.is_empty() {
        set("stop", json!(options.stop));
    }
    if !options.tools.is_empty() {
        set("tools", json!(options.tools));
    }
    if let Some(choice) = &options.tool_choice {
        set("tool_choice", json!(choice as &ToolChoice));
    }
    if let Some(parallel) = options.parallel_tool_calls {
        set("parallel_tool_calls", json!(parallel));
    }
    if let Some(format) = &options.response_format {
        set("response_format", json!(format));
    }
    Json::Object(request)
}
