//! Answers of the Responses interface, whole and streamed.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    answer::Choice,
    completion::{CREATED, Wording},
};

impl Wording<'_> {
    /// Returns the body of a whole response.
    pub(super) fn response(&self) -> Value {
        let items = self.choices.first().map(|choice| self.items(choice)).unwrap_or_default();
        self.response_of(&items, self.status())
    }

    /// Returns the chunks of a streamed response.
    pub(super) fn response_stream(&self) -> Vec<Bytes> {
        let created = self.response_of(&[], "in_progress");
        let mut chunks = vec![event("response.created", "response", created, None)];
        let Some(choice) = self.choices.first() else { return chunks };
        let items = self.items(choice);
        for (index, item) in items.iter().enumerate() {
            let about = |kind, name, value| event(kind, name, value, Some(index));
            chunks.push(about("response.output_item.added", "item", begun(item)));
            match item.get("arguments") {
                Some(arguments) => {
                    let kind = "response.function_call_arguments.delta";
                    chunks.push(about(kind, "delta", arguments.clone()));
                }
                None => {
                    let texts = choice.text.iter().flatten().filter(|text| !text.is_empty());
                    let kind = "response.output_text.delta";
                    chunks.extend(texts.map(|text| about(kind, "delta", json!(text))));
                    let kind = "response.refusal.delta";
                    let refusal = choice.refusal.iter();
                    chunks.extend(refusal.map(|text| about(kind, "delta", json!(text))));
                }
            }
            chunks.push(about("response.output_item.done", "item", item.clone()));
        }
        let kind = match self.status() {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        chunks.push(event(kind, "response", self.response_of(&items, self.status()), None));
        chunks
    }

    fn status(&self) -> &'static str {
        match self.finish_reason {
            Some("length" | "content_filter") => "incomplete",
            _ => "completed",
        }
    }

    fn response_of(&self, items: &[Value], status: &str) -> Value {
        let usage = self.usage();
        let tokens = |name: &str| usage.get(name).cloned().unwrap_or_default();
        let details = match self.finish_reason {
            Some("length") => json!({"reason": "max_output_tokens"}),
            Some("content_filter") => json!({"reason": "content_filter"}),
            _ => Value::Null,
        };
        json!({
            "id": format!("resp_{:04}", self.number),
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": null,
            "incomplete_details": details,
            "model": self.options.model,
            "output": items,
            "usage": {
                "input_tokens": tokens("prompt_tokens"),
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": tokens("completion_tokens"),
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": tokens("total_tokens"),
            },
        })
    }

    fn items(&self, choice: &Choice) -> Vec<Value> {
        let text = choice
            .text
            .iter()
            .map(|text| json!({"type": "output_text", "text": text.concat(), "annotations": []}));
        let refusal = choice.refusal.iter().map(|text| json!({"type": "refusal", "refusal": text}));
        let content: Vec<Value> = text.chain(refusal).collect();
        let message = (!content.is_empty()).then(|| {
            json!({
                "type": "message",
                "id": format!("msg_{:04}", self.number),
                "role": "assistant",
                "status": "completed",
                "content": content,
            })
        });
        let calls = choice.tool_calls.iter().map(|call| {
            json!({
                "type": "function_call",
                "id": format!("fc_{}", call.id),
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
                "status": "completed",
            })
        });
        message.into_iter().chain(calls).collect()
    }
}

/// Returns an item in its initial state.
fn begun(item: &Value) -> Value {
    let fields = item.as_object().into_iter().flatten().map(|(name, value)| {
        let value = match name.as_str() {
            "content" => json!([]),
            "arguments" => json!(""),
            "status" => json!("in_progress"),
            _ => value.clone(),
        };
        (name.clone(), value)
    });
    Value::Object(fields.collect())
}

/// Returns an event with one field, about an item if it has an index.
fn event(kind: &str, name: &str, value: Value, index: Option<usize>) -> Bytes {
    let mut data = Map::from_iter([("type".to_owned(), json!(kind))]);
    data.extend(index.map(|index| ("output_index".to_owned(), json!(index))));
    data.insert(name.to_owned(), value);
    Bytes::from(format!("event: {kind}\ndata: {}\n\n", Value::Object(data)))
}
