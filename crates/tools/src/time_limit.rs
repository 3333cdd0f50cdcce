//! A limit of the time of a step, by the timer of the tokio runtime that polls it.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until},
};

/// The longest time that a timer is set to, since longer ones overflow in the clock.
const MAX_TIMER: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The reason for which a step did not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    TimedOut,
    /// It was polled outside of a tokio runtime.
    NoRuntime,
    /// It was polled in a tokio runtime without a timer.
    NoTimer,
}

/// Runs a step for at most a time. A step that goes on in another runtime gets a timer of that one,
/// since a timer ends with its runtime. Where there is no timer, the step is not polled.
pub(crate) async fn within<F: Future>(limit: Duration, step: F) -> Result<F::Output, Stopped> {
    let now = Instant::now();
    let end = now.checked_add(limit.min(MAX_TIMER)).unwrap_or(now);
    let mut step = pin!(step);
    let mut timer = None;
    poll_fn(|context| {
        if let Err(stopped) = set(&mut timer, end) {
            return Poll::Ready(Err(stopped));
        }
        if let Poll::Ready(output) = step.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        // A step that takes tokio's whole budget in each poll keeps its timer from ending.
        if end <= Instant::now() {
            return Poll::Ready(Err(Stopped::TimedOut));
        }
        let Some((_, sleep)) = &mut timer else { return Poll::Pending };
        match caught(|| sleep.as_mut().poll(context)) {
            Ok(poll) => poll.map(|()| Err(Stopped::TimedOut)),
            Err(stopped) => Poll::Ready(Err(stopped)),
        }
    })
    .await
}

/// Sets a timer in the current runtime, unless it is set there.
fn set(timer: &mut Option<(Id, Pin<Box<Sleep>>)>, end: Instant) -> Result<(), Stopped> {
    let id = Handle::try_current().map_err(|_| Stopped::NoRuntime)?.id();
    if timer.as_ref().is_none_or(|(of, _)| *of != id) {
        *timer = Some((id, caught(|| Box::pin(sleep_until(end)))?));
    }
    Ok(())
}

/// Uses tokio's timer, which panics in a runtime that has none, and in one that was shut down.
/// tokio cannot be asked before.
fn caught<T>(timer: impl FnOnce() -> T) -> Result<T, Stopped> {
    catch_unwind(AssertUnwindSafe(timer)).map_err(|_| Stopped::NoTimer)
}
