//! Statements on LangChain's table.

use std::{collections::HashSet, sync::Arc};

use conversant_core::{
    BytesLeft, Expect, HistoryError, Message, Range, SessionId, Slice, Turn, TurnId, Version,
};
use conversant_history::langchain::{Row, turns};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    checksum::hash,
    error::{corrupt, inconsistent, sqlite_error},
};

/// A table of LangChain.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    name: Arc<str>,
    /// The name, quoted for a statement.
    quoted: Arc<str>,
    /// Whether the table is created if it is missing.
    pub(super) creates: bool,
}

/// A turn to append, as rows.
pub(super) struct NewTurn {
    pub(super) turn: Turn,
    pub(super) bodies: Vec<String>,
}

impl Rows {
    pub(super) fn new(name: &str, creates: bool) -> Result<Self, HistoryError> {
        if name.is_empty() || name.contains('\0') || name.starts_with("sqlite_") {
            return Err(HistoryError::Unsupported { what: "a table of this name" });
        }
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        Ok(Self { name: name.into(), quoted: quoted.into(), creates })
    }

    /// Returns the names of the table's columns, or `None` if the table does not exist.
    pub(super) fn columns(
        &self,
        connection: &Connection,
    ) -> Result<Option<HashSet<String>>, HistoryError> {
        let columns: HashSet<String> = connection
            .prepare("SELECT name FROM pragma_table_info(?1)")
            .and_then(|mut select| select.query_map([&self.name], |row| row.get(0))?.collect())
            .map_err(sqlite_error)?;
        Ok(Some(columns).filter(|columns| !columns.is_empty()))
    }

    /// Creates the table as LangChain 0.1.20 does (`sql.py::create_message_model`).
    pub(super) fn create_table(&self, connection: &Connection) -> Result<(), HistoryError> {
        let statement = format!(
            "CREATE TABLE IF NOT EXISTS {} (
                id INTEGER NOT NULL,
                session_id TEXT,
                message TEXT,
                PRIMARY KEY (id)
            )",
            self.quoted
        );
        connection.execute_batch(&statement).map_err(sqlite_error)
    }

    /// Returns the error for a table that is missing, with the names of those that may be meant.
    pub(super) fn missing(&self, connection: &Connection) -> Result<HistoryError, HistoryError> {
        let select = "SELECT name FROM sqlite_master WHERE type = 'table' AND 3 = (
                SELECT count(*) FROM pragma_table_info(sqlite_master.name) AS column
                WHERE column.name IN ('id', 'session_id', 'message')
            ) ORDER BY name LIMIT 10";
        let others: Vec<String> = connection
            .prepare(select)
            .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
            .map_err(sqlite_error)?;
        let others = match others.as_slice() {
            [] => "no other table has LangChain's columns".to_owned(),
            others => format!("LangChain's columns are in `{}`", others.join("`, `")),
        };
        Ok(inconsistent(format!("the table `{}` does not exist; {others}", self.name)))
    }

    /// Returns whether an index of all rows begins with the session.
    pub(super) fn has_index(&self, connection: &Connection) -> Result<bool, HistoryError> {
        let select = "SELECT count(*) > 0 FROM pragma_index_list(?1) AS list
            WHERE list.\"partial\" = 0 AND 'session_id' = (
                SELECT info.name FROM pragma_index_info(list.name) AS info WHERE info.seqno = 0
            )";
        connection.query_row(select, [&self.name], |row| row.get(0)).map_err(sqlite_error)
    }

    pub(super) fn add_index(&self, connection: &Connection) -> Result<(), HistoryError> {
        let name = format!("\"{}_by_session\"", self.name.replace('"', "\"\""));
        let statement =
            format!("CREATE INDEX IF NOT EXISTS {name} ON {} (session_id, id)", self.quoted);
        connection.execute_batch(&statement).map_err(sqlite_error)
    }

    pub(super) fn load(
        &self,
        connection: &Connection,
        session: &SessionId,
        range: Range,
    ) -> Result<Slice, HistoryError> {
        let version = self.version(connection, session)?;
        let mut rows = match range {
            Range::LastTurns(count) => self.last(connection, session, ALL, last_turns(count))?,
            Range::LastBytes(bytes) => {
                let mut left = BytesLeft::new(bytes);
                self.last(connection, session, ALL, |row, _| Ok(left.takes(row.bytes())))?
            }
            _ => {
                let start = self.start(connection, session, range, version)?;
                self.last_rows(connection, session, version.messages - start)?
            }
        };
        rows.reverse();
        let messages: Vec<_> = rows.into_iter().map(Row::into_message).collect();
        Ok(Slice::new(messages, version))
    }

    /// Returns the position of the first message of a range that does not depend on the rows.
    fn start(
        &self,
        connection: &Connection,
        session: &SessionId,
        range: Range,
        version: Version,
    ) -> Result<u64, HistoryError> {
        match range {
            Range::After(seen) if self.follows(connection, session, seen, version)? => {
                Ok(seen.messages.min(version.messages))
            }
            Range::All | Range::After(_) => Ok(0),
            Range::LastMessages(count) => Ok(version.messages.saturating_sub(count as u64)),
            _ => Err(HistoryError::Unsupported { what: "this range" }),
        }
    }

    /// Loads the session's first messages, at most `count`.
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
        let mut select = connection.prepare_cached(&select).map_err(sqlite_error)?;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let mut found = select.query(params![session.as_str(), limit]).map_err(sqlite_error)?;
        let mut messages = Vec::new();
        while let Some(row) = found.next().map_err(sqlite_error)? {
            messages.push(read(row, session)?.1.into_message());
        }
        Ok(messages)
    }

    /// Loads the turns that begin in a range.
    pub(super) fn turns(
        &self,
        connection: &Connection,
        session: &SessionId,
        range: Range,
    ) -> Result<Vec<Turn>, HistoryError> {
        let count = self.load(connection, session, range)?.messages.len();
        let mut left = count;
        // Back to the row with which the turn of the range's first message starts.
        let mut rows = self.last(connection, session, ALL, |row, later| {
            let is_within =
                left > 0 || (count > 0 && later.is_some_and(|later| !later.begins_turn_after(row)));
            left = left.saturating_sub(1);
            Ok(is_within)
        })?;
        rows.reverse();
        // The first turn of more rows than the range has begins before it.
        Ok(turns(&rows).into_iter().skip(usize::from(rows.len() > count)).collect())
    }

    /// Appends a turn's rows, unless they are stored already or the session is not in the expected
    /// state.
    pub(super) fn append(
        &self,
        connection: &Connection,
        session: &SessionId,
        turn: &NewTurn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let id = turn.turn.id();
        let version = self.version(connection, session)?;
        if let Some(row) = self.last_of(connection, session, id)? {
            let is_of_turn = |row: &Row, _: Option<&Row>| Ok(row.turn_id() == Some(id));
            let mut rows = self.last(connection, session, row, is_of_turn)?;
            rows.reverse();
            turns(&rows).iter().try_for_each(|stored| turn.turn.check_stored(stored))?;
            let messages = self.count(connection, session, row)?;
            return Ok(Version::new(version.epoch, messages).with_tip(id.fingerprint()));
        }
        expect.check(version)?;
        if let Some(expected) = expect.version()
            && !self.follows(connection, session, expected, version)?
        {
            return Err(HistoryError::Stale { expected, current: version });
        }
        let statement =
            format!("INSERT INTO {} (session_id, message) VALUES (?1, ?2)", self.quoted);
        let mut insert = connection.prepare_cached(&statement).map_err(sqlite_error)?;
        for body in &turn.bodies {
            insert.execute(params![session.as_str(), body]).map_err(sqlite_error)?;
        }
        let tip = if turn.bodies.is_empty() { version.tip } else { id.fingerprint() };
        let messages = version.messages + turn.bodies.len() as u64;
        Ok(Version::new(version.epoch, messages).with_tip(tip))
    }

    /// Removes the session's rows and starts a new epoch.
    pub(super) fn clear(
        &self,
        connection: &Connection,
        session: &SessionId,
    ) -> Result<(), HistoryError> {
        let epoch = self.epoch(connection, session)?.saturating_add(1);
        let statement = format!("DELETE FROM {} WHERE session_id = ?1", self.quoted);
        connection.execute(&statement, [session.as_str()]).map_err(sqlite_error)?;
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS conversant_epochs (
                    hash INTEGER PRIMARY KEY,
                    epoch INTEGER NOT NULL
                )",
            )
            .map_err(sqlite_error)?;
        let statement = "INSERT OR REPLACE INTO conversant_epochs (hash, epoch) VALUES (?1, ?2)";
        let row = params![self.epoch_key(session), epoch];
        connection.execute(statement, row).map(drop).map_err(sqlite_error)
    }

    /// Lists at most `limit` sessions, in order, after a session if one is given. Rows without a
    /// session are skipped.
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
            .map_err(sqlite_error)?;
        let id = |name: String| {
            SessionId::from_stored(name).map_err(|error| corrupt("invalid session id", error))
        };
        names.into_iter().map(id).collect()
    }

    fn version(
        &self,
        connection: &Connection,
        session: &SessionId,
    ) -> Result<Version, HistoryError> {
        let messages = self.count(connection, session, ALL)?;
        let tip = self.tip(connection, session, ALL)?;
        Ok(Version::new(self.epoch(connection, session)?, messages).with_tip(tip))
    }

    /// Returns whether the session's conversation continues from a version: it has the same epoch
    /// and, if the version's tip is known, the same turn there.
    fn follows(
        &self,
        connection: &Connection,
        session: &SessionId,
        version: Version,
        current: Version,
    ) -> Result<bool, HistoryError> {
        if version.epoch != current.epoch {
            return Ok(false);
        }
        if version.tip == 0 || version.messages >= current.messages {
            return Ok(version.tip == 0 || version == current);
        }
        let select = format!(
            "SELECT id FROM {} WHERE session_id = ?1 ORDER BY id LIMIT 1 OFFSET ?2",
            self.quoted
        );
        let offset = version.messages.saturating_sub(1);
        let row = connection
            .prepare_cached(&select)
            .and_then(|mut select| {
                select.query_row(params![session.as_str(), offset], |row| row.get(0)).optional()
            })
            .map_err(sqlite_error)?;
        match row {
            Some(row) => Ok(self.tip(connection, session, row)? == version.tip),
            None => Ok(false),
        }
    }

    /// Returns the tip of a version that ends with the row `until`, or with the last row before it;
    /// 0 if there is none.
    fn tip(
        &self,
        connection: &Connection,
        session: &SessionId,
        until: i64,
    ) -> Result<u64, HistoryError> {
        let last = self.last(connection, session, until, |_, later| Ok(later.is_none()))?;
        Ok(last.first().map_or(0, Row::tip))
    }

    /// Returns the number of rows of a session up to the row `until`.
    fn count(
        &self,
        connection: &Connection,
        session: &SessionId,
        until: i64,
    ) -> Result<u64, HistoryError> {
        let select =
            format!("SELECT count(*) FROM {} WHERE session_id = ?1 AND id <= ?2", self.quoted);
        connection
            .prepare_cached(&select)
            .and_then(|mut select| {
                select.query_row(params![session.as_str(), until], |row| row.get(0))
            })
            .map_err(sqlite_error)
    }

    /// Returns how many times this crate has cleared a session. Python leaves no trace of clearing.
    fn epoch(&self, connection: &Connection, session: &SessionId) -> Result<u64, HistoryError> {
        let is_there: bool = connection
            .prepare_cached(
                "SELECT count(*) > 0 FROM sqlite_master WHERE name = 'conversant_epochs'",
            )
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(sqlite_error)?;
        if !is_there {
            return Ok(0);
        }
        connection
            .prepare_cached("SELECT epoch FROM conversant_epochs WHERE hash = ?1")
            .and_then(|mut select| {
                select.query_row([self.epoch_key(session)], |row| row.get(0)).optional()
            })
            .map(Option::unwrap_or_default)
            .map_err(sqlite_error)
    }

    /// Returns a hash of the table and the session, so that tables do not share epochs.
    fn epoch_key(&self, session: &SessionId) -> i64 {
        hash(&format!("{}\0{session}", self.name))
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
        let mut select = connection.prepare_cached(&select).map_err(sqlite_error)?;
        let mut found =
            select.query(params![session.as_str(), turn.to_string()]).map_err(sqlite_error)?;
        while let Some(row) = found.next().map_err(sqlite_error)? {
            let (id, row) = read(row, session)?;
            // A message whose text contains the id is not a message of the turn.
            if row.turn_id() == Some(turn) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// Returns the last `count` rows, newest first.
    fn last_rows(
        &self,
        connection: &Connection,
        session: &SessionId,
        count: u64,
    ) -> Result<Vec<Row>, HistoryError> {
        let mut left = count;
        self.last(connection, session, ALL, |_, _| {
            let is_within = left > 0;
            left = left.saturating_sub(1);
            Ok(is_within)
        })
    }

    /// Returns the rows from the row `until` backwards, until `wanted` returns `false` for a row
    /// and the one after it.
    fn last(
        &self,
        connection: &Connection,
        session: &SessionId,
        until: i64,
        mut wanted: impl FnMut(&Row, Option<&Row>) -> Result<bool, HistoryError>,
    ) -> Result<Vec<Row>, HistoryError> {
        let select = format!(
            "SELECT id, message FROM {} WHERE session_id = ?1 AND id <= ?2 ORDER BY id DESC",
            self.quoted
        );
        let mut select = connection.prepare_cached(&select).map_err(sqlite_error)?;
        let mut found = select.query(params![session.as_str(), until]).map_err(sqlite_error)?;
        let mut rows: Vec<Row> = Vec::new();
        while let Some(row) = found.next().map_err(sqlite_error)? {
            let (_, row) = read(row, session)?;
            if !wanted(&row, rows.last())? {
                break;
            }
            rows.push(row);
        }
        Ok(rows)
    }
}

/// The number of the last row that a table can have.
const ALL: i64 = i64::MAX;

/// Returns a function that wants the rows of the last `count` turns.
fn last_turns(count: usize) -> impl FnMut(&Row, Option<&Row>) -> Result<bool, HistoryError> {
    let mut left = count;
    move |row, later| {
        if later.is_none_or(|later| later.begins_turn_after(row)) {
            match left.checked_sub(1) {
                Some(rest) => left = rest,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Reads a row of `id, message`, with its id.
fn read(row: &rusqlite::Row<'_>, session: &SessionId) -> Result<(i64, Row), HistoryError> {
    let id = row.get(0).map_err(sqlite_error)?;
    let body = row.get_ref(1).map_err(sqlite_error)?;
    let invalid = |error| corrupt(format!("cannot decode row {id}"), error);
    let body = body.as_str().map_err(invalid)?;
    let row = Row::decode(body, format_args!("row {id}"), || foreign_turn_id(id, session, body))?;
    Ok((id, row))
}

/// Returns the id of a turn that starts with a row which Python wrote. Copies may be stored under
/// it, so it never changes.
fn foreign_turn_id(row: i64, session: &SessionId, body: &str) -> TurnId {
    let place = hash(&format!("{row}\n{session}")).cast_unsigned();
    TurnId::from_u128(u128::from(place) << 64 | u128::from(hash(body).cast_unsigned()))
}
