//! Cassettes: calls of a real model, recorded once in a file and replayed in tests.

mod credentials;
mod error;
mod exchange;
mod file;
mod masking;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::{
    BoxError, CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta,
    LanguageModel, ModelDescription, ModelError, PromptValue, Reply, ReplyStream, async_trait,
};
use serde_json::Value as Json;

pub use self::error::CassetteError;
use self::{
    exchange::{Exchange, request_json},
    file::Recording,
    masking::Masks,
};

/// A model that replays recorded calls of another one, or records them.
///
/// Record a conversation with a real server once, commit the file, and the test runs without a
/// server from then on. The file is JSON with one exchange after the other, so that a review shows
/// what was sent and answered. Its folder is created if it does not exist.
///
/// - A request is matched by its messages and options; deadlines and turn ids do not count. Equal
///   requests are answered in the order of the recording, and the last answer is repeated.
/// - A request that was not recorded is an error with the nearest recorded request and a diff.
/// - Ids of messages, tool calls and items are replaced by `id_1`, `id_2`, … in the file. Request
///   ids are left out.
/// - Credentials are replaced by `***` in all texts: API keys and tokens by their form, header
///   lines such as `Authorization` and `Cookie`, passwords and keys in URLs, and fields with names
///   such as `api_key`. [`mask`](Self::mask) replaces further secrets. The headers and the key of
///   the adapter never reach a model's request.
/// - Errors of the model are returned and not recorded.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Message};
/// use conversant_testkit::{Cassette, ScriptedChat, block_on};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("cassette-{}", std::process::id()));
/// # let path = folder.join("cassettes/greeting.json");
/// let question = ChatRequest::new(Message::human("Hi"));
/// // The first run records, since the file does not exist. Use the adapter of a real server here.
/// let model = Cassette::open(&path, || ScriptedChat::new(["Hello!"]))?;
/// assert_eq!(block_on(ChatModel::generate(&model, &question))?.text(), "Hello!");
///
/// // All later runs replay, and never call the model.
/// let model = Cassette::open(&path, || ScriptedChat::new(["not called"]))?;
/// assert_eq!(block_on(ChatModel::generate(&model, &question))?.text(), "Hello!");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Cassette {
    /// `None` when the cassette replays.
    model: Option<LanguageModel>,
    recording: Arc<Mutex<Recording>>,
    masks: Masks,
}

impl Cassette {
    /// Replays the file if it exists, and otherwise records calls of the model into it.
    ///
    /// # Errors
    /// [`CassetteError`] if the file exists and cannot be read.
    pub fn open<M: Into<LanguageModel>>(
        path: impl AsRef<Path>,
        model: impl FnOnce() -> M,
    ) -> Result<Self, CassetteError> {
        if path.as_ref().exists() {
            Self::replay(path)
        } else {
            Ok(Self::record(path.as_ref(), model()))
        }
    }

    /// Replays the calls in a file.
    ///
    /// # Errors
    /// [`CassetteError`] if the file cannot be read.
    pub fn replay(path: impl AsRef<Path>) -> Result<Self, CassetteError> {
        let recording = Recording::read(path.as_ref())?;
        Ok(Self {
            model: None,
            recording: Arc::new(Mutex::new(recording)),
            masks: Masks::default(),
        })
    }

    /// Records calls of a model. The file is replaced after each call.
    pub fn record(path: impl Into<PathBuf>, model: impl Into<LanguageModel>) -> Self {
        let recording = Arc::new(Mutex::new(Recording::new(path.into())));
        Self { model: Some(model.into()), recording, masks: Masks::default() }
    }

    /// Replaces a text by `***` in requests and answers, in the file and when requests are matched.
    #[must_use]
    pub fn mask(mut self, secret: impl Into<String>) -> Self {
        self.masks.add(secret.into());
        self
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recorded(&self, request: &Json) -> Result<Exchange, ModelError> {
        self.lock().find(request, &self.masks).map_err(fail)
    }

    async fn generate(
        &self,
        request: Json,
        prompt: PromptValue,
        options: &CallOptions,
    ) -> Result<Reply, ModelError> {
        let Some(model) = &self.model else { return Ok(self.recorded(&request)?.reply) };
        let reply = model.generate(prompt, options.clone()).await?;
        let exchange = Exchange { request, pieces: Vec::new(), reply: reply.clone() };
        self.lock().add(&exchange, &self.masks).map_err(fail)?;
        Ok(reply)
    }

    async fn stream(
        &self,
        request: Json,
        prompt: PromptValue,
        options: &CallOptions,
    ) -> Result<ReplyStream, ModelError> {
        let Some(model) = &self.model else {
            return Ok(self.recorded(&request)?.into_stream());
        };
        // A recording is read whole, so that only whole answers are recorded.
        let mut stream = model.stream(prompt, options.clone()).await?;
        let mut pieces = Vec::new();
        while let Some(delta) = stream.next().await {
            match delta? {
                Delta::Text(text) => pieces.push(text),
                Delta::Done(reply) => {
                    let exchange = Exchange { request, pieces, reply: *reply };
                    self.lock().add(&exchange, &self.masks).map_err(fail)?;
                    return Ok(exchange.into_stream());
                }
                _ => {}
            }
        }
        Err(ModelError::truncated(conversant_core::PartialReply::default()))
    }

    /// Describes the model that is recorded, which emits the events of its requests. A replay has
    /// no model to describe.
    fn description(&self) -> ModelDescription {
        let described = self.model.as_ref().map(LanguageModel::describe);
        described.map(|model| model.with_emits_events(true)).unwrap_or_default()
    }

    /// Returns whether answers match schemas: as the model says while it records, and as the
    /// recorded requests show in a replay, so that a replay sends what was recorded.
    fn has_schemas(&self) -> bool {
        match &self.model {
            Some(model) => model.enforces_schemas(),
            None => self.lock().has_schemas(),
        }
    }
}

fn fail(error: CassetteError) -> ModelError {
    let source: BoxError = Box::new(error);
    ModelError::custom("the cassette cannot be used", false, source)
}

#[async_trait]
impl ChatModel for Cassette {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let prompt = PromptValue::from(request.messages.clone());
        self.generate(request_json(&prompt, &request.options), prompt, &request.options).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let prompt = PromptValue::from(request.messages.clone());
        self.stream(request_json(&prompt, &request.options), prompt, &request.options).await
    }

    fn enforces_schemas(&self) -> bool {
        self.has_schemas()
    }

    fn describe(&self) -> ModelDescription {
        self.description()
    }
}

#[async_trait]
impl CompletionModel for Cassette {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        let prompt = PromptValue::from(request.prompt.clone());
        self.generate(request_json(&prompt, &request.options), prompt, &request.options).await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        let prompt = PromptValue::from(request.prompt.clone());
        self.stream(request_json(&prompt, &request.options), prompt, &request.options).await
    }

    fn enforces_schemas(&self) -> bool {
        self.has_schemas()
    }

    fn describe(&self) -> ModelDescription {
        self.description()
    }
}

impl fmt::Debug for Cassette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassette").field("records", &self.model.is_some()).finish_non_exhaustive()
    }
}
