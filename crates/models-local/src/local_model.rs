//! A model that runs in the process, and its builder.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, mpsc},
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelDescription,
    ModelError, Reply, ReplyStream, ResponseFormat, ToolChoice, async_trait,
};
use futures_channel::mpsc::unbounded;

use crate::{
    answer_stream::AnswerStream,
    generation::Call,
    model_file_error::ModelFileError,
    prompt::Prompt,
    settings::Settings,
    token_counter::LocalTokenCounter,
    worker::{self, ModelFacts, Started},
};

/// The provider of local models, for observers.
const PROVIDER: &str = "conversant";

/// A language model from a GGUF file, which runs on a thread of its own in this process.
///
/// It is a [`CompletionModel`], which continues a text, and a [`ChatModel`], which answers messages
/// by the chat template of its file. Small models remember more as completion models.
///
/// - The chat template is rendered as Hugging Face renders it, with dates in UTC. A template that
///   cannot be read is an error of the calls with messages; it is not replaced by another one.
/// - A call that is dropped ends before its next token.
/// - Calls run one after the other, in the order in which they were made.
/// - The keys and values of earlier calls are kept, so that the next turn of a conversation reads
///   only what is new ([`cache_bytes`](LocalModelBuilder::cache_bytes)).
/// - Weights of any format are held in 8-bit blocks (`Q8_0`): about 1.1 bytes for each parameter.
///
/// Clones share the model. Its thread ends when the last one is dropped. No async runtime is
/// needed.
///
/// # Examples
///
/// ```no_run
/// use conversant_core::{CallOptions, LanguageModel};
/// use conversant_models_local::LocalModel;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let model = LocalModel::builder("SmolLM2-135M-Instruct.Q4_1.gguf").stop(["\n"]).build()?;
/// let model = LanguageModel::completion(model);
/// let reply = model.generate("The capital of France is".into(), CallOptions::new()).await?;
/// println!("{}", reply.text());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LocalModel {
    shared: Arc<Shared>,
}

struct Shared {
    calls: mpsc::Sender<Call>,
    facts: ModelFacts,
}

impl LocalModel {
    /// Loads a model with the default settings.
    ///
    /// It blocks while the file is read: about a second for each gigabyte.
    ///
    /// # Errors
    /// [`ModelFileError`] if the file cannot be read or is not supported.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ModelFileError> {
        Self::builder(path).build()
    }

    /// Returns a builder for the model in a file.
    pub fn builder(path: impl Into<PathBuf>) -> LocalModelBuilder {
        LocalModelBuilder { path: path.into(), settings: Settings::default() }
    }

    /// Returns the name that replies have, and that observers see: the file's name, unless it was
    /// set.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.facts.name
    }

    /// Returns the largest number of tokens of a prompt and its answer together.
    #[must_use]
    pub fn context(&self) -> usize {
        self.shared.facts.context
    }

    /// Returns a counter of this model's tokens, for memories with a budget.
    ///
    /// It does not keep the model's thread alive.
    #[must_use]
    pub fn token_counter(&self) -> LocalTokenCounter {
        LocalTokenCounter::new(Arc::clone(&self.shared.facts.tokenizer))
    }

    /// Returns what observers see of the model.
    fn description(&self) -> ModelDescription {
        ModelDescription::new().with_name(self.name()).with_provider(PROVIDER)
    }

    async fn answer(
        &self,
        prompt: Prompt,
        options: &CallOptions,
    ) -> Result<ReplyStream, ModelError> {
        check(options)?;
        let (pieces, receiver) = unbounded();
        let answer = AnswerStream::new(receiver, options.deadline)?;
        let call = Call { prompt, stop: options.stop.clone(), pieces };
        // A thread that has panicked takes no calls. The stream then ends without an answer.
        if self.shared.calls.send(call).is_err() {
            return Err(ModelError::custom(
                "the thread of the local model has panicked; open the model again",
                false,
                None,
            ));
        }
        answer.begin().await
    }
}

/// Refuses what the model would ignore.
fn check(options: &CallOptions) -> Result<(), ModelError> {
    if !options.tools.is_empty() && options.tool_choice != Some(ToolChoice::None) {
        return Err(ModelError::config(
            "cannot call tools with a local model; make the call without them",
        ));
    }
    match options.response_format {
        None | Some(ResponseFormat::Text) => Ok(()),
        Some(_) => Err(ModelError::config(
            "cannot enforce a response format with a local model; describe the format in the prompt",
        )),
    }
}

impl fmt::Debug for LocalModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalModel")
            .field("name", &self.name())
            .field("context", &self.context())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl CompletionModel for LocalModel {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        CompletionModel::stream(self, request).await?.into_reply().await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        self.answer(Prompt::Text(request.prompt.clone()), &request.options).await
    }

    fn describe(&self) -> ModelDescription {
        self.description()
    }
}

#[async_trait]
impl ChatModel for LocalModel {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        ChatModel::stream(self, request).await?.into_reply().await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.answer(Prompt::Chat(request.messages.clone()), &request.options).await
    }

    fn describe(&self) -> ModelDescription {
        self.description()
    }
}

/// The settings of a [`LocalModel`].
///
/// | setting | default |
/// |---|---|
/// | [`temperature`](Self::temperature) | 0: the likeliest token |
/// | [`top_p`](Self::top_p) | 1: all tokens |
/// | [`seed`](Self::seed) | random |
/// | [`stop`](Self::stop) | none |
/// | [`max_tokens`](Self::max_tokens) | 512 |
/// | [`context`](Self::context) | what the model was trained on, at most 4,096 |
/// | [`threads`](Self::threads) | 1 |
/// | [`cache_bytes`](Self::cache_bytes) | 256 MiB |
/// | [`name`](Self::name) | the file's name, without its extension |
#[derive(Debug, Clone)]
#[must_use]
pub struct LocalModelBuilder {
    path: PathBuf,
    settings: Settings,
}

impl LocalModelBuilder {
    /// Sets the sampling temperature, from 0 (always the likeliest token) to 100.
    pub const fn temperature(mut self, temperature: f32) -> Self {
        self.settings.sampling.temperature = temperature;
        self
    }

    /// Sets the probability mass to sample from (nucleus sampling), above 0 and at most 1.
    pub const fn top_p(mut self, top_p: f32) -> Self {
        self.settings.sampling.top_p = top_p;
        self
    }

    /// Sets the seed of the sampling: the same call gives the same answer.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.settings.sampling.seed = Some(seed);
        self
    }

    /// Sets the stop sequences. The [`stop`](CallOptions::stop) of a call replaces them.
    pub fn stop(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.stop = stop.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the maximum number of tokens of an answer; `None` leaves only the context as a limit.
    pub fn max_tokens(mut self, tokens: impl Into<Option<u32>>) -> Self {
        self.settings.max_tokens = tokens.into();
        self
    }

    /// Sets the largest number of tokens of a prompt and its answer together. A longer prompt is a
    /// [`PromptTooLong`](ModelError::PromptTooLong) error.
    pub const fn context(mut self, tokens: usize) -> Self {
        self.settings.context = Some(tokens);
        self
    }

    /// Sets the number of threads that share the arithmetic of a token, from 1 to 256. More than
    /// one is faster only while that many cores are idle.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.settings.threads = threads;
        self
    }

    /// Sets the memory for the keys and values of earlier calls, in bytes. The least recently used
    /// are dropped first; 0 keeps none.
    pub const fn cache_bytes(mut self, bytes: usize) -> Self {
        self.settings.cache_bytes = bytes;
        self
    }

    /// Sets the name that replies have, and that observers see.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Loads the model.
    ///
    /// It blocks while the file is read: about a second for each gigabyte.
    ///
    /// # Errors
    /// [`ModelFileError`] if a setting is invalid, or if the file cannot be read or is not
    /// supported.
    pub fn build(self) -> Result<LocalModel, ModelFileError> {
        self.settings.check()?;
        let Started { calls, facts } = worker::start(self.path, self.settings)?;
        Ok(LocalModel { shared: Arc::new(Shared { calls, facts }) })
    }
}
