//! A history that fails by the schedule, around another one.

use std::{fmt, sync::Arc, time::Duration};

use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo, SessionPage, Slice,
    Turn, Version, async_trait,
};

use super::world::{Stored, World};

/// The chance, in percent, that an operation fails before it takes effect, and again after it.
const FAILURES: usize = 7;

/// A history whose operations stall, fail, or take effect and lose their reply.
///
/// Clones share the store. The leases are those of the schedule, whose time passes between the
/// events of the schedule. A lease of a call that was dropped expires some time later.
#[derive(Clone)]
pub struct SimulatedHistory {
    inner: Arc<dyn ChatHistory>,
    /// The index of the store.
    store: usize,
    world: Arc<World>,
}

impl SimulatedHistory {
    pub(super) const fn new(inner: Arc<dyn ChatHistory>, store: usize, world: Arc<World>) -> Self {
        Self { inner, store, world }
    }

    async fn run<T>(
        &self,
        operation: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        self.world.stall().await;
        if self.world.strike(FAILURES) {
            return Err(HistoryError::Backend { source: "a simulated failure".into() });
        }
        let value = operation.await?;
        self.world.stall().await;
        if self.world.strike(FAILURES) {
            return Err(HistoryError::Backend { source: "a simulated loss of the reply".into() });
        }
        Ok(value)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ChatHistory for SimulatedHistory {
    fn shares(&self) -> bool {
        self.inner.shares()
    }

    fn is_verbatim(&self) -> bool {
        self.inner.is_verbatim()
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        self.inner.identity()
    }

    fn check(&self, session: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        self.inner.check(session, messages)
    }

    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.run(self.inner.load(session, range)).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let append = async {
            let version = self.inner.append(session, turn, expect).await?;
            let stored = Stored {
                task: self.world.task(),
                store: self.store,
                time: self.world.tick(),
                turn: turn.id(),
                is_incomplete: turn.is_incomplete(),
            };
            self.world.journal().stored.push(stored);
            Ok(version)
        };
        self.run(append).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.run(self.inner.clear(session)).await
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.run(self.inner.turns(session, range)).await
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        self.run(self.inner.sessions(after, limit)).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.run(self.inner.delete(session)).await
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.run(self.inner.first(session, count)).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.run(self.inner.note(session, name)).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.run(self.inner.put_note(session, name, note)).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.run(self.inner.replace_note(session, name, read, note)).await
    }

    async fn lease(&self, session: &SessionId, _: Duration) -> Result<Option<Lease>, HistoryError> {
        let lease = async { self.world.leases().acquire(session, self.world.task()).map(Some) };
        self.run(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        let release = async {
            self.world.leases().release(lease);
            Ok(())
        };
        self.run(release).await
    }

    fn at(&self, point: Point) -> Option<Arc<dyn ChatHistory>> {
        let view = self.inner.at(point)?;
        Some(Arc::new(Self::new(view, self.store, Arc::clone(&self.world))))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.run(self.inner.set_tip(session, tip, expect)).await
    }

    async fn alternatives(
        &self,
        session: &SessionId,
        point: Point,
    ) -> Result<Vec<Alternative>, HistoryError> {
        self.run(self.inner.alternatives(session, point)).await
    }

    async fn fork(
        &self,
        session: &SessionId,
        point: Point,
        into: &SessionId,
    ) -> Result<Version, HistoryError> {
        self.run(self.inner.fork(session, point, into)).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.run(self.inner.session_info(session)).await
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.run(self.inner.list_sessions(filter, after, limit)).await
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.run(self.inner.set_title(session, title)).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.run(self.inner.set_label(session, name, value)).await
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        self.run(self.inner.delete_sessions(filter, limit)).await
    }
}

impl fmt::Debug for SimulatedHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedHistory").field("store", &self.store).finish_non_exhaustive()
    }
}
