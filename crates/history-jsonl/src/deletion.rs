//! Deletions. Of several sessions, one that is damaged keeps no other.

use std::{collections::HashSet, sync::Arc};

use conversant_core::{HistoryError, SessionFilter, SessionId};

use crate::{
    conversation::Conversation,
    error::in_file,
    history::JsonlHistory,
    list::{self, Failed, Listed},
    lock::{LockMode, SessionLock},
    shared_turns,
};

impl JsonlHistory {
    /// Removes at most `limit` sessions whose [time to
    /// live](crate::JsonlHistoryBuilder::time_to_live) is over, and returns how many it removed.
    /// Also removes the turns of deleted sessions that no fork needs, if a process was killed
    /// before it did.
    ///
    /// # Errors
    /// The errors of a write, and that of a file that is damaged, once there are fewer other
    /// sessions than the limit.
    pub async fn sweep(&self, limit: usize) -> Result<usize, HistoryError> {
        let (mut removed, mut after, mut failed) = (0, None, Failed::Kept(None));
        let time_to_live = self.store.settings.time_to_live;
        while removed < limit {
            let wanted = limit - removed;
            let (expired, kept) = self.list(after.as_ref(), wanted, true, failed).await?;
            failed = kept;
            for session in &expired {
                let delete = move |conversation: &mut Conversation<'_>,
                                   lock: Option<&SessionLock>| {
                    // The session may have been written since.
                    let is_wanted = conversation.has_expired(time_to_live);
                    if is_wanted {
                        delete(conversation, lock)?;
                    }
                    Ok(is_wanted)
                };
                let deleted = self.with(session, LockMode::Exclusive, None, delete).await;
                removed += usize::from(self.settled(&mut failed, session, deleted)?);
            }
            if expired.len() < wanted {
                break;
            }
            after = expired.into_iter().next_back();
        }
        let (folder, timeout) =
            (Arc::clone(&self.store.settings.folder), self.store.settings.lock_timeout);
        let swept = self.store.executor.run(move || shared_turns::sweep(&folder, timeout)).await;
        if limit > 0 && removed == limit {
            // What is left is met by the next call.
            return Ok(removed);
        }
        failed.finish()?;
        swept.map(|()| removed)
    }

    pub(crate) async fn delete_session(&self, session: &SessionId) -> Result<(), HistoryError> {
        // An expired session is deleted once, not twice.
        self.with(session, LockMode::Exclusive, None, delete).await
    }

    /// Deletes at most `limit` sessions that a filter selects. Further ones are chosen for those
    /// that have changed or are damaged.
    pub(crate) async fn delete_selected(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        if filter.is_empty() {
            return Err(HistoryError::EmptyFilter);
        }
        let (mut deleted, mut passed, mut failed) = (0, HashSet::new(), Failed::Kept(None));
        loop {
            let left = limit - deleted;
            let (selected, except) = (filter.clone(), passed.clone());
            let list = move |listed: &Listed<'_>| {
                listed.oldest(&selected, left, &except, &mut failed).map(|found| (found, failed))
            };
            let (found, kept) = self.list_with(list).await?;
            failed = kept;
            let is_last = found.len() < left;
            for info in found {
                let done = self.delete_if_selected(&info.session, filter).await;
                match self.settled(&mut failed, &info.session, done)? {
                    true => deleted += 1,
                    false => {
                        passed.insert(info.session);
                    }
                }
            }
            if deleted == limit {
                return Ok(deleted);
            }
            if is_last {
                return failed.finish().map(|()| deleted);
            }
        }
    }

    /// Deletes a session if a filter selects it, and returns whether it did.
    async fn delete_if_selected(
        &self,
        session: &SessionId,
        filter: &SessionFilter,
    ) -> Result<bool, HistoryError> {
        let filter = filter.clone();
        let delete = move |conversation: &mut Conversation<'_>, lock: Option<&SessionLock>| {
            // The session may have been used since.
            let is_wanted = match conversation.info()? {
                Some(info) if filter.matches(&info) => {
                    list::has_words(conversation.paths, &info, &filter)?
                }
                _ => false,
            };
            if is_wanted {
                delete(conversation, lock)?;
            }
            Ok(is_wanted)
        };
        let time_to_live = self.store.settings.time_to_live;
        self.with(session, LockMode::Exclusive, time_to_live, delete).await
    }

    /// Returns whether a session was deleted: not if its file is damaged.
    fn settled(
        &self,
        failed: &mut Failed,
        session: &SessionId,
        deleted: Result<bool, HistoryError>,
    ) -> Result<bool, HistoryError> {
        match deleted.map_err(|error| in_file(&self.path(session), error)) {
            Err(error @ HistoryError::Corrupt { .. }) => {
                Ok(failed.file(Err(error))?.unwrap_or_default())
            }
            deleted => deleted,
        }
    }
}

/// Deletes a session, and the lease of it. If the session cannot be deleted, the lease stays.
fn delete(
    conversation: &mut Conversation<'_>,
    lock: Option<&SessionLock>,
) -> Result<(), HistoryError> {
    conversation.clear(false)?;
    lock.map_or(Ok(()), SessionLock::remove_lease)
}
