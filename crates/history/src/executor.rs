//! Runs the operations of a networked store, each within a time limit.

use std::{
    collections::HashMap,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::Poll,
    time::Duration,
};

use conversant_core::{HistoryError, SessionId, drop_payload};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::session_locks::SessionLocks;

/// The longest time limit: a hundred years. Longer ones are shortened to it.
pub const MAX_TIMEOUT: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The longest time of the timer of [`SessionExecutor::set_early_timer`].
const EARLY_TIMER: Duration = Duration::from_secs(5);

/// The time after its deadline for which a write whose outcome is not known is remembered: longer
/// than any server takes to refuse or finish it.
const MAX_UNSETTLED: Duration = Duration::from_secs(24 * 60 * 60);

/// The time from one look for writes that need not be remembered to the next.
const FORGET_PAUSE: Duration = Duration::from_secs(60 * 60);

/// The deadlines of writes whose outcome is not known.
#[derive(Default)]
struct Unsettled {
    by_session: HashMap<SessionId, Instant>,
    /// When to look for those that need not be remembered.
    next_look: Option<Instant>,
}

impl Unsettled {
    fn of(&self, session: &SessionId) -> Option<Instant> {
        self.by_session.get(session).copied()
    }

    fn add(&mut self, session: SessionId, deadline: Instant) {
        let now = Instant::now();
        if self.next_look.is_none_or(|next| next <= now) {
            self.next_look = now.checked_add(FORGET_PAUSE);
            let is_over = |deadline: Instant| now.duration_since(deadline) > MAX_UNSETTLED;
            self.by_session.retain(|_, deadline| !is_over(*deadline));
        }
        self.by_session.insert(session, deadline);
    }

    fn remove(&mut self, session: &SessionId) {
        self.by_session.remove(session);
    }
}

/// Runs the operations of a networked store on its runtime, each within a time limit.
///
/// - Operations on one session are served in the order in which they were first polled: writes one
///   at a time, reads between them.
/// - A write that has started is finished even if its future is dropped. A read is then aborted.
/// - When the limit is over, an operation fails: with [`HistoryError::Busy`] if it waited for
///   another operation on its session, with [`HistoryError::TimedOut`] if it was under way.
/// - A write whose outcome is not known leaves its session unsettled. The next operation on that
///   session has to settle it first, see [`Call::unsettled`]. After a day it is forgotten.
///
/// Clones share all of it.
#[derive(Clone)]
pub struct SessionExecutor {
    locks: SessionLocks,
    unsettled: Arc<Mutex<Unsettled>>,
    has_early_timer: Arc<AtomicBool>,
    runtime: Handle,
    limit: Duration,
}

/// One call of a [`SessionExecutor`]: its deadline, and the state of its requests.
#[derive(Clone, Debug)]
pub struct Call {
    deadline: Instant,
    unsettled: Option<Instant>,
    in_doubt: Arc<AtomicBool>,
}

impl Call {
    /// Returns the time at which the call ends. What is sent to a server should take no effect
    /// later.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the deadline of an earlier write on the session whose outcome is not known, if there
    /// is one. Ensure that it cannot take effect any more, then call [`settled`](Self::settled).
    #[must_use]
    pub const fn unsettled(&self) -> Option<Instant> {
        self.unsettled
    }

    /// Records that the session is settled.
    pub const fn settled(&mut self) {
        self.unsettled = None;
    }

    /// Records that a request is sent whose outcome is not known yet.
    pub fn sent(&self) {
        self.in_doubt.store(true, Ordering::SeqCst);
    }

    /// Records that the server has answered: the outcome of every request is known.
    pub fn answered(&self) {
        self.in_doubt.store(false, Ordering::SeqCst);
    }

    /// Returns whether the outcome of a request is not known.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.in_doubt.load(Ordering::SeqCst)
    }
}

impl SessionExecutor {
    /// Creates an executor that runs operations on `runtime`, each for at most `limit`.
    #[must_use]
    pub fn new(runtime: Handle, limit: Duration) -> Self {
        let (locks, unsettled, has_early_timer) = Default::default();
        Self { locks, unsettled, has_early_timer, runtime, limit: limit.min(MAX_TIMEOUT) }
    }

    /// Returns an executor of the same sessions with another limit.
    #[must_use]
    pub fn with_limit(&self, limit: Duration) -> Self {
        Self { limit: limit.min(MAX_TIMEOUT), ..self.clone() }
    }

    /// Returns the number of sessions in use.
    #[must_use]
    pub fn sessions_in_use(&self) -> usize {
        self.locks.len()
    }

    /// Returns the number of sessions that a write has left unsettled.
    #[must_use]
    pub fn unsettled_sessions(&self) -> usize {
        self.unsettled().by_session.len()
    }

    /// Writes to a session.
    ///
    /// # Errors
    /// - Those of `work`.
    /// - [`HistoryError::Busy`] or [`HistoryError::TimedOut`] at the limit.
    /// - [`HistoryError::Backend`] if `work` panics, or if the runtime has shut down.
    ///
    /// # Cancellation
    /// The write is not done if its future is dropped while it waits for another operation.
    pub async fn write<T, W, F>(&self, session: &SessionId, work: W) -> Result<T, HistoryError>
    where
        T: Send + 'static,
        W: FnOnce(Call) -> F + Send + 'static,
        F: Future<Output = Result<T, HistoryError>> + Send,
    {
        let mut call = self.call();
        let queued = self.locks.queue_write(session);
        let mut queued = Box::pin(queued);
        let ready = poll_once(queued.as_mut()).await;
        let (this, session, stage) = (self.clone(), session.clone(), Arc::new(Stage::default()));
        let waiting = AbandonOnDrop(Arc::clone(&stage));
        let task = self.runtime.spawn(async move {
            let _lock = match ready {
                Some(lock) => lock,
                None => timeout_at(call.deadline, queued).await.map_err(|_| HistoryError::Busy)?,
            };
            if !stage.start() {
                return Err(HistoryError::Busy);
            }
            call.unsettled = this.unsettled().of(&session);
            // It is dropped before the lock, also if the work panics or the runtime shuts down.
            let doubt = Doubt { executor: &this, session: &session, call: &call };
            let outcome = this.limited(&call, work(call.clone())).await;
            drop(doubt);
            if outcome.is_ok() && !call.is_in_doubt() {
                this.unsettled().remove(&session);
            }
            outcome
        });
        let outcome = joined(task.await);
        drop(waiting);
        outcome
    }

    /// Reads a session.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancellation
    /// The read is aborted if its future is dropped.
    pub async fn read<T, W, F>(&self, session: &SessionId, work: W) -> Result<T, HistoryError>
    where
        T: Send + 'static,
        W: FnOnce(Call) -> F + Send + 'static,
        F: Future<Output = Result<T, HistoryError>> + Send,
    {
        let mut call = self.call();
        let mut queued = Box::pin(self.locks.queue_read(session));
        let ready = poll_once(queued.as_mut()).await;
        let (this, session) = (self.clone(), session.clone());
        let task = self.runtime.spawn(async move {
            let _lock = match ready {
                Some(lock) => lock,
                None => timeout_at(call.deadline, queued).await.map_err(|_| HistoryError::Busy)?,
            };
            call.unsettled = this.unsettled().of(&session);
            let outcome = this.limited(&call, work(call.clone())).await;
            if call.unsettled.is_some() && outcome.is_ok() {
                this.unsettled().remove(&session);
            }
            outcome
        });
        joined((&mut AbortOnDrop(task).0).await)
    }

    /// Reads data that belongs to no session. It is aborted if its future is dropped.
    ///
    /// # Errors
    /// - Those of `work`.
    /// - [`HistoryError::TimedOut`] at the limit.
    /// - [`HistoryError::Backend`] if `work` panics, or if the runtime has shut down.
    pub async fn read_all<T, W, F>(&self, work: W) -> Result<T, HistoryError>
    where
        T: Send + 'static,
        W: FnOnce(Call) -> F + Send + 'static,
        F: Future<Output = Result<T, HistoryError>> + Send,
    {
        let (this, call) = (self.clone(), self.call());
        let task = self.runtime.spawn(async move { this.limited(&call, work(call.clone())).await });
        joined((&mut AbortOnDrop(task).0).await)
    }

    fn call(&self) -> Call {
        let now = Instant::now();
        let deadline = now.checked_add(self.limit).unwrap_or(now);
        Call { deadline, unsettled: None, in_doubt: Arc::default() }
    }

    async fn limited<T>(
        &self,
        call: &Call,
        work: impl Future<Output = Result<T, HistoryError>>,
    ) -> Result<T, HistoryError> {
        let timed_out = HistoryError::TimedOut { limit: self.limit };
        self.set_early_timer();
        timeout_at(call.deadline, work).await.unwrap_or(Err(timed_out))
    }

    /// Sets a timer that ends before the limit of an operation, unless there is one. A runtime that
    /// waits for no earlier timer is woken, by two system calls, for each that is set.
    fn set_early_timer(&self) {
        if !self.has_early_timer.swap(true, Ordering::Relaxed) {
            let (timer, time) =
                (Arc::clone(&self.has_early_timer), EARLY_TIMER.min(self.limit / 2));
            self.runtime.spawn(async move {
                sleep(time).await;
                timer.store(false, Ordering::Relaxed);
            });
        }
    }

    fn unsettled(&self) -> MutexGuard<'_, Unsettled> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write that has started. If its outcome is not known when it ends, in whichever way, its
/// session is unsettled.
struct Doubt<'w> {
    executor: &'w SessionExecutor,
    session: &'w SessionId,
    call: &'w Call,
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if self.call.is_in_doubt() {
            self.executor.unsettled().add(self.session.clone(), self.call.deadline);
        }
    }
}

impl fmt::Debug for SessionExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionExecutor")
            .field("limit", &self.limit)
            .field("sessions_in_use", &self.sessions_in_use())
            .finish_non_exhaustive()
    }
}

/// Whether a write waits, has started, or was abandoned before it started.
#[derive(Default)]
struct Stage(AtomicU8);

impl Stage {
    const WAITING: u8 = 0;
    const STARTED: u8 = 1;
    const ABANDONED: u8 = 2;

    /// Starts the write, and returns whether it is still wanted.
    fn start(&self) -> bool {
        self.leave_waiting(Self::STARTED)
    }

    fn leave_waiting(&self, next: u8) -> bool {
        let order = Ordering::SeqCst;
        self.0.compare_exchange(Self::WAITING, next, order, order).is_ok()
    }
}

/// The caller of a write.
struct AbandonOnDrop(Arc<Stage>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.leave_waiting(Stage::ABANDONED);
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Polls a future once, which gives it its place in a queue.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// A task whose outcome is lost.
#[derive(thiserror::Error)]
enum LostTask {
    #[error("cannot use the store: the runtime of its connections has shut down")]
    RuntimeShutDown,
    /// The panic's own message was printed when it happened, and may have the text of a message.
    #[error("cannot use the store: an operation panicked; report it as a fault of the store")]
    Panicked,
}

conversant_core::debug_as_report!(LostTask);

fn joined<T>(
    joined: Result<Result<T, HistoryError>, tokio::task::JoinError>,
) -> Result<T, HistoryError> {
    joined.unwrap_or_else(|error| {
        let lost = if error.is_panic() { LostTask::Panicked } else { LostTask::RuntimeShutDown };
        if let Ok(payload) = error.try_into_panic() {
            drop_payload(payload);
        }
        Err(HistoryError::Backend { source: lost.into() })
    })
}
