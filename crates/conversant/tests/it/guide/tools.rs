//! The errors of the guide's chapter on tools.

use conversant::{
    FnTool, LlmChain, Message, PromptTemplate, Reply, ToolCall, ToolLoop, ToolLoopBuilder, vars,
};
use conversant_testkit::ScriptedChat;
use serde_json::json;

use super::{compare, text};

/// A model that calls a tool, and does not answer.
fn model() -> ScriptedChat {
    let call = || ToolCall::new("order_status", json!({})).with_id("call_1");
    let calls = || Reply::new(Message::ai("").with_tool_calls([call()]));
    ScriptedChat::new([calls(), calls()])
}

fn tool() -> FnTool {
    FnTool::new("order_status", "The status of an order.", json!({"type": "object"}), |_| async {
        Ok("ready".into())
    })
}

fn tools() -> ToolLoopBuilder {
    ToolLoop::builder(model())
}

#[tokio::test]
async fn the_errors_of_tools() {
    let chain =
        || LlmChain::builder().prompt(PromptTemplate::from_template("Human: {message}").unwrap());
    let limited = chain().model(tools().tool(tool()).max_rounds(1).build().unwrap());
    let bare = chain().model(model()).build().unwrap();
    let ask = || vars! { "message" => "Is my order ready?" };
    let mut outcome = bare.invoke(ask()).await.unwrap();
    let pending = outcome.pending.take().unwrap();
    compare(
        include_str!("../../../src/guide/tools.md"),
        [
            text(tools().build()),
            text(tools().tool(tool()).tool(tool()).build()),
            text(limited.build().unwrap().predict(ask()).await),
            text(bare.predict(ask()).await),
            text(bare.resume(&pending, []).await),
        ],
    );
}
