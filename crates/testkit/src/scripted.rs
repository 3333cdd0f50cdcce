//! Scripted models, which answer from a list and record their requests.

mod answering;
mod scripted_reply;

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, LanguageModel, ModelError, Reply,
    ReplyStream, async_trait,
};

use self::answering::Answering;
pub use self::scripted_reply::ScriptedReply;
use crate::counter::Counter;

/// A chat model that answers from a script.
///
/// See [`Scripted`].
pub type ScriptedChat = Scripted<ChatRequest>;

/// A completion model that answers from a script.
///
/// See [`Scripted`].
pub type ScriptedCompletion = Scripted<CompletionRequest>;

/// A model that answers from a script and records every request: [`ScriptedChat`] over messages,
/// [`ScriptedCompletion`] over text.
///
/// Replies are used in the order of the calls, for whole and streamed answers. A call after the
/// last reply fails with a [`ModelError::Custom`] that is not retryable. Clones share the script
/// and the requests, so a test keeps one and passes one on. It needs no runtime.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Message, ModelError};
/// use conversant_testkit::{ScriptedReply, ScriptedChat, block_on};
///
/// # block_on(async {
/// let model = ScriptedChat::new(["Hello!".into(), ScriptedReply::pieces(["I'm ", "fine."])]);
/// let request = ChatRequest::new(Message::human("Hi there my friend"));
///
/// assert_eq!(model.generate(&request).await?.text(), "Hello!");
/// let mut stream = model.stream(&request).await?;
/// while let Some(delta) = stream.next().await {
///     println!("{:?}", delta?); // "I'm ", "fine.", the whole reply
/// }
/// assert!(matches!(model.generate(&request).await, Err(ModelError::Custom { .. })));
/// assert_eq!(model.requests().len(), 3);
/// assert_eq!(model.requests()[0].messages.to_string(), "Human: Hi there my friend");
/// # Ok::<(), ModelError>(())
/// # }).unwrap();
/// ```
pub struct Scripted<Q>(Arc<Shared<Q>>);

struct Shared<Q> {
    state: Mutex<State<Q>>,
    received: Counter,
    abandoned: Arc<Counter>,
}

struct State<Q> {
    source: Source<Q>,
    requests: Vec<Q>,
}

enum Source<Q> {
    Script(VecDeque<ScriptedReply>),
    Handler(Box<dyn FnMut(&Q) -> ScriptedReply + Send>),
}

impl<Q: Clone> Scripted<Q> {
    /// Creates a model with these replies, one for each call.
    #[must_use]
    pub fn new<L: Into<ScriptedReply>>(script: impl IntoIterator<Item = L>) -> Self {
        Self::over(Source::Script(script.into_iter().map(Into::into).collect()))
    }

    /// Creates a model that calls `handler` for each reply.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::CompletionRequest;
    /// use conversant_testkit::{ScriptedReply, ScriptedCompletion};
    ///
    /// let parrot = ScriptedCompletion::with_handler(|request: &CompletionRequest| {
    ///     ScriptedReply::text(request.prompt.as_str())
    /// });
    /// # let _ = parrot;
    /// ```
    #[must_use]
    pub fn with_handler(handler: impl FnMut(&Q) -> ScriptedReply + Send + 'static) -> Self {
        Self::over(Source::Handler(Box::new(handler)))
    }

    /// Adds a reply at the end of the script. A model with a handler ignores it.
    pub fn push(&self, line: impl Into<ScriptedReply>) {
        if let Source::Script(lines) = &mut self.lock().source {
            lines.push_back(line.into());
        }
    }

    /// Returns the requests so far, in the order of the calls.
    #[must_use]
    pub fn requests(&self) -> Vec<Q> {
        self.lock().requests.clone()
    }

    /// Waits until the model was called `count` times, and returns all requests.
    pub async fn received(&self, count: usize) -> Vec<Q> {
        self.0.received.reached(count).await;
        self.requests()
    }

    /// Returns the number of calls whose future, or whose stream before its end, was dropped.
    #[must_use]
    pub fn abandoned(&self) -> usize {
        self.0.abandoned.count()
    }

    fn over(source: Source<Q>) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State { source, requests: Vec::new() }),
            received: Counter::default(),
            abandoned: Arc::default(),
        }))
    }

    /// Records a request and begins the next reply.
    fn answer(&self, request: &Q) -> Answering {
        let line = {
            let mut state = self.lock();
            let given = state.requests.len();
            state.requests.push(request.clone());
            match &mut state.source {
                Source::Handler(handler) => handler(request),
                Source::Script(lines) => lines.pop_front().unwrap_or_else(|| exhausted(given)),
            }
        };
        self.0.received.add();
        Answering::new(line, Arc::clone(&self.0.abandoned))
    }

    fn lock(&self) -> MutexGuard<'_, State<Q>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn exhausted(given: usize) -> ScriptedReply {
    let replies = if given == 1 { "reply" } else { "replies" };
    ModelError::custom(format!("script exhausted after {given} {replies}"), false, None).into()
}

#[async_trait]
impl ChatModel for ScriptedChat {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.answer(request).whole().await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.answer(request).streamed().await
    }
}

#[async_trait]
impl CompletionModel for ScriptedCompletion {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        self.answer(request).whole().await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        self.answer(request).streamed().await
    }
}

impl From<ScriptedCompletion> for LanguageModel {
    fn from(model: ScriptedCompletion) -> Self {
        Self::completion(model)
    }
}

impl<Q> Clone for Scripted<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q> fmt::Debug for Scripted<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted")
            .field("received", &self.0.received.count())
            .field("abandoned", &self.0.abandoned.count())
            .finish_non_exhaustive()
    }
}
