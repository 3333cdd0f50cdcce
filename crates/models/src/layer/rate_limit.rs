//! So many calls in so much time.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelError, Reply,
    ReplyStream, async_trait,
};
use tokio::time::{Instant, sleep_until};

use super::too_late;

/// A model that begins no more than so many calls in any stretch of time, and lets the others wait, in the order in which they
/// came.
///
/// Calls are spaced out evenly once the first burst is used up. A call that would have to wait beyond its
/// [`deadline`](CallOptions::deadline) fails at once, and takes no place. Clones share the limit.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_models::{OpenAiChat, layer::RateLimit};
///
/// let model = OpenAiChat::builder("m").base_url("http://localhost/v1").build()?;
/// let model = RateLimit::new(model, 60, Duration::from_secs(60));
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Clone)]
pub struct RateLimit<M> {
    model: M,
    /// The time that a call takes of the limit.
    interval: Duration,
    /// How far ahead of that calls may be.
    burst: Duration,
    /// When the next call would be due if all came evenly.
    due: Arc<Mutex<Option<Instant>>>,
}

impl<M> RateLimit<M> {
    /// Limits a model to so many calls, at least one, in each stretch of time of this length.
    pub fn new(model: M, calls: u32, per: Duration) -> Self {
        let interval = per / calls.max(1);
        Self { model, interval, burst: per.saturating_sub(interval), due: Arc::default() }
    }

    /// Takes a place, and returns when its turn comes.
    fn take_place(&self, options: &CallOptions) -> Result<Option<Instant>, ModelError> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let own = due.unwrap_or(now).max(now);
        let turn = own.checked_sub(self.burst).filter(|turn| *turn > now);
        if let (Some(turn), Some(deadline)) = (turn, options.deadline)
            && turn > Instant::from_std(deadline)
        {
            return Err(too_late("turn in the rate limit", deadline));
        }
        *due = Some(own + self.interval);
        Ok(turn)
    }

    async fn wait(&self, options: &CallOptions) -> Result<(), ModelError> {
        if let Some(turn) = self.take_place(options)? {
            sleep_until(turn).await;
        }
        Ok(())
    }
}

#[async_trait]
impl<M: ChatModel> ChatModel for RateLimit<M> {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.wait(&request.options).await?;
        self.model.generate(request).await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.wait(&request.options).await?;
        self.model.stream(request).await
    }
}

#[async_trait]
impl<M: CompletionModel> CompletionModel for RateLimit<M> {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        self.wait(&request.options).await?;
        self.model.generate(request).await
    }

    async fn stream(&self, request: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        self.wait(&request.options).await?;
        self.model.stream(request).await
    }
}

impl<M: fmt::Debug> fmt::Debug for RateLimit<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("model", &self.model)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
