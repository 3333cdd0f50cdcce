//! The history that keeps conversations in memory.

mod storable;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use conversant_core::{
    Alternative, ChatHistory, Expect, HistoryError, HistoryIdentity, Lease, Message, Messages,
    Note, OwnFormat, Point, Range, SessionCursor, SessionFilter, SessionId, SessionInfo,
    SessionPage, Slice, Turn, Version,
};

use super::sessions::Sessions;
use crate::sync::lock;

/// A [`ChatHistory`] that keeps its conversations in memory.
///
/// A clone is a handle to the same conversations.
///
/// - Loading shares the stored messages, so it costs the same for any length of conversation,
///   except for [`Range::LastBytes`], which measures the messages that it loads.
/// - Values in messages are nested at most 120 levels deep, and a tool or function message names
///   the call that it answers, as in the other histories, so that a conversation can be copied and
///   exported. There is no limit on sizes.
/// - Operations on one session have a total order. Sessions do not wait for each other.
/// - Clearing a session frees its memory except for its epoch, a few bytes, by which a turn that
///   began before the clear is refused.
/// - What models have encoded of the messages is kept for the sessions that were loaded last
///   ([`with_encoded_sessions`](Self::with_encoded_sessions)).
/// - Versions have a [`tip`](Version::tip). Branches, notes and leases are supported. A fork shares
///   the messages and copies the ids of the turns.
/// - A list of sessions looks at all sessions. The sizes and sums that it shows are counted when it
///   first shows a turn, so that appending costs nothing more.
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
    /// The point at which the sessions of a view end, which moves on with each append. `None`:
    /// their tips.
    point: Option<Arc<Mutex<Point>>>,
}

impl InMemoryHistory {
    /// Creates an empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of sessions, those that were loaded last, for which the history keeps what
    /// models have encoded of their messages. The default is 256.
    ///
    /// The encoded messages of a session take as much memory as the messages. A session without
    /// them is encoded anew by its next call: set the number of conversations that are active at a
    /// time. The setting applies to all clones.
    #[must_use]
    pub fn with_encoded_sessions(self, sessions: usize) -> Self {
        self.sessions.set_max_recent(sessions);
        self
    }

    fn point(&self) -> Option<Point> {
        self.point.as_ref().map(|point| *lock(point))
    }

    /// Moves the end of a view.
    fn move_to(&self, point: Point) {
        if let Some(end) = &self.point {
            *lock(end) = point;
        }
    }
}

impl OwnFormat for InMemoryHistory {}

#[async_trait]
impl ChatHistory for InMemoryHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.sessions.load(session, self.point(), range)
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        storable::check(turn.messages().iter())?;
        let version = self.sessions.append(session, self.point(), turn, expect)?;
        if !turn.messages().is_empty() {
            self.move_to(Point::After(turn.id()));
        }
        Ok(version)
    }

    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        storable::check(messages)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.sessions.clear(session);
        self.move_to(Point::Start);
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
        self.move_to(Point::Start);
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
        self.sessions.put_note(session, self.point(), name, note)
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        self.sessions.replace_note(session, self.point(), name, read, note)
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
        let (sessions, point) = (self.sessions.clone(), Some(Arc::new(Mutex::new(point))));
        Some(Arc::new(Self { sessions, point }))
    }

    async fn set_tip(
        &self,
        session: &SessionId,
        tip: Point,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        let version = self.sessions.set_tip(session, tip, expect)?;
        self.move_to(tip);
        Ok(version)
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

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        Ok(self.sessions.info(session))
    }

    /// Lists sessions. It looks at all of them, and with a text at all their messages, for parts of
    /// words too.
    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        filter.search_words()?;
        Ok(self.sessions.page(filter, after, limit))
    }

    async fn set_title(
        &self,
        session: &SessionId,
        title: Option<&str>,
    ) -> Result<(), HistoryError> {
        title.map_or(Ok(()), |title| {
            SessionInfo::check_title(title, SessionInfo::MAX_TITLE_BYTES)
        })?;
        self.sessions.set_title(session, title);
        Ok(())
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        SessionInfo::check_label(name, value, SessionInfo::MAX_LABEL_VALUE_BYTES)?;
        self.sessions.set_label(session, name, value)
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        if filter.is_empty() {
            return Err(HistoryError::EmptyFilter);
        }
        filter.search_words()?;
        Ok(self.sessions.delete_selected(filter, limit))
    }

    fn shares(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<HistoryIdentity> {
        self.point.is_none().then(|| self.sessions.identity())
    }
}

impl fmt::Debug for InMemoryHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryHistory")
            .field("sessions", &self.sessions.count())
            .finish_non_exhaustive()
    }
}
