//! The sessions that have tasks in the writer's queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::SessionId;

/// The number of tasks that the writer has not finished, by session. `None`: of no single session.
/// Sessions without tasks have no entry.
#[derive(Default)]
pub(super) struct Pending(Mutex<HashMap<Option<SessionId>, usize>>);

impl Pending {
    /// Counts a task until the returned value is dropped.
    pub(super) fn hold(self: &Arc<Self>, session: Option<&SessionId>) -> Held {
        let session = session.cloned();
        *self.lock().entry(session.clone()).or_default() += 1;
        Held { pending: Arc::clone(self), session }
    }

    /// Returns whether a session has tasks in the queue.
    pub(super) fn has(&self, session: &SessionId) -> bool {
        let sessions = self.lock();
        !sessions.is_empty() && sessions.contains_key(&Some(session.clone()))
    }

    /// Returns whether there are no tasks in the queue.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<SessionId>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task in the queue.
pub(super) struct Held {
    pending: Arc<Pending>,
    session: Option<SessionId>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut sessions = self.pending.lock();
        if let Some(count) = sessions.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                sessions.remove(&self.session);
            }
        }
    }
}
