//! Statements that are compiled once for each connection.

use conversant_core::HistoryError;
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

#[cfg(test)]
mod tests;
