//! Messages: as they are stored, and the parts of a session.

use conversant_core::{HistoryError, Message, Range};
use rusqlite::{Connection, Row, params};

use super::{session::Session, turn};
use crate::{
    failure::{corrupt, failure, wrong},
    sum::Sum,
};

/// Encodes a message as it is stored.
pub(crate) fn encode(message: &Message, limit: u64) -> Result<String, HistoryError> {
    let unsupported = HistoryError::Unsupported { what: "messages that have no stored form" };
    let Ok(body) = serde_json::to_string(message) else { return Err(unsupported) };
    let bytes = body.len() as u64;
    if bytes > limit {
        return Err(HistoryError::TooLarge { bytes, limit });
    }
    // JSON can be nested more deeply than it is read, and what can't be read must not be stored.
    if body.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count() > UNDOUBTED_DEPTH
        && serde_json::from_str::<Message>(&body).is_err()
    {
        return Err(HistoryError::Unsupported { what: "messages that are nested this deeply" });
    }
    Ok(body)
}

/// What is nested no more deeply than this can be read.
const UNDOUBTED_DEPTH: usize = 100;

/// Inserts messages after those that the session has.
pub(crate) fn insert(
    connection: &Connection,
    session: &Session,
    bodies: &[String],
) -> Result<(), HistoryError> {
    let statement = "INSERT INTO messages (session, seq, body, sum) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(statement).map_err(failure)?;
    for (body, seq) in bodies.iter().zip(session.version.messages..) {
        insert
            .execute(params![session.key, seq, body, sum(session.key, seq, body)])
            .map_err(failure)?;
    }
    Ok(())
}

fn sum(session: i64, seq: u64, body: &str) -> i64 {
    Sum::default().number(session).number(seq.cast_signed()).bytes(body.as_bytes()).finish()
}

/// Loads the messages from one on.
pub(crate) fn load(
    connection: &Connection,
    session: &Session,
    start: u64,
) -> Result<Vec<Message>, HistoryError> {
    load_part(connection, session, start..session.version.messages)
}

/// Loads the messages that the session begins with, at most so many.
pub(crate) fn first(
    connection: &Connection,
    session: &Session,
    count: usize,
) -> Result<Vec<Message>, HistoryError> {
    load_part(connection, session, 0..session.version.messages.min(count as u64))
}

fn load_part(
    connection: &Connection,
    session: &Session,
    part: std::ops::Range<u64>,
) -> Result<Vec<Message>, HistoryError> {
    // Beyond the last message there is nothing, which a load to the end sees for itself.
    let end = if part.end == session.version.messages { i64::MAX } else { part.end.cast_signed() };
    let select = "SELECT seq, body, sum FROM messages
                  WHERE session = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq";
    let mut select = connection.prepare_cached(select).map_err(failure)?;
    let mut rows = select.query(params![session.key, part.start, end]).map_err(failure)?;
    let mut messages = Vec::new();
    let mut seq = part.start;
    while let Some(row) = rows.next().map_err(failure)? {
        let body = body(row, session, seq)?;
        let message = serde_json::from_str(body)
            .map_err(|error| corrupt(format!("message {seq} can't be read"), error))?;
        messages.push(message);
        seq += 1;
    }
    if seq != part.end {
        let expected = part.end;
        return Err(wrong(format!("messages are missing: {seq} were found of {expected}")));
    }
    Ok(messages)
}

/// Returns a row's body, if the row is the one expected and not damaged.
fn body<'r>(row: &'r Row<'_>, session: &Session, seq: u64) -> Result<&'r str, HistoryError> {
    let read = |column| row.get_ref(column).map_err(failure);
    let unreadable = |error| corrupt(format!("message {seq} can't be read"), error);
    let number = read("seq")?.as_i64().map_err(unreadable)?;
    let body = read("body")?.as_str().map_err(unreadable)?;
    let found = read("sum")?.as_i64().map_err(unreadable)?;
    if number != seq.cast_signed() {
        return Err(wrong(format!("message {seq} is missing")));
    }
    if found != sum(session.key, seq, body) {
        return Err(wrong(format!("message {seq} is damaged")));
    }
    Ok(body)
}

/// Returns the sequence number at which a range begins.
pub(crate) fn start(
    connection: &Connection,
    session: &Session,
    range: Range,
) -> Result<u64, HistoryError> {
    let version = session.version;
    match range {
        Range::After(seen) if seen.epoch == version.epoch => {
            Ok(seen.messages.min(version.messages))
        }
        Range::All | Range::After(_) => Ok(0),
        Range::LastMessages(count) => Ok(version.messages.saturating_sub(count as u64)),
        Range::LastTurns(count) => turn::start_of_last(connection, session, count),
        Range::LastBytes(bytes) => start_of_bytes(connection, session, bytes),
        _ => Err(HistoryError::Unsupported { what: "this range" }),
    }
}

fn start_of_bytes(
    connection: &Connection,
    session: &Session,
    mut left: u64,
) -> Result<u64, HistoryError> {
    let select = "SELECT seq, body, sum FROM messages WHERE session = ?1 ORDER BY seq DESC";
    let mut select = connection.prepare_cached(select).map_err(failure)?;
    let mut rows = select.query([session.key]).map_err(failure)?;
    for seq in (0..session.version.messages).rev() {
        let Some(row) = rows.next().map_err(failure)? else {
            return Err(wrong(format!("message {seq} is missing")));
        };
        match left.checked_sub(body(row, session, seq)?.len() as u64) {
            Some(rest) => left = rest,
            None => return Ok(seq + 1),
        }
    }
    Ok(0)
}
