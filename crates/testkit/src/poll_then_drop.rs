//! Cancellation at a chosen point: a future is dropped after a number of polls.

use std::{
    future::{Future, poll_fn},
    task::Poll,
};

/// Polls `future` up to `polls` times, and drops it if it is not ready by then.
///
/// Returns the future's output, or `None` if it was dropped. Between polls it waits to be woken, as
/// a runtime does. Call it with 0, 1, 2, … until it returns `Some` to try every point at which the
/// future can be cancelled. It does not return if nothing wakes the future before its last poll.
///
/// # Examples
///
/// ```
/// use conversant_testkit::{Gate, block_on, poll_then_drop};
///
/// # block_on(async {
/// let work = || async {
///     let gate = Gate::new();
///     gate.let_through(1);
///     gate.pass().await;
///     42
/// };
/// let mut polls = 0;
/// let output = loop {
///     match poll_then_drop(work(), polls).await {
///         Some(output) => break output,
///         None => polls += 1, // cancelled: here a test looks for traces
///     }
/// };
/// assert_eq!((output, polls), (42, 1));
/// # });
/// ```
pub async fn poll_then_drop<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(move |context| {
        let Some(rest) = left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        left = rest;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
