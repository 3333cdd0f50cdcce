//! Streams of a loop.

use conversant_core::{ChatModel, ChatRequest, Delta, Message};
use conversant_testkit::ScriptedChat;
use conversant_tools::{ToolLoop, ToolLoopBuilder};
use serde_json::json;

use crate::support::{calling, saying, tools};

/// The text of all rounds, the calls and their results arrive in order, and the end has the whole.
#[tokio::test]
async fn calls_and_results_are_items() {
    let mut first = calling(&[("double", json!({"x": 21}), "a"), ("fail", json!({}), "b")]);
    first.message = first.message.with_content("Let me see.");
    let model = ScriptedChat::new([first, saying("It is 42.")]);
    let tools = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
    let tools = tools.build().unwrap();
    let mut stream = tools.stream(&ChatRequest::new(Message::human("q"))).await.unwrap();
    let mut shown = Vec::new();
    while let Some(delta) = stream.next().await {
        shown.push(match delta.unwrap() {
            Delta::Text(text) => format!("text {text}"),
            Delta::ToolCall(call) => format!("call {:?} {}", call.name, call.arguments),
            Delta::ToolResult(result) => {
                format!("result {} {}", result.tool_call_id().unwrap(), result.text())
            }
            Delta::Done(reply) => {
                assert_eq!(reply.intermediate.len(), 3);
                assert_eq!(reply.usage.unwrap().total_tokens, 35);
                format!("done {}", reply.text())
            }
            other => panic!("{other:?}"),
        });
    }
    insta::assert_debug_snapshot!(shown);
}
