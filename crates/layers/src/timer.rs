//! A timer of the tokio runtime that polls it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant},
};

use conversant_core::ModelError;
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, Sleep, sleep_until},
};

/// The longest time that a timer is set to, since longer ones overflow in the clock.
const MAX_TIMER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A timer for one wait. A wait that goes on in another runtime sets it again there, since a timer
/// ends with its runtime.
#[derive(Default)]
pub(crate) struct Timer {
    /// The time of the timer that is set.
    at: Option<Instant>,
    sleep: Option<(Id, Pin<Box<Sleep>>)>,
    /// The runtime that was found to have no timer.
    without: Option<Id>,
}

/// Returns the time `wait` from now, or an earlier one if the wait is too long for a timer.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait.min(MAX_TIMER)).unwrap_or(now)
}

/// Returns a deadline on tokio's clock, which tests can pause.
pub(crate) fn on_clock(deadline: Option<StdInstant>) -> Option<Instant> {
    Instant::now().checked_add(deadline?.saturating_duration_since(StdInstant::now()))
}

impl Timer {
    /// Waits until a time.
    ///
    /// # Errors
    /// [`ModelError::Config`], outside of a runtime, or in one without a timer.
    pub(crate) fn poll_until(
        &mut self,
        at: Instant,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ModelError>> {
        if at <= Instant::now() {
            return Poll::Ready(Ok(()));
        }
        let Ok(runtime) = Handle::try_current() else {
            return Poll::Ready(Err(ModelError::config(
                "cannot wait outside of a tokio runtime; call the model inside one",
            )));
        };
        let id = runtime.id();
        if self.without != Some(id) {
            // tokio cannot be asked whether a runtime has a timer: it panics if it has not.
            match catch_unwind(AssertUnwindSafe(|| self.poll_in(id, at, context))) {
                Ok(poll) => return poll.map(Ok),
                Err(_) => self.without = Some(id),
            }
        }
        self.sleep = None;
        Poll::Ready(Err(ModelError::config(
            "cannot wait in a tokio runtime without a timer; build it with `enable_time` or \
             `enable_all`",
        )))
    }

    /// Polls the timer of the current runtime. Panics in a runtime without one, and in one that was
    /// shut down.
    fn poll_in(&mut self, id: Id, at: Instant, context: &mut Context<'_>) -> Poll<()> {
        let is_set = self.at == Some(at) && self.sleep.as_ref().is_some_and(|(of, _)| *of == id);
        if !is_set {
            self.sleep = None;
            self.at = Some(at);
        }
        let (_, sleep) = self.sleep.get_or_insert_with(|| (id, Box::pin(sleep_until(at))));
        sleep.as_mut().poll(context)
    }
}
