//! The tables of versions 1 and 2, in which each message has a row. They are read and emptied,
//! never written.

use conversant_core::{HistoryError, Message, Messages, TurnId};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    session_row::Session,
    turn_row::{self, Header, damaged},
};
use crate::{
    checksum::Checksum,
    error::{corrupt, inconsistent, sqlite_error},
    statement::execute,
};

/// Loads the header of a turn by its number.
pub(super) fn header(
    connection: &Connection,
    session: &Session,
    number: u64,
) -> Result<Header, HistoryError> {
    let select = "SELECT number, id, first, count, incomplete,
                         base_epoch, base_messages, base_tip, sum
                  FROM turns_2 WHERE session = ?1 AND number = ?2";
    load(connection, select, session, params![session.key, number])?
        .ok_or_else(|| inconsistent("turns are missing"))
}

/// Finds the header of a turn by its id.
pub(super) fn find(
    connection: &Connection,
    session: &Session,
    id: TurnId,
) -> Result<Option<Header>, HistoryError> {
    let select = "SELECT number, id, first, count, incomplete,
                         base_epoch, base_messages, base_tip, sum
                  FROM turns_2 WHERE session = ?1 AND id = ?2";
    load(connection, select, session, params![session.key, id.as_bytes()])
}

fn load(
    connection: &Connection,
    select: &str,
    session: &Session,
    params: impl rusqlite::Params,
) -> Result<Option<Header>, HistoryError> {
    let read = |row: &rusqlite::Row<'_>| Ok((Header::read(row, 0)?, row.get::<_, i64>(8)?));
    let found = connection
        .prepare_cached(select)
        .and_then(|mut select| select.query_row(params, read).optional())
        .map_err(sqlite_error)?;
    match found {
        Some((header, sum)) if sum_of(&header, session.key) == sum => Ok(Some(header)),
        Some(_) => Err(damaged()),
        None => Ok(None),
    }
}

fn sum_of(header: &Header, session: i64) -> i64 {
    Checksum::default()
        .number(session)
        .number(header.number.cast_signed())
        .bytes(header.id.as_bytes())
        .number(header.first.cast_signed())
        .number(header.count.cast_signed())
        .number(i64::from(header.incomplete))
        .option(header.base.map(|base| base.epoch.cast_signed()))
        .option(header.base.map(|base| base.messages.cast_signed()))
        .added(header.base.map_or(0, |base| base.tip))
        .finish()
}

/// Loads the messages of a turn.
pub(super) fn messages(
    connection: &Connection,
    session: &Session,
    turn: &Header,
) -> Result<Vec<Message>, HistoryError> {
    let select = "SELECT seq, body, sum FROM messages_2
                  WHERE session = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    // The load of the last message also notices rows after it.
    let is_last = turn.number + 1 == session.earlier;
    let end = if is_last { i64::MAX } else { turn.end().cast_signed() };
    let mut rows = select.query(params![session.key, turn.first, end]).map_err(sqlite_error)?;
    let mut messages = Vec::new();
    let mut seq = turn.first;
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        let column = |index| row.get_ref(index).map_err(sqlite_error);
        let invalid = |error| corrupt(format!("cannot decode message {seq}"), error);
        let number = column(0)?.as_i64().map_err(invalid)?;
        let body = column(1)?.as_str().map_err(invalid)?;
        let found = column(2)?.as_i64().map_err(invalid)?;
        if number != seq.cast_signed() {
            return Err(inconsistent(format!("message {seq} is missing")));
        }
        let mut sum = Checksum::default();
        if found != sum.number(session.key).number(number).bytes(body.as_bytes()).finish() {
            return Err(inconsistent(format!("message {seq} is damaged")));
        }
        messages.push(Message::from_stored_json(body, format_args!("message {seq}"))?);
        seq += 1;
    }
    if seq != turn.end() {
        let expected = turn.end();
        return Err(inconsistent(format!("messages are missing: found {seq} of {expected}")));
    }
    Ok(messages)
}

/// Removes the turns of a session.
pub(super) fn empty(connection: &Connection, session: &Session) -> Result<(), HistoryError> {
    execute(connection, "DELETE FROM messages_2 WHERE session = ?1", [session.key])?;
    execute(connection, "DELETE FROM turns_2 WHERE session = ?1", [session.key]).map(drop)
}

/// Removes the turns of a session if the file has the tables of version 2.
pub(super) fn empty_any(connection: &Connection, session: &Session) -> Result<(), HistoryError> {
    let select = "SELECT count(*) FROM sqlite_schema WHERE name IN ('turns_2', 'messages_2')";
    let tables: usize = connection.query_row(select, [], |row| row.get(0)).map_err(sqlite_error)?;
    if tables == 2 { empty(connection, session) } else { Ok(()) }
}

/// Gives the turns of a session that are in the tables of version 2 the form of the present one.
pub(super) fn convert(connection: &Connection, session: &Session) -> Result<(), HistoryError> {
    for number in 0..session.earlier {
        let turn = header(connection, session, number)?;
        let found = messages(connection, session, &turn)?;
        let body = Messages::from(found).to_compact_json(u64::MAX)?;
        turn_row::insert(connection, session.key, &turn, &body)?;
    }
    empty(connection, session)
}
