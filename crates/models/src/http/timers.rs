//! The time limits of a call.

use std::{future::Future, time::Duration};

use conversant_core::{ModelError, TimeoutPhase};
use tokio::time::{Instant, timeout_at};

/// How long each phase of a call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timers {
    /// From the start of an attempt to the head of its response.
    pub(crate) headers: Duration,
    /// From one piece of a response to the next.
    pub(crate) idle: Duration,
    /// The whole call, retries included.
    pub(crate) total: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        let limit = Duration::from_secs(300);
        Self { headers: limit, idle: limit, total: Duration::from_secs(600) }
    }
}

/// The end of a call, and how long it was given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(super) at: Instant,
    after: Duration,
}

impl Deadline {
    /// Returns the end of a call that starts now: the earlier of the adapter's own limit and the caller's.
    pub(crate) fn new(total: Duration, callers: Option<std::time::Instant>) -> Self {
        let now = Instant::now();
        // A limit beyond what a clock can count is none.
        let own = now.checked_add(total).unwrap_or_else(|| now + Duration::from_secs(86400 * 365));
        let at = callers.map_or(own, |callers| own.min(Instant::from_std(callers)));
        Self { at, after: at.saturating_duration_since(now) }
    }

    pub(super) const fn error(&self) -> ModelError {
        ModelError::Timeout { phase: TimeoutPhase::Total, after: self.after }
    }

    /// Returns how much time is left.
    pub(super) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Awaits something, for as long as its phase and the whole call may take.
    ///
    /// # Errors
    /// [`ModelError::Timeout`], of the phase or the total.
    pub(super) async fn within<T>(
        &self,
        phase: TimeoutPhase,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Result<T, ModelError> {
        let now = Instant::now();
        if now >= self.at {
            return Err(self.error());
        }
        let of_phase = now.checked_add(limit).filter(|at| *at < self.at);
        match timeout_at(of_phase.unwrap_or(self.at), future).await {
            Ok(value) => Ok(value),
            Err(_) if of_phase.is_some() => Err(ModelError::Timeout { phase, after: limit }),
            Err(_) => Err(self.error()),
        }
    }
}
