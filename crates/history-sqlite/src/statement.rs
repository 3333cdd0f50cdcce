//! Statements that are compiled once for each connection.

use std::panic::{AssertUnwindSafe, catch_unwind};

use conversant_core::HistoryError;
use conversant_history::WorkerError;
use futures_channel::oneshot::Sender;
use rusqlite::{Connection, Params};

use crate::error::sqlite_error;

/// Executes a statement that returns no rows, and returns the number of rows it has changed.
pub(crate) fn execute(
    connection: &Connection,
    statement: &str,
    params: impl Params,
) -> Result<usize, HistoryError> {
    let changed =
        connection.prepare_cached(statement).and_then(|mut cached| cached.execute(params));
    changed.map_err(sqlite_error)
}

/// Runs a transaction, which is rolled back if `run` returns an error.
pub(crate) fn transaction<T>(
    connection: &Connection,
    begin: &str,
    run: impl FnOnce() -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    execute(connection, begin, [])?;
    let outcome = run().and_then(|returned| {
        execute(connection, "COMMIT", [])?;
        Ok(returned)
    });
    // After some errors, SQLite has rolled back already.
    if outcome.is_err() && !connection.is_autocommit() {
        let _ = execute(connection, "ROLLBACK", []);
    }
    outcome
}

/// Runs an operation on a connection. If it panics, its transaction is rolled back, and the
/// connection can be used again.
pub(crate) fn caught<T>(
    connection: &mut Connection,
    run: impl FnOnce(&mut Connection) -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(connection)));
    outcome.unwrap_or_else(|_| {
        if !connection.is_autocommit() {
            let _ = execute(connection, "ROLLBACK", []);
        }
        Err(WorkerError::Panicked.into())
    })
}

/// Sends an operation's outcome to its caller, who may have given up. The waker is the caller's: it
/// may panic, which is not to end a thread of the store.
pub(crate) fn reply<T>(to: Sender<T>, outcome: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(to.send(outcome))));
}

#[cfg(test)]
mod tests;
