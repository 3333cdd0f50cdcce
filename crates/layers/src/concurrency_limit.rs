//! A limit on the calls that run at the same time.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta,
    ModelDescription, ModelError, Reply, ReplyStream, async_trait,
};
use futures_core::Stream;
use tokio::time::Instant;

use crate::queue::{Places, Queue};

/// The aim of a waiting call, for errors.
const PLACE: &str = "a place among the concurrent calls";

/// A model that runs at most a given number of calls at the same time. Further calls wait, in the
/// order of their arrival.
///
/// A stream counts as running until it ends or is dropped. A call whose
/// [`deadline`](CallOptions::deadline) passes while it waits fails with a retryable
/// [`ModelError::Custom`]. Clones share the limit.
///
/// # Calls that do not end
///
/// - A call that runs keeps its place until it ends or is dropped, also if nothing polls it or its
///   deadline has passed, since its request may still be open.
/// - A waiting call that nothing polls gets no place. If a place is free, a call behind it passes
///   it over: within a second, and a tenth of a second for each such call before it. This takes a
///   tokio runtime with a timer. Without one, it is passed over when further calls arrive.
/// - A call without a deadline has no end of its own: it waits for as long as the running calls
///   take. Do not call a limited model from inside one of its calls, such as from a tool of a loop
///   inside the limit: if all places are taken by such calls, they wait for each other, until a
///   deadline of one of them.
///
/// # Examples
///
/// ```
/// use conversant_layers::ConcurrencyLimit;
/// use conversant_testkit::ScriptedChat;
///
/// let model = ConcurrencyLimit::new(ScriptedChat::new(["Hello!"]), 8);
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit<M> {
    model: M,
    queue: Arc<Queue<Free>>,
}

/// The number of free places.
struct Free(usize);

impl Places for Free {
    const NEEDS_TIMER: bool = false;

    fn take(&mut self, _now: Instant) -> bool {
        let left = self.0.checked_sub(1);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }

    fn time_to_turn(&mut self, ahead: usize, _now: Instant) -> Option<Duration> {
        (ahead < self.0).then_some(Duration::ZERO)
    }
}

/// The place of a call. Dropping it frees the place.
struct Permit(Arc<Queue<Free>>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.change(|free| free.0 += 1);
    }
}

impl<M> ConcurrencyLimit<M> {
    /// Limits a model to `calls` concurrent calls. `0` counts as one.
    pub fn new(model: M, calls: usize) -> Self {
        Self { model, queue: Arc::new(Queue::new(Free(calls.max(1)))) }
    }

    async fn acquire(&self, options: &CallOptions) -> Result<Permit, ModelError> {
        self.queue.take(PLACE, options.deadline).await?;
        Ok(Permit(Arc::clone(&self.queue)))
    }
}

macro_rules! impl_model {
    ($($model:ident($request:ty)),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<M: $model> $model for ConcurrencyLimit<M> {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                let _permit = self.acquire(&request.options).await?;
                self.model.generate(request).await
            }

            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                let permit = self.acquire(&request.options).await?;
                let stream = self.model.stream(request).await?;
                Ok(ReplyStream::new(Permitted { stream, _permit: permit }))
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

/// A stream that holds a permit. A `ReplyStream` drops its source when it ends.
struct Permitted {
    stream: ReplyStream,
    _permit: Permit,
}

impl Stream for Permitted {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(context)
    }
}

impl<M: fmt::Debug> fmt::Debug for ConcurrencyLimit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("model", &self.model)
            .field("free", &self.queue.places(|free| free.0))
            .finish()
    }
}
