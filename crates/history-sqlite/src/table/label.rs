//! The labels of sessions. A title is the label with the empty name.

use std::collections::BTreeMap;

use conversant_core::{HistoryError, SessionInfo};
use rusqlite::{Connection, params};

use super::session_row::Session;
use crate::{
    checksum::Checksum,
    error::{inconsistent, row_error, sqlite_error},
    statement::execute,
};

/// The name of the label that is the title.
pub(super) const TITLE: &str = "";

/// Returns the checksum of a row. It is the same for each session, so that a fork copies rows.
fn checksum(name: &str, value: &str) -> i64 {
    Checksum::default().bytes(name.as_bytes()).bytes(value.as_bytes()).finish()
}

/// Sets a label.
pub(super) fn set(
    connection: &Connection,
    session: &Session,
    name: &str,
    value: &str,
) -> Result<(), HistoryError> {
    // Replacing a row would not remove its words.
    remove(connection, session, name)?;
    let statement = "INSERT INTO labels (session, name, value, sum) VALUES (?1, ?2, ?3, ?4)";
    execute(connection, statement, params![session.key, name, value, checksum(name, value)])?;
    let limit = SessionInfo::MAX_LABELS;
    if name != TITLE && count(connection, session)? > limit {
        return Err(HistoryError::TooManyLabels { limit });
    }
    Ok(())
}

fn count(connection: &Connection, session: &Session) -> Result<usize, HistoryError> {
    connection
        .prepare_cached("SELECT count(*) FROM labels WHERE session = ?1 AND name <> ''")
        .and_then(|mut select| select.query_row([session.key], |row| row.get(0)))
        .map_err(sqlite_error)
}

/// Returns whether a session has a title or labels.
pub(super) fn is_any(connection: &Connection, session: &Session) -> Result<bool, HistoryError> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM labels WHERE session = ?1)")
        .and_then(|mut select| select.query_row([session.key], |row| row.get(0)))
        .map_err(sqlite_error)
}

/// Removes a label, if it is set.
pub(super) fn remove(
    connection: &Connection,
    session: &Session,
    name: &str,
) -> Result<(), HistoryError> {
    let statement = "DELETE FROM labels WHERE session = ?1 AND name = ?2";
    execute(connection, statement, params![session.key, name]).map(drop)
}

/// Gives a session the labels of another one, without its title. Those that it has stay.
pub(super) fn copy(
    connection: &Connection,
    from: &Session,
    to: &Session,
) -> Result<(), HistoryError> {
    let statement = "INSERT OR IGNORE INTO labels (session, name, value, sum)
                     SELECT ?2, name, value, sum FROM labels
                     WHERE session = ?1 AND name <> '' AND session <> ?2";
    execute(connection, statement, params![from.key, to.key]).map(drop)
}

/// Loads the title and the labels of a session.
pub(super) fn load(
    connection: &Connection,
    session: &Session,
) -> Result<(Option<String>, BTreeMap<String, String>), HistoryError> {
    let select = "SELECT name, value, sum FROM labels WHERE session = ?1";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows = select.query_map([session.key], read).map_err(sqlite_error)?;
    let mut labels = BTreeMap::new();
    for row in rows {
        let (name, value, sum): (String, String, i64) =
            row.map_err(|error| row_error(error, || "the title or a label is damaged".to_owned()))?;
        if checksum(&name, &value) != sum {
            return Err(inconsistent("the title or a label is damaged"));
        }
        labels.insert(name, value);
    }
    Ok((labels.remove(TITLE), labels))
}
