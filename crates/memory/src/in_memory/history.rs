//! The history that keeps conversations in memory.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Bound,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Messages, Note, Range, SessionId, Slice, Turn,
    Version,
};

use super::session::Session;
use crate::sync::lock;

/// A [`ChatHistory`] that keeps its conversations in memory.
///
/// A clone is a handle to the same conversations.
///
/// - Loading shares the stored messages, so it costs the same for any length of conversation,
///   except for [`Range::LastBytes`], which measures the messages that it loads.
/// - Operations on one session have a total order. Sessions do not wait for each other.
/// - Clearing a session frees its memory except for its epoch, a few bytes, by which a turn that
///   began before the clear is refused.
/// - Versions have a [`tip`](Version::tip), notes and leases are supported.
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
    sessions: Arc<Mutex<Sessions>>,
}

#[derive(Default)]
struct Sessions {
    by_id: BTreeMap<SessionId, Arc<Mutex<Session>>>,
    /// The first epoch of new sessions. It is greater than that of any deleted session.
    epoch: u64,
}

impl InMemoryHistory {
    /// Creates an empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a session, if it exists.
    fn find(&self, id: &SessionId) -> Option<Arc<Mutex<Session>>> {
        lock(&self.sessions).by_id.get(id).map(Arc::clone)
    }

    /// Calls a function with a session and with whether it was created for the call.
    fn with<T>(&self, id: &SessionId, act: impl FnOnce(&mut Session, bool) -> T) -> T {
        loop {
            let (session, is_new) = {
                let mut sessions = lock(&self.sessions);
                match sessions.by_id.get(id) {
                    Some(known) => (Arc::clone(known), false),
                    None => {
                        let new = Arc::new(Mutex::new(Session::in_epoch(sessions.epoch)));
                        sessions.by_id.insert(id.clone(), Arc::clone(&new));
                        (new, true)
                    }
                }
            };
            let mut session = lock(&session);
            // Another caller may have deleted the session in the meantime.
            if !session.is_deleted() {
                return act(&mut session, is_new);
            }
        }
    }

    /// Returns the version of a session that does not exist.
    fn absent(&self) -> Version {
        Version::new(lock(&self.sessions).epoch, 0)
    }
}

#[async_trait]
impl ChatHistory for InMemoryHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        match self.find(session) {
            Some(session) => Ok(lock(&session).load(range)),
            None => Ok(Slice::new(Messages::new(), self.absent())),
        }
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        // A caller that saw an empty session accepts one that was created and deleted since.
        let saw_nothing =
            matches!(expect, Expect::SameEpoch(seen) | Expect::Exactly(seen) if seen.messages == 0);
        if !saw_nothing && self.find(session).is_none() {
            expect.check(self.absent())?;
        }
        self.with(session, |session, is_new| {
            let expect = if is_new && saw_nothing { Expect::Any } else { expect };
            session.append(turn, expect)
        })
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.with(session, |session, _| session.clear());
        Ok(())
    }

    async fn turns(&self, session: &SessionId, range: Range) -> Result<Vec<Turn>, HistoryError> {
        match self.find(session) {
            Some(session) => Ok(lock(&session).turns(range)),
            None => Ok(Vec::new()),
        }
    }

    async fn sessions(
        &self,
        after: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        let sessions = lock(&self.sessions);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = sessions.by_id.range::<SessionId, _>((start, Bound::Unbounded));
        let written = later.filter(|(_, session)| lock(session).is_written());
        Ok(written.take(limit).map(|(id, _)| id.clone()).collect())
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        let mut sessions = lock(&self.sessions);
        if let Some(deleted) = sessions.by_id.remove(session) {
            sessions.epoch = sessions.epoch.max(lock(&deleted).delete());
        }
        Ok(())
    }

    async fn first(
        &self,
        session: &SessionId,
        count: usize,
    ) -> Result<Option<Messages>, HistoryError> {
        let first = self.find(session).map(|session| lock(&session).first(count));
        Ok(Some(first.unwrap_or_default()))
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        Ok(self.find(session).and_then(|session| lock(&session).note(name)))
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
        self.with(session, |session, _| session.put_note(name, note))
    }

    /// Leases the session to one holder of this history or its clones.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let holder = self.with(session, |session, _| session.lease(Instant::now(), time))?;
        Ok(Some(Lease::new(session.clone(), holder)))
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        if let Some(session) = self.find(&lease.session) {
            lock(&session).release(lease.holder);
        }
        Ok(())
    }

    fn shares(&self) -> bool {
        true
    }
}

impl fmt::Debug for InMemoryHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryHistory")
            .field("sessions", &lock(&self.sessions).by_id.len())
            .finish_non_exhaustive()
    }
}
