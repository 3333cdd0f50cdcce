//! The tables, and how older ones become them.

use conversant_core::HistoryError;
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    connection::Tables,
    failure::{failure, wrong},
};

/// The tables of a history.
pub(crate) struct Schema;

impl Tables for Schema {
    const IS_OURS: bool = true;

    fn check(&self, connection: &Connection) -> Result<(), HistoryError> {
        version(connection).map(drop)
    }

    fn make(&self, connection: &mut Connection) -> Result<(), HistoryError> {
        make(connection)
    }
}

/// What each version of the tables changes of the one before. A version that was released never changes.
const VERSIONS: &[&str] = &[include_str!("schema/1.sql")];

/// Brings the tables up to date, all of it or none.
fn make(connection: &mut Connection) -> Result<(), HistoryError> {
    // Whoever reads only waits for nobody.
    if version(connection)? == VERSIONS.len() {
        return Ok(());
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failure)?;
    // Another process may have been first.
    let found = version(&transaction)?;
    for (number, change) in VERSIONS.iter().enumerate().skip(found) {
        transaction.execute_batch(change).map_err(failure)?;
        transaction.pragma_update(None, "user_version", number + 1).map_err(failure)?;
    }
    transaction.commit().map_err(failure)
}

/// Returns the version of the tables that are there: 0 if there are none.
fn version(connection: &Connection) -> Result<usize, HistoryError> {
    let ask = |pragma| {
        connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(failure)
    };
    let (found, program) = (ask("user_version")?, ask("application_id")?);
    if program != APPLICATION {
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failure)?;
        if (found, program, tables) == (0, 0, 0) {
            return Ok(0);
        }
        return Err(wrong("the database is another program's"));
    }
    match usize::try_from(found) {
        Ok(version @ 1..) if version <= VERSIONS.len() => Ok(version),
        Ok(version @ 1..) => {
            Err(HistoryError::SchemaTooNew { found: version as u64, known: VERSIONS.len() as u64 })
        }
        _ => Err(wrong("the version of the tables is none")),
    }
}

/// By what SQLite files tell whose they are: `conv` in ASCII, set by the first version of the tables.
const APPLICATION: i64 = 0x636f_6e76;
