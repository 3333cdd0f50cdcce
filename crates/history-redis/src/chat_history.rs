//! The operations of a history.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, OwnFormat, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, TurnId, Version, async_trait,
};
use conversant_history::{BranchedHistory, HistoryAt, lease_holder};

#[cfg(feature = "cluster")]
use crate::{
    cluster::Listed,
    commands::{CopyFork, ListCluster, ListSessionsOfCluster},
};
use crate::{
    commands::{
        Alternatives, Clear, Delete, Deletion, Fork, Info, List, ListSessions, Release, Selection,
        SetLabel, SetTip, SetTitle, Take,
    },
    history::{RedisHistory, millis},
    pool::Operation,
};

impl OwnFormat for RedisHistory {}

#[async_trait]
impl ChatHistory for RedisHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.load_at(session, None, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.append_at(session, None, turn, expect).await
    }

    fn is_verbatim(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        Some(self.database.identity())
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        messages.iter().try_for_each(|message| message.check_stored_json(self.max_message_bytes))
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        let (keys, lifetime_ms) = (self.keys.session(session), self.lifetime_ms);
        self.database.write(session, Clear { keys, session: session.clone(), lifetime_ms }).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.turns_at(session, None, range).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let (keys, completion) = (self.keys.clone(), self.completions.by_name.clone());
        let list = List { keys, after: after.cloned(), limit, completion };
        #[cfg(feature = "cluster")]
        if let Some(listed) = self.keys.listed().cloned() {
            return self.database.run(ListCluster { list, listed }).await;
        }
        self.database.run(list).await
    }

    /// Removes a session, its notes and its lease.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let keys = self.keys.session(session);
        let delete = Delete { keys, session: session.clone(), selection: None };
        self.database.write(session, delete).await.map(drop)
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        let info = Info { keys: self.keys.session(session), session: session.clone() };
        self.database.read(session, info).await
    }

    /// Lists sessions by a sorted set. There is no search.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        let selection = Selection::new(filter)?;
        if limit == 0 {
            return Ok(SessionPage::default());
        }
        // One more shows that there is a next page.
        let found = self.selected(selection, after.cloned(), false, limit.saturating_add(1));
        Ok(SessionPage::of(found.await?, limit))
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        if let Some(title) = title {
            SessionInfo::check_title(title, SessionInfo::MAX_TITLE_BYTES)?;
        }
        let set = SetTitle {
            keys: self.keys.session(session),
            session: session.clone(),
            title: title.map(str::to_owned),
            lifetime_ms: self.lifetime_ms,
        };
        self.write_listed(session, set).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        SessionInfo::check_label(name, value, SessionInfo::MAX_LABEL_VALUE_BYTES)?;
        let set = SetLabel {
            keys: self.keys.session(session),
            session: session.clone(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
            lifetime_ms: self.lifetime_ms,
        };
        self.write_listed(session, set).await
    }

    /// Deletes sessions, each by a script that checks the conditions again. A session that has lost
    /// a key, or cannot be read, is passed over: it is [`HistoryError::Corrupt`] once no others are
    /// left.
    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        if filter.is_empty() {
            return Err(HistoryError::EmptyFilter);
        }
        let selection = Selection::new(filter)?;
        let (mut deleted, mut after, mut damaged) = (0, None, None);
        while deleted < limit {
            let wanted = (limit - deleted).min(MAX_DELETED_AT_ONCE);
            let found = self.selected(selection.clone(), after, true, wanted).await?;
            let is_last = found.len() < wanted;
            // Those that changed meanwhile are passed over too.
            after = found.last().map(SessionCursor::after);
            for info in found {
                let delete = Delete {
                    keys: self.keys.session(&info.session),
                    session: info.session.clone(),
                    selection: Some(selection.clone()),
                };
                match self.database.write(&info.session, delete).await? {
                    Deletion::Deleted => deleted += 1,
                    Deletion::NotSelected => {}
                    Deletion::Damaged => damaged = damaged.or(Some(info.session)),
                }
            }
            if is_last {
                break;
            }
        }
        match damaged {
            Some(session) if deleted < limit => Err(HistoryError::Corrupt {
                what: format!(
                    "a part of session `{session}` is missing or cannot be decoded; clear it"
                ),
                source: None,
            }),
            _ => Ok(deleted),
        }
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.first_at(session, None, count).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.note_at(session, None, name).await
    }

    /// Stores a note. Fails with [`HistoryError::Stale`] if it covers a version of another
    /// conversation.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.put_note_at(session, None, name, note).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.replace_note_at(session, None, name, read, note).await
    }

    /// Acquires a session for one holder, by the server's clock, in milliseconds.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), lease_holder()?);
        let (keys, milliseconds) = (self.keys.lease(session), millis(time).max(1));
        let take = Take { keys, lease, milliseconds };
        self.database.write(session, take).await.map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let release = Release { keys: self.keys.lease(&lease.session), lease: lease.clone() };
        self.database.write(&lease.session, release).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        Some(Arc::new(HistoryAt::new(self.clone(), point)))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let (keys, lifetime_ms) = (self.keys.session(session), self.lifetime_ms);
        let set = SetTip { keys, session: session.clone(), tip, expect, lifetime_ms };
        self.database.write(session, set).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        let alternatives = Alternatives { keys: self.keys.session(session), point };
        self.database.read(session, alternatives).await
    }

    /// Begins a session with the turns of another one up to a point. On one server both share them.
    /// In a cluster they are copied, since the sessions are on different nodes.
    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        // Earlier writes on the session are settled first.
        self.load_at(session, None, Range::LastTurns(0)).await?;
        let fork = Fork {
            keys: self.keys.session(session),
            session: session.clone(),
            point,
            into_keys: self.keys.session(into),
            into: into.clone(),
            id: TurnId::random(),
            lifetime_ms: self.lifetime_ms,
        };
        #[cfg(feature = "cluster")]
        if let Some(listing) = self.keys.listing(into) {
            return self.database.write(into, CopyFork { fork, listing }).await;
        }
        self.database.write(into, fork).await
    }
}

/// The number of sessions that are looked up together to be deleted.
const MAX_DELETED_AT_ONCE: usize = 100;

impl RedisHistory {
    /// Writes to a session that is listed from then on.
    async fn write_listed<O: Operation>(
        &self,
        session: &SessionId,
        operation: O,
    ) -> Result<O::Output, HistoryError> {
        #[cfg(feature = "cluster")]
        if let Some(listing) = self.keys.listing(session) {
            return self.database.write(session, Listed { operation, listing }).await;
        }
        self.database.write(session, operation).await
    }

    async fn selected(
        &self,
        selection: Selection,
        after: Option<SessionCursor>,
        is_ascending: bool,
        limit: usize,
    ) -> Result<Vec<SessionInfo>, HistoryError> {
        let (keys, completion) = (self.keys.clone(), self.completions.by_use.clone());
        let list = ListSessions { keys, selection, after, is_ascending, limit, completion };
        #[cfg(feature = "cluster")]
        if let Some(listed) = self.keys.listed().cloned() {
            return self.database.run(ListSessionsOfCluster { list, listed }).await;
        }
        self.database.run(list).await
    }
}
