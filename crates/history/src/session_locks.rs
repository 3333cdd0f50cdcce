//! A fair read-write lock per session, within one process.

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use conversant_core::SessionId;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

type Lock = Arc<RwLock<()>>;

/// A read-write lock for each session, first come first served.
///
/// A database orders the operations that reach it. It does not know of an operation that its caller
/// has given up while it is still under way. The task that runs the operation holds the session's
/// lock, so that later operations of this process on that session come after it. Waiting callers
/// hold no connection of a pool.
///
/// A session that nothing uses has no lock. Clones share the locks.
///
/// # Examples
///
/// ```
/// use conversant_core::SessionId;
/// use conversant_history::SessionLocks;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let locks = SessionLocks::default();
/// let session = SessionId::new("user-7")?;
/// let writing = locks.write(&session).await;
/// assert_eq!(locks.len(), 1);
/// drop(writing);
/// assert!(locks.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct SessionLocks {
    by_session: Arc<Mutex<HashMap<SessionId, Lock>>>,
}

/// A use of a session's lock. The last one removes the lock.
struct Entry {
    locks: SessionLocks,
    session: SessionId,
    lock: Lock,
}

impl fmt::Debug for SessionLocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLocks").field("in_use", &self.len()).finish()
    }
}

/// The exclusive right to write to a session, until it is dropped.
pub struct WriteGuard {
    _guard: OwnedRwLockWriteGuard<()>,
    _entry: Entry,
}

/// The right to read a session, until it is dropped.
pub struct ReadGuard {
    _guard: OwnedRwLockReadGuard<()>,
    _entry: Entry,
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard").finish_non_exhaustive()
    }
}

impl fmt::Debug for ReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadGuard").finish_non_exhaustive()
    }
}

impl SessionLocks {
    /// Waits until the session is neither read nor written, and locks it.
    pub async fn write(&self, session: &SessionId) -> WriteGuard {
        self.queue_write(session).await
    }

    /// Waits until the session is not written, and locks it against writers.
    pub async fn read(&self, session: &SessionId) -> ReadGuard {
        self.queue_read(session).await
    }

    /// Returns the number of sessions in use.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether no session is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn queue_write(
        &self,
        session: &SessionId,
    ) -> impl Future<Output = WriteGuard> + Send + 'static {
        let entry = self.entry(session);
        async move { WriteGuard { _guard: Arc::clone(&entry.lock).write_owned().await, _entry: entry } }
    }

    pub(crate) fn queue_read(
        &self,
        session: &SessionId,
    ) -> impl Future<Output = ReadGuard> + Send + 'static {
        let entry = self.entry(session);
        async move { ReadGuard { _guard: Arc::clone(&entry.lock).read_owned().await, _entry: entry } }
    }

    fn entry(&self, session: &SessionId) -> Entry {
        let lock = Arc::clone(self.lock().entry(session.clone()).or_default());
        Entry { locks: self.clone(), session: session.clone(), lock }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Lock>> {
        self.by_session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut locks = self.locks.lock();
        // This entry's and the map's: nothing else uses it, nor can while the map is locked.
        if Arc::strong_count(&self.lock) == 2 {
            locks.remove(&self.session);
        }
    }
}
