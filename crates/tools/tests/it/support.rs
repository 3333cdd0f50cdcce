//! Models that call tools, and tools that are called.

use std::future::pending;

use conversant_core::{
    ChatModel, ChatRequest, Message, ModelDescription, ModelError, Reply, ToolCall, ToolDefinition,
    ToolError, Usage, async_trait,
};
use conversant_testkit::ScriptedChat;
use conversant_tools::FnTool;
use serde_json::{Value as Json, json};

/// Returns a reply that calls tools: each call is its name, its arguments and its id.
pub(crate) fn calling(calls: &[(&str, Json, &str)]) -> Reply {
    let calls = calls.iter().map(|(name, args, id)| {
        let call = ToolCall::new(*name, args.clone());
        if id.is_empty() { call } else { call.with_id(*id) }
    });
    Reply::new(Message::ai("").with_tool_calls(calls)).with_usage(Usage::new(10, 2))
}

/// A model whose own settings force a call.
pub(crate) struct Forced(pub(crate) ScriptedChat);

#[async_trait]
impl ChatModel for Forced {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.generate(request).await
    }

    fn describe(&self) -> ModelDescription {
        ModelDescription::new().with_forces_tools(true)
    }
}

pub(crate) fn saying(text: &str) -> Reply {
    Reply::new(Message::ai(text)).with_usage(Usage::new(20, 3))
}

pub(crate) fn schema() -> Json {
    json!({"type": "object", "properties": {"x": {"type": "integer"}}})
}

pub(crate) fn definition(name: &str) -> ToolDefinition {
    ToolDefinition::new(name, schema())
}

/// Returns one tool of each behaviour: `double` works, `fail` fails, `panic` panics, `hang` never
/// ends, and `strict` refuses its arguments.
pub(crate) fn tools() -> [FnTool; 5] {
    [
        FnTool::new("double", "Doubles.", schema(), |args: Json| async move {
            Ok((args["x"].as_i64().unwrap_or_default() * 2).to_string().into())
        }),
        FnTool::new("fail", "Fails.", schema(), |_| async {
            Err(ToolError::failed("no network", None))
        }),
        FnTool::new("panic", "Panics.", schema(), |_| async { panic!("a bug in a tool") }),
        FnTool::new("hang", "Hangs.", schema(), |_| pending()),
        FnTool::new("strict", "Refuses.", schema(), |_| async {
            Err(ToolError::arguments("`x` must be positive"))
        }),
    ]
}
