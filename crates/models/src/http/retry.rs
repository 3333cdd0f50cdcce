//! When a failed attempt is repeated, and how long the wait is.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use conversant_core::ModelError;
use http::{HeaderMap, header::RETRY_AFTER};
use tokio::time::{Instant, sleep};

use super::timers::Deadline;

/// The longest wait that a server may ask for. Whoever asks for more is not asked again.
const LONGEST: Duration = Duration::from_secs(120);
/// The first wait of our own, which doubles, and the longest, unless set otherwise.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(8) };

/// Waits of our own.
#[derive(Debug, Clone, Copy)]
struct Backoff {
    first: Duration,
    longest: Duration,
}

/// A failed attempt.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ModelError,
    pub(crate) retry: Retry,
}

/// Whether an attempt is repeated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Retry {
    Never,
    /// After a wait of our own.
    Backoff,
    /// At once, if the connection may have been an old one; else as [`Backoff`](Self::Backoff).
    AtOnceIfReused,
    /// After a wait of our own, if it is the first time.
    Once,
    /// After just this wait.
    After(Duration),
}

impl Failure {
    pub(crate) const fn last(error: ModelError) -> Self {
        Self { error, retry: Retry::Never }
    }

    pub(crate) const fn again(error: ModelError) -> Self {
        Self { error, retry: Retry::Backoff }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::last(error)
    }
}

/// How many times a failed call is repeated, and the repetitions of one call.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    left: u32,
    done: u32,
    /// Whether the connection of the next attempt may be one that was used before.
    reused: bool,
    backoff: Backoff,
    budget: Option<Arc<Budget>>,
}

/// What an adapter may spend on repetitions in all, so that a server in trouble is not given more to do.
#[derive(Debug)]
struct Budget {
    /// What a call earns.
    ratio: f64,
    /// What there is to spend.
    saved: Mutex<f64>,
}

impl Budget {
    /// What there is at first, and the most that is saved: repetitions for clients that seldom call.
    const SAVINGS: f64 = 10.0;

    fn earn(&self) {
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        *saved = (*saved + self.ratio).min(Self::SAVINGS);
    }

    /// Pays for a repetition, if there is enough.
    fn pay(&self) -> bool {
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

    /// Sets how many there are at most.
    pub(crate) const fn set_max(&mut self, max: u32) {
        self.left = max;
    }

    /// Sets the first wait, which doubles, and the longest.
    pub(crate) const fn set_backoff(&mut self, first: Duration, longest: Duration) {
        self.backoff = Backoff { first, longest };
    }

    /// Sets how many repetitions there may be for each call, over all calls.
    pub(crate) fn set_budget(&mut self, ratio: f64) {
        let ratio = if ratio.is_finite() { ratio.max(0.0) } else { 0.0 };
        self.budget = Some(Arc::new(Budget { ratio, saved: Mutex::new(Budget::SAVINGS) }));
    }

    /// Starts the repetitions of a call, whose connection may be one that was used before.
    pub(super) fn start(&self, reused: bool) -> Self {
        if let Some(budget) = &self.budget {
            budget.earn();
        }
        Self { reused, ..self.clone() }
    }

    /// Waits until the next attempt.
    ///
    /// # Errors
    /// The failure's error, if there is no next attempt: because it makes no sense, because there were enough, or because the
    /// wait would outlast the call's deadline.
    pub(crate) async fn wait(
        &mut self,
        failure: Failure,
        deadline: &Deadline,
    ) -> Result<(), ModelError> {
        let wait = match failure.retry {
            Retry::Never => return Err(failure.error),
            Retry::After(wait) => wait,
            Retry::Once if self.done > 0 => return Err(failure.error),
            Retry::AtOnceIfReused if self.reused => Duration::ZERO,
            Retry::AtOnceIfReused | Retry::Backoff | Retry::Once => {
                self.backoff.wait(self.done, fastrand::f64())
            }
        };
        let is_over = self.left == 0 || wait >= deadline.left();
        if is_over || self.budget.as_ref().is_some_and(|budget| !budget.pay()) {
            return Err(failure.error);
        }
        self.left -= 1;
        self.done += 1;
        self.reused = false;
        // By a monotonic clock: a date was turned into a duration when it came.
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
    /// Returns the wait before the repetition after `done` others: half a second, doubled each time up to 8 s, less up to a
    /// quarter at random, so that clients that failed together do not come back together. The source is openai-python.
    fn wait(self, done: u32, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(2_u32.saturating_pow(done));
        doubled.min(self.longest).mul_f64(1.0 - 0.25 * random.clamp(0.0, 1.0))
    }
}

/// Returns how long a response asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date. What makes no
/// sense (nothing, the past, no number) is no request to wait.
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
    // Beyond this no server means it.
    let sensible = seconds.is_finite() && seconds > 0.0 && seconds < f64::from(u32::MAX);
    sensible.then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

/// Decides on a response with an error status: what the server says of it wins over the status, and a wait that is too long
/// over both.
pub(super) fn of_response(headers: &HeaderMap, retryable: bool, asked: Option<Duration>) -> Retry {
    let should = match headers.get("x-should-retry").map(|value| value.as_bytes()) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => retryable,
    };
    match asked {
        Some(wait) if wait > LONGEST => Retry::Never,
        Some(wait) if should => Retry::After(wait),
        None if should => Retry::Backoff,
        Some(_) | None => Retry::Never,
    }
}

/// Returns whether a moment is so close that its connection may still be open.
pub(super) fn is_recent(moment: Option<Instant>, kept: Duration) -> bool {
    moment.is_some_and(|moment| moment.elapsed() < kept)
}

#[cfg(test)]
mod tests;
