//! Whole answers: the JSON bodies of chat completions, text completions, embeddings, models.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{
    answer::{Choice, ToolCall},
    endpoint::{Endpoint, RequestOptions},
    settings::ServerDialect,
};

/// The time of every answer, in seconds since 1970. It is fixed, so that bodies can be in
/// snapshots.
pub(super) const CREATED: u64 = 1_700_000_000;

/// The parts that whole and streamed answers share.
#[derive(Debug)]
pub(super) struct Wording<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) dialect: ServerDialect,
    pub(super) options: &'a RequestOptions,
    pub(super) choices: Vec<&'a Choice>,
    pub(super) finish_reason: Option<&'a str>,
    pub(super) usage: Option<(u64, u64)>,
    /// Numbers the answers of a server, from 1.
    pub(super) number: usize,
}

impl Wording<'_> {
    /// Returns the body of a whole answer.
    pub(super) fn whole(&self) -> Value {
        let choices: Vec<Value> = (0_u64..)
            .zip(&self.choices)
            .map(|(index, choice)| match self.endpoint {
                Endpoint::Chat => self.chat_choice(index, choice),
                _ => text_choice(index, &text_of(choice), Some(self.reason(choice))),
            })
            .collect();
        let object = match self.endpoint {
            Endpoint::Chat => "chat.completion",
            _ => "text_completion",
        };
        match self.dialect {
            ServerDialect::OpenAi => {
                let mut body = self.head(object);
                body.insert("choices".to_owned(), choices.into());
                body.insert("usage".to_owned(), self.usage());
                body.insert("system_fingerprint".to_owned(), Value::Null);
                Value::Object(body)
            }
            ServerDialect::LlamaCpp => json!({
                "choices": choices,
                "created": CREATED,
                "model": self.options.model,
                "system_fingerprint": "b0000-test",
                "object": object,
                "usage": self.usage(),
                "id": self.id(),
                "timings": self.timings(),
            }),
        }
    }

    /// Returns the fields that OpenAI's bodies and chunks begin with.
    pub(super) fn head(&self, object: &str) -> Map<String, Value> {
        Map::from_iter([
            ("id".to_owned(), self.id().into()),
            ("object".to_owned(), object.into()),
            ("created".to_owned(), CREATED.into()),
            ("model".to_owned(), self.options.model.clone().into()),
        ])
    }

    pub(super) fn id(&self) -> String {
        // llama.cpp gives text completions an id of this prefix as well.
        let prefix = match (self.endpoint, self.dialect) {
            (Endpoint::Completion, ServerDialect::OpenAi) => "cmpl",
            _ => "chatcmpl",
        };
        format!("{prefix}-{:04}", self.number)
    }

    pub(super) fn reason(&self, choice: &Choice) -> &str {
        let usual = if choice.tool_calls.is_empty() { "stop" } else { "tool_calls" };
        self.finish_reason.unwrap_or(usual)
    }

    pub(super) fn usage(&self) -> Value {
        let (prompt, completion) = self.tokens();
        let total = prompt.saturating_add(completion);
        match self.dialect {
            ServerDialect::OpenAi => json!({
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": total,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            }),
            ServerDialect::LlamaCpp => json!({
                "completion_tokens": completion,
                "prompt_tokens": prompt,
                "total_tokens": total,
                "prompt_tokens_details": {"cached_tokens": 0},
            }),
        }
    }

    /// Returns llama.cpp's `timings`, with one millisecond for each token.
    pub(super) fn timings(&self) -> Value {
        let (prompt, completion) = self.tokens();
        json!({
            "cache_n": 0,
            "prompt_n": prompt,
            "prompt_ms": prompt,
            "prompt_per_token_ms": 1.0,
            "prompt_per_second": 1000.0,
            "predicted_n": completion,
            "predicted_ms": completion,
            "predicted_per_token_ms": 1.0,
            "predicted_per_second": 1000.0,
        })
    }

    fn chat_choice(&self, index: u64, choice: &Choice) -> Value {
        let mut message = Map::from_iter([
            ("role".to_owned(), "assistant".into()),
            ("content".to_owned(), choice.text.as_ref().map(|text| text.concat()).into()),
        ]);
        if self.dialect == ServerDialect::OpenAi || choice.refusal.is_some() {
            message.insert("refusal".to_owned(), choice.refusal.clone().into());
        }
        if !choice.tool_calls.is_empty() {
            let calls: Vec<Value> = choice.tool_calls.iter().map(tool_call).collect();
            message.insert("tool_calls".to_owned(), calls.into());
        }
        let reason = self.reason(choice);
        match self.dialect {
            ServerDialect::OpenAi => json!({
                "index": index, "message": message, "logprobs": null, "finish_reason": reason,
            }),
            ServerDialect::LlamaCpp => {
                json!({"finish_reason": reason, "index": index, "message": message})
            }
        }
    }

    fn tokens(&self) -> (u64, u64) {
        self.usage.unwrap_or_else(|| {
            let words = |choice: &&Choice| text_of(choice).split_whitespace().count();
            let completion = self.choices.iter().map(words).sum::<usize>();
            (self.options.prompt_words, u64::try_from(completion).unwrap_or(u64::MAX))
        })
    }
}

/// Returns a choice of a text completion, whole or streamed.
pub(super) fn text_choice(index: u64, text: &str, reason: Option<&str>) -> Value {
    json!({"text": text, "index": index, "logprobs": null, "finish_reason": reason})
}

pub(super) fn embeddings(vectors: &[Vec<f32>], options: &RequestOptions) -> Value {
    let data: Vec<Value> = (0_u64..)
        .zip(vectors)
        .map(|(index, vector)| {
            let embedding =
                if options.base64 { base64_vector(vector).into() } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = options.prompt_words;
    json!({
        "object": "list",
        "data": data,
        "model": options.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}

/// Encodes a vector for `"encoding_format":"base64"`: little-endian floats.
fn base64_vector(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}

pub(super) fn models(names: &[String], dialect: ServerDialect) -> Value {
    let owner = match dialect {
        ServerDialect::OpenAi => "system",
        ServerDialect::LlamaCpp => "llamacpp",
    };
    let model = |name: &String| json!({"id": name, "object": "model", "created": CREATED, "owned_by": owner});
    let data: Vec<Value> = names.iter().map(model).collect();
    json!({"object": "list", "data": data})
}

/// Returns an error that the server makes itself, in its dialect's form.
pub(super) fn error(
    dialect: ServerDialect,
    status: u16,
    kind: &str,
    code: Option<&str>,
    message: &str,
) -> Value {
    match dialect {
        ServerDialect::OpenAi => {
            json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
        }
        ServerDialect::LlamaCpp => {
            json!({"error": {"code": status, "message": message, "type": kind}})
        }
    }
}

fn text_of(choice: &Choice) -> String {
    choice.text.as_ref().map(|text| text.concat()).unwrap_or_default()
}

fn tool_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}
