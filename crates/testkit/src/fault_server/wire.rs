//! Well-formed pieces of HTTP, of chat completions and of server-sent events.

use bytes::Bytes;
use serde_json::{Value, json};

/// Returns a response with its length. A header given here replaces the one made here.
pub(super) fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Bytes {
    let mut bytes = head(status, headers);
    let framed = |(name, _): &(&str, &str)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    };
    if !headers.iter().any(framed) && status != 204 {
        bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes.into()
}

/// Returns a status line and headers, without the line that ends them.
pub(super) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("HTTP/1.1 {status} Status\r\n{}", lines.collect::<String>()).into_bytes()
}

/// Returns the head of a stream of events in chunks.
pub(super) fn stream_head() -> Bytes {
    response(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")], b"")
}

/// Returns one chunk of a chunked body.
pub(super) fn chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

/// Returns one server-sent event.
pub(super) fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// Returns the body of a chat completion that says `text`.
pub(super) fn completion(text: &str) -> String {
    message(&json!({"role": "assistant", "content": text, "refusal": null}), "stop")
}

/// Returns the body of a chat completion with this message.
pub(super) fn message(message: &Value, finish_reason: &str) -> String {
    choices(&json!([{
        "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason,
    }]))
}

/// Returns the body of a chat completion with these choices.
pub(super) fn choices(choices: &Value) -> String {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-6-luna",
        "choices": choices,
        "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
    })
    .to_string()
}

/// Returns an error in OpenAI's form.
pub(super) fn error(message: &str, kind: &str, code: Option<&str>) -> String {
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

/// Returns the payload of an event with these choices.
pub(super) fn payload(choices: &Value) -> String {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-6-luna",
        "choices": choices,
    })
    .to_string()
}

/// Returns the payload of the event of a piece of text.
pub(super) fn delta(text: &str) -> String {
    payload(&json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]))
}

/// Returns the payload of the event with the reason why the model ended.
pub(super) fn finish(reason: &str) -> String {
    payload(&json!([{"index": 0, "delta": {}, "finish_reason": reason}]))
}
