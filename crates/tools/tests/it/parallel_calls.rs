//! Calls of a round that run at the same time, and their number.

use std::time::Duration;

use conversant_core::{CallOptions, ChatModel, ChatRequest, Message, ToolError};
use conversant_testkit::ScriptedChat;
use conversant_tools::{FnTool, ToolLoop};
use serde_json::json;

use crate::support::{calling, definition, saying};

fn question() -> ChatRequest {
    ChatRequest::new(Message::human("q"))
}

/// Calls run one after the other if the options forbid parallel calls or the limit is one.
#[tokio::test(start_paused = true)]
async fn parallel_calls_can_be_limited() {
    for (options, limit, seconds) in [
        (CallOptions::new(), 8, 10),
        (CallOptions::new(), 1, 20),
        (CallOptions::new(), 0, 20),
        (CallOptions::new().with_parallel_tool_calls(false), 8, 20),
    ] {
        let model = ScriptedChat::new([
            calling(&[("slow", json!({}), "a"), ("slow", json!({}), "b")]),
            saying("done"),
        ]);
        let slow = FnTool::with_definition(definition("slow"), |_| async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Ok::<_, ToolError>("slept".into())
        });
        let tools = ToolLoop::builder(model).tool(slow).max_parallel_calls(limit).build().unwrap();
        let start = tokio::time::Instant::now();
        tools.generate(&question().with_options(options)).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
}

/// A slow call keeps one place: the others follow each other in the rest.
#[tokio::test(start_paused = true)]
async fn a_slow_call_does_not_hold_up_the_others() {
    let mut calls = vec![("slow", json!({"seconds": 20}), "c0")];
    let ids: Vec<_> = (1..11).map(|number| format!("c{number}")).collect();
    calls.extend(ids.iter().map(|id| ("slow", json!({"seconds": 2}), id.as_str())));
    let model = ScriptedChat::new([calling(&calls), saying("done")]);
    let slow = FnTool::with_definition(definition("slow"), |args| async move {
        let seconds = args["seconds"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok::<_, ToolError>("slept".into())
    });
    let tools = ToolLoop::builder(model).tool(slow).max_parallel_calls(2).build().unwrap();
    let start = tokio::time::Instant::now();
    let reply = tools.generate(&question()).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 20);
    // The results are in the order of the calls.
    let results = reply.intermediate.iter().filter_map(|message| message.tool_call_id());
    let expected: Vec<_> = (0..11).map(|number| format!("c{number}")).collect();
    assert_eq!(results.collect::<Vec<_>>(), expected);
}
