//! The endpoint and the parameters of a request.

use serde_json::Value;

use super::request::RecordedRequest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Chat,
    Completion,
    Responses,
    Embeddings,
    Models,
}

/// The parts of a request that shape its answer.
#[derive(Debug)]
pub(super) struct RequestOptions {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    /// Choices for each prompt, times the number of prompts.
    pub(super) choices: usize,
    pub(super) prompt_words: u64,
    pub(super) base64: bool,
    /// The texts before which an answer ends.
    pub(super) stop: Vec<String>,
}

/// The most choices that are served, so that a number in a request cannot fill the memory.
const MAX_CHOICES: u64 = 128;

impl Endpoint {
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.trim_end_matches('/');
        if path.ends_with("/chat/completions") {
            Some(Self::Chat)
        } else if path.ends_with("/completions") {
            Some(Self::Completion)
        } else if path.ends_with("/responses") {
            Some(Self::Responses)
        } else if path.ends_with("/embeddings") {
            Some(Self::Embeddings)
        } else if path.ends_with("/models") {
            Some(Self::Models)
        } else {
            None
        }
    }

    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Models => "GET",
            Self::Chat | Self::Completion | Self::Responses | Self::Embeddings => "POST",
        }
    }
}

impl RequestOptions {
    pub(super) fn read(request: &RecordedRequest) -> Self {
        let body = request.json();
        let flag = |pointer| body.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
        let prompts = match body.get("prompt") {
            Some(Value::Array(prompts)) if prompts.iter().all(Value::is_string) => {
                prompts.len().max(1)
            }
            _ => 1,
        };
        let each = body.get("n").and_then(Value::as_u64).unwrap_or(1).clamp(1, MAX_CHOICES);
        Self {
            model: body.get("model").and_then(Value::as_str).unwrap_or("test-model").to_owned(),
            stream: flag("/stream"),
            include_usage: flag("/stream_options/include_usage"),
            choices: prompts.saturating_mul(usize::try_from(each).unwrap_or(1)),
            prompt_words: ["messages", "prompt", "input"]
                .into_iter()
                .filter_map(|key| body.get(key))
                .map(count_words)
                .sum(),
            stop: match body.get("stop") {
                Some(Value::String(stop)) => vec![stop.clone()],
                Some(Value::Array(stops)) => {
                    stops.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                _ => Vec::new(),
            },
            base64: body.get("encoding_format").and_then(Value::as_str) == Some("base64"),
        }
    }
}

/// Counts the words of a prompt: of the strings in arrays, and of `content` and `text` in objects.
fn count_words(value: &Value) -> u64 {
    match value {
        Value::String(text) => u64::try_from(text.split_whitespace().count()).unwrap_or(u64::MAX),
        Value::Array(items) => items.iter().map(count_words).sum(),
        Value::Object(fields) => {
            ["content", "text"].into_iter().filter_map(|key| fields.get(key)).map(count_words).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
