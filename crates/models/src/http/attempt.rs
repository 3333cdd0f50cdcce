//! A failed attempt of a call.

use std::time::Duration;

use conversant_core::ModelError;

/// A failed attempt, with the directive for the next one.
#[derive(Debug)]
pub(crate) struct FailedAttempt {
    pub(crate) error: ModelError,
    pub(crate) retry: RetryDirective,
}

/// The condition and the wait for another attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum RetryDirective {
    /// Do not retry.
    Never,
    /// Retry after the configured backoff.
    Backoff,
    /// Retry at once if the connection may have been an old one, else after the backoff.
    AtOnceIfReused,
    /// Retry after the backoff if this was the first attempt.
    Once,
    /// Retry after exactly this time.
    After(Duration),
}

impl FailedAttempt {
    /// Creates a failure that is not retried.
    pub(crate) const fn last(error: ModelError) -> Self {
        Self { error, retry: RetryDirective::Never }
    }

    /// Creates a failure that is retried after the backoff.
    pub(crate) const fn retryable(error: ModelError) -> Self {
        Self { error, retry: RetryDirective::Backoff }
    }

    /// Replaces the error.
    pub(crate) fn map(self, error: impl FnOnce(ModelError) -> ModelError) -> Self {
        Self { error: error(self.error), retry: self.retry }
    }
}

/// Creates the failure of a body that is larger than a limit.
pub(super) fn too_large(limit: usize) -> FailedAttempt {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    FailedAttempt::last(ModelError::BodyTooLarge { what: "the body", limit, hint: None })
}

impl From<ModelError> for FailedAttempt {
    fn from(error: ModelError) -> Self {
        Self::last(error)
    }
}
