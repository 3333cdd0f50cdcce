//! The history that keeps conversations in memory.

mod session;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, Expect, HistoryError, Lease, Note, Range, SessionId, Slice, Turn, Version,
};

use self::session::Session;

/// A [`ChatHistory`] that keeps its conversations in memory, for as long as it lives.
///
/// A clone is a handle to the same conversations. Loading shares the messages that are there, so it costs the same for
/// any length of conversation (for [`Range::LastBytes`], what it takes to measure what is loaded). Operations on one session are one
/// after the other; different sessions do not wait for each other. What a session holds is freed when it is cleared, but
/// for its epoch: a few bytes, so that a turn which began before is told from one that began after.
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
    sessions: Arc<Mutex<HashMap<SessionId, Arc<Mutex<Session>>>>>,
}

impl InMemoryHistory {
    /// Creates a history without conversations.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a session that was written, cleared or leased before.
    fn find(&self, id: &SessionId) -> Option<Arc<Mutex<Session>>> {
        lock(&self.sessions).get(id).map(Arc::clone)
    }

    fn find_or_insert(&self, id: &SessionId) -> Arc<Mutex<Session>> {
        Arc::clone(lock(&self.sessions).entry(id.clone()).or_default())
    }
}

/// Takes a lock. Nothing that runs under one leaves its data half changed, so a panic elsewhere is no reason to fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl ChatHistory for InMemoryHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).load(range),
            None => Ok(Slice::default()),
        }
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        match self.find(session) {
            Some(session) => lock(&session).append(turn, expect),
            None => {
                expect.check(Version::default())?;
                lock(&self.find_or_insert(session)).append(turn, expect)
            }
        }
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        lock(&self.find_or_insert(session)).clear();
        Ok(())
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        Ok(self.find(session).and_then(|session| lock(&session).note(name)))
    }

    /// Stores a note; one that covers an epoch other than the session's is [`HistoryError::Stale`].
    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        lock(&self.find_or_insert(session)).put_note(name, note)
    }

    /// Takes the session for one holder of this history or its clones.
    async fn lease(
        &self,
        session: &SessionId,
        time: Duration,
    ) -> Result<Option<Lease>, HistoryError> {
        let holder = lock(&self.find_or_insert(session)).lease(Instant::now(), time)?;
        Ok(Some(Lease::new(session.clone(), holder)))
    }

    async fn release(&self, lease: &Lease) -> Result<(), HistoryError> {
        if let Some(session) = self.find(&lease.session) {
            lock(&session).release(lease.holder);
        }
        Ok(())
    }
}

impl fmt::Debug for InMemoryHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InMemoryHistory")
            .field("sessions", &lock(&self.sessions).len())
            .finish_non_exhaustive()
    }
}
