//! The statements on LangChain's table.

use std::{collections::HashSet, sync::Arc};

use conversant_core::{
    Expect, HistoryError, Message, Range, SessionId, Slice, Turn, TurnId, Version,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::row::Row;
use crate::{
    failure::{corrupt, failure},
    sum,
};

/// A table of LangChain's.
#[derive(Clone)]
pub(super) struct Rows {
    name: Arc<str>,
    /// The name as it stands in a statement.
    quoted: Arc<str>,
}

/// A turn that is to be appended, as rows.
pub(super) struct NewTurn {
    pub(super) id: TurnId,
    pub(super) bodies: Vec<String>,
}

impl Rows {
    pub(super) fn new(name: &str) -> Result<Self, HistoryError> {
        if name.is_empty() || name.contains('\0') || name.starts_with("sqlite_") {
            return Err(HistoryError::Unsupported { what: "a table of this name" });
        }
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        Ok(Self { name: name.into(), quoted: quoted.into() })
    }

    /// Returns the names of the table's columns, if there is such a table.
    pub(super) fn columns(
        &self,
        connection: &Connection,
    ) -> Result<Option<HashSet<String>>, HistoryError> {
        let columns: HashSet<String> = connection
            .prepare("SELECT name FROM pragma_table_info(?1)")
            .and_then(|mut select| select.query_map([&self.name], |row| row.get(0))?.collect())
            .map_err(failure)?;
        Ok(Some(columns).filter(|columns| !columns.is_empty()))
    }

    /// Makes the table as LangChain does.
    pub(super) fn create(&self, connection: &Connection) -> Result<(), HistoryError> {
        let statement = format!(
            "CREATE TABLE IF NOT EXISTS {} (
                id INTEGER NOT NULL,
                session_id TEXT,
                message TEXT,
                PRIMARY KEY (id)
            )",
            self.quoted
        );
        connection.execute_batch(&statement).map_err(failure)
    }

    pub(super) fn add_index(&self, connection: &Connection) -> Result<(), HistoryError> {
        let name = format!("\"{}_by_session\"", self.name.replace('"', "\"\""));
        let statement =
            format!("CREATE INDEX IF NOT EXISTS {name} ON {} (session_id, id)", self.quoted);
        connection.execute_batch(&statement).map_err(failure)
    }

    pub(super) fn load(
        &self,
        connection: &Connection,
        session: &SessionId,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let version = self.version(connection, session)?;
        let messages = match range {
            Range::LastTurns(count) => {
                let found = self.last(connection, session, turns(count))?;
                found.into_iter().map(|row| row.message).collect()
            }
            Range::LastBytes(bytes) => {
                let mut left = bytes;
                let found = self.last(connection, session, |row, _| {
                    let rest = left.checked_sub(row.bytes()?);
                    Ok(rest.inspect(|&rest| left = rest).is_some())
                })?;
                found.into_iter().map(|row| row.message).collect()
            }
            _ => {
                let count = version.messages - start(range, version)?;
                self.last_rows(connection, session, count)?
                    .into_iter()
                    .map(|row| row.message)
                    .collect()
            }
        };
        Ok(Slice::new(messages_in_order(messages), version))
    }

    /// Loads the messages that a session begins with.
    pub(super) fn first(
        &self,
        connection: &Connection,
        session: &SessionId,
        count: usize,
    ) -> Result<Vec<Message>, HistoryError> {
        let select = format!(
            "SELECT id, message FROM {} WHERE session_id = ?1 ORDER BY id LIMIT ?2",
            self.quoted
        );
        let mut select = connection.prepare_cached(&select).map_err(failure)?;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let mut found = select.query(params![session.as_str(), limit]).map_err(failure)?;
        let mut messages = Vec::new();
        while let Some(row) = found.next().map_err(failure)? {
            messages.push(read(row)?.message);
        }
        Ok(messages)
    }

    /// Loads the turns that have messages in a range, whole.
    pub(super) fn turns(
        &self,
        connection: &Connection,
        session: &SessionId,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let count = self.load(connection, session, range)?.messages.len();
        let mut left = count;
        // Back to the row at which the turn of the range's first message begins.
        let found = self.last(connection, session, |row, later| {
            let is_within =
                left > 0 || (count > 0 && later.is_some_and(|later| !later.begins_after(row)));
            left = left.saturating_sub(1);
            Ok(is_within)
        })?;
        let mut turns = Vec::new();
        let mut messages = Vec::new();
        // From the last row backwards: a turn is done when the row is found at which it begins.
        let mut rows = found.into_iter().peekable();
        while let Some(row) = rows.next() {
            messages.push(row.message.clone());
            if rows.peek().is_none_or(|before| row.begins_after(before)) {
                messages.reverse();
                turns.push(row.turn(session, std::mem::take(&mut messages)));
            }
        }
        turns.reverse();
        Ok(turns)
    }

    /// Appends a turn's rows, if they are not there and the session is as expected.
    pub(super) fn append(
        &self,
        connection: &Connection,
        session: &SessionId,
        turn: &NewTurn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.version(connection, session)?;
        if let Some(row) = self.last_of(connection, session, turn.id)? {
            return Ok(Version::new(version.epoch, self.count(connection, session, row)?));
        }
        expect.check(version)?;
        let statement =
            format!("INSERT INTO {} (session_id, message) VALUES (?1, ?2)", self.quoted);
        let mut insert = connection.prepare_cached(&statement).map_err(failure)?;
        for body in &turn.bodies {
            insert.execute(params![session.as_str(), body]).map_err(failure)?;
        }
        Ok(Version::new(version.epoch, version.messages + turn.bodies.len() as u64))
    }

    /// Removes the session's rows and starts a new epoch.
    pub(super) fn clear(
        &self,
        connection: &Connection,
        session: &SessionId,
    ) -> Result<(), HistoryError> {
        let epoch = self.epoch(connection, session)?.saturating_add(1);
        let statement = format!("DELETE FROM {} WHERE session_id = ?1", self.quoted);
        connection.execute(&statement, [session.as_str()]).map_err(failure)?;
        connection
            .execute_batch("CREATE TABLE IF NOT EXISTS conversant_epochs (hash INTEGER PRIMARY KEY, epoch INTEGER NOT NULL)")
            .map_err(failure)?;
        let statement = "INSERT OR REPLACE INTO conversant_epochs (hash, epoch) VALUES (?1, ?2)";
        let row = params![self.hash(session), epoch];
        connection.execute(statement, row).map(drop).map_err(failure)
    }

    /// Lists the sessions after one, at most so many. Rows without a session are nobody's.
    pub(super) fn sessions(
        &self,
        connection: &Connection,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let select = format!(
            "SELECT DISTINCT session_id FROM {} WHERE session_id > ?1 ORDER BY session_id LIMIT ?2",
            self.quoted
        );
        let after = after.map_or("", SessionId::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let names: Vec<String> = connection
            .prepare_cached(&select)
            .and_then(|mut select| {
                select.query_map(params![after, limit], |row| row.get(0))?.collect()
            })
            .map_err(failure)?;
        let id = |name: String| {
            SessionId::new(name).map_err(|error| corrupt("the id of a session is none", error))
        };
        names.into_iter().map(id).collect()
    }

    fn version(
        &self,
        connection: &Connection,
        session: &SessionId,
    ) -> Result<Version, HistoryError> {
        let messages = self.count(connection, session, i64::MAX)?;
        Ok(Version::new(self.epoch(connection, session)?, messages))
    }

    /// Returns how many rows a session has up to one.
    fn count(
        &self,
        connection: &Connection,
        session: &SessionId,
        row: i64,
    ) -> Result<u64, HistoryError> {
        let select =
            format!("SELECT count(*) FROM {} WHERE session_id = ?1 AND id <= ?2", self.quoted);
        connection
            .prepare_cached(&select)
            .and_then(|mut select| {
                select.query_row(params![session.as_str(), row], |row| row.get(0))
            })
            .map_err(failure)
    }

    /// Returns how often this crate has cleared a session. (Python leaves no trace of it.)
    fn epoch(&self, connection: &Connection, session: &SessionId) -> Result<u64, HistoryError> {
        let is_there: bool = connection
            .prepare_cached(
                "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'conversant_epochs'",
            )
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(failure)?;
        if !is_there {
            return Ok(0);
        }
        connection
            .prepare_cached("SELECT epoch FROM conversant_epochs WHERE hash = ?1")
            .and_then(|mut select| {
                select.query_row([self.hash(session)], |row| row.get(0)).optional()
            })
            .map(Option::unwrap_or_default)
            .map_err(failure)
    }

    /// Of the session and the table, so that tables don't share epochs.
    fn hash(&self, session: &SessionId) -> i64 {
        sum::hash(&format!("{}\0{session}", self.name))
    }

    /// Returns the last row of a turn.
    fn last_of(
        &self,
        connection: &Connection,
        session: &SessionId,
        turn: TurnId,
    ) -> Result<Option<i64>, HistoryError> {
        let select = format!(
            "SELECT id, message FROM {} WHERE session_id = ?1 AND instr(message, ?2) > 0 ORDER BY id DESC",
            self.quoted
        );
        let mut select = connection.prepare_cached(&select).map_err(failure)?;
        let mut found =
            select.query(params![session.as_str(), turn.to_string()]).map_err(failure)?;
        while let Some(row) = found.next().map_err(failure)? {
            let row = read(row)?;
            // That a message names a turn makes it none of the turn's.
            if row.turn == Some(turn) {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }

    /// Returns the last so many rows, the last one first.
    fn last_rows(
        &self,
        connection: &Connection,
        session: &SessionId,
        count: u64,
    ) -> Result<Vec<Row>, HistoryError> {
        let mut left = count;
        self.last(connection, session, |_, _| {
            let is_within = left > 0;
            left = left.saturating_sub(1);
            Ok(is_within)
        })
    }

    /// Returns the rows from the last one backwards, for as long as they are wanted. What is asked is told the row and the one after it.
    fn last(
        &self,
        connection: &Connection,
        session: &SessionId,
        mut wanted: impl FnMut(&Row, Option<&Row>) -> Result<bool, HistoryError>,
    ) -> Result<Vec<Row>, HistoryError> {
        let select = format!(
            "SELECT id, message FROM {} WHERE session_id = ?1 ORDER BY id DESC",
            self.quoted
        );
        let mut select = connection.prepare_cached(&select).map_err(failure)?;
        let mut found = select.query([session.as_str()]).map_err(failure)?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(row) = found.next().map_err(failure)? {
            let row = read(row)?;
            if !wanted(&row, rows.last())? {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

/// Wants the rows of the last so many turns.
fn turns(count: usize) -> impl FnMut(&Row, Option<&Row>) -> Result<bool, HistoryError> {
    let mut left = count;
    move |row, later| {
        if later.is_none_or(|later| later.begins_after(row)) {
            match left.checked_sub(1) {
                Some(rest) => left = rest,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

fn messages_in_order(mut backwards: Vec<Message>) -> Vec<Message> {
    backwards.reverse();
    backwards
}

/// Returns the number of the message at which a range begins that needs no look at the rows.
fn start(range: Range, version: Version) -> Result<u64, HistoryError> {
    match range {
        Range::After(seen) if seen.epoch == version.epoch => {
            Ok(seen.messages.min(version.messages))
        }
        Range::All | Range::After(_) => Ok(0),
        Range::LastMessages(count) => Ok(version.messages.saturating_sub(count as u64)),
        _ => Err(HistoryError::Unsupported { what: "this range" }),
    }
}

fn read(row: &rusqlite::Row<'_>) -> Result<Row, HistoryError> {
    let id = row.get("id").map_err(failure)?;
    let unreadable = |error| corrupt(format!("row {id} can't be read"), error);
    let body = row.get_ref("message").map_err(failure)?;
    Row::decode(id, body.as_str().map_err(unreadable)?)
}
