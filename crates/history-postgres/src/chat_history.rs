//! The history's operations, as the trait has them.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, OwnFormat, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, Version, async_trait,
};
use conversant_history::{BranchedHistory, HistoryAt, MAX_TIMEOUT, lease_holder};

use crate::{
    history::PostgresHistory,
    search::search_words,
    statements::{
        Alternatives, Clear, Delete, DeleteSessions, Fork, Info, List, ListPage, Release, SetLabel,
        SetTip, SetTitle, Settle, Take,
    },
};

impl OwnFormat for PostgresHistory {}

#[async_trait]
impl ChatHistory for PostgresHistory {
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
        self.database.write(session, Clear { session: session.clone() }).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.turns_at(session, None, range).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.database.run(List { after: after.cloned(), limit }).await
    }

    /// Removes a session, its notes and its lease.
    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.database.write(session, Delete { session: session.clone() }).await
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

    /// Acquires a session for one holder, by the clock of the database server.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let lease = Lease::new(session.clone(), lease_holder()?);
        let microseconds = i64::try_from(time.min(MAX_TIMEOUT).as_micros()).unwrap_or(i64::MAX);
        self.database.write(session, Take { lease, microseconds }).await.map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.database.write(&lease.session, Release { lease: lease.clone() }).await
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
        let lifetime_ms = self.lifetime_ms;
        let set_tip = SetTip { session: session.clone(), tip, expect, lifetime_ms };
        self.database.write(session, set_tip).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.database.read(session, Alternatives { session: session.clone(), point }).await
    }

    /// Begins a session with the turns of another one, which are stored once for both.
    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.database.read(session, Settle).await?;
        let (session, lifetime_ms) = (session.clone(), self.lifetime_ms);
        let fork = Fork { session, point, into: into.clone(), lifetime_ms };
        self.database.write(into, fork).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.database.read(session, Info { session: session.clone() }).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.check_search(filter)?;
        if is_of_no_session(filter) {
            return Ok(SessionPage::default());
        }
        let list = ListPage { filter: filter.clone(), after: after.cloned(), limit };
        self.database.run(list).await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        if let Some(title) = title {
            SessionInfo::check_title(title, SessionInfo::MAX_TITLE_BYTES)?;
        }
        let set_title = SetTitle {
            session: session.clone(),
            title: title.map(str::to_owned),
            words: self.search.as_ref().and(title).map(search_words),
            lifetime_ms: self.lifetime_ms,
        };
        self.database.write(session, set_title).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        SessionInfo::check_label(name, value, SessionInfo::MAX_LABEL_VALUE_BYTES)?;
        let set_label = SetLabel {
            session: session.clone(),
            name: name.to_owned(),
            value: value.map(str::to_owned),
            lifetime_ms: self.lifetime_ms,
        };
        self.database.write(session, set_label).await
    }

    /// Deletes sessions, in one transaction: those first that were not used for the longest time.
    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        if filter.is_empty() {
            return Err(HistoryError::EmptyFilter);
        }
        self.check_search(filter)?;
        filter.check_letters()?;
        if is_of_no_session(filter) {
            return Ok(0);
        }
        self.database.change(DeleteSessions { filter: filter.clone(), limit }).await
    }
}

impl PostgresHistory {
    /// Checks that there is a search if a filter has words.
    fn check_search(&self, filter: &SessionFilter) -> Result<(), HistoryError> {
        if self.search.is_none() && filter.words().next().is_some() {
            return Err(HistoryError::Unsupported { what: "search" });
        }
        Ok(())
    }
}

/// Returns whether a filter has a label that no session has: one with a control character, such as
/// NUL, which PostgreSQL cannot compare.
fn is_of_no_session(filter: &SessionFilter) -> bool {
    filter.labels.iter().any(|(name, value)| format!("{name}{value}").contains(char::is_control))
}
