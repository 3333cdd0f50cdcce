//! The recorded answers of the reference system.

use conversant_core::{Message, Reply};
use conversant_models::wire::decode_chat_response;
use serde_json::{Value as Json, json};

pub(crate) fn cases(data: &str) -> impl Iterator<Item = Json> {
    data.lines().map(|line| serde_json::from_str(line).unwrap())
}

pub(crate) fn tool_calls(message: &Message) -> Json {
    message
        .tool_calls()
        .iter()
        .map(|call| json!({"name": call.name, "args": call.args, "id": call.id}))
        .collect()
}

fn shown(reply: &Reply) -> Json {
    json!({
        "content": reply.text(),
        "tool_calls": tool_calls(&reply.message),
        "finish_reason": reply.finish_reason,
        "model": reply.model,
        "usage": reply.usage.map(|usage| json!({
            "input": usage.input_tokens, "output": usage.output_tokens, "total": usage.total_tokens,
        })),
    })
}

#[test]
fn chat_responses() {
    for case in cases(include_str!("../data/chat_response.jsonl")) {
        let reply = decode_chat_response(case["in"]["body"].to_string().as_bytes()).unwrap();
        assert_eq!(json!({ "ok": shown(&reply) }), case["out"], "{}", case["id"]);
    }
}
