//! Notes: state derived from the messages.

use conversant_core::{Expect, HistoryError, Messages, Note, Point, SessionId, Value, Version};
use conversant_history::invalid_json;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{now, path, point as points, seen::SeenSessions, session, session_row::Session};
use crate::{
    checksum::Checksum,
    error::{inconsistent, row_error},
    statement::execute,
};

/// At the end of a stored body, which is JSON: the version that the note covers has no tip, and the
/// row has that of the turn with its last message, which need not end there.
const OF_TURN: char = ' ';

/// A note in its stored form.
pub(crate) struct StoredNote {
    body: String,
    is_messages: bool,
    covers: Version,
}

impl StoredNote {
    /// Encodes a note.
    pub(crate) fn encode(note: &Note) -> Result<Self, HistoryError> {
        let body = serde_json::to_string(&note.body)
            .map_err(|_| HistoryError::Unsupported { what: "notes that have no stored form" })?;
        Note::check_size(body.len())?;
        Ok(Self { body, is_messages: note.body.as_messages().is_some(), covers: note.covers })
    }

    /// Reads a row of `body, is_messages, epoch, messages, tip, sum`, with its checksum.
    fn read(row: &Row<'_>) -> rusqlite::Result<(Self, i64)> {
        let number = |index| row.get::<_, i64>(index).map(i64::cast_unsigned);
        let covers = Version::new(number(2)?, number(3)?).with_tip(number(4)?);
        let note = Self { body: row.get(0)?, is_messages: row.get(1)?, covers };
        Ok((note, row.get(5)?))
    }

    /// Returns the note of a version without a tip, which is of the turn that has this tip.
    fn of_turn(&self, tip: u64) -> Self {
        let mut body = String::with_capacity(self.body.len() + OF_TURN.len_utf8());
        body.push_str(&self.body);
        body.push(OF_TURN);
        Self { body, is_messages: self.is_messages, covers: self.covers.with_tip(tip) }
    }

    /// Returns the version that the note covers, as it was stored.
    fn covers(&self) -> Version {
        if self.is_of_turn() { self.covers.with_tip(0) } else { self.covers }
    }

    fn is_of_turn(&self) -> bool {
        self.body.ends_with(OF_TURN)
    }

    /// Returns whether all turns that the note covers are on the session's path.
    fn is_on_path(&self, connection: &Connection, session: &Session) -> Result<bool, HistoryError> {
        let Version { epoch, messages, tip } = self.covers;
        if epoch != session.version.epoch || messages > session.version.messages {
            return Ok(false);
        }
        if self.is_of_turn() {
            return Ok(path::tip_with(connection, session, messages)? == tip);
        }
        path::follows(connection, session, self.covers)
    }

    fn checksum(&self, session: &Session, name: &str) -> i64 {
        Checksum::default()
            .number(session.key)
            .bytes(name.as_bytes())
            .bytes(self.body.as_bytes())
            .number(i64::from(self.is_messages))
            .number(self.covers.epoch.cast_signed())
            .number(self.covers.messages.cast_signed())
            .added(self.covers.tip)
            .finish()
    }
}

/// Stores a note in place of the previous one, unless it covers another epoch or conversation. Does
/// nothing at a point that is not the tip.
pub(crate) fn put(
    connection: &Connection,
    seen: &mut SeenSessions,
    id: &SessionId,
    name: &str,
    note: &StoredNote,
    point: Option<Point>,
    time_to_live: Option<i64>,
) -> Result<(), HistoryError> {
    let found = session::find_seen(connection, seen, id, time_to_live)?;
    if let Some(point) = point {
        let at = points::at(connection, found.session.as_ref(), point)?;
        if let (Some(at), Some(session)) = (at, &found.session)
            && !points::is_tip(connection, session, &at)?
        {
            return Ok(());
        }
    }
    let expect = Expect::SameEpoch(note.covers);
    path::check(connection, found.version, found.session.as_ref(), expect)?;
    let is_new = found.session.is_none();
    let session = session::begin(connection, id, &found)?;
    if is_new {
        seen.forget();
    }
    if !session.has_turns() {
        // Its lifetime begins, or begins again: no turn does that.
        let session = Session { written: now(), ..session };
        session.update(connection, id)?;
    }
    // A version without a tip is one of this path, and of no other one later.
    let bound = match note.covers {
        Version { tip: 0, messages: 1.., .. } => {
            Some(note.of_turn(path::tip_with(connection, &session, note.covers.messages)?))
        }
        _ => None,
    };
    let note = bound.as_ref().unwrap_or(note);
    let statement = "INSERT OR REPLACE INTO notes
                     (session, name, body, is_messages, epoch, messages, tip, sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let row = params![
        session.key,
        name,
        note.body,
        note.is_messages,
        note.covers.epoch.cast_signed(),
        note.covers.messages.cast_signed(),
        note.covers.tip.cast_signed(),
        note.checksum(&session, name),
    ];
    execute(connection, statement, row).map(drop)
}

/// Loads a note of a session that may not exist, at a point.
pub(crate) fn find(
    connection: &Connection,
    seen: &mut SeenSessions,
    id: &SessionId,
    name: &str,
    point: Option<Point>,
    time_to_live: Option<i64>,
) -> Result<Option<Note>, HistoryError> {
    let mut session = session::find_seen(connection, seen, id, time_to_live)?.session;
    if let Some(point) = point {
        session = points::at(connection, session.as_ref(), point)?;
    }
    session.map_or(Ok(None), |session| load(connection, &session, name, point))
}

/// Loads a note, if it covers a version on the session's path.
pub(crate) fn load(
    connection: &Connection,
    session: &Session,
    name: &str,
    point: Option<Point>,
) -> Result<Option<Note>, HistoryError> {
    // A session without branches is where it was, or further.
    let is_on_branch = point.is_some() || session.branch.is_some();
    let select = "SELECT body, is_messages, epoch, messages, tip, sum FROM notes
                  WHERE session = ?1 AND name = ?2";
    let found = connection
        .prepare_cached(select)
        .and_then(|mut select| {
            select.query_row(params![session.key, name], StoredNote::read).optional()
        })
        .map_err(|error| row_error(error, || format!("note `{name}` is damaged")))?;
    let Some((note, checksum)) = found else { return Ok(None) };
    if note.checksum(session, name) != checksum {
        return Err(inconsistent(format!("note `{name}` is damaged")));
    }
    if is_on_branch && !note.is_on_path(connection, session)? {
        return Ok(None);
    }
    let value = if note.is_messages {
        serde_json::from_str::<Messages>(&note.body).map(Value::from)
    } else {
        serde_json::from_str::<Value>(&note.body)
    };
    let value = value.map_err(|error| invalid_json(&format!("note `{name}`"), &error))?;
    Ok(Some(Note::new(value, note.covers())))
}
