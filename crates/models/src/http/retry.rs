//! Retries: whether a failed attempt is repeated, and after which wait.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use conversant_core::{Event, EventEmitter, ModelError};
use http::{HeaderMap, header::RETRY_AFTER};
use tokio::time::{Instant, sleep};

use super::{
    attempt::{FailedAttempt, RetryDirective},
    config::{BACKOFF_FIRST, BACKOFF_MAX, MAX_RETRY_AFTER, RETRY_SAVINGS},
    timeouts::Deadline,
};

/// The default waits between attempts.
const BACKOFF: Backoff = Backoff { first: BACKOFF_FIRST, longest: BACKOFF_MAX };

/// The waits between attempts where the server does not ask for one.
#[derive(Debug, Clone, Copy)]
struct Backoff {
    first: Duration,
    longest: Duration,
}

/// The retry policy of an adapter, and what a call has left of it.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    left: u32,
    done: u32,
    /// Whether the next attempt may use a connection that was used before.
    reused: bool,
    backoff: Backoff,
    budget: Option<Arc<Budget>>,
}

/// The retries that an adapter may make in all, so that an outage does not multiply the load.
#[derive(Debug)]
struct Budget {
    /// The share of a retry that each call adds.
    ratio: f64,
    /// The retries that are left.
    saved: Mutex<f64>,
}

impl Budget {
    fn earn(&self) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        *saved = (*saved + self.ratio).min(RETRY_SAVINGS);
    }

    /// Takes a retry from the budget, if one is left.
    fn try_spend(&self) -> bool {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = *saved >= 1.0;
        if enough {
            *saved -= 1.0;
        }
        enough
    }
}

impl Retries {
    pub(crate) const fn new(max: u32) -> Self {
        Self { left: max, done: 0, reused: false, backoff: BACKOFF, budget: None }
    }

    /// Sets the maximum number of retries of a call.
    pub(crate) const fn set_max(&mut self, max: u32) {
        self.left = max;
    }

    /// Sets the first wait, which doubles with each retry, and the longest.
    pub(crate) const fn set_backoff(&mut self, first: Duration, longest: Duration) {
        self.backoff = Backoff { first, longest };
    }

    /// Returns the policy with a cap on the retries over all calls, as a share of the calls.
    pub(crate) fn with_budget(mut self, ratio: Option<f64>) -> Self {
        let budget = |ratio| Arc::new(Budget { ratio, saved: Mutex::new(RETRY_SAVINGS) });
        self.budget = ratio.map(budget);
        self
    }

    /// Starts a call.
    pub(super) fn start(&self) -> Self {
        if let Some(budget) = &self.budget {
            budget.earn();
        }
        self.clone()
    }

    /// Sets whether the next attempt may use a connection that was used before.
    pub(super) const fn set_reused(&mut self, reused: bool) {
        self.reused = reused;
    }

    /// Reports a failure, whose error has no secrets, to the call's observers: another attempt
    /// follows after a wait.
    pub(super) fn report(&mut self, error: &ModelError, wait: Duration, events: &EventEmitter) {
        self.done += 1;
        events.emit(&Event::retrying(self.done, error, wait));
    }

    /// Waits until the next attempt, and reports the failure, whose error has no secrets, to the
    /// call's observers.
    ///
    /// # Errors
    /// The failure's error, if the attempt is not repeated: its directive forbids it, the retries
    /// are used up, or the wait would outlast the deadline.
    pub(crate) async fn wait(
        &mut self,
        failed: FailedAttempt,
        deadline: &Deadline,
        events: &EventEmitter,
    ) -> Result<(), ModelError> {
        let wait = match failed.retry {
            RetryDirective::Never => return Err(failed.error),
            RetryDirective::After(wait) => wait,
            RetryDirective::Once if self.done > 0 => return Err(failed.error),
            RetryDirective::AtOnceIfReused if self.reused => Duration::ZERO,
            RetryDirective::AtOnceIfReused | RetryDirective::Backoff | RetryDirective::Once => {
                self.backoff.wait(self.done, fastrand::f64())
            }
        };
        let is_over = self.left == 0 || wait >= deadline.left();
        if is_over || self.budget.as_ref().is_some_and(|budget| !budget.try_spend()) {
            return Err(failed.error);
        }
        self.left -= 1;
        self.report(&failed.error, wait, events);
        self.reused = false;
        // By the monotonic clock: a date was made a duration when it was received.
        sleep_for(wait).await;
        Ok(())
    }
}

async fn sleep_for(wait: Duration) {
    if !wait.is_zero() {
        sleep(wait).await;
    }
}

impl Backoff {
    /// Returns the wait before the retry after `done` others: the first, doubled each time up to
    /// the longest, less up to a quarter at random. So clients that failed together do not come
    /// back together. From openai-python.
    fn wait(self, done: u32, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(done));
        doubled.min(self.longest).mul_f64(1.0 - 0.25 * random.clamp(0.0, 1.0))
    }
}

/// Returns the wait that a response asks for: `retry-after-ms`, else `retry-after` in seconds or
/// as a date. Invalid values and the past are ignored.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(wait) = text("retry-after-ms").and_then(|text| seconds(text, 1000.0)) {
        return Some(wait);
    }
    let text = text(RETRY_AFTER.as_str())?;
    seconds(text, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).ok().filter(|wait| !wait.is_zero())
    })
}

fn seconds(text: &str, per_second: f64) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok()? / per_second;
    // Longer waits (136 years) are mistakes.
    let sensible = seconds.is_finite() && seconds > 0.0 && seconds < f64::from(u32::MAX);
    sensible.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// Returns the directive for a response with an error status. `x-should-retry` wins over the
/// status, and a wait above [`MAX_RETRY_AFTER`] over both.
pub(super) fn of_response(
    headers: &HeaderMap,
    retryable: bool,
    asked: Option<Duration>,
) -> RetryDirective {
    let should = match headers.get("x-should-retry").map(|value| value.as_bytes()) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => retryable,
    };
    of_error(should, asked)
}

/// Creates the failure of an attempt whose response has no answer. An error that the server reports
/// in it is retried as one with an error status is: nothing was answered.
pub(crate) fn of_answer(error: ModelError) -> FailedAttempt {
    let reported = match &error {
        ModelError::ApiErrorInBody { error } => Some(error),
        ModelError::Stream { error, partial } if partial.text.as_str().is_empty() => Some(error),
        _ => None,
    };
    let retry = reported
        .map_or(RetryDirective::Never, |error| of_error(error.is_retryable(), error.retry_after));
    FailedAttempt { error, retry }
}

fn of_error(should: bool, asked: Option<Duration>) -> RetryDirective {
    match asked {
        Some(wait) if wait > MAX_RETRY_AFTER => RetryDirective::Never,
        Some(wait) if should => RetryDirective::After(wait),
        None if should => RetryDirective::Backoff,
        Some(_) | None => RetryDirective::Never,
    }
}

/// Returns whether a connection that was last used at a moment may still be open.
pub(super) fn is_recent(moment: Option<Instant>, now: Instant, idle_timeout: Duration) -> bool {
    moment.is_some_and(|moment| now.saturating_duration_since(moment) < idle_timeout)
}

#[cfg(test)]
mod tests;
