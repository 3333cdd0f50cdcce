//! Translates well-formed answers of the chat endpoint into those of the Responses interface.
//! Faults stay as they are.

use bytes::Bytes;
use serde_json::{Value, json};

use super::wire;

/// Returns bytes of a script, with answers of the chat endpoint replaced by responses.
pub(super) fn to_responses(bytes: &Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(bytes) else { return bytes.clone() };
    let translated = whole(text).or_else(|| chunk(text)).or_else(|| Some(events(text)?.into()));
    translated.unwrap_or_else(|| bytes.clone())
}

/// Translates a response with its head.
fn whole(text: &str) -> Option<Bytes> {
    let (head, body) = text.split_once("\r\n\r\n").filter(|_| text.starts_with("HTTP/"))?;
    let translated = match serde_json::from_str(body) {
        Ok(answer) => response(&answer)?.to_string(),
        Err(_) => events(body)?,
    };
    // A wrong length stays wrong.
    let length = format!("content-length: {}", body.len());
    let head = head.replace(&length, &format!("content-length: {}", translated.len()));
    Some(format!("{head}\r\n\r\n{translated}").into())
}

/// Translates a chunk of a chunked body.
fn chunk(text: &str) -> Option<Bytes> {
    let (size, rest) = text.split_once("\r\n")?;
    let payload = rest.strip_suffix("\r\n")?;
    if usize::from_str_radix(size, 16).ok()? != payload.len() {
        return None;
    }
    let translated = match serde_json::from_str(payload) {
        Ok(answer) => response(&answer)?.to_string(),
        Err(_) => events(payload)?,
    };
    Some(wire::chunk(translated.as_bytes()))
}

/// Translates the events of a stream.
fn events(text: &str) -> Option<String> {
    let mut changed = false;
    let mut out = String::new();
    for line in text.split_inclusive(['\n', '\r']) {
        let content = line.trim_end_matches(['\n', '\r']);
        let end = line.get(content.len()..).unwrap_or_default();
        let event = content.trim_start_matches('\u{feff}').strip_prefix("data:").and_then(|data| {
            let value: Value = serde_json::from_str(data).ok()?;
            Some(format!("data: {}", event(&value)?))
        });
        changed |= event.is_some();
        out.push_str(event.as_deref().unwrap_or(content));
        out.push_str(end);
    }
    changed.then_some(out)
}

fn event(chunk: &Value) -> Option<Value> {
    if chunk.get("error").is_some() {
        return None;
    }
    let choice = chunk.pointer("/choices/0")?;
    if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
        let status = status(reason);
        let response = json!({"status": status, "output": null, "usage": null});
        return Some(json!({"type": format!("response.{status}"), "response": response}));
    }
    let text = choice.pointer("/delta/content")?.as_str()?;
    Some(json!({"type": "response.output_text.delta", "delta": text}))
}

fn response(answer: &Value) -> Option<Value> {
    let choice = answer.pointer("/choices/0").filter(|_| answer.get("error").is_none())?;
    let message = choice.get("message")?.as_object()?;
    let mut output = Vec::new();
    let part = |name: &str, kind: &str, field: &str| {
        Some(json!({"type": kind, field: message.get(name)?.as_str()?}))
    };
    let text = part("content", "output_text", "text");
    let content: Vec<_> = text.into_iter().chain(part("refusal", "refusal", "refusal")).collect();
    if !content.is_empty() {
        output.push(json!({"type": "message", "role": "assistant", "content": content}));
    }
    for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        output.push(json!({
            "type": "function_call",
            "call_id": call.get("id"),
            "name": call.pointer("/function/name"),
            "arguments": call.pointer("/function/arguments"),
        }));
    }
    let reason = choice.get("finish_reason").and_then(Value::as_str).unwrap_or("stop");
    let details = match reason {
        "length" => json!({"reason": "max_output_tokens"}),
        "content_filter" => json!({"reason": reason}),
        _ => Value::Null,
    };
    Some(json!({"status": status(reason), "incomplete_details": details, "output": output}))
}

fn status(finish_reason: &str) -> &'static str {
    match finish_reason {
        "length" | "content_filter" => "incomplete",
        _ => "completed",
    }
}
