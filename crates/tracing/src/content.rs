//! Messages in the JSON form of the conventions: a role and typed parts.

use conversant_core::{Message, ModelRequest, Reply, Role};
use serde_json::{Value as Json, json};

/// Returns `gen_ai.input.messages` of a request.
pub(crate) fn input(request: ModelRequest<'_>) -> String {
    let messages: Vec<Json> = match request {
        ModelRequest::Chat(request) => request.messages.iter().map(message).collect(),
        ModelRequest::Completion(request) => {
            vec![json!({"role": "user", "parts": [text(&request.prompt)]})]
        }
        _ => Vec::new(),
    };
    Json::from(messages).to_string()
}

/// Returns `gen_ai.output.messages` of an answer.
pub(crate) fn output(reply: &Reply) -> String {
    let mut answer = message(&reply.message);
    if let (Some(reason), Some(answer)) = (&reply.finish_reason, answer.as_object_mut()) {
        answer.insert("finish_reason".to_owned(), reason.as_str().into());
    }
    json!([answer]).to_string()
}

fn message(message: &Message) -> Json {
    let role = match message.role() {
        Role::Ai => "assistant",
        Role::System => "system",
        Role::Tool | Role::Function => "tool",
        Role::Chat(role) => role,
        _ => "user",
    };
    if *message.role() == Role::Tool {
        let id = message.tool_call_id();
        let part = json!({"type": "tool_call_response", "id": id, "result": message.text()});
        return json!({"role": role, "parts": [part]});
    }
    let mut parts = Vec::new();
    if let Some(reasoning) = message.reasoning() {
        parts.push(json!({"type": "reasoning", "content": reasoning}));
    }
    let content = message.text();
    if !content.is_empty() {
        parts.push(text(&content));
    }
    parts.extend(message.tool_calls().iter().map(|call| {
        json!({"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.args})
    }));
    json!({"role": role, "parts": parts})
}

fn text(content: &str) -> Json {
    json!({"type": "text", "content": content})
}
