//! The view of a history whose sessions end at a point.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Lease, Message, Messages, Note, Point, Range,
    SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage, Slice, Turn, Version,
    async_trait,
};

use crate::history::JsonlHistory;

/// A view of a history whose sessions end at a point, which moves on with each append.
pub(crate) struct HistoryAt {
    history: JsonlHistory,
    point: Mutex<Point>,
}

impl HistoryAt {
    pub(crate) const fn new(history: JsonlHistory, point: Point) -> Self {
        Self { history, point: Mutex::new(point) }
    }

    fn point(&self) -> Option<Point> {
        Some(*self.point.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn move_to(&self, point: Point) {
        *self.point.lock().unwrap_or_else(PoisonError::into_inner) = point;
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl ChatHistory for HistoryAt {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.history.load_at(session, self.point(), range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.history.append_at(session, self.point(), turn, expect).await?;
        self.move_to(Point::After(turn.id()));
        Ok(version)
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        self.history.check(session, messages)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.history.clear(session).await?;
        self.move_to(Point::Start);
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.history.turns_at(session, self.point(), range).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.history.sessions(after, limit).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.history.delete(session).await?;
        self.move_to(Point::Start);
        Ok(())
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.history.first_at(session, self.point(), count).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.history.note_at(session, self.point(), name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.history.put_note_at(session, self.point(), name, note).await
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.history.lease(session, time).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.history.release(lease).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        self.history.at(point)
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.history.set_tip(session, tip, expect).await?;
        self.move_to(tip);
        Ok(version)
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.history.alternatives(session, point).await
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.history.fork(session, point, into).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.history.session_info(session).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.history.list_sessions(filter, after, limit).await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.history.set_title(session, title).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.history.set_label(session, name, value).await
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        self.history.delete_sessions(filter, limit).await
    }

    fn shares(&self) -> bool {
        self.history.shares()
    }

    fn is_verbatim(&self) -> bool {
        self.history.is_verbatim()
    }
}
