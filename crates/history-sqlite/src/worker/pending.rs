//! The sessions that have writes in the queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::SessionId;

/// The number of writes in the queue, by session. Sessions without writes have no entry.
#[derive(Default)]
pub(super) struct Pending(Mutex<HashMap<SessionId, usize>>);

impl Pending {
    /// Counts a write until the returned value is dropped.
    pub(super) fn hold(self: &Arc<Self>, session: &SessionId) -> Held {
        *self.lock().entry(session.clone()).or_default() += 1;
        Held { pending: Arc::clone(self), session: session.clone() }
    }

    /// Returns whether a session, or any session if none is given, has writes in the queue.
    pub(super) fn has(&self, session: Option<&SessionId>) -> bool {
        let sessions = self.lock();
        session.map_or(!sessions.is_empty(), |session| sessions.contains_key(session))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write in the queue.
pub(super) struct Held {
    pending: Arc<Pending>,
    session: SessionId,
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
