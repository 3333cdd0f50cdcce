//! Streamed answers: the server-sent events of chat completions and text completions.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{
    answer::{Choice, ToolCall},
    completion::{CREATED, Wording, text_choice},
    endpoint::Endpoint,
    settings::ServerDialect,
};

impl Wording<'_> {
    /// Returns the events of a streamed answer, `[DONE]` included.
    ///
    /// Several choices are interleaved, as servers send them.
    pub(super) fn streamed(&self) -> Vec<Bytes> {
        let chat = self.endpoint == Endpoint::Chat;
        let columns: Vec<Vec<Value>> =
            (0_u64..)
                .zip(&self.choices)
                .map(|(index, choice)| {
                    if chat {
                        self.chat_steps(index, choice)
                    } else {
                        self.text_steps(index, choice)
                    }
                })
                .collect();
        let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
        let mut events: Vec<Value> = (0..rows)
            .flat_map(|row| columns.iter().filter_map(move |column| column.get(row)))
            .map(|choice| self.chunk(vec![choice.clone()]))
            .collect();
        // llama.cpp puts the usage of a text completion into its last chunk in any case.
        if self.dialect == ServerDialect::LlamaCpp && !chat {
            if let Some(Value::Object(last)) = events.last_mut() {
                self.add_usage(last);
            }
        } else if self.options.include_usage {
            let mut last = self.chunk(Vec::new());
            if let Value::Object(last) = &mut last {
                self.add_usage(last);
            }
            events.push(last);
        }
        let event = |data: String| Bytes::from(format!("data: {data}\n\n"));
        events
            .iter()
            .map(|chunk| event(chunk.to_string()))
            .chain([event("[DONE]".to_owned())])
            .collect()
    }

    fn chunk(&self, choices: Vec<Value>) -> Value {
        let object = match self.endpoint {
            Endpoint::Chat => "chat.completion.chunk",
            _ => "text_completion",
        };
        match self.dialect {
            ServerDialect::OpenAi => {
                let mut chunk = self.head(object);
                chunk.insert("system_fingerprint".to_owned(), Value::Null);
                chunk.insert("choices".to_owned(), choices.into());
                // With `include_usage` every chunk has the field, filled in the last one only.
                if self.options.include_usage {
                    chunk.insert("usage".to_owned(), Value::Null);
                }
                Value::Object(chunk)
            }
            ServerDialect::LlamaCpp => json!({
                "choices": choices,
                "created": CREATED,
                "id": self.id(),
                "model": self.options.model,
                "system_fingerprint": "b0000-test",
                "object": object,
            }),
        }
    }

    fn add_usage(&self, chunk: &mut Map<String, Value>) {
        chunk.insert("usage".to_owned(), self.usage());
        if self.dialect == ServerDialect::LlamaCpp {
            chunk.insert("timings".to_owned(), self.timings());
        }
    }

    fn text_steps(&self, index: u64, choice: &Choice) -> Vec<Value> {
        choice
            .text
            .iter()
            .flatten()
            .map(|piece| text_choice(index, piece, None))
            .chain([text_choice(index, "", Some(self.reason(choice)))])
            .collect()
    }

    fn chat_steps(&self, index: u64, choice: &Choice) -> Vec<Value> {
        let first = match (self.dialect, &choice.text) {
            (ServerDialect::OpenAi, Some(_)) => {
                json!({"role": "assistant", "content": "", "refusal": null})
            }
            _ => json!({"role": "assistant", "content": null}),
        };
        let text = choice.text.iter().flatten().map(|piece| json!({"content": piece}));
        let refusal = choice.refusal.iter().map(|text| json!({"refusal": text}));
        let calls = (0_u64..).zip(&choice.tool_calls).flat_map(|(at, call)| tool_call(at, call));
        [first]
            .into_iter()
            .chain(text)
            .chain(refusal)
            .chain(calls)
            .map(|delta| self.delta(index, &delta, None))
            .chain([self.delta(index, &json!({}), Some(self.reason(choice)))])
            .collect()
    }

    fn delta(&self, index: u64, delta: &Value, reason: Option<&str>) -> Value {
        match self.dialect {
            ServerDialect::OpenAi => json!({
                "index": index, "delta": delta, "logprobs": null, "finish_reason": reason,
            }),
            ServerDialect::LlamaCpp => {
                json!({"finish_reason": reason, "index": index, "delta": delta})
            }
        }
    }
}

/// Returns the deltas of one call of a tool: its head, then its arguments in two halves.
fn tool_call(index: u64, call: &ToolCall) -> Vec<Value> {
    let middle = call.arguments.chars().count() / 2;
    let halves = [
        call.arguments.chars().take(middle).collect::<String>(),
        call.arguments.chars().skip(middle).collect(),
    ];
    let head = json!({
        "index": index,
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": ""},
    });
    let rest = halves
        .iter()
        .filter(|half| !half.is_empty())
        .map(|half| json!({"index": index, "function": {"arguments": half}}));
    [head].into_iter().chain(rest).map(|call| json!({"tool_calls": [call]})).collect()
}
