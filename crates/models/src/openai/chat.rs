//! The adapter of the chat endpoint.

use std::sync::Arc;

use bytes::Bytes;
use conversant_core::{
    ChatModel, ChatRequest, ModelDescription, ModelError, Reply, ReplyStream, async_trait,
};

use super::{
    adapter::{Adapter, constructors},
    builder::OpenAiBuilder,
    endpoint::Endpoint,
    message_view,
};
use crate::{
    dialect::TokenLimit,
    wire::{Accumulator, BodyWriter, push_chat_options, push_prompt_cache_key, read_answer},
};

/// The room for the rest of a request, besides its head and its messages.
const REST: usize = 256;

/// A model behind OpenAI's chat endpoint (`/chat/completions`), or that of a compatible server.
///
/// OpenAI's models that reason, which gpt-5.6 and later do by default, take neither tools nor a
/// temperature on this endpoint. Set [`reasoning_effort`](OpenAiBuilder::reasoning_effort) to
/// `none`, or use `OpenAiResponses` (feature `responses`) for tools.
///
/// Cheap to clone: clones share the HTTP client and its connections. Messages are sent as
/// langchain-openai 0.1.7 sends them, text-only content as a plain string. A message is encoded
/// once, however often its conversation is sent.
///
/// # Examples
///
/// ```no_run
/// use conversant_models::OpenAiChat;
///
/// let model = OpenAiChat::from_env("gpt-6-luna").reasoning_effort("none").temperature(0.0);
/// let model = model.build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenAiChat {
    adapter: Arc<Adapter>,
}

constructors!(OpenAiChat);

static CHAT_COMPLETIONS: Endpoint =
    Endpoint { path: "chat/completions", notes_origin: true, decode: read_answer };

impl OpenAiChat {
    fn body(&self, request: &ChatRequest, streamed: bool) -> Arc<[Bytes]> {
        let adapter = &*self.adapter;
        let style = &adapter.style;
        let breakpoint =
            adapter.settings.cache_breakpoints.then_some(adapter.dialect.cache_breakpoint);
        let view = message_view::of(&request.messages, &adapter.dialect, breakpoint);
        let messages = view.as_ref().unwrap_or(&request.messages);
        let mut body = BodyWriter::default();
        body.make_room(messages, style, adapter.head.len() + REST);
        body.push(&adapter.head);
        if streamed {
            adapter.push_stream(&mut body);
        }
        push_chat_options(&mut body, &request.options, &adapter.options);
        if adapter.dialect.prompt_cache_key {
            push_prompt_cache_key(&mut body, &request.options, &adapter.options);
        }
        body.push(b"\"messages\":");
        body.push_messages(messages, style);
        body.push(b"}");
        body.finish()
    }
}

impl OpenAiBuilder<OpenAiChat> {
    /// Sets the maximum number of tokens of an answer, reasoning included, under the name that
    /// newer models of OpenAI's use in place of `max_tokens`.
    pub fn max_completion_tokens(mut self, tokens: u32) -> Self {
        self.params.set_count("max_completion_tokens", tokens);
        self
    }

    /// Sets the reasoning effort of a reasoning model, such as `none`, `low`, `medium` or `high`.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.params.set("reasoning_effort", effort.into());
        self
    }

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the API key is missing, or the base URL, the proxy, a certificate
    /// or a parameter is invalid.
    pub fn build(mut self) -> Result<OpenAiChat, ModelError> {
        self.params.remove_null("max_tokens");
        self.params.refuse_zero("max_tokens");
        let mut adapter = Adapter::new(&self)?;
        if adapter.dialect.token_limit == TokenLimit::MaxCompletionTokens
            && self.params.get("max_tokens").is_some()
        {
            if self.params.get("max_completion_tokens").is_some() {
                return Err(ModelError::config(
                    "`max_tokens` and `max_completion_tokens` are one limit of this server; \
                     set one of them",
                ));
            }
            self.params.rename("max_tokens", "max_completion_tokens");
            adapter.head = self.params.head(&self.model);
        }
        Ok(OpenAiChat { adapter: Arc::new(adapter) })
    }
}

#[async_trait]
impl ChatModel for OpenAiChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let body = self.body(request, false);
        let mut call = self.adapter.start(&request.options)?;
        self.adapter.generate(&mut call, &CHAT_COMPLETIONS, &body, &request.options).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let body = self.body(request, true);
        let (adapter, mut call) = (&self.adapter, self.adapter.start(&request.options)?);
        adapter.stream::<Accumulator>(&mut call, &CHAT_COMPLETIONS, &body, &request.options).await
    }

    fn enforces_schemas(&self) -> bool {
        self.adapter.dialect.json_schema
    }

    fn describe(&self) -> ModelDescription {
        self.adapter.describe()
    }
}
