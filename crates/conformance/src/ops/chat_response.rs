//! `chat_response`: a chat completion's body, decoded.

use conversant_models::wire::decode_chat_response;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{case, failure::Failure};

#[derive(Deserialize)]
struct Input {
    body: Json,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    let body = input.body.to_string();
    let reply = decode_chat_response(body.as_bytes()).map_err(|error| Failure::broken(&error))?;
    let usage = reply
        .usage
        .map(|usage| json!({"input": usage.input_tokens, "output": usage.output_tokens, "total": usage.total_tokens}));
    Ok(json!({
        "content": reply.message.content(),
        "tool_calls": reply.message.tool_calls(),
        "finish_reason": reply.finish_reason,
        "model": reply.model,
        "usage": usage,
    }))
}
