//! Operations that are repeated until the server answers.

use std::{future::Future, time::Duration};

use conversant_core::HistoryError;
use tokio::time::{Instant, sleep};

use super::patience::at_most;

/// The time in which an operation succeeds once the server answers again.
const MAX_OUTAGE: Duration = Duration::from_secs(90);

/// The pause between two attempts at an operation.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Repeats an operation that the store did not complete in time, as on a busy machine. The
/// operation has to bring its fault about each time, so that a success is one despite the fault.
pub(super) async fn in_time<T, F>(mut operation: impl FnMut() -> F) -> Result<T, HistoryError>
where
    F: Future<Output = Result<T, HistoryError>>,
{
    let (started, limit) = (Instant::now(), at_most(MAX_OUTAGE));
    loop {
        match operation().await {
            Err(HistoryError::TimedOut { .. }) if started.elapsed() < limit => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

/// Tries an operation until the server is there.
pub(super) async fn answered<T, F>(mut operation: impl FnMut() -> F) -> Result<T, HistoryError>
where
    F: Future<Output = Result<T, HistoryError>>,
{
    let (started, limit) = (Instant::now(), at_most(MAX_OUTAGE));
    loop {
        match operation().await {
            Err(
                HistoryError::Backend { .. } | HistoryError::TimedOut { .. } | HistoryError::Busy,
            ) if started.elapsed() < limit => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}
