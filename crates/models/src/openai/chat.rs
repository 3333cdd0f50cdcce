//! The adapter of the chat endpoint.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use conversant_core::{
    CallOptions, ChatModel, ChatRequest, LanguageModel, ModelError, Reply, ReplyStream,
    ResponseFormat, ToolChoice, ToolDefinition, async_trait,
};

use super::{
    builder::{OpenAiBuilder, Settings},
    call::{self, Protocol},
    list::models,
    stream::stream,
};
use crate::{
    dialect::Dialect,
    http::Connection,
    wire::{Answer, BodyWriter, ModelInfo, Origin, Style, push_chat_options, read_answer},
};

const PATH: &str = "chat/completions";
/// The room for what a request has beside its head and its messages, as a rule.
const REST: usize = 256;

/// A model behind OpenAI's chat endpoint, or a server's that imitates it.
///
/// Cheap to clone. Messages go out as langchain-openai 0.1.7 sends them; text-only content as a plain string. A message is encoded
/// once, however often the conversation that it belongs to is sent.
///
/// # Examples
///
/// ```no_run
/// use conversant_models::OpenAiChat;
///
/// let model = OpenAiChat::from_env("gpt-4o-mini").temperature(0.0).build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Clone)]
pub struct OpenAiChat {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    settings: Settings,
    style: Style,
    /// What every request begins with.
    head: Vec<u8>,
    options: CallOptions,
    /// How many answers are asked for.
    choices: usize,
}

impl OpenAiChat {
    /// Starts to build an adapter for a model, by its name at the server.
    pub fn builder(model: impl Into<String>) -> OpenAiBuilder<Self> {
        OpenAiBuilder::new(model.into())
    }

    /// Starts to build an adapter with the key, address and organisation of the environment: `OPENAI_API_KEY`,
    /// `OPENAI_BASE_URL` and `OPENAI_ORG_ID`. They are read now, and what is set later wins.
    pub fn from_env(model: impl Into<String>) -> OpenAiBuilder<Self> {
        OpenAiBuilder::from_env(model.into())
    }

    /// Lists the models that the server has, in its order.
    ///
    /// # Errors
    /// [`ModelError`], as for a call.
    pub async fn models(&self) -> Result<Vec<ModelInfo>, ModelError> {
        models(&self.shared.connection).await
    }

    fn body(&self, request: &ChatRequest, streamed: bool) -> Arc<[Bytes]> {
        let shared = &*self.shared;
        let mut body = BodyWriter::default();
        body.make_room(&request.messages, &shared.style, shared.head.len() + REST);
        body.push(&shared.head);
        if streamed {
            call::push_stream(&mut body, shared.settings);
        }
        push_chat_options(&mut body, &request.options, &shared.options);
        body.push(b"\"messages\":");
        body.push_messages(&request.messages, &shared.style);
        body.push(b"}");
        body.finish()
    }
}

impl OpenAiBuilder<OpenAiChat> {
    /// Sends system messages with the role `developer`, which newer models of OpenAI's want in its place.
    pub fn developer_role(mut self) -> Self {
        self.settings.developer_role = true;
        self
    }

    /// Sets the most tokens of an answer, reasoning included, under the name that newer models of OpenAI's want in place of
    /// `max_tokens`.
    pub fn max_completion_tokens(mut self, tokens: u32) -> Self {
        self.params.set("max_completion_tokens", tokens);
        self
    }

    /// Sets how much a reasoning model thinks: `low`, `medium`, `high`, or what else its server knows.
    pub fn reasoning_effort(mut self, effort: impl Into<String>) -> Self {
        self.params.set("reasoning_effort", effort.into());
        self
    }

    /// Sets the tools that the model may ask to be called. [`CallOptions::tools`] of a call are used instead where there are any.
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

    /// Sets whether the model calls tools. It is sent where there are tools.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.params.options.tool_choice = Some(choice);
        self
    }

    /// Sets whether the model may ask for several calls at once. It is sent where there are tools.
    pub fn parallel_tool_calls(mut self, parallel: bool) -> Self {
        self.params.options.parallel_tool_calls = Some(parallel);
        self
    }

    /// Sets the form that answers must have. [`Reply::json`] reads them.
    pub fn response_format(mut self, format: ResponseFormat) -> Self {
        self.params.options.response_format = Some(format);
        self
    }

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], which says what is wrong: no key, a base URL that is none, a parameter that can't be sent.
    pub fn build(mut self) -> Result<OpenAiChat, ModelError> {
        self.params.remove_null("max_tokens");
        let connection = self.connection()?;
        let endpoint = &connection.endpoint;
        let dialect = self.settings.dialect.unwrap_or_else(|| Dialect::for_host(endpoint.host()));
        let origin = Origin { base_url: endpoint.base_url(), model: self.model.clone() };
        Ok(OpenAiChat {
            shared: Arc::new(Shared {
                style: Style::new(self.settings.developer_role, dialect, origin),
                connection,
                settings: self.settings,
                head: self.params.head(&self.model)?,
                choices: self.params.choices(),
                options: self.params.options,
            }),
        })
    }
}

#[async_trait]
impl ChatModel for OpenAiChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let shared = &*self.shared;
        let body = self.body(request, false);
        call::generate(shared, PATH, &body, &request.options).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let shared = &self.shared;
        let body = self.body(request, true);
        stream(shared, PATH, &body, shared.choices, &request.options).await
    }
}

impl Protocol for Shared {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.style.origin)
    }

    fn read(&self, body: &[u8]) -> Result<Answer, ModelError> {
        read_answer(body)
    }
}

impl From<OpenAiChat> for LanguageModel {
    fn from(model: OpenAiChat) -> Self {
        Self::chat(model)
    }
}

impl fmt::Debug for OpenAiChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiChat")
            .field("connection", &self.shared.connection)
            .finish_non_exhaustive()
    }
}
