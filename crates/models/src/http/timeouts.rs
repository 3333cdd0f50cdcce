//! The time limits of a call.

use std::time::Duration;

use conversant_core::{ModelError, TimeoutPhase};
use tokio::time::Instant;

use super::{
    attempt::FailedAttempt,
    config::{BEGIN_TIMEOUT, FAR_FUTURE, STREAM_IDLE_TIMEOUT, TOTAL_TIMEOUT},
};

/// The limits of a call's phases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// From the start of an attempt to the head of its response.
    pub(crate) headers: Duration,
    /// From one piece of a response to the next, if it is set.
    pub(crate) idle: Option<Duration>,
    /// The whole call, retries included.
    pub(crate) total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { headers: BEGIN_TIMEOUT, idle: None, total: TOTAL_TIMEOUT }
    }
}

impl Timeouts {
    /// Returns the limit between two pieces of a response up to the first piece of its answer.
    pub(super) fn before_answer(&self) -> Duration {
        self.idle.unwrap_or(BEGIN_TIMEOUT)
    }

    /// Returns the limit between two pieces of a stream.
    pub(crate) fn in_stream(&self) -> Duration {
        self.idle.unwrap_or(STREAM_IDLE_TIMEOUT)
    }
}

/// Returns the moment after a limit; a limit that a clock cannot count to is a year.
pub(super) fn after(now: Instant, limit: Duration) -> Instant {
    now.checked_add(limit).unwrap_or_else(|| now + FAR_FUTURE)
}

/// The deadline of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    pub(super) at: Instant,
    /// When the call started.
    pub(super) started: Instant,
}

impl Deadline {
    /// Returns the deadline of a call that starts now: the earlier of the adapter's limit and the
    /// caller's.
    pub(crate) fn new(total: Duration, callers: Option<std::time::Instant>) -> Self {
        let started = Instant::now();
        let own = after(started, total);
        let at = callers.map_or(own, |callers| own.min(Instant::from_std(callers)));
        Self { at, started }
    }

    /// Creates the error of a call that reached its deadline.
    pub(super) fn error(&self) -> ModelError {
        ModelError::Timeout { phase: TimeoutPhase::Total, after: self.total() }
    }

    /// Returns the time that the call was given.
    fn total(&self) -> Duration {
        self.at.saturating_duration_since(self.started)
    }

    /// Returns the time that is left.
    pub(super) fn left(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Returns the deadline of a phase that starts now, which is never after that of the call.
    ///
    /// # Errors
    /// [`ModelError::Timeout`], if the call's deadline is over.
    pub(super) fn of_phase(
        &self,
        phase: TimeoutPhase,
        limit: Duration,
    ) -> Result<PhaseDeadline, ModelError> {
        let now = Instant::now();
        if now >= self.at {
            return Err(self.error());
        }
        let own = now.checked_add(limit).filter(|at| *at < self.at);
        Ok(match own {
            Some(at) => PhaseDeadline { at, phase, after: limit },
            None => PhaseDeadline { at: self.at, phase: TimeoutPhase::Total, after: self.total() },
        })
    }
}

/// The deadline of a phase.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhaseDeadline {
    pub(super) at: Instant,
    phase: TimeoutPhase,
    after: Duration,
}

impl PhaseDeadline {
    /// Creates the failure of a phase that reached its deadline. It is retried, unless the whole
    /// call is over.
    pub(super) fn failure(self) -> FailedAttempt {
        let error = ModelError::Timeout { phase: self.phase, after: self.after };
        match self.phase {
            TimeoutPhase::Total => FailedAttempt::last(error),
            _ => FailedAttempt::retryable(error),
        }
    }
}
