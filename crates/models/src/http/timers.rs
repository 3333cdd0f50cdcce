//! The time limits of a call.

use std::time::Duration;

use conversant_core::{ModelError, TimeoutPhase};
use tokio::time::Instant;

use super::retry::Failure;

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

    /// Returns the end of a phase that starts now: its own, or that of the whole call where that is earlier.
    ///
    /// # Errors
    /// [`ModelError::Timeout`], if the call is over.
    pub(super) fn of_phase(
        &self,
        phase: TimeoutPhase,
        limit: Duration,
    ) -> Result<Until, ModelError> {
        let now = Instant::now();
        if now >= self.at {
            return Err(self.error());
        }
        let own = now.checked_add(limit).filter(|at| *at < self.at);
        Ok(match own {
            Some(at) => Until { at, phase, after: limit },
            None => Until { at: self.at, phase: TimeoutPhase::Total, after: self.after },
        })
    }
}

/// The end of a phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Until {
    pub(super) at: Instant,
    phase: TimeoutPhase,
    after: Duration,
}

impl Until {
    /// Makes the failure of a phase that is over. Another attempt makes sense, unless the whole call is.
    pub(super) fn failure(self) -> Failure {
        let error = ModelError::Timeout { phase: self.phase, after: self.after };
        match self.phase {
            TimeoutPhase::Total => Failure::last(error),
            _ => Failure::again(error),
        }
    }
}
