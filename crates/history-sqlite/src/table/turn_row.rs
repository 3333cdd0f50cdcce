//! The rows of turns, each with its messages.

use conversant_core::{HistoryError, Message, Turn, TurnId, Version};
use rusqlite::{Connection, Row, params};

use crate::{
    checksum::Checksum,
    error::{corrupt, inconsistent, row_error, sqlite_error},
    statement::execute,
};

/// The columns of a turn, which [`Header::read`] reads, and those that only these rows have.
macro_rules! columns {
    () => {
        "place, turns.id, first, count, incomplete, base_epoch, base_messages, base_tip, \
         turns.sum, body"
    };
}
pub(super) use columns;

/// The bits of a place that are the turn's number.
const NUMBER_BITS: u32 = 32;
/// The most turns of a session since it was last cleared.
pub(super) const MAX_TURNS: u64 = 1 << NUMBER_BITS;
/// The largest key of a session, so that a place is not negative.
const MAX_KEY: i64 = i64::MAX >> NUMBER_BITS;

/// A turn without its messages.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    pub(super) number: u64,
    pub(super) id: TurnId,
    pub(super) first: u64,
    pub(super) count: u64,
    pub(super) incomplete: bool,
    pub(super) base: Option<Version>,
}

impl Header {
    /// Reads `number, id, first, count, incomplete, base_epoch, base_messages, base_tip` from the
    /// column `start` on.
    pub(super) fn read(row: &Row<'_>, start: usize) -> rusqlite::Result<Self> {
        let number = |index| row.get::<_, i64>(start + index).map(i64::cast_unsigned);
        let optional = |index| row.get::<_, Option<i64>>(start + index);
        let base = Option::zip(optional(5)?, optional(6)?);
        let tip = optional(7)?.unwrap_or_default().cast_unsigned();
        Ok(Self {
            number: number(0)?,
            id: TurnId::from_u128(u128::from_be_bytes(row.get(start + 1)?)),
            first: row.get(start + 2)?,
            count: row.get(start + 3)?,
            incomplete: row.get(start + 4)?,
            base: base.map(|(epoch, messages)| {
                Version::new(epoch.cast_unsigned(), messages.cast_unsigned()).with_tip(tip)
            }),
        })
    }

    /// Returns the number of messages that the session had after this turn.
    pub(super) const fn end(&self) -> u64 {
        self.first.saturating_add(self.count)
    }

    /// Returns the fingerprint of the session's last turn at the end of this one, or 0 if this one
    /// has no messages.
    pub(super) const fn tip(&self) -> u64 {
        if self.count == 0 { 0 } else { self.id.fingerprint() }
    }

    /// Returns the version of a session after this turn is appended to it.
    pub(super) const fn version_after(&self, before: Version) -> Version {
        match self.count {
            0 => before,
            _ => Version::new(before.epoch, self.end()).with_tip(self.tip()),
        }
    }

    /// Returns the turn, with its messages.
    pub(super) fn into_turn(self, messages: Vec<Message>) -> Turn {
        let turn = Turn::new(messages).with_id(self.id).with_incomplete(self.incomplete);
        self.base.into_iter().fold(turn, Turn::with_base)
    }

    fn checksum(&self, session: i64, body: &str) -> i64 {
        let base = self.base.unwrap_or_default();
        Checksum::default()
            .number(session)
            .number(self.number.cast_signed())
            .bytes(self.id.as_bytes())
            .number(self.first.cast_signed())
            .number(self.count.cast_signed())
            .number(i64::from(self.incomplete))
            .number(i64::from(self.base.is_some()))
            .number(base.epoch.cast_signed())
            .number(base.messages.cast_signed())
            .number(base.tip.cast_signed())
            .bytes(body.as_bytes())
            .finish_signed()
    }
}

/// Returns the place of a session's turn.
pub(super) fn place(session: i64, number: u64) -> Result<i64, HistoryError> {
    if !(0..=MAX_KEY).contains(&session) {
        return Err(inconsistent("the key of a session is not valid"));
    }
    if number >= MAX_TURNS {
        let what = "more than 4,294,967,296 turns of a session";
        return Err(HistoryError::Unsupported { what });
    }
    Ok((session << NUMBER_BITS) | number.cast_signed())
}

/// Returns the first place of a session and its last.
pub(super) fn places(session: i64) -> Result<(i64, i64), HistoryError> {
    Ok((place(session, 0)?, place(session, MAX_TURNS - 1)?))
}

/// Returns the key of the branch and the number of the turn that has a place.
pub(super) const fn branch_of(place: i64) -> (i64, u64) {
    (place >> NUMBER_BITS, place.cast_unsigned() & (MAX_TURNS - 1))
}

/// Calls a function with the header and the messages of each turn of a branch, in order, while it
/// returns that it goes on.
pub(super) fn bodies(
    connection: &Connection,
    branch: i64,
    mut each: impl FnMut(Header, &str) -> Result<bool, HistoryError>,
) -> Result<(), HistoryError> {
    let select =
        concat!("SELECT ", columns!(), " FROM turns WHERE place BETWEEN ?1 AND ?2 ORDER BY place");
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let (first, last) = places(branch)?;
    let mut rows = select.query([first, last]).map_err(sqlite_error)?;
    while let Some(row) = rows.next().map_err(sqlite_error)? {
        if let Some(TurnRow { header, body, .. }) = read(row, 0)?
            && !each(header, body)?
        {
            break;
        }
    }
    Ok(())
}

/// A row of a turn.
pub(super) struct TurnRow<'r> {
    /// The key of its branch.
    pub(super) branch: i64,
    pub(super) header: Header,
    pub(super) body: &'r str,
}

/// Decodes the messages of a turn.
pub(super) fn decode(turn: &Header, body: &str) -> Result<Vec<Message>, HistoryError> {
    let messages = Message::list_from_stored_json(body, format_args!("turn {}", turn.number))?;
    if messages.len() as u64 == turn.count { Ok(messages) } else { Err(damaged()) }
}

/// Reads a turn from the column `start` on, or returns `None` if the row has none.
pub(super) fn read<'r>(
    row: &'r Row<'_>,
    start: usize,
) -> Result<Option<TurnRow<'r>>, HistoryError> {
    let column = |index| row.get_ref(start + index).map_err(sqlite_error);
    let invalid = |error| corrupt("cannot decode a turn", error);
    let Some(place) = column(0)?.as_i64_or_null().map_err(invalid)? else { return Ok(None) };
    let mut header =
        Header::read(row, start).map_err(|error| row_error(error, || DAMAGED.to_owned()))?;
    header.number &= MAX_TURNS - 1;
    let sum = column(8)?.as_i64().map_err(invalid)?;
    let body = column(9)?.as_str().map_err(invalid)?;
    let branch = place >> NUMBER_BITS;
    match header.checksum(branch, body) == sum {
        true => Ok(Some(TurnRow { branch, header, body })),
        false => Err(damaged()),
    }
}

/// Runs `run` with the row of a branch's turn.
pub(super) fn at_place<T>(
    connection: &Connection,
    branch: i64,
    number: u64,
    run: impl FnOnce(TurnRow<'_>) -> Result<T, HistoryError>,
) -> Result<Option<T>, HistoryError> {
    let select = concat!("SELECT ", columns!(), " FROM turns WHERE place = ?1");
    let place = place(branch, number)?;
    one(connection, select, params![place], run)
}

/// Loads the header of a branch's turn.
pub(super) fn stored_at(
    connection: &Connection,
    branch: i64,
    number: u64,
) -> Result<Option<Header>, HistoryError> {
    at_place(connection, branch, number, |row| Ok(row.header))
}

/// Loads the header of a branch's last turn from a number on and before another one.
pub(super) fn last_of(
    connection: &Connection,
    branch: i64,
    from: u64,
    before: u64,
) -> Result<Option<Header>, HistoryError> {
    let Some(last) = before.checked_sub(1).filter(|&last| from <= last) else { return Ok(None) };
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM turns WHERE place BETWEEN ?1 AND ?2 ORDER BY place DESC LIMIT 1"
    );
    let params = params![place(branch, from)?, place(branch, last)?];
    one(connection, select, params, |row| Ok(row.header))
}

/// Runs `run` with the row that a statement selects.
pub(super) fn one<T>(
    connection: &Connection,
    select: &str,
    params: impl rusqlite::Params,
    run: impl FnOnce(TurnRow<'_>) -> Result<T, HistoryError>,
) -> Result<Option<T>, HistoryError> {
    let mut select = connection.prepare_cached(select).map_err(sqlite_error)?;
    let mut rows = select.query(params).map_err(sqlite_error)?;
    match rows.next().map_err(sqlite_error)? {
        Some(row) => read(row, 0)?.map(run).transpose(),
        None => Ok(None),
    }
}

/// The statement that inserts the row of a turn.
macro_rules! insert {
    ($verb:literal, $count:literal) => {
        concat!(
            $verb,
            " INTO turns (place, id, first, count, incomplete, base_epoch, base_messages, base_tip,
                          sum, body)
              VALUES (?1, ?2, ?3, ",
            $count,
            ", ?5, ?6, ?7, ?8, ?9, ?10)"
        )
    };
}

/// Inserts the row of a turn.
pub(super) fn insert(
    connection: &Connection,
    branch: i64,
    turn: &Header,
    body: &str,
) -> Result<(), HistoryError> {
    insert_by(connection, insert!("INSERT", "?4"), branch, turn, body).map(drop)
}

/// Inserts the row of a turn, unless its place is taken or its branch has a turn with this id.
/// Returns whether it did. Only for files without a search.
pub(super) fn insert_new(
    connection: &Connection,
    branch: i64,
    turn: &Header,
    body: &str,
) -> Result<bool, HistoryError> {
    // One statement instead of two. A row with a null in place of its count is ignored.
    let statement = insert!(
        "INSERT OR IGNORE",
        "CASE WHEN EXISTS (SELECT 1 FROM turns WHERE id = ?2 AND place >> 32 = ?1 >> 32)
              THEN NULL ELSE ?4 END"
    );
    insert_by(connection, statement, branch, turn, body).map(|inserted| inserted == 1)
}

fn insert_by(
    connection: &Connection,
    statement: &str,
    branch: i64,
    turn: &Header,
    body: &str,
) -> Result<usize, HistoryError> {
    let row = params![
        place(branch, turn.number)?,
        turn.id.as_bytes(),
        turn.first,
        turn.count,
        turn.incomplete,
        turn.base.map(|base| base.epoch.cast_signed()),
        turn.base.map(|base| base.messages.cast_signed()),
        turn.base.map(|base| base.tip.cast_signed()).filter(|&tip| tip != 0),
        turn.checksum(branch, body),
        body,
    ];
    execute(connection, statement, row)
}

/// Removes the turns of a branch from a number on.
pub(super) fn remove_from(
    connection: &Connection,
    branch: i64,
    number: u64,
) -> Result<(), HistoryError> {
    let (_, last) = places(branch)?;
    let statement = "DELETE FROM turns WHERE place BETWEEN ?1 AND ?2";
    execute(connection, statement, params![place(branch, number)?, last]).map(drop)
}

const DAMAGED: &str = "the row of a turn is damaged";

pub(super) fn damaged() -> HistoryError {
    inconsistent(DAMAGED)
}
