//! Another model, if one fails.

use std::fmt;

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelError, Reply, ReplyStream,
    StatusKind, TimeoutPhase, async_trait,
};

/// A model that asks another one if the first fails. It nests: the other may be a fallback too.
///
/// Unless [`when`](Self::when) says otherwise, the other is asked after every failure that it may not share: not for a request
/// that is wrong (unless it is too long for the first), a refusal, settings that can't work, or a call that is over. A stream falls back
/// until it has begun. If both fail, the error is the other's.
///
/// # Examples
///
/// ```
/// use conversant_models::{OpenAiChat, layer::Fallback};
///
/// let local = || OpenAiChat::builder("small").base_url("http://localhost:8080/v1").build();
/// let hosted = OpenAiChat::builder("large").api_key("…").max_retries(0);
/// # let hosted = hosted.api_key("key");
/// let model = Fallback::new(hosted.build()?, local()?);
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Clone)]
pub struct Fallback<A, B> {
    first: A,
    other: B,
    when: fn(&ModelError) -> bool,
}

impl<A, B> Fallback<A, B> {
    /// Creates it from the model to ask first and the other one.
    pub fn new(first: A, other: B) -> Self {
        Self { first, other, when: is_worth_another }
    }

    /// Sets after which failures the other is asked.
    #[must_use]
    pub fn when(mut self, when: fn(&ModelError) -> bool) -> Self {
        self.when = when;
        self
    }
}

/// Returns whether another model may do better.
fn is_worth_another(error: &ModelError) -> bool {
    match error {
        ModelError::Config { .. }
        | ModelError::Refused { .. }
        | ModelError::Incomplete { .. }
        | ModelError::Cancelled
        | ModelError::Timeout { phase: TimeoutPhase::Total, .. } => false,
        error => match error.api_error().map(|error| error.kind) {
            Some(StatusKind::BadRequest | StatusKind::TooLarge | StatusKind::Unprocessable) => {
                error.is_context_length()
            }
            _ => true,
        },
    }
}

#[async_trait]
impl<A: ChatModel, B: ChatModel> ChatModel for Fallback<A, B> {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        match self.first.generate(request).await {
            Err(error) if (self.when)(&error) => self.other.generate(request).await,
            result => result,
        }
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        match self.first.stream(request).await {
            Err(error) if (self.when)(&error) => self.other.stream(request).await,
            result => result,
        }
    }
}

#[async_trait]
impl<A: CompletionModel, B: CompletionModel> CompletionModel for Fallback<A, B> {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        match self.first.generate(request).await {
            Err(error) if (self.when)(&error) => self.other.generate(request).await,
            result => result,
        }
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        match self.first.stream(request).await {
            Err(error) if (self.when)(&error) => self.other.stream(request).await,
            result => result,
        }
    }
}

impl<A: fmt::Debug, B: fmt::Debug> fmt::Debug for Fallback<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback")
            .field("first", &self.first)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}
