//! The completion of a list, which goes on when the calls that wait for it have ended.

use std::{fmt, future::Future, sync::Arc};

use conversant_core::HistoryError;
use tokio::{sync::Mutex, task::JoinHandle};

use crate::error::{Failure, RedisError, backend};

/// The completions of a history's lists. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Completions {
    /// Of the list by name.
    pub(crate) by_name: Completion,
    /// Of the list by the last use.
    pub(crate) by_use: Completion,
}

/// The completion of one list: a task, of which there is one at a time.
#[derive(Clone, Default)]
pub(crate) struct Completion(Arc<Running>);

#[derive(Default)]
struct Running(Mutex<Option<JoinHandle<Result<(), Failure>>>>);

impl Completion {
    /// Waits for the completion that runs, or starts one. If the caller's time is over before, the
    /// completion goes on, and the next caller waits for it. After `Ok`, the list is complete
    /// unless the server has evicted it again.
    pub(super) async fn run<F>(&self, start: impl FnOnce() -> F + Send) -> Result<(), Failure>
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let mut running = match self.0.0.try_lock() {
            Ok(running) => running,
            Err(_) => {
                let running = self.0.0.lock().await;
                if running.is_none() {
                    // It has ended. The caller looks at the list again.
                    return Ok(());
                }
                running
            }
        };
        if running.take_if(|task| task.is_finished()).is_some() {
            // Those who waited for it have gone. The caller looks at the list again.
            return Ok(());
        }
        let task = running.get_or_insert_with(|| tokio::spawn(start()));
        let outcome = task.await;
        *running = None;
        outcome.map_err(|_| {
            let what = "cannot complete the list of sessions: its task ended";
            Failure::Refused(backend(RedisError::new(what)))
        })?
    }
}

/// Ends it with the history.
impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.0.get_mut() {
            task.abort();
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

/// Returns whether a list cannot be completed because the server takes no writes. What it has is
/// listed.
pub(super) const fn cannot_write(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Demoted(_)
            | Failure::Refused(HistoryError::Full { .. } | HistoryError::ReadOnly { .. })
    )
}
