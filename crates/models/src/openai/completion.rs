//! The adapter of the completion endpoint.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use conversant_core::{
    CallOptions, CompletionModel, CompletionRequest, LanguageModel, ModelError, Reply, ReplyStream,
    async_trait,
};

use super::{
    builder::{OpenAiBuilder, Settings},
    call::{self, Protocol},
    list::models,
    stream::stream,
};
use crate::{
    http::Connection,
    wire::{Answer, BodyWriter, ModelInfo, push_stop, read_answer},
};

const PATH: &str = "completions";
/// The most tokens of an answer, unless told otherwise.
const MAX_TOKENS: u32 = 256;

/// A model behind OpenAI's completion endpoint, or a server's that imitates it.
///
/// Cheap to clone. Unless [`max_tokens`](OpenAiBuilder::max_tokens) says otherwise, `max_tokens` 256 is sent, as LangChain does:
/// the endpoint's own default of 16 cuts answers short. `max_tokens(None)` sends none.
///
/// # Examples
///
/// ```no_run
/// use conversant_models::OpenAi;
///
/// let model = OpenAi::from_env("gpt-3.5-turbo-instruct").temperature(0.0).build()?;
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Clone)]
pub struct OpenAi {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    settings: Settings,
    /// What every request begins with.
    head: Vec<u8>,
    options: CallOptions,
    /// How many answers are asked for.
    choices: usize,
}

impl OpenAi {
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

    /// # Errors
    /// [`ModelError::Config`], if the request asks for what the endpoint has not.
    fn body(
        &self,
        request: &CompletionRequest,
        streamed: bool,
    ) -> Result<Arc<[Bytes]>, ModelError> {
        if !request.options.tools.is_empty() || request.options.response_format.is_some() {
            return Err(ModelError::config(
                "the completion endpoint has no tools and no response format; use the chat endpoint",
            ));
        }
        let shared = &*self.shared;
        let length = shared.head.len() + request.prompt.len() + request.prompt.len() / 8 + 256;
        let mut body = BodyWriter::with_capacity(length);
        body.push(&shared.head);
        if streamed {
            call::push_stream(&mut body, shared.settings);
        }
        push_stop(&mut body, &request.options, &shared.options);
        // A list, as LangChain sends it.
        body.push(b"\"prompt\":[");
        body.push_text(&request.prompt);
        body.push(b"]}");
        Ok(body.finish())
    }
}

impl OpenAiBuilder<OpenAi> {
    /// Builds the adapter. Nothing is sent.
    ///
    /// # Errors
    /// [`ModelError::Config`], which says what is wrong: no key, a base URL that is none, a parameter that can't be sent.
    pub fn build(mut self) -> Result<OpenAi, ModelError> {
        if self.params.get("max_tokens").is_none() {
            self.params.set("max_tokens", MAX_TOKENS);
        }
        self.params.remove_null("max_tokens");
        Ok(OpenAi {
            shared: Arc::new(Shared {
                connection: self.connection()?,
                settings: self.settings,
                head: self.params.head(&self.model)?,
                choices: self.params.choices(),
                options: self.params.options,
            }),
        })
    }
}

#[async_trait]
impl CompletionModel for OpenAi {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        let shared = &*self.shared;
        let body = self.body(request, false)?;
        call::generate(shared, PATH, &body, &request.options).await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        let shared = &self.shared;
        let body = self.body(request, true)?;
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

    fn read(&self, body: &[u8]) -> Result<Answer, ModelError> {
        read_answer(body)
    }
}

impl From<OpenAi> for LanguageModel {
    fn from(model: OpenAi) -> Self {
        Self::completion(model)
    }
}

impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi")
            .field("connection", &self.shared.connection)
            .finish_non_exhaustive()
    }
}
