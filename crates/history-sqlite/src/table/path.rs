//! The path of a session from its start to its tip: reading its turns, and finding them.

use std::borrow::Cow;

use conversant_core::{Expect, HistoryError, Message, TurnId, Version};
use rusqlite::{
    Connection, Row, Rows, fallible_streaming_iterator::FallibleStreamingIterator, params,
};

use super::{
    branch::{self, Branch},
    chain::Chain,
    earlier,
    session_row::{COLUMNS, Session},
    turn_row::{
        Header, TurnRow, at_place, columns, damaged, decode, last_of, one, places, read, stored_at,
    },
};
use crate::error::{inconsistent, sqlite_error};

/// A session's turns, newest first. All that it reads is of one moment.
pub(crate) struct Turns<'c, 's> {
    connection: &'c Connection,
    session: Session,
    /// Rows of the session's columns, then those of [`columns`]. `None`: each turn is selected by
    /// its number.
    rows: Option<Rows<'s>>,
    chain: Chain,
    /// Whether the current row is that of the next turn.
    is_at_next: bool,
    /// The number of turns that are left, and of messages before them.
    left: u64,
    end: u64,
}

/// A turn, and where its messages are.
pub(crate) struct StoredTurn<'t> {
    pub(super) header: Header,
    messages: StoredMessages<'t>,
}

enum StoredMessages<'t> {
    Body(Cow<'t, str>),
    Earlier { connection: &'t Connection, session: Session },
}

impl StoredTurn<'_> {
    /// Decodes the messages.
    pub(super) fn messages(&self) -> Result<Vec<Message>, HistoryError> {
        let header = &self.header;
        match &self.messages {
            StoredMessages::Earlier { connection, session } => {
                earlier::messages(connection, session, header)
            }
            StoredMessages::Body(body) => decode(header, body),
        }
    }
}

impl<'c, 's> Turns<'c, 's> {
    /// Returns the turns of a session. `rows` is at its newest turn.
    pub(super) fn new(
        connection: &'c Connection,
        session: Session,
        rows: Option<Rows<'s>>,
    ) -> Self {
        let (left, end) = (session.turns, session.version.messages);
        Self { connection, session, rows, chain: Chain::default(), is_at_next: true, left, end }
    }

    /// Returns the session.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the connection, on which all statements see the moment that the turns are of.
    pub(crate) const fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Returns whether no messages are left.
    pub(super) const fn is_at_start(&self) -> bool {
        self.end == 0
    }

    /// Loads the messages of a turn, which does not move.
    pub(super) fn messages_of(
        &mut self,
        number: u64,
    ) -> Result<Option<Vec<Message>>, HistoryError> {
        let (connection, session, chain) = (self.connection, &self.session, &mut self.chain);
        if number >= session.turns {
            return Ok(None);
        }
        let messages = if number < session.earlier {
            earlier::messages(connection, session, &earlier::header(connection, session, number)?)?
        } else {
            by_number(connection, session, chain, number, |row| decode(&row.header, row.body))?
        };
        Ok(Some(messages))
    }

    /// Returns the next older turn.
    pub(super) fn next(&mut self) -> Result<Option<StoredTurn<'_>>, HistoryError> {
        let Some(number) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = number;
        let turn = match &mut self.rows {
            _ if number < self.session.earlier => {
                let header = earlier::header(self.connection, &self.session, number)?;
                let messages =
                    StoredMessages::Earlier { connection: self.connection, session: self.session };
                StoredTurn { header, messages }
            }
            Some(rows) => {
                if !std::mem::replace(&mut self.is_at_next, false) {
                    rows.advance().map_err(sqlite_error)?;
                }
                let missing = || inconsistent("turns are missing");
                let row = FallibleStreamingIterator::get(&*rows).ok_or_else(missing)?;
                let row = read(row, COLUMNS)?.ok_or_else(missing)?;
                if row.branch != self.session.key {
                    return Err(damaged());
                }
                let messages = StoredMessages::Body(Cow::Borrowed(row.body));
                StoredTurn { header: row.header, messages }
            }
            None => {
                let owned = |row: TurnRow<'_>| Ok((row.header, row.body.to_owned()));
                let (connection, session) = (self.connection, &self.session);
                let (header, body) =
                    by_number(connection, session, &mut self.chain, number, owned)?;
                StoredTurn { header, messages: StoredMessages::Body(Cow::Owned(body)) }
            }
        };
        if (turn.header.number, turn.header.end()) != (number, self.end) {
            return Err(damaged());
        }
        self.end = turn.header.first;
        Ok(Some(turn))
    }
}

/// Reads the newest turn of a session that is the current row's, without its messages.
pub(super) fn newest(
    connection: &Connection,
    session: &Session,
    row: &Row<'_>,
) -> Result<Option<Header>, HistoryError> {
    let Some(number) = session.turns.checked_sub(1) else { return Ok(None) };
    if number < session.earlier || session.branch.is_some() {
        return header(connection, session, &mut Chain::default(), number).map(Some);
    }
    match read(row, COLUMNS)? {
        Some(row) => Ok(Some(row.header)),
        None => Err(inconsistent("turns are missing")),
    }
}

/// Loads the header of a session's first turn.
pub(super) fn first(connection: &Connection, session: &Session) -> Result<Header, HistoryError> {
    header(connection, session, &mut Chain::default(), 0)
}

/// Loads the header of a turn on the session's path.
fn header(
    connection: &Connection,
    session: &Session,
    chain: &mut Chain,
    number: u64,
) -> Result<Header, HistoryError> {
    if number < session.earlier {
        earlier::header(connection, session, number)
    } else {
        by_number(connection, session, chain, number, |row| Ok(row.header))
    }
}

/// Returns the fingerprint of the session's last turn with messages, of which there is one at most
/// before `number`.
pub(super) fn tip_before(
    connection: &Connection,
    session: &Session,
    number: u64,
) -> Result<u64, HistoryError> {
    let mut chain = Chain::default();
    for number in (0..number).rev() {
        let header = header(connection, session, &mut chain, number)?;
        if header.count > 0 {
            return Ok(header.tip());
        }
    }
    Ok(0)
}

/// Returns the fingerprint of the turn on the session's path that has the last of a number of
/// messages, or 0 if the path has fewer.
pub(super) fn tip_with(
    connection: &Connection,
    session: &Session,
    messages: u64,
) -> Result<u64, HistoryError> {
    Ok(turn_with(connection, session, messages)?.map_or(0, |header| header.tip()))
}

/// Returns the turn on the session's path that has the last of a number of messages, if there are
/// as many. It is searched from the newest turn on, in steps that double, since it is mostly near.
fn turn_with(
    connection: &Connection,
    session: &Session,
    messages: u64,
) -> Result<Option<Header>, HistoryError> {
    if messages == 0 || messages > session.version.messages {
        return Ok(None);
    }
    let mut chain = Chain::default();
    let last = session.turns.saturating_sub(1);
    let (mut low, mut high, mut step) = (0, last, 1);
    while let Some(number) = last.checked_sub(step) {
        if header(connection, session, &mut chain, number)?.end() < messages {
            low = number + 1;
            break;
        }
        high = number;
        step *= 2;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        let is_before = header(connection, session, &mut chain, middle)?.end() < messages;
        if is_before { low = middle + 1 } else { high = middle }
    }
    header(connection, session, &mut chain, low).map(Some)
}

/// Runs `run` with the row of a turn on the session's path.
fn by_number<T>(
    connection: &Connection,
    session: &Session,
    chain: &mut Chain,
    number: u64,
    run: impl FnOnce(TurnRow<'_>) -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    let branch = chain.key_of(connection, session, number)?;
    at_place(connection, branch, number, run)?.ok_or_else(|| inconsistent("turns are missing"))
}

/// Returns the turn of a branch that a version names: one of its first turns, `limit` in number.
pub(super) fn ending_at(
    connection: &Connection,
    branch: &Branch,
    limit: u64,
    version: Version,
) -> Result<Option<Header>, HistoryError> {
    let Some(last) = last_of(connection, branch.key, branch.turns, limit)? else { return Ok(None) };
    let (mut low, mut high) = (branch.turns, last.number);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = stored_at(connection, branch.key, middle)?;
        let found = found.ok_or_else(|| inconsistent("turns are missing"))?;
        if found.end() < version.messages { low = middle + 1 } else { high = middle }
    }
    let found = stored_at(connection, branch.key, low)?;
    Ok(found.filter(|found| found.end() == version.messages && found.tip() == version.tip))
}

/// Finds a turn of the session, on any branch, by its id. Returns it with the key of its branch.
pub(super) fn find(
    connection: &Connection,
    session: &Session,
    id: TurnId,
) -> Result<Option<(i64, Header)>, HistoryError> {
    if session.branch.is_some() {
        return find_in_tree(connection, session, id);
    }
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM turns WHERE turns.id = ?1 AND place BETWEEN ?2 AND ?3"
    );
    let (first, last) = places(session.key)?;
    let params = params![id.as_bytes(), first, last];
    match one(connection, select, params, |row| Ok((row.branch, row.header)))? {
        None if session.earlier > 0 => {
            Ok(earlier::find(connection, session, id)?.map(|header| (session.key, header)))
        }
        found => Ok(found),
    }
}

fn find_in_tree(
    connection: &Connection,
    session: &Session,
    id: TurnId,
) -> Result<Option<(i64, Header)>, HistoryError> {
    let select = concat!("SELECT ", columns!(), " FROM turns WHERE turns.id = ?1");
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query([id.as_bytes()]).map_err(sqlite_error)?;
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        let Some(TurnRow { branch, header, .. }) = read(row, 0)? else { continue };
        if header.number < branch::limit(connection, session, branch)? {
            return Ok(Some((branch, header)));
        }
    }
    Ok(None)
}

/// Checks an expectation against a session, and that the expected version is a position of the
/// stored conversation.
pub(super) fn check(
    connection: &Connection,
    current: Version,
    session: Option<&Session>,
    expect: Expect,
) -> Result<(), HistoryError> {
    expect.check(current)?;
    match (expect.version(), session) {
        (Some(expected), Some(session)) if !follows(connection, session, expected)? => {
            Err(HistoryError::Stale { expected, current })
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
    // Turns without messages can follow the one that ends there.
    let found = turn_with(connection, session, version.messages)?;
    Ok(found.is_some_and(|turn| turn.end() == version.messages && turn.tip() == version.tip))
}
