//! The rows of messages.

use conversant_core::{HistoryError, Message};
use rusqlite::{Connection, Row, params};

use super::session::Session;
use crate::{
    checksum::Checksum,
    error::{corrupt, inconsistent, sqlite_error},
};

/// Inserts messages after the session's last one.
pub(crate) fn insert(
    connection: &Connection,
    session: &Session,
    bodies: &[String],
) -> Result<(), HistoryError> {
    let statement = "INSERT INTO messages (session, seq, body, sum) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(statement).map_err(sqlite_error)?;
    for (body, seq) in bodies.iter().zip(session.version.messages..) {
        let row = params![session.key, seq, body, checksum(session.key, seq, body)];
        insert.execute(row).map_err(sqlite_error)?;
    }
    Ok(())
}

fn checksum(session: i64, seq: u64, body: &str) -> i64 {
    Checksum::default().number(session).number(seq.cast_signed()).bytes(body.as_bytes()).finish()
}

/// Loads the messages from `start` to the session's end.
pub(crate) fn load(
    connection: &Connection,
    session: &Session,
    start: u64,
) -> Result<Vec<Message>, HistoryError> {
    load_range(connection, session, start..session.version.messages)
}

/// Loads the session's first messages, at most `count`.
pub(crate) fn first(
    connection: &Connection,
    session: &Session,
    count: usize,
) -> Result<Vec<Message>, HistoryError> {
    load_range(connection, session, 0..session.version.messages.min(count as u64))
}

fn load_range(
    connection: &Connection,
    session: &Session,
    range: std::ops::Range<u64>,
) -> Result<Vec<Message>, HistoryError> {
    // A load to the session's end also notices rows after the last message.
    let to_end = range.end == session.version.messages;
    let end = if to_end { i64::MAX } else { range.end.cast_signed() };
    let select = "SELECT seq, body, sum FROM messages
                  WHERE session = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query(params![session.key, range.start, end]).map_err(sqlite_error)?;
    let mut messages = Vec::new();
    let mut seq = range.start;
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        let body = body(row, session, seq)?;
        messages.push(Message::from_stored_json(body, format_args!("message {seq}"))?);
        seq += 1;
    }
    if seq != range.end {
        let expected = range.end;
        return Err(inconsistent(format!("messages are missing: found {seq} of {expected}")));
    }
    Ok(messages)
}

/// Returns the body of a row of `seq, body, sum`.
fn body<'r>(row: &'r Row<'_>, session: &Session, seq: u64) -> Result<&'r str, HistoryError> {
    let column = |index| row.get_ref(index).map_err(sqlite_error);
    let invalid = |error| corrupt(format!("cannot decode message {seq}"), error);
    let number = column(0)?.as_i64().map_err(invalid)?;
    let body = column(1)?.as_str().map_err(invalid)?;
    let found = column(2)?.as_i64().map_err(invalid)?;
    if number != seq.cast_signed() {
        return Err(inconsistent(format!("message {seq} is missing")));
    }
    if found != checksum(session.key, seq, body) {
        return Err(inconsistent(format!("message {seq} is damaged")));
    }
    Ok(body)
}

/// Returns the sequence number of the first of the last messages that have at most `left` bytes
/// together.
pub(crate) fn start_of_last_bytes(
    connection: &Connection,
    session: &Session,
    mut left: u64,
) -> Result<u64, HistoryError> {
    let select = "SELECT seq, body, sum FROM messages WHERE session = ?1 ORDER BY seq DESC";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query([session.key]).map_err(sqlite_error)?;
    for seq in (0..session.version.messages).rev() {
        let Some(row) = rows.next().map_err(sqlite_error)? else {
            return Err(inconsistent(format!("message {seq} is missing")));
        };
        match left.checked_sub(body(row, session, seq)?.len() as u64) {
            Some(rest) => left = rest,
            None => return Ok(seq + 1),
        }
    }
    Ok(0)
}
