//! The view of an in-memory history whose sessions end at a point.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Lease, Messages, Note, Point, Range, SessionId,
    Slice, Turn, Version,
};

use super::sessions::Sessions;
use crate::sync::lock;

/// A view of a history whose sessions end at a point, which moves on with each append.
pub(super) struct HistoryAt {
    sessions: Sessions,
    point: Mutex<Point>,
}

impl HistoryAt {
    pub(super) const fn new(sessions: Sessions, point: Point) -> Self {
        Self { sessions, point: Mutex::new(point) }
    }

    fn point(&self) -> Option<Point> {
        Some(*lock(&self.point))
    }
}

#[async_trait]
impl ChatHistory for HistoryAt {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.sessions.load(session, self.point(), range)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.sessions.append(session, self.point(), turn, expect)?;
        if !turn.messages().is_empty() {
            *lock(&self.point) = Point::After(turn.id());
        }
        Ok(version)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.sessions.clear(session);
        *lock(&self.point) = Point::Start;
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.sessions.turns(session, self.point(), range)
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        Ok(self.sessions.list(after, limit))
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.sessions.delete(session);
        *lock(&self.point) = Point::Start;
        Ok(())
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.sessions.first(session, self.point(), count).map(Some)
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.sessions.note(session, self.point(), name)
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.sessions.put_note(session, self.point(), name, note)
    }

    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        self.sessions.lease(session, time).map(Some)
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        self.sessions.release(lease);
        Ok(())
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        Some(Arc::new(Self::new(self.sessions.clone(), point)))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.sessions.set_tip(session, tip, expect)
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.sessions.alternatives(session, point)
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.sessions.fork(session, point, into)
    }

    fn shares(&self) -> bool {
        true
    }
}
