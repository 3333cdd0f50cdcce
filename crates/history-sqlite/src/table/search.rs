//! The search of texts, and the begin of its index in a file.

use std::collections::HashSet;

use conversant_core::{HistoryError, SessionId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    branch, session,
    turn_row::branch_of,
    word_index::{follow, up_to},
};
use crate::{
    error::sqlite_error,
    statement::{execute, transaction},
};

/// The place of the last turn in the index if all turns are in it.
const ALL: i64 = i64::MAX;

/// The number of turns that are added to the index in one transaction.
const BATCH: usize = 500;

/// Adds all titles and turns to the index, unless they are in it.
pub(crate) fn enable(connection: &Connection) -> Result<(), HistoryError> {
    while transaction(connection, "BEGIN IMMEDIATE", || enable_further(connection))? != ALL {}
    Ok(())
}

/// Adds some turns to the index, and returns the last place in it.
fn enable_further(connection: &Connection) -> Result<i64, HistoryError> {
    follow(connection, true)?;
    let up_to = match up_to(connection)? {
        Some(ALL) => return Ok(ALL),
        Some(up_to) => up_to,
        None => {
            let statement = "INSERT INTO texts (rowid, text)
                             SELECT -session, value FROM labels WHERE name = ''";
            execute(connection, statement, [])?;
            -1
        }
    };
    // Turns of earlier versions are in other tables.
    let earlier: Option<String> = connection
        .query_row("SELECT id FROM sessions WHERE earlier > 0 LIMIT 1", [], |row| row.get(0))
        .optional()
        .map_err(sqlite_error)?;
    if let Some(Ok(id)) = earlier.map(SessionId::from_stored) {
        set_up_to(connection, up_to)?;
        session::find_whole(connection, &id, None)?;
        return Ok(up_to);
    }
    let statement = "INSERT INTO texts (rowid, text)
                     SELECT place, texts_of(body) FROM turns
                     WHERE place > ?1 ORDER BY place LIMIT ?2";
    let added = execute(connection, statement, params![up_to, BATCH])?;
    let last = "SELECT max(place) FROM (SELECT place FROM turns WHERE place > ?1
                                        ORDER BY place LIMIT ?2)";
    let last: Option<i64> = connection
        .query_row(last, params![up_to, BATCH], |row| row.get(0))
        .map_err(sqlite_error)?;
    let up_to = last.filter(|_| added == BATCH).unwrap_or(ALL);
    set_up_to(connection, up_to)?;
    Ok(up_to)
}

fn set_up_to(connection: &Connection, up_to: i64) -> Result<(), HistoryError> {
    execute(connection, "UPDATE search SET up_to = ?1", [up_to]).map(drop)
}

/// Makes a connection read the index anew. SQLite's check of the file would otherwise compare the
/// file with an index that another connection has changed since.
pub(crate) fn refresh(connection: &Connection) -> Result<(), HistoryError> {
    let select = "SELECT count(*) FROM sqlite_schema WHERE name = 'texts'";
    let has_index = connection.query_row(select, [], |row| row.get(0)).map_err(sqlite_error)?;
    if has_index {
        let select = "SELECT rowid FROM texts WHERE texts MATCH 'a' LIMIT 1";
        connection.query_row(select, [], |_| Ok(())).optional().map_err(sqlite_error)?;
    }
    Ok(())
}

/// Returns the keys of the sessions in which each of some words is, or begins a word.
pub(super) fn sessions<'w>(
    connection: &Connection,
    words: impl Iterator<Item = &'w str>,
) -> Result<HashSet<i64>, HistoryError> {
    if up_to(connection)? != Some(ALL) {
        let what = "text search without `SqliteHistoryBuilder::search`";
        return Err(HistoryError::Unsupported { what });
    }
    let mut found: Option<HashSet<i64>> = None;
    // What has neither letters nor digits is not in the index.
    for word in words.filter(|word| word.contains(char::is_alphanumeric)) {
        let with_word = with_word(connection, word)?;
        found = Some(match found {
            Some(found) => &found & &with_word,
            None => with_word,
        });
    }
    Ok(found.unwrap_or_default())
}

fn with_word(connection: &Connection, word: &str) -> Result<HashSet<i64>, HistoryError> {
    let query = format!("\"{}\" *", word.replace('"', "\"\""));
    let mut select = connection
        .prepare_cached("SELECT rowid FROM texts WHERE texts MATCH ?1 ORDER BY rowid")
        .map_err(sqlite_error)?;
    let mut rows = select.query([query]).map_err(sqlite_error)?;
    let (mut sessions, mut last) = (HashSet::new(), None);
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        let place: i64 = row.get(0).map_err(sqlite_error)?;
        if place < 0 {
            sessions.insert(-place);
            continue;
        }
        let (branch, number) = branch_of(place);
        // Sessions that share a later turn of a branch share this one too.
        if last != Some(branch) {
            branch::sessions_with(connection, branch, number, &mut sessions)?;
            last = Some(branch);
        }
    }
    Ok(sessions)
}
