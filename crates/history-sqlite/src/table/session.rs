//! The row of a session: its version and its length.

use conversant_core::{HistoryError, SessionId, TurnId, Version};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::now;
use crate::{
    checksum::{Checksum, hash},
    error::{corrupt, inconsistent, sqlite_error},
    statement::execute,
};

/// A session that is stored.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) key: i64,
    pub(crate) version: Version,
    /// The number of turns since it was last cleared.
    pub(super) turns: u64,
    /// The time of the last append.
    pub(super) written: i64,
}

/// A session as its callers see it.
pub(crate) struct Found {
    /// `None` if it was never written or has expired.
    pub(crate) session: Option<Session>,
    pub(crate) version: Version,
    /// The rows that an expired session still has.
    expired: Option<Session>,
}

impl Session {
    /// Reads a row of `id, key, epoch, messages, turns, written, sum`, with its id and its
    /// checksum.
    fn read(row: &Row<'_>) -> rusqlite::Result<(String, Self, i64)> {
        let version = Version::new(row.get(2)?, row.get(3)?);
        let session = Self { key: row.get(1)?, version, turns: row.get(4)?, written: row.get(5)? };
        Ok((row.get(0)?, session, row.get(6)?))
    }

    fn checksum(&self, id: &str) -> i64 {
        Checksum::default()
            .bytes(id.as_bytes())
            .number(self.key)
            .number(self.version.epoch.cast_signed())
            .number(self.version.messages.cast_signed())
            .number(self.turns.cast_signed())
            .number(self.written)
            .finish()
    }

    fn is_expired(&self, time_to_live: Option<i64>) -> bool {
        time_to_live.is_some_and(|time| now().saturating_sub(self.written) > time)
    }

    /// Writes the row of the session.
    pub(super) fn update(
        &self,
        connection: &Connection,
        id: &SessionId,
    ) -> Result<(), HistoryError> {
        let statement = "UPDATE sessions
                         SET epoch = ?2, messages = ?3, turns = ?4, written = ?5, sum = ?6
                         WHERE key = ?1";
        let Version { epoch, messages, .. } = self.version;
        let sum = self.checksum(id.as_str());
        let row = params![self.key, epoch, messages, self.turns, self.written, sum];
        match execute(connection, statement, row)? {
            1 => Ok(()),
            _ => Err(inconsistent("the row of a session is missing")),
        }
    }
}

fn damaged(name: &str) -> HistoryError {
    inconsistent(format!("the row of session `{name}` is damaged"))
}

/// Finds a session.
pub(crate) fn find(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<Found, HistoryError> {
    let session = row(connection, id)?;
    match session {
        Some(session) if session.is_expired(time_to_live) => {
            let version = Version::new(session.version.epoch.saturating_add(1), 0);
            Ok(Found { session: None, version, expired: Some(session) })
        }
        Some(session) => {
            Ok(Found { session: Some(session), version: session.version, expired: None })
        }
        None => {
            let version = Version::new(first_epoch(connection, id)?, 0);
            Ok(Found { session: None, version, expired: None })
        }
    }
}

fn row(connection: &Connection, id: &SessionId) -> Result<Option<Session>, HistoryError> {
    let name = id.as_str();
    let select = "SELECT id, key, epoch, messages, turns, written, sum,
                         (SELECT turns.id FROM turns WHERE session = key AND count > 0
                          ORDER BY number DESC LIMIT 1)
                  FROM sessions WHERE id = ?1";
    let read = |row: &Row<'_>| {
        let (_, mut session, sum) = Session::read(row)?;
        let last: Option<[u8; 16]> = row.get(7)?;
        let id = last.map(|id| TurnId::from_u128(u128::from_be_bytes(id)));
        session.version.tip = id.map_or(0, |id| id.fingerprint());
        Ok((session, sum))
    };
    let found = connection
        .prepare_cached(select)
        .and_then(|mut select| select.query_row([name], read).optional())
        .map_err(sqlite_error)?;
    match found {
        None => check_lost(connection, name).map(|()| None),
        Some((session, sum)) if session.checksum(name) == sum => Ok(Some(session)),
        Some(_) => Err(damaged(name)),
    }
}

/// Returns an error if there is a session whose id was damaged and may be this one.
fn check_lost(connection: &Connection, name: &str) -> Result<(), HistoryError> {
    let select = "SELECT id, key, epoch, messages, turns, written, sum
                  FROM sessions INDEXED BY sessions_by_hash WHERE hash = ?1";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let rows = select.query_map([hash(name)], Session::read).map_err(sqlite_error)?;
    for row in rows {
        let (found, session, sum) = row.map_err(sqlite_error)?;
        // An intact row with another id has the same hash by chance.
        if found == name || session.checksum(&found) != sum {
            return Err(damaged(name));
        }
    }
    Ok(())
}

/// Returns the epoch in which a session that is not stored starts.
fn first_epoch(connection: &Connection, id: &SessionId) -> Result<u64, HistoryError> {
    connection
        .prepare_cached("SELECT epoch FROM deleted WHERE hash = ?1")
        .and_then(|mut select| select.query_row([hash(id.as_str())], |row| row.get(0)).optional())
        .map(Option::unwrap_or_default)
        .map_err(sqlite_error)
}

/// Returns the session that was found, or inserts a new one.
pub(crate) fn begin(
    connection: &Connection,
    id: &SessionId,
    found: &Found,
) -> Result<Session, HistoryError> {
    if let Some(session) = found.session {
        return Ok(session);
    }
    if let Some(expired) = &found.expired {
        remove(connection, id, expired)?;
    }
    let statement = "INSERT INTO sessions (id, hash, epoch, messages, turns, written, sum)
                     VALUES (?1, ?2, ?3, 0, 0, 0, 0)";
    let row = params![id.as_str(), hash(id.as_str()), found.version.epoch];
    let key = connection
        .prepare_cached(statement)
        .and_then(|mut insert| insert.insert(row))
        .map_err(sqlite_error)?;
    Ok(Session { key, version: found.version, turns: 0, written: 0 })
}

/// Removes a session's turns and notes, and starts a new epoch.
pub(crate) fn clear(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = find(connection, id, time_to_live)?;
    let Some(mut session) = found.session else { return forget(connection, id, &found) };
    empty(connection, session.key)?;
    session.version = Version::new(session.version.epoch.saturating_add(1), 0);
    session.turns = 0;
    session.update(connection, id)
}

/// Removes a session. Only a hash of its id remains, with the epoch in which it would start again.
pub(crate) fn delete(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = find(connection, id, time_to_live)?;
    execute(connection, "DELETE FROM leases WHERE session = ?1", [id.as_str()])?;
    match &found.session {
        Some(session) => remove(connection, id, session),
        None => forget(connection, id, &found),
    }
}

/// Starts a new epoch of a session that is not stored, or has expired.
fn forget(connection: &Connection, id: &SessionId, found: &Found) -> Result<(), HistoryError> {
    match &found.expired {
        Some(expired) => remove(connection, id, expired),
        None => start_at(connection, id, found.version.epoch.saturating_add(1)),
    }
}

fn remove(connection: &Connection, id: &SessionId, session: &Session) -> Result<(), HistoryError> {
    empty(connection, session.key)?;
    execute(connection, "DELETE FROM sessions WHERE key = ?1", [session.key])?;
    start_at(connection, id, session.version.epoch.saturating_add(1))
}

fn start_at(connection: &Connection, id: &SessionId, epoch: u64) -> Result<(), HistoryError> {
    let statement = "INSERT INTO deleted (hash, epoch) VALUES (?1, ?2)
                     ON CONFLICT (hash) DO UPDATE SET epoch = max(epoch, excluded.epoch)";
    execute(connection, statement, params![hash(id.as_str()), epoch]).map(drop)
}

fn empty(connection: &Connection, key: i64) -> Result<(), HistoryError> {
    for statement in [
        "DELETE FROM messages WHERE session = ?1",
        "DELETE FROM turns WHERE session = ?1",
        "DELETE FROM notes WHERE session = ?1",
    ] {
        execute(connection, statement, [key])?;
    }
    Ok(())
}

/// Lists at most `limit` sessions, in order, after a session if one is given.
pub(crate) fn list(
    connection: &Connection,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<Vec<SessionId>, HistoryError> {
    // An id is never empty.
    let after = after.map_or("", SessionId::as_str);
    scan(connection, after, limit, |session| !session.is_expired(time_to_live))
}

/// Removes at most `limit` expired sessions, and returns the number of them.
pub(crate) fn sweep(
    connection: &Connection,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<usize, HistoryError> {
    let expired = scan(connection, "", limit, |session| session.is_expired(time_to_live))?;
    for id in &expired {
        delete(connection, id, time_to_live)?;
    }
    Ok(expired.len())
}

fn scan(
    connection: &Connection,
    after: &str,
    limit: usize,
    wanted: impl Fn(&Session) -> bool,
) -> Result<Vec<SessionId>, HistoryError> {
    let select = "SELECT id, key, epoch, messages, turns, written, sum
                  FROM sessions WHERE id > ?1 ORDER BY id";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let rows = select.query_map([after], Session::read).map_err(sqlite_error)?;
    let mut sessions = Vec::new();
    for row in rows {
        if sessions.len() == limit {
            break;
        }
        let (name, session, sum) = row.map_err(sqlite_error)?;
        if session.checksum(&name) != sum {
            return Err(damaged(&name));
        }
        if wanted(&session) {
            let id = SessionId::new(name).map_err(|error| corrupt("invalid session id", error))?;
            sessions.push(id);
        }
    }
    Ok(sessions)
}
