//! The row of a session: its version, its length, and where its last turn is.

use conversant_core::{HistoryError, SessionId, Version};
use rusqlite::{Connection, Row, ToSql, params};

use super::{now, turn_row::columns};
use crate::{
    checksum::Checksum,
    error::{inconsistent, row_error},
    statement::execute,
};

/// A session that is stored.
#[derive(Clone, Copy)]
pub(crate) struct Session {
    pub(crate) key: i64,
    pub(crate) version: Version,
    /// The number of turns since it was last cleared.
    pub(super) turns: u64,
    /// The number of them that are in the tables of version 2. They are the first ones.
    ///
    /// It is not part of the row's checksum: with another value, turns are missing.
    pub(super) earlier: u64,
    /// The branch of its last turn. `None`: it has no branches but the first.
    pub(super) branch: Option<i64>,
    /// The time of the last append.
    pub(super) written: i64,
    /// The times of the first turn and of the last one, as lists show them. 0 if not known.
    pub(super) created: i64,
    pub(super) used: i64,
    /// The last use in the index of lists, at most [`MAX_LAG`] before `used`, and whether the row
    /// has another one.
    pub(super) listed: i64,
    pub(super) is_moved: bool,
    /// The size of its turns. `None`: they are not counted yet, and its totals neither.
    pub(super) bytes: Option<i64>,
    /// Whether the file has an index of words. It is not part of the session's row.
    pub(super) has_search: bool,
}

/// The columns of a session, which [`Session::read`] reads.
macro_rules! session_columns {
    () => {
        "key, epoch, messages, sessions.turns, written, sessions.sum, earlier, branch, created, \
         used, bytes, used_lag, (SELECT up_to FROM search)"
    };
}
pub(super) use session_columns;

/// The number of columns that [`Session::read`] reads.
pub(super) const COLUMNS: usize = 13;

/// The most milliseconds from a session's last use in the index of a list to its last use: one
/// minute. An append within it writes the index less, and a list sorts what is in it.
pub(super) const MAX_LAG: i64 = 60_000;

/// Selects a session with its turns, newest first, as one statement reads them.
pub(super) const SELECT: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", ",
    columns!(),
    " FROM sessions LEFT JOIN turns ON place BETWEEN key << 32 AND (key << 32) + 4294967295
     WHERE sessions.id = ?1 ORDER BY place DESC"
);

/// The statement that updates the row of a session.
macro_rules! update {
    ($listed:literal) => {
        concat!(
            "UPDATE sessions SET ",
            $listed,
            " epoch = ?2, messages = ?3, turns = ?4, written = ?5, sum = ?6, earlier = ?7,
              branch = ?8, created = ?9, bytes = ?10, used_lag = ?11
             WHERE key = ?1"
        )
    };
}

impl Session {
    /// Creates a session that has nothing yet.
    pub(super) const fn new(key: i64, version: Version, has_search: bool) -> Self {
        Self {
            key,
            version,
            turns: 0,
            earlier: 0,
            branch: None,
            written: 0,
            created: 0,
            used: 0,
            listed: 0,
            is_moved: false,
            bytes: Some(0),
            has_search,
        }
    }

    /// Returns the session as a later load finds it.
    pub(super) const fn after_update(self) -> Self {
        Self { is_moved: false, ..self }
    }

    /// Reads [`session_columns`], and checks them for a session of this id.
    pub(super) fn read(row: &Row<'_>, id: &str) -> Result<Self, HistoryError> {
        let (session, sum) = Self::read_unchecked(row).map_err(|error| {
            row_error(error, || format!("the row of session `{id}` is damaged"))
        })?;
        if session.checksum(id) == sum { Ok(session) } else { Err(damaged(id)) }
    }

    fn read_unchecked(row: &Row<'_>) -> rusqlite::Result<(Self, i64)> {
        let listed: i64 = row.get(9)?;
        let session = Self {
            key: row.get(0)?,
            version: Version::new(row.get(1)?, row.get(2)?),
            turns: row.get(3)?,
            written: row.get(4)?,
            earlier: row.get(6)?,
            branch: row.get(7)?,
            created: row.get(8)?,
            used: listed.saturating_add(row.get(11)?),
            listed,
            is_moved: false,
            bytes: row.get(10)?,
            has_search: row.get::<_, Option<i64>>(12)?.is_some(),
        };
        Ok((session, row.get(5)?))
    }

    fn checksum(&self, id: &str) -> i64 {
        Checksum::default()
            .bytes(id.as_bytes())
            .number(self.key)
            .number(self.version.epoch.cast_signed())
            .number(self.version.messages.cast_signed())
            .number(self.turns.cast_signed())
            .number(self.written)
            .added(self.branch.unwrap_or_default().cast_unsigned())
            .added(self.created.cast_unsigned())
            // Of a row that was upgraded, the two are the same.
            .added(self.used.wrapping_sub(self.written).cast_unsigned())
            .added(self.bytes.map_or(0, |bytes| bytes.wrapping_add(1)).cast_unsigned())
            .added(self.lag().cast_unsigned())
            .finish()
    }

    const fn lag(&self) -> i64 {
        self.used.wrapping_sub(self.listed)
    }

    /// Returns the key of the branch of its last turn.
    pub(super) const fn head(&self) -> i64 {
        match self.branch {
            Some(branch) => branch,
            None => self.key,
        }
    }

    /// Returns whether it has turns, on any branch.
    pub(super) const fn has_turns(&self) -> bool {
        self.turns > 0 || self.branch.is_some()
    }

    pub(super) fn is_expired(&self, time_to_live: Option<i64>) -> bool {
        time_to_live.is_some_and(|time| now().saturating_sub(self.written) > time)
    }

    /// Notes that it is used at a time, which is also that of its beginning if it is empty.
    pub(super) fn use_at(&mut self, time: i64) {
        if self.created == 0 && self.turns == 0 && self.branch.is_none() {
            self.created = time;
        }
        self.used = self.used.max(time);
        if self.lag() > MAX_LAG {
            (self.listed, self.is_moved) = (self.used, true);
        }
    }

    /// Writes the row of the session.
    pub(super) fn update(
        &self,
        connection: &Connection,
        id: &SessionId,
    ) -> Result<(), HistoryError> {
        let statement = match self.is_moved {
            true => update!("used = ?12,"),
            false => update!(""),
        };
        let Version { epoch, messages, .. } = self.version;
        let sum = self.checksum(id.as_str());
        let row: &[&dyn ToSql] = params![
            self.key,
            epoch,
            messages,
            self.turns,
            self.written,
            sum,
            self.earlier,
            self.branch,
            self.created,
            self.bytes,
            self.lag(),
            self.listed,
        ];
        // The index is in step unless the session has moved.
        let row = row.get(..if self.is_moved { 12 } else { 11 }).unwrap_or(row);
        match execute(connection, statement, row)? {
            1 => Ok(()),
            _ => Err(inconsistent("the row of a session is missing")),
        }
    }
}

/// Returns the error for a session whose row is damaged.
pub(super) fn damaged(name: &str) -> HistoryError {
    inconsistent(format!("the row of session `{name}` is damaged"))
}
