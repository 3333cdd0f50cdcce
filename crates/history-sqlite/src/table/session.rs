//! Sessions: finding, reading, beginning, clearing, deleting and listing them.

use conversant_core::{HistoryError, Point, SessionId, Version};
use rusqlite::{Connection, OptionalExtension, Rows, ToSql, params};

use super::{
    branch, earlier,
    failed::Failed,
    in_order, label, now,
    path::{self, Turns},
    point as points,
    seen::SeenSessions,
    session_row::{COLUMNS, SELECT, Session, damaged, session_columns},
    word_index,
};
use crate::{
    checksum::hash,
    error::sqlite_error,
    statement::{execute, transaction},
};

/// A session as its callers see it.
pub(crate) struct Found {
    /// `None` if it was never written or has expired.
    pub(crate) session: Option<Session>,
    pub(crate) version: Version,
    /// The rows that an expired session still has.
    expired: Option<Session>,
}

/// Compiles the statement that finds a session, and reads the first pages that it looks through,
/// which the first load would have to do otherwise. It reads no turns, and few pages of a file of
/// any size.
pub(crate) fn prepare(connection: &Connection) -> Result<(), HistoryError> {
    // No session has an empty id, or this key.
    let find = |statement, id: &[&dyn ToSql]| {
        connection.prepare_cached(statement).and_then(|mut select| select.exists(id))
    };
    find(SELECT, &[&""])
        .and_then(|_| find("SELECT 1 FROM sessions WHERE key = ?1", &[&0]))
        .and_then(|_| find("SELECT up_to FROM search", &[]))
        .map(drop)
        .map_err(sqlite_error)
}

/// Finds a session.
pub(crate) fn find(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<Found, HistoryError> {
    let mut select = connection.prepare_cached(SELECT).map_err(sqlite_error)?;
    let mut rows = select.query([id.as_str()]).map_err(sqlite_error)?;
    match first(connection, &mut rows, id)? {
        Some(session) if session.is_expired(time_to_live) => {
            let version = Version::new(session.version.epoch.saturating_add(1), 0);
            Ok(Found { session: None, version, expired: Some(session) })
        }
        Some(session) => {
            Ok(Found { session: Some(session), version: session.version, expired: None })
        }
        None => {
            check_lost(connection, id.as_str())?;
            let version = Version::new(first_epoch(connection, id)?, 0);
            Ok(Found { session: None, version, expired: None })
        }
    }
}

/// Finds a session, which is not read if it is remembered.
pub(super) fn find_seen(
    connection: &Connection,
    seen: &mut SeenSessions,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<Found, HistoryError> {
    match seen.find(connection, id, time_to_live)? {
        Some(session) => {
            Ok(Found { session: Some(session), version: session.version, expired: None })
        }
        None => find(connection, id, time_to_live),
    }
}

/// Finds a session, and gives its turns the form of the present version, as branches need it.
pub(super) fn find_whole(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<Found, HistoryError> {
    let mut found = find(connection, id, time_to_live)?;
    if let Some(session) = found.session.as_mut().filter(|session| session.earlier > 0) {
        word_index::follow(connection, session.has_search)?;
        earlier::convert(connection, session)?;
        session.earlier = 0;
        session.update(connection, id)?;
    }
    Ok(found)
}

/// Reads a session and its turns up to a point as they are at one moment. `None` is the tip. `run`
/// gets `None` if the session is not stored or has expired.
pub(crate) fn read<T>(
    connection: &Connection,
    id: &SessionId,
    point: Option<Point>,
    time_to_live: Option<i64>,
    run: impl FnOnce(Version, Option<&mut Turns<'_, '_>>) -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    if point.is_none() {
        let mut select = connection.prepare_cached(SELECT).map_err(sqlite_error)?;
        let mut rows = select.query([id.as_str()]).map_err(sqlite_error)?;
        if let Some(session) = first(connection, &mut rows, id)?
            && session.earlier == 0
            && session.branch.is_none()
            && !session.is_expired(time_to_live)
        {
            // One statement sees one moment, without a transaction.
            let mut turns = Turns::new(connection, session, Some(rows));
            return run(session.version, Some(&mut turns));
        }
    }
    transaction(connection, "BEGIN", || {
        let found = find(connection, id, time_to_live)?;
        let at = match point {
            Some(point) => points::at(connection, found.session.as_ref(), point)?,
            None => found.session,
        };
        let version = at.map_or(found.version, |at| at.version);
        run(version, at.map(|at| Turns::new(connection, at, None)).as_mut())
    })
}

/// Reads the session of the first row, with the tip of its version.
fn first(
    connection: &Connection,
    rows: &mut Rows<'_>,
    id: &SessionId,
) -> Result<Option<Session>, HistoryError> {
    let Some(row) = rows.next().map_err(sqlite_error)? else { return Ok(None) };
    let mut session = Session::read(row, id.as_str())?;
    if let Some(newest) = path::newest(connection, &session, row)? {
        session.version.tip = match newest.count {
            0 => path::tip_before(connection, &session, newest.number)?,
            _ => newest.tip(),
        };
    }
    Ok(Some(session))
}

/// Returns an error if there is a session whose id was damaged and may be this one.
fn check_lost(connection: &Connection, name: &str) -> Result<(), HistoryError> {
    let select = concat!("SELECT ", session_columns!(), ", id FROM sessions WHERE hash = ?1");
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query([hash(name)]).map_err(sqlite_error)?;
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        let found: String = row.get(COLUMNS).map_err(sqlite_error)?;
        // An intact row with another id has the same hash by chance.
        if found == name || Session::read(row, &found).is_err() {
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
        word_index::follow(connection, session.has_search)?;
        return Ok(session);
    }
    let has_search = word_index::is_begun(connection)?;
    word_index::follow(connection, has_search)?;
    if let Some(expired) = &found.expired {
        remove(connection, id, expired)?;
    }
    let statement = "INSERT INTO sessions (key, id, hash, epoch, messages, turns, written, sum)
                     VALUES (?1, ?2, ?3, ?4, 0, 0, 0, 0)";
    let key = branch::next_key(connection)?;
    execute(
        connection,
        statement,
        params![key, id.as_str(), hash(id.as_str()), found.version.epoch],
    )?;
    Ok(Session::new(key, found.version, has_search))
}

/// Removes a session's turns and notes, and starts a new epoch.
pub(crate) fn clear(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = find(connection, id, time_to_live)?;
    let Some(mut session) = found.session else { return forget(connection, id, &found) };
    if empty(connection, &session)? {
        // Forks share the branch of this key.
        let key = branch::next_key(connection)?;
        for statement in [
            "UPDATE sessions SET key = ?2 WHERE key = ?1",
            "UPDATE labels SET session = ?2 WHERE session = ?1",
        ] {
            execute(connection, statement, params![session.key, key])?;
        }
        session.key = key;
    }
    (session.earlier, session.branch, session.bytes) = (0, None, Some(0));
    session.version = Version::new(session.version.epoch.saturating_add(1), 0);
    session.turns = 0;
    session.update(connection, id)
}

/// Removes a session, also if its row or its last turn is damaged. Only a hash of its id remains,
/// with the epoch in which it would start again.
pub(crate) fn delete(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    execute(connection, "DELETE FROM leases WHERE session = ?1", [id.as_str()])?;
    let found = match find(connection, id, time_to_live) {
        Err(error @ HistoryError::Corrupt { .. }) => return delete_damaged(connection, id, error),
        found => found?,
    };
    match &found.session {
        Some(session) => remove(connection, id, session),
        None => forget(connection, id, &found),
    }
}

/// Removes what has the id of a session, or its hash and another one that is damaged.
fn delete_damaged(
    connection: &Connection,
    id: &SessionId,
    error: HistoryError,
) -> Result<(), HistoryError> {
    let has_search = word_index::is_begun(connection)?;
    // A lost epoch must not recur. Seconds since 1970 are more than any session was cleared.
    let epoch = (now() / 1000).unsigned_abs();
    let mut lost = Vec::new();
    {
        let select =
            concat!("SELECT ", session_columns!(), ", id FROM sessions WHERE id = ?1 OR hash = ?2");
        let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
        let params = params![id.as_str(), hash(id.as_str())];
        let mut rows = select.query(params).map_err(sqlite_error)?;
        while let Some(row) = rows.next().map_err(sqlite_error)? {
            match in_order::read(row) {
                Ok((session, found)) if found == *id => lost.push(session),
                Ok(_) => {}
                Err(_) => {
                    let key = row.get(0).map_err(sqlite_error)?;
                    lost.push(Session::new(key, Version::new(epoch, 0), has_search));
                }
            }
        }
    }
    if lost.is_empty() {
        return Err(error);
    }
    for session in &lost {
        // Whether a damaged row has turns of version 2 is not known.
        earlier::empty_any(connection, session)?;
        remove(connection, id, &Session { earlier: 0, ..*session })?;
    }
    Ok(())
}

/// Starts a new epoch of a session that is not stored, or has expired.
fn forget(connection: &Connection, id: &SessionId, found: &Found) -> Result<(), HistoryError> {
    match &found.expired {
        Some(expired) => remove(connection, id, expired),
        None => start_at(connection, id, found.version.epoch.saturating_add(1)),
    }
}

fn remove(connection: &Connection, id: &SessionId, session: &Session) -> Result<(), HistoryError> {
    empty(connection, session)?;
    execute(connection, "DELETE FROM labels WHERE session = ?1", [session.key])?;
    execute(connection, "DELETE FROM sessions WHERE key = ?1", [session.key])?;
    start_at(connection, id, session.version.epoch.saturating_add(1))
}

fn start_at(connection: &Connection, id: &SessionId, epoch: u64) -> Result<(), HistoryError> {
    let statement = "INSERT INTO deleted (hash, epoch) VALUES (?1, ?2)
                     ON CONFLICT (hash) DO UPDATE SET epoch = max(epoch, excluded.epoch)";
    execute(connection, statement, params![hash(id.as_str()), epoch]).map(drop)
}

/// Removes the turns, the notes and the title of a session. Returns whether forks share turns by
/// its key.
fn empty(connection: &Connection, session: &Session) -> Result<bool, HistoryError> {
    word_index::follow(connection, session.has_search)?;
    execute(connection, "DELETE FROM notes WHERE session = ?1", [session.key])?;
    execute(connection, "DELETE FROM totals WHERE session = ?1", [session.key])?;
    label::remove(connection, session, label::TITLE)?;
    if session.earlier > 0 {
        earlier::empty(connection, session)?;
    }
    branch::remove(connection, session)
}

/// Lists at most `limit` sessions that have turns, a title or labels, in order, after a session if
/// one is given.
pub(crate) fn list(
    connection: &Connection,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<i64>,
) -> Result<Vec<SessionId>, HistoryError> {
    let select =
        concat!("SELECT ", session_columns!(), ", id FROM sessions WHERE id > ?1 ORDER BY id");
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    // An id is never empty.
    let after = after.map_or("", SessionId::as_str);
    let mut rows = select.query([after]).map_err(sqlite_error)?;
    let mut sessions = Vec::new();
    while sessions.len() < limit {
        let Some(row) = rows.next().map_err(sqlite_error)? else { break };
        let (session, id) = in_order::read(row)?;
        let is_listed = session.has_turns() || label::is_any(connection, &session)?;
        if is_listed && !session.is_expired(time_to_live) {
            sessions.push(id);
        }
    }
    Ok(sessions)
}

/// Returns at most `limit` sessions whose time is over, in the order of their ids, after a session
/// if one is given.
pub(super) fn expired(
    connection: &Connection,
    after: Option<&SessionId>,
    limit: usize,
    time_to_live: Option<i64>,
    failed: &mut Failed,
) -> Result<Vec<SessionId>, HistoryError> {
    let Some(time) = time_to_live else { return Ok(Vec::new()) };
    let select = concat!(
        "SELECT ",
        session_columns!(),
        ", id FROM sessions WHERE id > ?1 AND written < ?2 ORDER BY id"
    );
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let after = after.map_or("", SessionId::as_str);
    let before = now().saturating_sub(time);
    let mut rows = select.query(params![after, before]).map_err(sqlite_error)?;
    let mut sessions = Vec::new();
    while sessions.len() < limit {
        let Some(row) = rows.next().map_err(sqlite_error)? else { break };
        sessions.extend(failed.session(in_order::read(row))?.map(|(_, id)| id));
    }
    Ok(sessions)
}

/// Returns whether there is a session whose time is over. It reads no turns.
pub(super) fn has_expired(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<bool, HistoryError> {
    let select = concat!("SELECT ", session_columns!(), ", id FROM sessions WHERE id = ?1");
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query([id.as_str()]).map_err(sqlite_error)?;
    let row = rows.next().map_err(sqlite_error)?;
    let session = row.map(in_order::read).transpose()?;
    Ok(session.is_some_and(|(session, _)| session.is_expired(time_to_live)))
}
