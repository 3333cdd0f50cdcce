//! Turns: appending one, and the messages that belong to each.

use conversant_core::{Expect, HistoryError, Message, SessionId, Turn, TurnId, Version};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    message, now,
    session::{self, Found, Session},
};
use crate::{
    checksum::Checksum,
    error::{inconsistent, sqlite_error},
    statement::execute,
};

/// A turn to append, in its stored form.
pub(crate) struct NewTurn {
    id: TurnId,
    incomplete: bool,
    base: Option<Version>,
    bodies: Vec<String>,
}

impl NewTurn {
    /// Encodes a turn.
    pub(crate) fn encode(turn: &Turn, max_message_bytes: u64) -> Result<Self, HistoryError> {
        let encode = |message: &Message| message.to_stored_json(max_message_bytes);
        let bodies = turn.messages().iter().map(encode).collect::<Result<_, _>>()?;
        Ok(Self { id: turn.id(), incomplete: turn.is_incomplete(), base: turn.base(), bodies })
    }
}

/// The row of a turn, without its messages.
pub(crate) struct StoredTurn {
    id: TurnId,
    pub(super) first: u64,
    pub(super) count: u64,
    incomplete: bool,
    base: Option<Version>,
}

impl StoredTurn {
    /// Reads a row of `number, id, first, count, incomplete, base_epoch, base_messages, base_tip,
    /// sum`, with its number and its checksum.
    fn read(row: &Row<'_>) -> rusqlite::Result<(u64, Self, i64)> {
        let base: Option<(i64, i64)> = Option::zip(row.get(5)?, row.get(6)?);
        let tip: i64 = row.get(7)?;
        let turn = Self {
            id: TurnId::from_u128(u128::from_be_bytes(row.get(1)?)),
            first: row.get(2)?,
            count: row.get(3)?,
            incomplete: row.get(4)?,
            base: base.map(|(epoch, messages)| {
                Version::new(epoch.cast_unsigned(), messages.cast_unsigned())
                    .with_tip(tip.cast_unsigned())
            }),
        };
        Ok((row.get(0)?, turn, row.get(8)?))
    }

    fn checksum(&self, session: i64, number: u64) -> i64 {
        Checksum::default()
            .number(session)
            .number(number.cast_signed())
            .bytes(self.id.as_bytes())
            .number(self.first.cast_signed())
            .number(self.count.cast_signed())
            .number(i64::from(self.incomplete))
            .option(self.base.map(|base| base.epoch.cast_signed()))
            .option(self.base.map(|base| base.messages.cast_signed()))
            .added(self.base.map_or(0, |base| base.tip))
            .finish()
    }

    /// Returns the number of messages that the session had after this turn.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Returns the fingerprint of the session's last turn at the end of this one, or 0 if this one
    /// has no messages.
    fn tip(&self) -> u64 {
        if self.count == 0 { 0 } else { self.id.fingerprint() }
    }

    /// Returns the turn, with its messages.
    pub(super) fn into_turn(self, messages: Vec<Message>) -> Turn {
        let turn = Turn::new(messages).with_id(self.id).with_incomplete(self.incomplete);
        self.base.into_iter().fold(turn, Turn::with_base)
    }
}

/// Appends a turn, unless it is stored already or the session is not in the expected state.
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
        return Ok(Version::new(session.version.epoch, stored.end()).with_tip(stored.tip()));
    }
    check(connection, &found, expect)?;
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
    session.turns += 1;
    session.written = now();
    if stored.count > 0 {
        session.version.messages = stored.end();
        session.version.tip = stored.tip();
    }
    session.update(connection, id)?;
    Ok(session.version)
}

fn insert(
    connection: &Connection,
    session: &Session,
    turn: &StoredTurn,
) -> Result<(), HistoryError> {
    let statement = "INSERT INTO turns (session, number, id, first, count, incomplete,
                                        base_epoch, base_messages, base_tip, sum)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let row = params![
        session.key,
        session.turns,
        turn.id.as_bytes(),
        turn.first,
        turn.count,
        turn.incomplete,
        turn.base.map(|base| base.epoch.cast_signed()),
        turn.base.map(|base| base.messages.cast_signed()),
        turn.base.map_or(0, |base| base.tip).cast_signed(),
        turn.checksum(session.key, session.turns),
    ];
    execute(connection, statement, row).map(drop)
}

fn find(
    connection: &Connection,
    session: &Session,
    id: TurnId,
) -> Result<Option<StoredTurn>, HistoryError> {
    let select = "SELECT number, id, first, count, incomplete,
                         base_epoch, base_messages, base_tip, sum
                  FROM turns WHERE session = ?1 AND id = ?2";
    let found = connection
        .prepare_cached(select)
        .and_then(|mut select| {
            select.query_row(params![session.key, id.as_bytes()], StoredTurn::read).optional()
        })
        .map_err(sqlite_error)?;
    match found {
        Some((number, turn, sum)) if turn.checksum(session.key, number) == sum => Ok(Some(turn)),
        Some(_) => Err(damaged()),
        None => Ok(None),
    }
}

fn damaged() -> HistoryError {
    inconsistent("the row of a turn is damaged")
}

/// Returns the session's turns, newest first, until `wanted` returns `false`.
pub(super) fn last(
    connection: &Connection,
    session: &Session,
    mut wanted: impl FnMut(&StoredTurn) -> bool,
) -> Result<Vec<StoredTurn>, HistoryError> {
    let select = "SELECT number, id, first, count, incomplete,
                         base_epoch, base_messages, base_tip, sum
                  FROM turns WHERE session = ?1 ORDER BY number DESC";
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query_map([session.key], StoredTurn::read).map_err(sqlite_error)?;
    let mut turns = Vec::new();
    let mut end = session.version.messages;
    for expected in (0..session.turns).rev() {
        let Some(row) = rows.next() else { return Err(inconsistent("turns are missing")) };
        let (number, turn, sum) = row.map_err(sqlite_error)?;
        if (number, turn.end()) != (expected, end) || turn.checksum(session.key, number) != sum {
            return Err(damaged());
        }
        if !wanted(&turn) {
            break;
        }
        end = turn.first;
        turns.push(turn);
    }
    Ok(turns)
}

/// Checks an expectation against the session, and that the expected version is a position of the
/// stored conversation.
pub(super) fn check(
    connection: &Connection,
    found: &Found,
    expect: Expect,
) -> Result<(), HistoryError> {
    expect.check(found.version)?;
    match (expect.version(), &found.session) {
        (Some(expected), Some(session)) if !follows(connection, session, expected)? => {
            Err(HistoryError::Stale { expected, current: found.version })
        }
        _ => Ok(()),
    }
}

/// Returns whether the session's conversation continues from a version: it has the same epoch and,
/// if the version's tip is known, the same turn there.
pub(super) fn follows(
    connection: &Connection,
    session: &Session,
    version: Version,
) -> Result<bool, HistoryError> {
    let current = session.version;
    if version.epoch != current.epoch {
        return Ok(false);
    }
    if version.tip == 0 || version.messages >= current.messages {
        return Ok(version.tip == 0 || version == current);
    }
    let mut tip = 0;
    last(connection, session, |turn| {
        if turn.end() == version.messages {
            tip = turn.tip();
        }
        // Turns without messages can follow the one that ends there.
        turn.end() > version.messages || (turn.end() == version.messages && tip == 0)
    })?;
    Ok(tip == version.tip)
}
