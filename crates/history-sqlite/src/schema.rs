//! The versions of the tables, and the migration of older ones.

use conversant_core::HistoryError;
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    connection::Tables,
    error::{inconsistent, sqlite_error},
};

/// The tables of a history.
pub(crate) struct Schema;

impl Tables for Schema {
    const EXCLUSIVE: bool = true;

    fn check(&self, connection: &Connection) -> Result<(), HistoryError> {
        version(connection).map(drop)
    }

    fn create(&self, connection: &mut Connection) -> Result<(), HistoryError> {
        migrate(connection)
    }

    /// Adds views with the columns that a later version has added, in front of the tables.
    fn adapt(&self, connection: &Connection) -> Result<(), HistoryError> {
        if version(connection)? == 1 {
            connection.execute_batch(include_str!("schema/1_as_2.sql")).map_err(sqlite_error)?;
        }
        Ok(())
    }
}

/// The statements that lead from each version to the next. A released version never changes.
const VERSIONS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The `application_id` of the file, set by the first version: `conv` in ASCII.
const APPLICATION_ID: i64 = 0x636f_6e76;

/// Brings the tables up to date, in one transaction.
fn migrate(connection: &mut Connection) -> Result<(), HistoryError> {
    if version(connection)? == VERSIONS.len() {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite_error)?;
    // Another process may have migrated the file meanwhile.
    let found = version(&transaction)?;
    for (number, statements) in VERSIONS.iter().enumerate().skip(found) {
        transaction.execute_batch(statements).map_err(sqlite_error)?;
        transaction.pragma_update(None, "user_version", number + 1).map_err(sqlite_error)?;
    }
    transaction.commit().map_err(sqlite_error)
}

/// Returns the version of the tables, or 0 if the database is empty.
fn version(connection: &Connection) -> Result<usize, HistoryError> {
    let read = |pragma| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(sqlite_error)
    };
    let (found, application) = (read("user_version")?, read("application_id")?);
    if application != APPLICATION_ID {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(sqlite_error)?;
        if (found, application, tables) == (0, 0, 0) {
            return Ok(0);
        }
        return Err(inconsistent("the database belongs to another program"));
    }
    match usize::try_from(found) {
        Ok(version @ 1..) if version <= VERSIONS.len() => Ok(version),
        Ok(version @ 1..) => {
            Err(HistoryError::SchemaTooNew { found: version as u64, known: VERSIONS.len() as u64 })
        }
        _ => Err(inconsistent(format!("invalid version `{found}` of the tables"))),
    }
}
