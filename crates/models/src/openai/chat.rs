//! The adapter of the chat endpoint.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use conversant_core::{
    ChatModel, ChatRequest, LanguageModel, ModelError, Reply, ReplyStream, async_trait,
};

use super::{
    builder::{OpenAiBuilder, Settings},
    call,
    stream::{Streams, stream},
};
use crate::{
    http::Connection,
    wire::{Answer, BodyWriter, Style, read_chat},
};

const PATH: &str = "chat/completions";

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
    /// What every request begins with.
    head: Vec<u8>,
    stop: Vec<String>,
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

    fn body(&self, request: &ChatRequest, streamed: bool) -> Vec<Bytes> {
        let shared = &*self.shared;
        let mut body = BodyWriter::with_capacity(shared.head.len() + 1024);
        body.push(&shared.head);
        if streamed {
            body.push(b"\"stream\":true,");
        }
        call::push_options(&mut body, &request.options, &shared.stop);
        body.push(b"\"messages\":");
        let style = Style { developer_role: shared.settings.developer_role };
        body.push_messages(&request.messages, style);
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

    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], which says what is wrong: no key, a base URL that is none, a parameter that can't be sent.
    pub fn build(mut self) -> Result<OpenAiChat, ModelError> {
        self.params.remove_null("max_tokens");
        Ok(OpenAiChat {
            shared: Arc::new(Shared {
                connection: self.connection()?,
                settings: self.settings,
                head: self.params.head(&self.model)?,
                choices: self.params.choices(),
                stop: self.params.stop,
            }),
        })
    }
}

#[async_trait]
impl ChatModel for OpenAiChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let shared = &*self.shared;
        let body = self.body(request, false);
        call::generate(
            &shared.connection,
            shared.settings,
            PATH,
            &body,
            &request.options,
            read_chat,
        )
        .await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let shared = &self.shared;
        let body = self.body(request, true);
        stream(shared, PATH, &body, shared.choices, &request.options).await
    }
}

impl Streams for Shared {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn read(&self, body: &[u8]) -> Result<Answer, ModelError> {
        read_chat(body)
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
