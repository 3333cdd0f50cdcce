//! Deletions of several sessions: which are chosen by a reader, so that other writers do not wait
//! for that, and are looked at again when they are deleted.

use std::collections::HashSet;

use conversant_core::{HistoryError, SessionFilter};
use rusqlite::Connection;

use crate::{
    history::SqliteHistory,
    table::deletion::{self, Deleted},
    worker::ReadLength,
};

impl SqliteHistory {
    /// Deletes at most `limit` sessions that a filter selects.
    pub(crate) async fn delete_selected(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        let time_to_live = self.store.time_to_live;
        if filter.words().next().is_none() {
            let filter = filter.clone();
            // An index has the conditions: they are looked at while the sessions are deleted.
            let delete = move |connection: &Connection| {
                deletion::delete(connection, &filter, limit, time_to_live)
            };
            return self.store.workers.erase(None, delete).await?.finish(limit);
        }
        self.store.workers.check_writable()?;
        let (mut deleted, mut known) = (Deleted::default(), HashSet::new());
        while deleted.count < limit {
            let wanted = limit - deleted.count;
            let (selected, except) = (filter.clone(), known.clone());
            let choose = move |connection: &mut Connection| {
                deletion::choose(connection, &selected, wanted, &except, time_to_live)
            };
            let chosen = self.store.workers.read(None, ReadLength::Unlimited, choose).await?;
            deleted.add(0, chosen.failed);
            let is_last = chosen.sessions.len() < wanted;
            known.extend(chosen.sessions.iter().cloned());
            let (selected, sessions) = (filter.clone(), chosen.sessions);
            if !sessions.is_empty() {
                let delete = move |connection: &Connection| {
                    deletion::delete_chosen(connection, &sessions, &selected, time_to_live)
                };
                deleted.and(self.store.workers.erase(None, delete).await?);
            }
            if is_last {
                break;
            }
        }
        deleted.finish(limit)
    }

    /// Removes at most `limit` sessions whose [time to
    /// live](crate::SqliteHistoryBuilder::time_to_live) is over, and returns how many it removed.
    /// Expired sessions are invisible, but take space until they are removed or written again.
    ///
    /// # Errors
    /// The errors of a write, and that of a session that is damaged, once there are fewer others
    /// than the limit.
    pub async fn sweep(&self, limit: usize) -> Result<usize, HistoryError> {
        self.store.workers.check_writable()?;
        let time_to_live = self.store.time_to_live;
        let (mut deleted, mut after) = (Deleted::default(), None);
        while deleted.count < limit {
            let (wanted, place) = (limit - deleted.count, after.take());
            let choose = move |connection: &mut Connection| {
                deletion::choose_expired(connection, place.as_ref(), wanted, time_to_live)
            };
            let chosen = self.store.workers.read(None, ReadLength::Unlimited, choose).await?;
            deleted.add(0, chosen.failed);
            let sessions = chosen.sessions;
            let is_last = sessions.len() < wanted;
            after = sessions.last().cloned();
            if !sessions.is_empty() {
                let sweep = move |connection: &Connection| {
                    deletion::sweep(connection, &sessions, time_to_live)
                };
                deleted.and(self.store.workers.erase(None, sweep).await?);
            }
            if is_last {
                break;
            }
        }
        deleted.finish(limit)
    }
}
