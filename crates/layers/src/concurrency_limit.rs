//! A limit on the calls that run at the same time.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta,
    ModelDescription, ModelError, Reply, ReplyStream, async_trait,
};
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::wait;

/// A model that runs at most a given number of calls at the same time. Further calls wait, in the
/// order of their arrival.
///
/// A stream counts as running until it ends or is dropped. A call whose
/// [`deadline`](CallOptions::deadline) passes while it waits fails with a retryable
/// [`ModelError::Custom`]. Clones share the limit.
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
    semaphore: Arc<Semaphore>,
}

impl<M> ConcurrencyLimit<M> {
    /// Limits a model to `calls` concurrent calls. `0` counts as one.
    pub fn new(model: M, calls: usize) -> Self {
        let permits = calls.clamp(1, Semaphore::MAX_PERMITS);
        Self { model, semaphore: Arc::new(Semaphore::new(permits)) }
    }

    async fn acquire(&self, options: &CallOptions) -> Result<OwnedSemaphorePermit, ModelError> {
        if let Ok(permit) = Arc::clone(&self.semaphore).try_acquire_owned() {
            return Ok(permit);
        }
        let permit = Arc::clone(&self.semaphore).acquire_owned();
        let permit = wait::until(options.deadline, "a place among the concurrent calls", permit);
        // The semaphore is never closed.
        permit.await?.map_err(|_| ModelError::Cancelled)
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
    _permit: OwnedSemaphorePermit,
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
            .field("free", &self.semaphore.available_permits())
            .finish()
    }
}
