//! The connection of the writer, which callers use too while the writer is idle.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use conversant_core::HistoryError;
use rusqlite::Connection;

use crate::table::seen::SeenSessions;

/// The connection of the writer.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) seen: SeenSessions,
}

/// The connection of the writer, until its thread ends.
pub(super) struct SharedWriter {
    writer: Mutex<Option<Writer>>,
    busy_timeout: Duration,
}

impl SharedWriter {
    pub(super) fn new(connection: Connection, busy_timeout: Duration) -> Self {
        let writer = Writer { connection, seen: SeenSessions::default() };
        Self { writer: Mutex::new(Some(writer)), busy_timeout }
    }

    /// Locks the connection. The thread of the writer alone may wait for it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Writer>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// Runs what needs no page of the file that is not in memory, without waiting. Returns `None`
    /// if the connection is in use, or the operation fails: the writer's thread reports why.
    pub(super) fn try_run<T>(
        &self,
        run: impl FnOnce(&Connection, &mut SeenSessions) -> Result<T, HistoryError>,
    ) -> Option<T> {
        let mut writer = self.writer.try_lock().ok()?;
        let Writer { connection, seen } = writer.as_mut()?;
        connection.busy_timeout(Duration::ZERO).ok()?;
        let outcome = run(connection, seen);
        connection.busy_timeout(self.busy_timeout).ok()?;
        outcome.ok()
    }
}

/// Closes the connection when it is dropped, also if the thread of the writer panics.
pub(super) struct Closing(pub(super) Arc<SharedWriter>);

impl Drop for Closing {
    fn drop(&mut self) {
        drop(self.0.lock().take());
    }
}
