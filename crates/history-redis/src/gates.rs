//! One writer at a time for each session, and readers between writers, within this process.
//!
//! The server has its own order. What it can't know is that a caller has given an operation up that is still under way: here the task
//! that runs it holds the session's gate, so whatever comes later on that session comes after it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::SessionId;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Gate = Arc<RwLock<()>>;

/// The gates of the sessions that somebody is at, and of no others.
#[derive(Clone, Default)]
pub(crate) struct Gates {
    by_session: Arc<Mutex<HashMap<SessionId, Gate>>>,
}

/// A caller at a session's gate. When the last one leaves, the gate goes.
struct Visit {
    gates: Gates,
    session: SessionId,
    gate: Gate,
}

/// The right to write to a session, first come first served.
pub(crate) struct Writing {
    _guard: OwnedRwLockWriteGuard<()>,
    _visit: Visit,
}

/// The right to read a session.
pub(crate) struct Reading {
    _guard: OwnedRwLockReadGuard<()>,
    _visit: Visit,
}

impl Gates {
    pub(crate) async fn write(&self, session: &SessionId) -> Writing {
        let visit = self.visit(session);
        Writing { _guard: Arc::clone(&visit.gate).write_owned().await, _visit: visit }
    }

    pub(crate) async fn read(&self, session: &SessionId) -> Reading {
        let visit = self.visit(session);
        Reading { _guard: Arc::clone(&visit.gate).read_owned().await, _visit: visit }
    }

    /// Returns how many sessions somebody is at.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn visit(&self, session: &SessionId) -> Visit {
        let gate = Arc::clone(self.lock().entry(session.clone()).or_default());
        Visit { gates: self.clone(), session: session.clone(), gate }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Gate>> {
        self.by_session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut gates = self.gates.lock();
        // This visit's and the map's: nobody else is here, and nobody can come while the map is locked.
        if Arc::strong_count(&self.gate) == 2 {
            gates.remove(&self.session);
        }
    }
}
