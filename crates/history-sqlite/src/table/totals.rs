//! The sizes of sessions, and the sums of what is recorded with their turns.

use std::ops::Add;

use conversant_core::{HistoryError, SessionId, Turn, UsageTotals};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    branch, earlier, path, session,
    session_row::Session,
    turn_row::{self, bodies},
    unix_millis,
};
use crate::{
    checksum::Checksum,
    error::{corrupt, inconsistent, row_error},
    statement::execute,
};

const DAMAGED: &str = "the sums of a session are damaged";

fn checksum(session: &Session, body: &str) -> i64 {
    Checksum::default().number(session.key).bytes(body.as_bytes()).finish()
}

/// Adds what is recorded with a turn to the sums of its session. What has nothing costs nothing.
pub(super) fn add(
    connection: &Connection,
    session: &Session,
    totals: UsageTotals,
) -> Result<(), HistoryError> {
    if totals.is_empty() {
        return Ok(());
    }
    let totals = stored(connection, session)? + totals;
    let body = serde_json::to_string(&totals)
        .map_err(|error| HistoryError::Backend { source: error.into() })?;
    let statement = "INSERT OR REPLACE INTO totals (session, body, sum) VALUES (?1, ?2, ?3)";
    execute(connection, statement, params![session.key, body, checksum(session, &body)]).map(drop)
}

fn stored(connection: &Connection, session: &Session) -> Result<UsageTotals, HistoryError> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found: Option<(String, i64)> = connection
        .prepare_cached("SELECT body, sum FROM totals WHERE session = ?1")
        .and_then(|mut select| select.query_row([session.key], read).optional())
        .map_err(|error| row_error(error, || DAMAGED.to_owned()))?;
    let Some((body, sum)) = found else { return Ok(UsageTotals::default()) };
    if checksum(session, &body) != sum {
        return Err(inconsistent(DAMAGED));
    }
    serde_json::from_str(&body)
        .map_err(|error| corrupt("cannot decode the sums of a session", error))
}

/// The size of a session's turns, and the sums of what is recorded with them.
pub(super) struct Counted {
    pub(super) bytes: i64,
    pub(super) totals: UsageTotals,
    /// The time of the session's first turn, if it is known.
    pub(super) created: i64,
}

/// Returns the counts of a session. Those of one that an earlier version wrote are computed from
/// all of its turns.
pub(super) fn of(connection: &Connection, session: &Session) -> Result<Counted, HistoryError> {
    if let Some(bytes) = session.bytes {
        let totals = stored(connection, session)?;
        return Ok(Counted { bytes, totals, created: session.created });
    }
    let mut counted =
        Counted { bytes: 0, totals: UsageTotals::default(), created: session.created };
    let mut add = |bytes: u64, turn: &Turn| {
        counted.bytes = counted.bytes.saturating_add_unsigned(bytes);
        counted.totals = Add::add(counted.totals, UsageTotals::of_turn(turn));
    };
    for number in 0..session.earlier {
        let turn = earlier::header(connection, session, number)?;
        let messages = earlier::messages(connection, session, &turn)?;
        let bytes = messages.iter().map(|message| message.stored_json_len()).sum();
        add(bytes, &turn.into_turn(messages));
    }
    for key in branch::own(connection, session)? {
        bodies(connection, key, |header, body| {
            let messages = turn_row::decode(&header, body)?;
            add(body.len() as u64, &header.into_turn(messages));
            Ok(true)
        })?;
    }
    if session.turns > 0 {
        let first = path::first(connection, session)?;
        counted.created = first.id.created_at().map_or(0, unix_millis);
    }
    Ok(counted)
}

/// Stores the counts of a session that an earlier version wrote.
pub(crate) fn count(
    connection: &Connection,
    id: &SessionId,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = session::find(connection, id, time_to_live)?;
    let Some(session) = found.session.filter(|session| session.bytes.is_none()) else {
        return Ok(());
    };
    let counted = of(connection, &session)?;
    let session = Session { bytes: Some(counted.bytes), created: counted.created, ..session };
    add(connection, &session, counted.totals)?;
    session.update(connection, id)
}
