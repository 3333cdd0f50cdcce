//! The versions of the tables, and the migration of older ones.

use conversant_core::HistoryError;
use rusqlite::{Connection, TransactionBehavior};

use crate::{
    connection::Tables,
    error::{inconsistent, sqlite_error},
    table::{search, session, word_index},
};

/// The tables of a history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schema {
    /// Whether the texts of turns can be searched.
    pub(crate) search: bool,
}

impl Tables for Schema {
    const EXCLUSIVE: bool = true;

    fn check(&self, connection: &Connection) -> Result<(), HistoryError> {
        version(connection).map(drop)
    }

    fn create(&self, connection: &mut Connection) -> Result<(), HistoryError> {
        migrate(connection)?;
        word_index::register(connection)?;
        // The first load reports what is damaged.
        let _ = session::prepare(connection);
        if self.search { search::enable(connection) } else { Ok(()) }
    }

    /// Adds views that show older tables in the form of the present ones.
    fn adapt(&self, connection: &Connection) -> Result<(), HistoryError> {
        let lists = include_str!("schema/lists_as_6.sql");
        let tables_2 = include_str!("schema/2_tables_as_6.sql");
        let views = match version(connection)? {
            1 => &[include_str!("schema/1_as_6.sql"), tables_2, lists][..],
            2 => &[include_str!("schema/2_as_6.sql"), tables_2, lists],
            3 => &[include_str!("schema/3_as_6.sql"), lists],
            4 => &[include_str!("schema/4_as_6.sql")],
            _ => return Ok(()),
        };
        views.iter().try_for_each(|views| connection.execute_batch(views)).map_err(sqlite_error)
    }
}

/// The version that this crate writes.
const VERSION: usize = 6;

/// The tables of a new file.
const TABLES: &str = include_str!("schema/6.sql");

/// The statements that lead from each version to the next, from version 1 on. They never change.
const UPGRADES: [&str; VERSION - 1] = [
    include_str!("schema/1_to_2.sql"),
    include_str!("schema/2_to_3.sql"),
    include_str!("schema/3_to_4.sql"),
    include_str!("schema/4_to_5.sql"),
    include_str!("schema/5_to_6.sql"),
];

/// The `application_id` of the file, set by the first version: `conv` in ASCII.
const APPLICATION_ID: i64 = 0x636f_6e76;

/// Brings the tables up to date, in one transaction.
fn migrate(connection: &mut Connection) -> Result<(), HistoryError> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite_error)?;
    // Another process may have migrated the file meanwhile.
    let statements = match version(&transaction)? {
        0 => &[TABLES][..],
        found => UPGRADES.get(found - 1..).unwrap_or_default(),
    };
    for statements in statements {
        transaction.execute_batch(statements).map_err(sqlite_error)?;
    }
    transaction.pragma_update(None, "user_version", VERSION).map_err(sqlite_error)?;
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
        Ok(version @ 1..) if version <= VERSION => Ok(version),
        Ok(version @ 1..) => {
            Err(HistoryError::SchemaTooNew { found: version as u64, known: VERSION as u64 })
        }
        _ => Err(inconsistent(format!("invalid version `{found}` of the tables"))),
    }
}
