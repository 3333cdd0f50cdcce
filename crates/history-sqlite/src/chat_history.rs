//! The history's operations, as the trait has them.

use std::{sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, OwnFormat, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, Version, async_trait,
};
use conversant_history::{BranchedHistory, HistoryAt};
use rusqlite::Connection;

use crate::{
    error::in_session,
    history::SqliteHistory,
    table::{lease, list, seen::SeenSessions, session, tree},
    worker::ReadLength,
};

impl OwnFormat for SqliteHistory {}

#[async_trait]
impl ChatHistory for SqliteHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.load_at(session, None, range).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.first_at(session, None, count).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.append_at(session, None, turn, expect).await
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
        self.write(session, move |connection, id, time_to_live| {
            tree::set_tip(connection, id, tip, expect, time_to_live)
        })
        .await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        let (name, time_to_live) = (session.clone(), self.store.time_to_live);
        let list = move |connection: &mut Connection| {
            tree::alternatives(connection, &name, point, time_to_live)
        };
        self.store.workers.read(Some(session), ReadLength::Unlimited, list).await
    }

    /// Begins a session with the turns of another one, which are stored once for both.
    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        let source = session.clone();
        // A read of the session that it begins comes after it.
        self.write(into, move |connection, target, time_to_live| {
            tree::fork(connection, &source, point, target, time_to_live)
                .map_err(|error| in_session(error, Some(&source)))
        })
        .await
    }

    fn is_verbatim(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        Some(HistoryIdentity::of(&self.store))
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        let limit = self.store.max_message_bytes;
        messages.iter().try_for_each(|message| message.check_stored_json(limit))
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.erase(session, session::clear).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.turns_at(session, None, range).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let (after, time_to_live) = (after.cloned(), self.store.time_to_live);
        let list = move |connection: &mut Connection| {
            session::list(connection, after.as_ref(), limit, time_to_live)
        };
        self.store.workers.read(None, ReadLength::Unlimited, list).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.erase(session, session::delete).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.note_at(session, None, name).await
    }

    /// Stores a note. One that covers another epoch or conversation than the session's is
    /// [`HistoryError::Stale`].
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
        let id = session.clone();
        let acquire = move |connection: &Connection, _: &mut SeenSessions| {
            lease::acquire(connection, &id, time).map(Some)
        };
        self.store.workers.write_remembering(session, acquire).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let released = lease.clone();
        let release = move |connection: &Connection, _: &mut SeenSessions| {
            lease::release(connection, &released)
        };
        self.store.workers.write_remembering(&lease.session, release).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        let (id, time_to_live) = (session.clone(), self.store.time_to_live);
        let read = move |connection: &mut Connection| list::one(connection, &id, time_to_live);
        Ok(self.listed(Some(session), read).await?.pop())
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        let (filter, after) = (filter.clone(), after.cloned());
        let time_to_live = self.store.time_to_live;
        let read = move |connection: &mut Connection| {
            list::list(connection, &filter, after.as_ref(), limit.saturating_add(1), time_to_live)
        };
        let sessions = if limit == 0 { Vec::new() } else { self.listed(None, read).await? };
        Ok(SessionPage::of(sessions, limit))
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        title.map_or(Ok(()), |title| {
            SessionInfo::check_title(title, SessionInfo::MAX_TITLE_BYTES)
        })?;
        let title = title.map(str::to_owned);
        self.erase(session, move |connection, id, time_to_live| {
            list::set(connection, id, "", title.as_deref(), time_to_live)
        })
        .await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        SessionInfo::check_label(name, value, SessionInfo::MAX_LABEL_VALUE_BYTES)?;
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        self.erase(session, move |connection, id, time_to_live| {
            list::set(connection, id, &name, value.as_deref(), time_to_live)
        })
        .await
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        if filter.is_empty() {
            return Err(HistoryError::EmptyFilter);
        }
        filter.check_letters()?;
        self.delete_selected(filter, limit).await
    }
}
