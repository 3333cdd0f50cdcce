//! The adapter of the chat endpoint.

use std::sync::Arc;

use bytes::Bytes;
use conversant_core::{
    ChatModel, ChatRequest, LanguageModel, ModelDescription, ModelError, Reply, ReplyStream,
    ResponseFormat, ToolChoice, ToolDefinition, async_trait,
};

use super::{
    adapter::{Adapter, constructors},
    builder::OpenAiBuilder,
    endpoint::Endpoint,
    message_view,
};
use crate::{
    dialect::TokenLimit,
    wire::{
        Accumulator, Answer, BodyWriter, StreamDecoder, push_chat_options, push_prompt_cache_key,
        read_answer,
    },
};

/// The room for the rest of a request, besides its head and its messages.
const REST: usize = 256;

/// A model behind OpenAI's chat endpoint (`/chat/completions`), or that of a compatible server.
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
/// let model = OpenAiChat::from_env("gpt-5.4-mini").temperature(0.0).build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OpenAiChat {
    adapter: Arc<Adapter>,
}

constructors!(OpenAiChat);

/// `/chat/completions`.
struct ChatCompletions;

impl Endpoint for ChatCompletions {
    const PATH: &'static str = "chat/completions";
    const NOTES_ORIGIN: bool = true;
    type Streamed = Accumulator;

    fn decode(body: &[u8]) -> Result<Answer, ModelError> {
        read_answer(body)
    }

    fn decoder(choices: usize, max_response_bytes: usize) -> StreamDecoder {
        StreamDecoder::with_limits(choices, max_response_bytes)
    }
}

impl OpenAiChat {
    fn body(&self, request: &ChatRequest, streamed: bool) -> Arc<[Bytes]> {
        let adapter = &*self.adapter;
        let style = &adapter.style;
        let merged = match adapter.dialect.merge_system_messages {
            true => message_view::merge_system(&request.messages),
            false => None,
        };
        let messages = merged.as_ref().unwrap_or(&request.messages);
        let marked = adapter
            .settings
            .cache_breakpoints
            .then(|| message_view::mark_cache_breakpoints(messages));
        let messages = marked.as_ref().unwrap_or(messages);
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
    /// Sets whether system messages are sent with the role `developer`. Default: as the
    /// [`Dialect`](crate::Dialect) says, which is `false` for all known hosts.
    pub fn developer_role(mut self, developer: bool) -> Self {
        self.settings.developer_role = Some(developer);
        self
    }

    /// Sets the maximum number of tokens of an answer, reasoning included, under the name that
    /// newer models of OpenAI's use in place of `max_tokens`.
    pub fn max_completion_tokens(mut self, tokens: u32) -> Self {
        self.params.set("max_completion_tokens", tokens);
        self
    }

    /// Sets the key of the provider's prompt cache. The
    /// [`prompt_cache_key`](conversant_core::CallOptions::prompt_cache_key) of a call replaces it.
    /// It is sent only to servers that accept it, by the [`Dialect`](crate::Dialect).
    pub fn prompt_cache_key(mut self, key: impl Into<String>) -> Self {
        self.params.options.prompt_cache_key = Some(key.into());
        self
    }

    /// Sets whether requests mark the prefixes to cache with `cache_control`: the system messages
    /// at the start, and the whole conversation. Default: `false`.
    ///
    /// Anthropic's models behind a gateway cache nothing without it. OpenAI and most others cache
    /// by themselves.
    pub fn cache_breakpoints(mut self, mark: bool) -> Self {
        self.settings.cache_breakpoints = mark;
        self
    }

    /// Sets the reasoning effort of a reasoning model, such as `none`, `low`, `medium` or `high`.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.params.set("reasoning_effort", effort.into());
        self
    }

    /// Sets the tools that the model may call. The
    /// [`tools`](conversant_core::CallOptions::tools) of a call replace them.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ToolDefinition;
    /// use conversant_models::OpenAiChat;
    /// use serde_json::json;
    ///
    /// let clock = ToolDefinition::new("clock", json!({"type": "object", "properties": {}}));
    /// let model = OpenAiChat::builder("m").base_url("http://localhost/v1").tools([clock]).build()?;
    /// # Ok::<(), conversant_core::ModelError>(())
    /// ```
    pub fn tools(mut self, tools: impl IntoIterator<Item = ToolDefinition>) -> Self {
        self.params.options.tools = tools.into_iter().collect();
        self
    }

    /// Sets whether the model calls tools. It is sent only together with tools.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.params.options.tool_choice = Some(choice);
        self
    }

    /// Sets whether the model may call several tools at once. It is sent only together with tools.
    pub fn parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.params.options.parallel_tool_calls = Some(parallel);
        self
    }

    /// Sets the format of answers. [`Reply::json`] reads them.
    pub fn response_format(mut self, format: ResponseFormat) -> Self {
        self.params.options.response_format = Some(format);
        self
    }

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the API key is missing, or the base URL, the proxy, a certificate
    /// or a parameter is invalid.
    pub fn build(mut self) -> Result<OpenAiChat, ModelError> {
        self.params.remove_null("max_tokens");
        let mut adapter = Adapter::new(&self)?;
        if adapter.dialect.token_limit == TokenLimit::MaxCompletionTokens {
            self.params.rename("max_tokens", "max_completion_tokens");
            adapter.head = self.params.head(&self.model)?;
        }
        Ok(OpenAiChat { adapter: Arc::new(adapter) })
    }
}

#[async_trait]
impl ChatModel for OpenAiChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let body = self.body(request, false);
        self.adapter.generate::<ChatCompletions>(&body, &request.options).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let body = self.body(request, true);
        self.adapter.stream::<ChatCompletions>(&body, &request.options).await
    }

    fn enforces_schemas(&self) -> bool {
        self.adapter.dialect.json_schema
    }

    fn describe(&self) -> ModelDescription {
        self.adapter.describe()
    }
}

impl From<OpenAiChat> for LanguageModel {
    fn from(model: OpenAiChat) -> Self {
        Self::chat(model)
    }
}
