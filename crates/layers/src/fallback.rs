//! A second model for calls that the first fails.

use std::{
    cell::Cell,
    fmt,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelDescription, ModelError,
    Reply, ReplyStream, StatusKind, async_trait, observe_chat, observe_chat_stream,
    observe_completion, observe_completion_stream,
};
use tokio::time::Instant;

use crate::{
    after_tools::{GoOn, reply_after, stream_after},
    timer::on_clock,
};

/// A model that calls a second model if the first fails. Fallbacks nest, up to 64 inside of each
/// other; a call of more is [`ModelError::Config`], since each takes room on the call's stack.
///
/// If the first model is a tool loop that fails after it has run tools, the second model goes on
/// where it failed: its request has the calls and results of the rounds that have ended
/// ([`ModelError::exchange`]), so that it need not call these tools again, and no longer forces it
/// to call one. They are part of its reply ([`Reply::intermediate`]) and of its error. A completion
/// model does not go on so, and the error is returned.
///
/// By default, the second model is called unless it would probably fail too, that is, not after:
///
/// - an invalid request, unless the prompt is too long for the first model or for its rate limit;
/// - a refusal, or an answer that was cut off;
/// - [`ModelError::Config`] and [`ModelError::Cancelled`].
///
/// [`when`](Self::when) replaces this rule. After the end of the call's
/// [`deadline`](conversant_core::CallOptions::deadline), the second model is never called. It is
/// called if a time limit of the first model itself passes, such as the `timeout` of an adapter: a
/// server that hangs is one that fails. That limit covers the retries of the adapter too. A stream
/// falls back until it has begun, with its first piece. If both models fail, the error is that of
/// the second.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatModel, ChatRequest, Message, ModelError};
/// use conversant_layers::Fallback;
/// use conversant_testkit::ScriptedChat;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ModelError> {
/// let hosted = ScriptedChat::new([ModelError::custom("out of order", true, None)]);
/// let local = ScriptedChat::new(["Hello!"]);
/// let model = Fallback::new(hosted, local);
/// assert_eq!(model.generate(&ChatRequest::new(Message::human("Hi"))).await?.text(), "Hello!");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fallback<A, B> {
    first: A,
    second: B,
    when: Arc<Rule>,
}

/// Returns whether the second model is called after an error of the first.
type Rule = dyn Fn(&ModelError) -> bool + Send + Sync;

impl<A, B> Fallback<A, B> {
    /// Creates a fallback from `first` to `second`.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second, when: Arc::new(may_succeed_elsewhere) }
    }

    /// Sets the errors of the first model after which the second is called, if the call's deadline
    /// has not passed.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ChatModel;
    /// use conversant_layers::Fallback;
    ///
    /// fn with_local(
    ///     hosted: impl ChatModel,
    ///     local: impl ChatModel,
    ///     classes: Vec<&'static str>,
    /// ) -> impl ChatModel {
    ///     Fallback::new(hosted, local).when(move |error| classes.contains(&error.class()))
    /// }
    /// # let model = || conversant_testkit::ScriptedChat::new(["Hi"]);
    /// # let _ = with_local(model(), model(), vec!["429"]);
    /// ```
    #[must_use]
    pub fn when(mut self, when: impl Fn(&ModelError) -> bool + Send + Sync + 'static) -> Self {
        self.when = Arc::new(when);
        self
    }

    /// Returns whether the second model is called after an error of the first.
    fn falls_back(&self, error: &ModelError, deadline: Option<Instant>) -> bool {
        deadline.is_none_or(|deadline| Instant::now() < deadline) && (self.when)(error)
    }
}

/// Returns whether another model may succeed where one failed.
fn may_succeed_elsewhere(error: &ModelError) -> bool {
    match error.without_exchange() {
        ModelError::Config { .. }
        | ModelError::Refused { .. }
        | ModelError::Incomplete { .. }
        | ModelError::Cancelled => false,
        error => match error.api_error().map(|error| error.kind) {
            Some(StatusKind::TooLarge) if exceeds_rate(error) => true,
            Some(StatusKind::BadRequest | StatusKind::TooLarge | StatusKind::Unprocessable) => {
                error.is_context_length()
            }
            _ => true,
        },
    }
}

/// Returns whether a request is larger than what a server takes in a minute, as Groq says it.
fn exceeds_rate(error: &ModelError) -> bool {
    let code = error.api_error().and_then(|error| error.code.as_deref());
    code == Some("rate_limit_exceeded")
}

/// The most fallbacks inside of each other.
const MAX_DEPTH: usize = 64;

thread_local! {
    /// The number of fallbacks inside of each other that this thread is running.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A fallback that this thread is running, until it is dropped.
struct Level;

impl Level {
    /// Returns `None` for a fallback that is too deep.
    fn enter() -> Option<Self> {
        DEPTH.with(|depth| {
            (depth.get() < MAX_DEPTH).then(|| {
                depth.set(depth.get() + 1);
                Self
            })
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}

/// Polls the call of a fallback, or refuses one that is too deep.
fn poll_level<T>(
    context: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<Result<T, ModelError>>,
) -> Poll<Result<T, ModelError>> {
    let Some(_level) = Level::enter() else {
        let reason = format!("more than {MAX_DEPTH} fallbacks are inside of each other");
        return Poll::Ready(Err(ModelError::config(reason)));
    };
    poll(context)
}

macro_rules! impl_model {
    ($($model:ident($request:ty, $generate:ident, $stream:ident)),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<A: $model, B: $model> $model for Fallback<A, B> {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                let mut call = pin!(async {
                    let deadline = on_clock(request.options.deadline);
                    match $generate(&self.first, request).await {
                        Err(error) if self.falls_back(&error, deadline) => {
                            let Some(exchange) = error.exchange() else {
                                return $generate(&self.second, request).await;
                            };
                            let is_forced = self.second.describe().forces_tools;
                            let Some(request) = request.after(exchange, is_forced) else {
                                return Err(error);
                            };
                            $generate(&self.second, &request)
                                .await
                                .map(|reply| reply_after(exchange, reply))
                                .map_err(|error| error.after_tools(exchange))
                        }
                        result => result,
                    }
                });
                poll_fn(|context| poll_level(context, |context| call.as_mut().poll(context))).await
            }

            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                let mut call = pin!(async {
                    let deadline = on_clock(request.options.deadline);
                    match $stream(&self.first, request).await {
                        Err(error) if self.falls_back(&error, deadline) => {
                            let Some(exchange) = error.exchange() else {
                                return $stream(&self.second, request).await;
                            };
                            let is_forced = self.second.describe().forces_tools;
                            let Some(request) = request.after(exchange, is_forced) else {
                                return Err(error);
                            };
                            $stream(&self.second, &request)
                                .await
                                .map(|stream| stream_after(exchange, stream))
                                .map_err(|error| error.after_tools(exchange))
                        }
                        result => result,
                    }
                });
                poll_fn(|context| poll_level(context, |context| call.as_mut().poll(context))).await
            }

            fn enforces_schemas(&self) -> bool {
                let level = Level::enter();
                level.is_some() && self.first.enforces_schemas() && self.second.enforces_schemas()
            }

            fn describe(&self) -> ModelDescription {
                let description = match Level::enter() {
                    Some(_level) => self.first.describe(),
                    None => ModelDescription::new(),
                };
                let forces_tools = description.forces_tools
                    || Level::enter().is_some_and(|_level| self.second.describe().forces_tools);
                description.with_emits_events(true).with_forces_tools(forces_tools)
            }
        }
    )*};
}
impl_model!(
    ChatModel(ChatRequest, observe_chat, observe_chat_stream),
    CompletionModel(CompletionRequest, observe_completion, observe_completion_stream)
);

impl<A: fmt::Debug, B: fmt::Debug> fmt::Debug for Fallback<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(_level) = Level::enter() else { return f.write_str("Fallback(…)") };
        f.debug_struct("Fallback")
            .field("first", &self.first)
            .field("second", &self.second)
            .finish_non_exhaustive()
    }
}
