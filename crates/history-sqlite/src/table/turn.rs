//! Turns: appending one, and which messages are whose.

use conversant_core::{Expect, HistoryError, Range, SessionId, Turn, TurnId, Version};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    message,
    session::{self, Session},
};
use crate::{
    clock,
    failure::{failure, wrong},
    sum::Sum,
};

/// A turn that is to be appended.
pub(crate) struct NewTurn {
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
    /// The messages, as they will be stored.
    bodies: Vec<String>,
}

impl NewTurn {
    /// Encodes a turn.
    pub(crate) fn new(turn: &Turn, max_message_bytes: u64) -> Result<Self, HistoryError> {
        let encode = |message| message::encode(message, max_message_bytes);
        let bodies = turn.messages().iter().map(encode).collect::<Result<_, _>>()?;
        Ok(Self { id: turn.id(), incomplete: turn.is_incomplete(), base: turn.base(), bodies })
    }
}

/// A turn as it is stored, without its messages.
pub(crate) struct StoredTurn {
    id: TurnId,
    first: u64,
    count: u64,
    incomplete: bool,
    base: Option<Version>,
}

impl StoredTurn {
    const COLUMNS: &str = "number, id, first, count, incomplete, base_epoch, base_messages, sum";

    fn read(row: &Row<'_>) -> Result<(u64, Self, i64), rusqlite::Error> {
        let base = Option::zip(row.get("base_epoch")?, row.get("base_messages")?);
        let base = base.map(|(epoch, messages): (i64, i64)| {
            Version::new(epoch.cast_unsigned(), messages.cast_unsigned())
        });
        let turn = Self {
            id: TurnId::from_u128(u128::from_be_bytes(row.get("id")?)),
            first: row.get("first")?,
            count: row.get("count")?,
            incomplete: row.get("incomplete")?,
            base,
        };
        Ok((row.get("number")?, turn, row.get("sum")?))
    }

    fn sum(&self, session: i64, number: u64) -> i64 {
        Sum::default()
            .number(session)
            .number(number.cast_signed())
            .bytes(self.id.as_bytes())
            .number(self.first.cast_signed())
            .number(self.count.cast_signed())
            .number(i64::from(self.incomplete))
            .option(self.base.map(|base| base.epoch.cast_signed()))
            .option(self.base.map(|base| base.messages.cast_signed()))
            .finish()
    }

    /// Returns how many messages the session had after this turn.
    const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }
}

/// Appends a turn, if it is not there and the session is as expected.
pub(crate) fn append(
    connection: &Connection,
    id: &SessionId,
    turn: &NewTurn,
    expect: Expect,
    time_to_live: Option<i64>,
) -> Result<Version, HistoryError> {
    let found = session::find(connection, id, time_to_live)?;
    if let Some(session) = &found.session
        && let Some(stored) = find(connection, session, turn.id)?
    {
        return Ok(Version::new(session.version.epoch, stored.end()));
    }
    expect.check(found.version)?;
    let mut session = session::begin(connection, id, &found)?;
    let stored = StoredTurn {
        id: turn.id,
        first: session.version.messages,
        count: turn.bodies.len() as u64,
        incomplete: turn.incomplete,
        base: turn.base,
    };
    message::insert(connection, &session, &turn.bodies)?;
    insert(connection, &session, &stored)?;
    session.advance(clock::now(), 1, stored.count);
    session.update(connection, id)?;
    Ok(session.version)
}

fn insert(
    connection: &Connection,
    session: &Session,
    turn: &StoredTurn,
) -> Result<(), HistoryError> {
    let statement = format!(
        "INSERT INTO turns (session, {}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        StoredTurn::COLUMNS
    );
    let row = params![
        session.key,
        session.turns,
        turn.id.as_bytes(),
        turn.first,
        turn.count,
        turn.incomplete,
        turn.base.map(|base| base.epoch.cast_signed()),
        turn.base.map(|base| base.messages.cast_signed()),
        turn.sum(session.key, session.turns),
    ];
    connection
        .prepare_cached(&statement)
        .and_then(|mut insert| insert.execute(row))
        .map(drop)
        .map_err(failure)
}

fn find(
    connection: &Connection,
    session: &Session,
    id: TurnId,
) -> Result<Option<StoredTurn>, HistoryError> {
    let select =
        format!("SELECT {} FROM turns WHERE session = ?1 AND id = ?2", StoredTurn::COLUMNS);
    let found = connection
        .prepare_cached(&select)
        .and_then(|mut select| {
            select.query_row(params![session.key, id.as_bytes()], StoredTurn::read).optional()
        })
        .map_err(failure)?;
    match found {
        Some((number, turn, sum)) if turn.sum(session.key, number) == sum => Ok(Some(turn)),
        Some(_) => Err(wrong("the row of a turn is damaged")),
        None => Ok(None),
    }
}

/// Returns the session's turns from the last one backwards, for as long as `wanted` is told no different.
pub(crate) fn last(
    connection: &Connection,
    session: &Session,
    mut wanted: impl FnMut(&StoredTurn) -> bool,
) -> Result<Vec<StoredTurn>, HistoryError> {
    let select = format!(
        "SELECT {} FROM turns WHERE session = ?1 ORDER BY number DESC",
        StoredTurn::COLUMNS
    );
    let mut select = connection.prepare_cached(&select).map_err(failure)?;
    let mut rows = select.query_map([session.key], StoredTurn::read).map_err(failure)?;
    let mut turns = Vec::new();
    let mut end = session.version.messages;
    for expected in (0..session.turns).rev() {
        let Some(row) = rows.next() else { return Err(wrong("turns are missing")) };
        let (number, turn, sum) = row.map_err(failure)?;
        if (number, turn.end()) != (expected, end) || turn.sum(session.key, number) != sum {
            return Err(wrong("the row of a turn is damaged"));
        }
        if !wanted(&turn) {
            break;
        }
        end = turn.first;
        turns.push(turn);
    }
    Ok(turns)
}

/// Returns the sequence number at which the last so many turns begin, those without messages not counted.
pub(crate) fn start_of_last(
    connection: &Connection,
    session: &Session,
    count: usize,
) -> Result<u64, HistoryError> {
    let mut left = count;
    let turns = last(connection, session, |turn| {
        let wanted = left > 0;
        left = left.saturating_sub(usize::from(turn.count > 0));
        wanted
    })?;
    Ok(turns.last().map_or(session.version.messages, |turn| turn.first))
}

/// Loads the turns that have messages in a range, whole, and those without messages among them.
pub(crate) fn load(
    connection: &Connection,
    session: &Session,
    range: Range,
) -> Result<Vec<Turn>, HistoryError> {
    let start = message::start(connection, session, range)?;
    let all = start == 0;
    let mut stored = last(connection, session, |turn| all || turn.end() > start)?;
    stored.reverse();
    let first = stored.first().map_or(session.version.messages, |turn| turn.first);
    let mut messages = message::load(connection, session, first)?.into_iter();
    let turns = stored.into_iter().map(|stored| {
        let count = usize::try_from(stored.count).unwrap_or(usize::MAX);
        let messages: Vec<_> = messages.by_ref().take(count).collect();
        let turn = Turn::new(messages).with_id(stored.id).with_incomplete(stored.incomplete);
        stored.base.into_iter().fold(turn, Turn::with_base)
    });
    Ok(turns.collect())
}
