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
}

/// The number of columns that [`Session::read`] reads.
pub(super) const COLUMNS: usize = 8;

/// Selects a session with its turns, newest first, as one statement reads them.
pub(super) const SELECT: &str = concat!(
    "SELECT key, epoch, messages, sessions.turns, written, sessions.sum, earlier, branch, ",
    columns!(),
    " FROM sessions LEFT JOIN turns ON place BETWEEN key << 32 AND (key << 32) + 4294967295
     WHERE sessions.id = ?1 ORDER BY place DESC"
);

impl Session {
    /// Reads `key, epoch, messages, turns, written, sum, earlier, branch`, and checks them for a
    /// session of this id.
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

    /// Writes the row of the session.
    pub(super) fn update(
        &self,
        connection: &Connection,
        id: &SessionId,
    ) -> Result<(), HistoryError> {
        let statement = "UPDATE sessions
                         SET epoch = ?2, messages = ?3, turns = ?4, written = ?5, sum = ?6,
                             earlier = ?7, branch = ?8
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
            self.branch
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
