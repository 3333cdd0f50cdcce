//! The sessions that the writer's connection has written last.

use std::num::NonZeroUsize;

use conversant_core::{HistoryError, SessionId, Version};
use lru::LruCache;
use rusqlite::Connection;

use super::session_row::Session;
use crate::error::sqlite_error;

/// The most sessions that are remembered: a few hundred bytes each.
const MAX_SEEN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

/// The sessions that a connection has written last, as they are in the file, so that an append and
/// a question for new turns need not read them.
///
/// They are forgotten once another connection has committed, of which SQLite keeps count, and by
/// each write of this connection that changes sessions otherwise. Sessions with branches, and those
/// with turns in the tables of version 2, are never remembered.
pub(crate) struct SeenSessions {
    /// SQLite's number of the state of the file that the sessions are of.
    data_version: i64,
    /// Whether the number was compared since the transaction began.
    is_compared: bool,
    sessions: LruCache<SessionId, Session>,
}

impl Default for SeenSessions {
    fn default() -> Self {
        Self { data_version: -1, is_compared: false, sessions: LruCache::new(MAX_SEEN) }
    }
}

impl SeenSessions {
    /// Begins a transaction, before which other connections may have committed.
    pub(crate) const fn begin(&mut self) {
        self.is_compared = false;
    }

    /// Forgets all sessions.
    pub(crate) fn forget(&mut self) {
        self.sessions.clear();
    }

    /// Returns a session as it is in the file, if it is remembered and has not expired.
    pub(super) fn find(
        &mut self,
        connection: &Connection,
        id: &SessionId,
        time_to_live: Option<i64>,
    ) -> Result<Option<Session>, HistoryError> {
        if !self.is_compared {
            self.compare(connection)?;
            self.is_compared = true;
        }
        let found = self.sessions.get(id).copied();
        Ok(found.filter(|session| !session.is_expired(time_to_live)))
    }

    /// Returns whether a session is at a version, as far as it is known without reading it. Outside
    /// of a transaction.
    pub(crate) fn is_at(
        &mut self,
        connection: &Connection,
        id: &SessionId,
        version: Version,
        time_to_live: Option<i64>,
    ) -> Result<bool, HistoryError> {
        if self.sessions.peek(id).is_none_or(|session| session.version != version) {
            return Ok(false);
        }
        self.begin();
        Ok(self.find(connection, id, time_to_live)?.is_some())
    }

    /// Remembers a session that was written.
    pub(super) fn remember(&mut self, id: &SessionId, session: Session) {
        if session.branch.is_some() || session.earlier > 0 {
            self.sessions.pop(id);
        } else if let Some(seen) = self.sessions.get_mut(id) {
            *seen = session.after_update();
        } else {
            self.sessions.put(id.clone(), session.after_update());
        }
    }

    fn compare(&mut self, connection: &Connection) -> Result<(), HistoryError> {
        let found: i64 = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(sqlite_error)?;
        if found != self.data_version {
            self.forget();
            self.data_version = found;
        }
        Ok(())
    }
}
