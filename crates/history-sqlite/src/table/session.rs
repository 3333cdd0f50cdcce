//! The row of a session: where it stands.

use conversant_core::{HistoryError, SessionId, Version};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    clock,
    failure::{corrupt, failure, wrong},
    sum::{self, Sum},
};

/// Where a session stands.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) key: i64,
    pub(crate) version: Version,
    /// How many turns it has had since it was last cleared.
    pub(crate) turns: u64,
    written: i64,
}

/// A session as those see it who ask for it.
pub(crate) struct Found {
    /// None if it was never written, or its time is up.
    pub(crate) session: Option<Session>,
    pub(crate) version: Version,
    /// What is there of a session whose time is up.
    expired: Option<Session>,
}

impl Session {
    const COLUMNS: &str = "id, key, epoch, messages, turns, written, sum";

    fn read(row: &Row<'_>) -> Result<(String, Self, i64), rusqlite::Error> {
        let version = Version::new(row.get("epoch")?, row.get("messages")?);
        let (turns, written) = (row.get("turns")?, row.get("written")?);
        let session = Self { key: row.get("key")?, version, turns, written };
        Ok((row.get("id")?, session, row.get("sum")?))
    }

    fn sum(&self, id: &str) -> i64 {
        Sum::default()
            .bytes(id.as_bytes())
            .number(self.key)
            .number(self.version.epoch.cast_signed())
            .number(self.version.messages.cast_signed())
            .number(self.turns.cast_signed())
            .number(self.written)
            .finish()
    }

    fn is_expired(&self, time_to_live: Option<i64>) -> bool {
        time_to_live.is_some_and(|time| clock::now().saturating_sub(self.written) > time)
    }

    /// Writes where the session stands now.
    pub(crate) fn update(
        &self,
        connection: &Connection,
        id: &SessionId,
    ) -> Result<(), HistoryError> {
        let statement =
            "UPDATE sessions SET epoch = ?2, messages = ?3, turns = ?4, written = ?5, sum = ?6
                         WHERE key = ?1";
        let Version { epoch, messages, .. } = self.version;
        let row =
            params![self.key, epoch, messages, self.turns, self.written, self.sum(id.as_str())];
        let updated =
            connection.prepare_cached(statement).and_then(|mut update| update.execute(row));
        match updated.map_err(failure)? {
            1 => Ok(()),
            _ => Err(wrong("a session is missing from its table")),
        }
    }

    /// Moves the session on by a turn, or only its time by none.
    pub(crate) const fn advance(&mut self, now: i64, turns: u64, messages: u64) {
        self.version.messages += messages;
        self.turns += turns;
        self.written = now;
    }
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
    let select = format!("SELECT {} FROM sessions WHERE id = ?1", Session::COLUMNS);
    let found = connection
        .prepare_cached(&select)
        .and_then(|mut select| select.query_row([name], Session::read).optional())
        .map_err(failure)?;
    let Some((_, session, sum)) = found else {
        return check_lost(connection, name).map(|()| None);
    };
    if session.sum(name) != sum {
        return Err(wrong(format!("the row of session `{name}` is damaged")));
    }
    Ok(Some(session))
}

/// Tells a session that is lost, or that has lost its name, from one that never was.
fn check_lost(connection: &Connection, name: &str) -> Result<(), HistoryError> {
    let select = format!(
        "SELECT {} FROM sessions INDEXED BY sessions_by_hash WHERE hash = ?1",
        Session::COLUMNS
    );
    let mut select = connection.prepare_cached(&select).map_err(failure)?;
    let rows = select.query_map([sum::hash(name)], Session::read).map_err(failure)?;
    for row in rows {
        let (found, session, sum) = row.map_err(failure)?;
        // A sound row of another name has the same hash by chance.
        if found == name || session.sum(&found) != sum {
            return Err(wrong(format!("the row of session `{name}` is damaged")));
        }
    }
    Ok(())
}

/// Returns the epoch at which a session begins that is not there.
fn first_epoch(connection: &Connection, id: &SessionId) -> Result<u64, HistoryError> {
    connection
        .prepare_cached("SELECT epoch FROM deleted WHERE hash = ?1")
        .and_then(|mut select| {
            select.query_row([sum::hash(id.as_str())], |row| row.get(0)).optional()
        })
        .map(Option::unwrap_or_default)
        .map_err(failure)
}

/// Returns the session that was found, or begins it.
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
    let row = params![id.as_str(), sum::hash(id.as_str()), found.version.epoch];
    let key = connection
        .prepare_cached(statement)
        .and_then(|mut insert| insert.insert(row))
        .map_err(failure)?;
    Ok(Session { key, version: found.version, turns: 0, written: 0 })
}

/// Empties a session and starts a new epoch.
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

/// Removes a session and all that is stored of it but the epoch at which it may begin anew.
pub(crate) fn delete(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = find(connection, id, time_to_live)?;
    connection.execute("DELETE FROM leases WHERE session = ?1", [id.as_str()]).map_err(failure)?;
    match &found.session {
        Some(session) => remove(connection, id, session),
        None => forget(connection, id, &found),
    }
}

/// Starts a new epoch of a session that is not there.
fn forget(connection: &Connection, id: &SessionId, found: &Found) -> Result<(), HistoryError> {
    match &found.expired {
        Some(expired) => remove(connection, id, expired),
        None => start_at(connection, id, found.version.epoch.saturating_add(1)),
    }
}

fn remove(connection: &Connection, id: &SessionId, session: &Session) -> Result<(), HistoryError> {
    empty(connection, session.key)?;
    connection.execute("DELETE FROM sessions WHERE key = ?1", [session.key]).map_err(failure)?;
    start_at(connection, id, session.version.epoch.saturating_add(1))
}

fn start_at(connection: &Connection, id: &SessionId, epoch: u64) -> Result<(), HistoryError> {
    let statement = "INSERT INTO deleted (hash, epoch) VALUES (?1, ?2)
                     ON CONFLICT (hash) DO UPDATE SET epoch = max(epoch, excluded.epoch)";
    connection.execute(statement, params![sum::hash(id.as_str()), epoch]).map_err(failure)?;
    Ok(())
}

fn empty(connection: &Connection, key: i64) -> Result<(), HistoryError> {
    for statement in [
        "DELETE FROM messages WHERE session = ?1",
        "DELETE FROM turns WHERE session = ?1",
        "DELETE FROM notes WHERE session = ?1",
    ] {
        connection.execute(statement, [key]).map_err(failure)?;
    }
    Ok(())
}

/// Lists the sessions after one, at most so many.
pub(crate) fn list(
    connection: &Connection,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<Vec<SessionId>, HistoryError> {
    // No id is empty.
    let after = after.map_or("", SessionId::as_str);
    scan(connection, after, limit, |session| !session.is_expired(time_to_live))
}

/// Removes sessions whose time is up, at most so many, and returns how many.
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
    let select = format!("SELECT {} FROM sessions WHERE id > ?1 ORDER BY id", Session::COLUMNS);
    let mut select = connection.prepare_cached(&select).map_err(failure)?;
    let rows = select.query_map([after], Session::read).map_err(failure)?;
    let mut sessions = Vec::new();
    for row in rows {
        if sessions.len() == limit {
            break;
        }
        let (name, session, sum) = row.map_err(failure)?;
        if session.sum(&name) != sum {
            return Err(wrong(format!("the row of session `{name}` is damaged")));
        }
        if wanted(&session) {
            let id = SessionId::new(name)
                .map_err(|error| corrupt("the id of a session is none", error))?;
            sessions.push(id);
        }
    }
    Ok(sessions)
}
