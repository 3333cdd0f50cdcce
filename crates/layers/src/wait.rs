//! Waiting up to a deadline or a limit.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use conversant_core::ModelError;
use tokio::{runtime::Handle, time::timeout};

/// Waits for `step`, but not beyond `deadline`. `place` names the aim of the wait, for the error.
pub(crate) async fn until<T>(
    deadline: Option<Instant>,
    place: &str,
    step: impl Future<Output = T>,
) -> Result<T, ModelError> {
    let Some(deadline) = deadline else { return Ok(step.await) };
    require_runtime()?;
    let left = deadline.saturating_duration_since(Instant::now());
    timeout(left, step).await.map_err(|_| deadline_passed(place, deadline))
}

/// Waits for an operation of a cache, and returns `None` if it panics or takes longer than the
/// limit.
pub(crate) async fn for_cache<'c, T>(
    limit: Duration,
    start: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send + 'c>>,
) -> Option<T> {
    let mut operation = catch_unwind(AssertUnwindSafe(start)).ok()?;
    // An operation that has panicked is not polled again.
    let operation = poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| operation.as_mut().poll(context))) {
            Ok(poll) => poll.map(Some),
            Err(_) => Poll::Ready(None),
        }
    });
    if require_runtime().is_err() {
        return operation.await;
    }
    timeout(limit, operation).await.ok().flatten()
}

/// Returns an error outside of a tokio runtime, where tokio's timer would panic.
pub(crate) fn require_runtime() -> Result<(), ModelError> {
    Handle::try_current().map(drop).map_err(|_| {
        ModelError::config("cannot wait outside of a tokio runtime; call the model inside one")
    })
}

/// Returns the error of a call whose turn would come after its deadline.
pub(crate) fn deadline_passed(place: &str, deadline: Instant) -> ModelError {
    let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
    let what = format!("cannot wait for {place} beyond the call's deadline, {left:.3} s from now");
    ModelError::custom(what, true, None)
}
