//! An adapter under test, and its replies in the form of the cases.

use std::time::Duration;

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, Message, Messages,
    ModelError, Reply, ReplyStream,
};
use conversant_models::{OpenAi, OpenAiChat};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

use crate::failure::Failure;

/// The maximum duration of a call.
const TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Chat,
    Completion,
}

pub(super) struct Adapter {
    model: Model,
    runtime: Runtime,
    is_streamed: bool,
}

enum Model {
    Chat(OpenAiChat),
    Completion(OpenAi),
}

/// The failure of a call.
pub(super) enum Failed {
    Model(ModelError),
    /// The pieces of a stream, joined, are not the content.
    Pieces,
}

impl From<ModelError> for Failed {
    fn from(error: ModelError) -> Self {
        Self::Model(error)
    }
}

impl Adapter {
    pub(super) fn new(kind: Kind, base_url: &str, is_streamed: bool) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let model = match kind {
            Kind::Chat => {
                let builder = OpenAiChat::builder("m").base_url(base_url).max_retries(0);
                builder.timeout(TIMEOUT).build().map(Model::Chat)
            }
            Kind::Completion => {
                let builder = OpenAi::builder("m").base_url(base_url).max_retries(0);
                builder.timeout(TIMEOUT).build().map(Model::Completion)
            }
        };
        Ok(Self {
            model: model.map_err(|error| Failure::broken(&error))?,
            runtime: runtime.map_err(|error| Failure::broken(&error))?,
            is_streamed,
        })
    }

    /// Asks the model, and checks that the pieces of a stream are its content.
    pub(super) fn ask(&self, messages: Messages) -> Result<Reply, Failed> {
        self.runtime.block_on(async {
            match &self.model {
                Model::Chat(model) => {
                    let request = ChatRequest::new(messages);
                    match self.is_streamed {
                        true => read(model.stream(&request).await?).await,
                        false => Ok(model.generate(&request).await?),
                    }
                }
                Model::Completion(model) => {
                    let prompt: Vec<_> =
                        messages.iter().map(|message| message.text().into_owned()).collect();
                    let request = CompletionRequest::new(prompt.join("\n"));
                    match self.is_streamed {
                        true => read(model.stream(&request).await?).await,
                        false => Ok(model.generate(&request).await?),
                    }
                }
            }
        })
    }
}

async fn read(mut stream: ReplyStream) -> Result<Reply, Failed> {
    let mut text = String::new();
    while let Some(delta) = stream.next().await {
        match delta? {
            Delta::Text(piece) => text.push_str(&piece),
            Delta::Done(reply) if reply.text() == text => return Ok(*reply),
            Delta::Done(_) => return Err(Failed::Pieces),
            _ => {}
        }
    }
    Err(Failed::Pieces)
}

/// Returns a reply in the form of the cases.
pub(super) fn shown(reply: &Reply) -> Json {
    let usage = reply.usage.map(|usage| {
        json!({
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cached": usage.cached_tokens,
            "reasoning": usage.reasoning_tokens,
        })
    });
    json!({
        "content": reply.text(),
        "reasoning": reply.reasoning().unwrap_or_default(),
        "tool_calls": calls(&reply.message),
        "finish_reason": reply.finish_reason,
        "usage": usage,
    })
}

/// Returns the tool calls of a message, those with unreadable arguments last.
fn calls(message: &Message) -> Vec<Json> {
    let valid = message
        .tool_calls()
        .iter()
        .map(|call| json!({"id": call.id, "name": call.name, "args": call.args}));
    let invalid = message
        .invalid_tool_calls()
        .iter()
        .map(|call| json!({"id": call.id, "name": call.name, "args": call.args}));
    valid.chain(invalid).collect()
}
