//! The threads that are running, and waiting for their end.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use conversant_core::HistoryError;
use futures_channel::oneshot;

use crate::error::backend;

/// Counts the threads of a store.
#[derive(Default)]
pub(super) struct Running(Mutex<State>);

#[derive(Default)]
struct State {
    threads: usize,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Running {
    /// Starts a thread and counts it until it ends, even if it panics.
    pub(super) fn spawn(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), HistoryError> {
        self.lock().threads += 1;
        let counted = Counted(Arc::clone(self));
        let run = move || {
            let _counted = counted;
            run();
        };
        thread::Builder::new().name(name.to_owned()).spawn(run).map(drop).map_err(backend)
    }

    /// Waits until no thread is running.
    pub(super) async fn ended(&self) {
        let ended = {
            let mut state = self.lock();
            if state.threads == 0 {
                return;
            }
            let (sender, ended) = oneshot::channel();
            state.waiting.push(sender);
            ended
        };
        // The sender is dropped when the last thread has ended.
        let _ = ended.await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that is running.
struct Counted(Arc<Running>);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.threads -= 1;
        if state.threads == 0 {
            state.waiting.clear();
        }
    }
}
