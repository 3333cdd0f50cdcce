//! The history's operations, as the trait has them.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, OwnFormat, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, Version, async_trait,
};
use conversant_history::{BranchedHistory, HistoryAt};

use crate::{history::JsonlHistory, list::Failed, log_record};

impl OwnFormat for JsonlHistory {}

#[async_trait]
impl ChatHistory for JsonlHistory {
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
        Some(HistoryIdentity::of(&self.store))
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        log_record::check(messages, self.store.settings.max_message_bytes)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.write(session, |conversation| conversation.clear(true)).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.turns_at(session, None, range).await
    }

    /// Lists the sessions. It reads the first line of each file and the begin of the second, and a
    /// file that begins with notes as a whole. One that is damaged is an error.
    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        Ok(self.list(after, limit, false, Failed::Ends).await?.0)
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.delete_session(session).await
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

    /// Stores a note. One that covers another epoch or conversation than the session's is
    /// [`HistoryError::Stale`]. Replaced notes stay in the file until the session is cleared.
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

    /// Leases the session, across processes. The lease expires by the machine's clock: if the clock
    /// is set, it expires earlier or later.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let holder = self.with_lock(session, move |lock| lock.acquire_lease(time)).await?;
        Ok(Some(Lease::new(session.clone(), holder)))
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let holder = lease.holder;
        self.with_lock(&lease.session, move |lock| lock.release_lease(holder)).await
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
        self.write(session, move |conversation| conversation.set_tip(tip, expect)).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.alternatives_of(session, point).await
    }

    /// Begins a session with the turns of another one, which are stored once for both.
    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.fork_at(session, point, into).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.info_of(session).await
    }

    /// Lists sessions. It opens the file of each and reads what was added since the last list of
    /// this store. A file that is damaged is an error.
    ///
    /// With a text it reads the turns of the sessions, and finds parts of words too. It returns
    /// when the page is full, or when it has read the
    /// [limit of a search](crate::JsonlHistoryBuilder::search_limit), 64 MiB by default.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.page(filter, after, limit).await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.set_title_of(session, title).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.set_label_of(session, name, value).await
    }

    /// Deletes sessions. If a file is damaged, so that it cannot be said whether its session is
    /// selected, the others are deleted, and the error names the file.
    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        self.delete_selected(filter, limit).await
    }
}
