//! The history that keeps conversations in memory.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, Lease, Messages, Note, OwnFormat, Point, Range,
    SessionId, Slice, Turn, Version,
};

use super::{history_at::HistoryAt, sessions::Sessions};

/// A [`ChatHistory`] that keeps its conversations in memory.
///
/// A clone is a handle to the same conversations.
///
/// - Loading shares the stored messages, so it costs the same for any length of conversation,
///   except for [`Range::LastBytes`], which measures the messages that it loads.
/// - Operations on one session have a total order. Sessions do not wait for each other.
/// - Clearing a session frees its memory except for its epoch, a few bytes, by which a turn that
///   began before the clear is refused.
/// - Versions have a [`tip`](Version::tip). Branches, notes and leases are supported. A fork shares
///   the messages and copies the ids of the turns.
///
/// # Examples
///
/// ```
/// use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
/// use conversant_memory::InMemoryHistory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let history = InMemoryHistory::new();
/// let session = SessionId::new("user-7")?;
/// history.append(&session, &Turn::exchange("Hi there my friend", "Hello!"), Expect::Any).await?;
///
/// let slice = history.load(&session, Range::All).await?;
/// assert_eq!(slice.messages.to_string(), "Human: Hi there my friend\nAI: Hello!");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct InMemoryHistory {
    sessions: Sessions,
}

impl InMemoryHistory {
    /// Creates an empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl OwnFormat for InMemoryHistory {}

#[async_trait]
impl ChatHistory for InMemoryHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.sessions.load(session, None, range)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.sessions.append(session, None, turn, expect)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.sessions.clear(session);
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        self.sessions.turns(session, None, range)
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
        Ok(())
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        self.sessions.first(session, None, count).map(Some)
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.sessions.note(session, None, name)
    }

    /// Stores a note.
    ///
    /// # Errors
    /// [`HistoryError::Stale`] if the note covers another epoch than the session's.
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.sessions.put_note(session, None, name, note)
    }

    /// Leases the session to one holder of this history or its clones.
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
        Some(Arc::new(HistoryAt::new(self.sessions.clone(), point)))
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

impl fmt::Debug for InMemoryHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryHistory")
            .field("sessions", &self.sessions.count())
            .finish_non_exhaustive()
    }
}
