//! A limit on the calls that start in a time window.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, ModelDescription,
    ModelError, Reply, ReplyStream, async_trait,
};
use tokio::time::{Instant, sleep};

use crate::wait;

/// The aim of a waiting call, for errors.
const TURN: &str = "its turn in the rate limit";

/// A model that starts at most `calls` calls in any time window of a given length. Further calls
/// wait, in the order of their arrival.
///
/// The first `calls` calls start at once; after them, calls are spaced evenly. A call that gives up
/// waiting is forgotten and delays no other call. Clones share the limit.
///
/// A call that would have to wait beyond its [`deadline`](CallOptions::deadline) fails at once with
/// a retryable [`ModelError::Custom`] and does not count.
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
    /// The window divided by the number of calls.
    interval: Duration,
    /// The time by which a call may be ahead of an even pace.
    burst: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    /// The zero of the schedule. Its times are durations, since durations saturate.
    origin: Instant,
    schedule: Mutex<Schedule>,
    /// A fair lock. The first of the waiting calls holds it until its turn has come.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Schedule {
    /// The time at which the next call is due at an even pace.
    due: Duration,
    /// The number of calls that wait.
    waiting: u32,
}

impl<M> RateLimit<M> {
    /// Limits a model to `calls` calls in each time window of length `window`. `0` calls count as
    /// one; a window of zero does not limit.
    pub fn new(model: M, calls: u32, window: Duration) -> Self {
        let interval = window / calls.max(1);
        let shared = Shared {
            origin: Instant::now(),
            schedule: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        };
        Self { model, interval, burst: window.saturating_sub(interval), shared: Arc::new(shared) }
    }

    /// Waits for the call's turn.
    async fn wait(&self, options: &CallOptions) -> Result<(), ModelError> {
        let now = std::time::Instant::now();
        let waiting = Waiting::start(&self.shared);
        if let Some(deadline) = options.deadline
            && deadline.saturating_duration_since(now) < self.time_to_turn(waiting.ahead)
        {
            return Err(wait::deadline_passed(TURN, deadline));
        }
        wait::until(options.deadline, TURN, self.take_turn()).await?
    }

    async fn take_turn(&self) -> Result<(), ModelError> {
        let _turn = self.shared.turn.lock().await;
        let wait = self.time_to_turn(0);
        if !wait.is_zero() {
            wait::require_runtime()?;
            sleep(wait).await;
        }
        let now = self.shared.now();
        let mut schedule = self.shared.lock();
        schedule.due = schedule.due.max(now).saturating_add(self.interval);
        Ok(())
    }

    /// Returns the time until a call may start, with `ahead` calls before it.
    fn time_to_turn(&self, ahead: u32) -> Duration {
        let now = self.shared.now();
        let due = self.shared.lock().due.max(now);
        let due = due.saturating_add(self.interval.saturating_mul(ahead));
        due.saturating_sub(self.burst).saturating_sub(now)
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that is counted among the waiting ones until it is dropped.
struct Waiting<'s> {
    shared: &'s Shared,
    /// The number of calls that waited before it.
    ahead: u32,
}

impl<'s> Waiting<'s> {
    fn start(shared: &'s Shared) -> Self {
        let mut schedule = shared.lock();
        let ahead = schedule.waiting;
        schedule.waiting = ahead.saturating_add(1);
        Self { shared, ahead }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut schedule = self.shared.lock();
        schedule.waiting = schedule.waiting.saturating_sub(1);
    }
}

macro_rules! impl_model {
    ($($model:ident($request:ty)),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<M: $model> $model for RateLimit<M> {
            async fn generate(&self, request: &$request) -> Result<Reply, ModelError> {
                self.wait(&request.options).await?;
                self.model.generate(request).await
            }

            async fn stream(&self, request: &$request) -> Result<ReplyStream, ModelError> {
                self.wait(&request.options).await?;
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
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
