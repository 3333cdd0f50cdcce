//! Waiting for a cache, up to a limit.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use conversant_core::drop_payload;
use tokio::time::Instant;

use crate::timer::{Timer, after};

/// Waits for an operation of a cache, and returns `None` if it panics or takes longer than the
/// limit. In a place without a timer, it waits without a limit.
pub(crate) async fn for_cache<'c, T>(
    limit: Duration,
    start: impl FnOnce() -> Pin<Box<dyn Future<Output = T> + Send + 'c>>,
) -> Option<T> {
    let mut operation = catch_unwind(AssertUnwindSafe(start)).map_err(drop_payload).ok()?;
    let end = after(Instant::now(), limit);
    let mut timer = Timer::default();
    // An operation that has panicked is not polled again.
    poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| operation.as_mut().poll(context))) {
            Ok(Poll::Ready(value)) => return Poll::Ready(Some(value)),
            Ok(Poll::Pending) => {}
            Err(payload) => {
                drop_payload(payload);
                return Poll::Ready(None);
            }
        }
        match timer.poll_until(end, context) {
            Poll::Ready(Ok(())) => Poll::Ready(None),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}
