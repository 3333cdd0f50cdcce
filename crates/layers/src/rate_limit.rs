//! A limit on the calls that start in a time window.

use std::{fmt, sync::Arc, time::Duration};

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelDescription, ModelError,
    Reply, ReplyStream, async_trait,
};

use crate::{queue::Queue, start_times::StartTimes};

/// The aim of a waiting call, for errors.
const TURN: &str = "its turn in the rate limit";

/// A model that starts at most `calls` calls in any time window of a given length. Further calls
/// wait, in the order of their arrival.
///
/// A call starts as soon as fewer than `calls` calls have started in the window before it. So
/// `calls` calls can start at once, and after them as many again when their window is over. A limit
/// of more than 4,096 calls may let a call wait longer, by up to 1/4,096 of the window.
///
/// A call of an adapter is up to three requests, since it retries those that a server refuses for
/// its rate. They are not counted: with `max_retries(0)` of the adapter, each call is one request.
///
/// A call that gives up waiting is forgotten and delays no other call. A waiting call that nothing
/// polls misses its turn: a call behind it starts at its own turn, or up to a tenth of a second
/// later for each such call before it. Clones share the limit.
///
/// A call that would have to wait beyond its [`deadline`](conversant_core::CallOptions::deadline)
/// fails at once with a retryable [`ModelError::Custom`] and does not count.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_layers::RateLimit;
/// use conversant_testkit::ScriptedChat;
///
/// let model = RateLimit::new(ScriptedChat::new(["Hello!"]), 60, Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct RateLimit<M> {
    model: M,
    calls: u32,
    window: Duration,
    queue: Arc<Queue<StartTimes>>,
}

impl<M> RateLimit<M> {
    /// Limits a model to `calls` calls in each time window of length `window`. `0` calls count as
    /// one; a window of zero does not limit.
    pub fn new(model: M, calls: u32, window: Duration) -> Self {
        let calls = calls.max(1);
        Self { model, calls, window, queue: Arc::new(Queue::new(StartTimes::new(calls, window))) }
    }
}

macro_rules! impl_model {
    ($($model:ident($request:ty)),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<M: $model> $model for RateLimit<M> {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                self.queue.take(TURN, request.options.deadline).await?;
                self.model.generate(request).await
            }

            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                self.queue.take(TURN, request.options.deadline).await?;
                self.model.stream(request).await
            }

            fn enforces_schemas(&self) -> bool {
                self.model.enforces_schemas()
            }

            fn describe(&self) -> ModelDescription {
                self.model.describe()
            }
        }
    )*};
}
impl_model!(ChatModel(ChatRequest), CompletionModel(CompletionRequest));

impl<M: fmt::Debug> fmt::Debug for RateLimit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("model", &self.model)
            .field("calls", &self.calls)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
