//! So many calls at a time.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, ModelError,
    Reply, ReplyStream, async_trait,
};
use futures_core::Stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::too_late;

/// A model that answers no more than so many calls at a time, and lets the others wait, in the order in which they came.
///
/// A stream holds its place until it has ended or is dropped. A call whose [`deadline`](CallOptions::deadline) passes while it
/// waits fails. Clones share the limit.
///
/// # Examples
///
/// ```
/// use conversant_models::{OpenAiChat, layer::ConcurrencyLimit};
///
/// let model = OpenAiChat::builder("m").base_url("http://localhost/v1").build()?;
/// let model = ConcurrencyLimit::new(model, 8);
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Clone)]
pub struct ConcurrencyLimit<M> {
    model: M,
    places: Arc<Semaphore>,
}

impl<M> ConcurrencyLimit<M> {
    /// Limits a model to so many calls at a time, at least one.
    pub fn new(model: M, calls: usize) -> Self {
        let places = calls.clamp(1, Semaphore::MAX_PERMITS);
        Self { model, places: Arc::new(Semaphore::new(places)) }
    }

    async fn enter(&self, options: &CallOptions) -> Result<OwnedSemaphorePermit, ModelError> {
        let place = Arc::clone(&self.places).acquire_owned();
        let place = match options.deadline {
            None => place.await,
            Some(deadline) => timeout_at(Instant::from_std(deadline), place)
                .await
                .map_err(|_| too_late("place among the concurrent calls", deadline))?,
        };
        // The semaphore is never closed.
        place.map_err(|_| ModelError::Cancelled)
    }
}

#[async_trait]
impl<M: ChatModel> ChatModel for ConcurrencyLimit<M> {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let _place = self.enter(&request.options).await?;
        self.model.generate(request).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let place = self.enter(&request.options).await?;
        let stream = self.model.stream(request).await?;
        Ok(ReplyStream::new(Placed { stream, _place: place }))
    }
}

#[async_trait]
impl<M: CompletionModel> CompletionModel for ConcurrencyLimit<M> {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        let _place = self.enter(&request.options).await?;
        self.model.generate(request).await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        let place = self.enter(&request.options).await?;
        let stream = self.model.stream(request).await?;
        Ok(ReplyStream::new(Placed { stream, _place: place }))
    }
}

/// A stream that holds its place. A `ReplyStream` drops what it was made of when it ends.
struct Placed {
    stream: ReplyStream,
    _place: OwnedSemaphorePermit,
}

impl Stream for Placed {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.stream).poll_next(context)
    }
}

impl<M: fmt::Debug> fmt::Debug for ConcurrencyLimit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("model", &self.model)
            .field("free", &self.places.available_permits())
            .finish()
    }
}
