//! The row of a session: its version, its length, and where its last turn is.

use conversant_core::{HistoryError, SessionId, Version};
use rusqlite::{Connection, Row, params};

use super::{now, turn_row::columns};
use crate::{
    checksum::Checksum,
    error::{inconsistent, sqlite_error},
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
    /// The size of its turns. `None`: they are not counted yet, and its totals neither.
    pub(super) bytes: Option<i64>,
    /// Whether the file has an index of words. It is not part of the session's row.
    pub(super) has_search: bool,
}

/// The columns of a session, which [`Session::read`] reads.
macro_rules! session_columns {
    () => {
        "key, epoch, messages, sessions.turns, written, sessions.sum, earlier, branch, created, \
         used, bytes, (SELECT up_to FROM search)"
    };
}
pub(super) use session_columns;

/// The number of columns that [`Session::read`] reads.
pub(super) const COLUMNS: usize = 12;

/// Selects a session with its turns, newest first, as one statement reads them.
pub(super) const SELECT: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", ",
    columns!(),
    " FROM sessions LEFT JOIN turns ON place BETWEEN key << 32 AND (key << 32) + 4294967295
     WHERE sessions.id = ?1 ORDER BY place DESC"
);

impl Session {
    /// Reads [`session_columns`], and checks them for a session of this id.
    pub(super) fn read(row: &Row<'_>, id: &str) -> Result<Self, HistoryError> {
        let (session, sum) = Self::read_unchecked(row).map_err(sqlite_error)?;
        if session.checksum(id) == sum { Ok(session) } else { Err(damaged(id)) }
    }

    fn read_unchecked(row: &Row<'_>) -> rusqlite::Result<(Self, i64)> {
        let session = Self {
            key: row.get(0)?,
            version: Version::new(row.get(1)?, row.get(2)?),
            turns: row.get(3)?,
            written: row.get(4)?,
            earlier: row.get(6)?,
            branch: row.get(7)?,
            created: row.get(8)?,
            used: row.get(9)?,
            bytes: row.get(10)?,
            has_search: row.get::<_, Option<i64>>(11)?.is_some(),
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
            .finish()
    }

    /// Returns the key of the branch of its last turn.
    pub(super) const fn head(&self) -> i64 {
        match self.branch {
            Some(branch) => branch,
            None => self.key,
        }
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
    }

    /// Writes the row of the session.
    pub(super) fn update(
        &self,
        connection: &Connection,
        id: &SessionId,
    ) -> Result<(), HistoryError> {
        let statement = "UPDATE sessions
                         SET epoch = ?2, messages = ?3, turns = ?4, written = ?5, sum = ?6,
                             earlier = ?7, branch = ?8, created = ?9, used = ?10, bytes = ?11
                         WHERE key = ?1";
        let Version { epoch, messages, .. } = self.version;
        let sum = self.checksum(id.as_str());
        let row = params![
            self.key,
            epoch,
            messages,
            self.turns,
            self.written,
            sum,
            self.earlier,
            self.branch,
            self.created,
            self.used,
            self.bytes,
        ];
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
