//! Notes: derived state beside the messages.

use conversant_core::{Expect, HistoryError, Messages, Note, SessionId, Value, Version};
use rusqlite::{Connection, OptionalExtension, params};

use super::session::{self, Session};
use crate::{
    clock,
    failure::{corrupt, failure, wrong},
    sum::Sum,
};

/// A note that is to be put.
pub(crate) struct NewNote {
    body: String,
    is_messages: bool,
    covers: Version,
}

impl NewNote {
    pub(crate) fn new(note: &Note) -> Result<Self, HistoryError> {
        let body = serde_json::to_string(&note.body)
            .map_err(|_| HistoryError::Unsupported { what: "notes that have no stored form" })?;
        Ok(Self { body, is_messages: note.body.as_messages().is_some(), covers: note.covers })
    }
}

/// Stores a note instead of the one before it, unless it is of another epoch.
pub(crate) fn put(
    connection: &Connection,
    id: &SessionId,
    name: &str,
    note: &NewNote,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = session::find(connection, id, time_to_live)?;
    Expect::SameEpoch(note.covers).check(found.version)?;
    let is_new = found.session.is_none();
    let mut session = session::begin(connection, id, &found)?;
    if is_new {
        session.advance(clock::now(), 0, 0);
        session.update(connection, id)?;
    }
    let statement =
        "INSERT OR REPLACE INTO notes (session, name, body, is_messages, epoch, messages, sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let sum = sum(&session, name, &note.body, note.is_messages, note.covers);
    let (epoch, messages) = (note.covers.epoch.cast_signed(), note.covers.messages.cast_signed());
    let row = params![session.key, name, note.body, note.is_messages, epoch, messages, sum];
    connection
        .prepare_cached(statement)
        .and_then(|mut insert| insert.execute(row))
        .map(drop)
        .map_err(failure)
}

fn sum(session: &Session, name: &str, body: &str, is_messages: bool, covers: Version) -> i64 {
    Sum::default()
        .number(session.key)
        .bytes(name.as_bytes())
        .bytes(body.as_bytes())
        .number(i64::from(is_messages))
        .number(covers.epoch.cast_signed())
        .number(covers.messages.cast_signed())
        .finish()
}

/// Loads a note.
pub(crate) fn load(
    connection: &Connection,
    session: &Session,
    name: &str,
) -> Result<Option<Note>, HistoryError> {
    let select = "SELECT body, is_messages, epoch, messages, sum FROM notes
                  WHERE session = ?1 AND name = ?2";
    let found = connection
        .prepare_cached(select)
        .and_then(|mut select| {
            let read = |row: &rusqlite::Row<'_>| {
                let (epoch, messages): (i64, i64) = (row.get(2)?, row.get(3)?);
                let covers = Version::new(epoch.cast_unsigned(), messages.cast_unsigned());
                let (body, is_messages): (String, bool) = (row.get(0)?, row.get(1)?);
                Ok((body, is_messages, covers, row.get::<_, i64>(4)?))
            };
            select.query_row(params![session.key, name], read).optional()
        })
        .map_err(failure)?;
    let Some((body, is_messages, covers, found)) = found else { return Ok(None) };
    if sum(session, name, &body, is_messages, covers) != found {
        return Err(wrong(format!("the note `{name}` is damaged")));
    }
    let value = if is_messages {
        serde_json::from_str::<Messages>(&body).map(Value::from)
    } else {
        serde_json::from_str::<Value>(&body)
    };
    let value =
        value.map_err(|error| corrupt(format!("the note `{name}` can't be read"), error))?;
    Ok(Some(Note::new(value, covers)))
}
