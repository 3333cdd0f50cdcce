//! Threads for operations that block: one at a time for each session, several sessions at a time.
//!
//! An operation is queued when its future is first polled, before all that are queued later for the
//! same session, and runs even if its future is dropped. One whose session is locked by another
//! process waits on a thread of its own kind, so that other sessions do not wait with it. The lock
//! of shared files, which an operation finds that it needs, is waited for in the operation.
//! Operations of no session, such as lists, run at the same time, and leave a thread to the others.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use conversant_core::{HistoryError, SessionId};
use conversant_history::{Jobs, Threads, WorkerError};
use futures_channel::oneshot;

use crate::{
    error::backend,
    lock::{LockFile, LockMode, PAUSES, SessionLock},
    mutex::lock,
    open_files::{LINGER, OpenFiles, SessionFiles},
    paths::SessionPaths,
};

/// The session of an operation, or `None` if it belongs to no session.
type Lane = Option<SessionId>;

/// The lock that an operation gets, if it needs one.
type Locked = Result<Option<SessionLock>, HistoryError>;

/// An operation, and the lock that it needs.
struct Operation {
    lock: Option<(SessionPaths, LockMode)>,
    /// When it gives up waiting for the lock, if ever.
    deadline: Option<Instant>,
    job: Box<dyn Job>,
}

/// An operation whose session another process has locked.
struct Blocked {
    lane: Lane,
    file: LockFile,
    deadline: Option<Instant>,
    job: Box<dyn Job>,
    next_try: Instant,
    pause: Duration,
}

/// A lane whose next operation can run, or has its lock.
enum Ready {
    Operation(Lane, Operation),
    Locked(Lane, Locked, Box<dyn Job>),
}

/// The work of an operation, and its caller.
trait Job: Send {
    /// Does the work, and drops all that it needed for it. Returns the session's files, if they are
    /// open and not locked.
    fn run(&mut self, lock: Locked) -> Option<SessionFiles>;

    /// Sends the result to the caller.
    fn reply(self: Box<Self>);
}

struct Task<T, W> {
    /// `None` once it has run.
    work: Option<W>,
    outcome: Option<Result<T, HistoryError>>,
    reply: oneshot::Sender<Result<T, HistoryError>>,
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnOnce(Option<&mut SessionLock>) -> Result<T, HistoryError> + Send,
{
    fn run(&mut self, lock: Locked) -> Option<SessionFiles> {
        let mut files = None;
        let run = |mut lock: Option<SessionLock>| {
            let work = self.work.take().ok_or(WorkerError::Panicked)?;
            let output = work(lock.as_mut())?;
            files = lock.and_then(SessionLock::unlock);
            Ok(output)
        };
        self.outcome = Some(lock.and_then(run));
        files
    }

    fn reply(self: Box<Self>) {
        // The caller runs as soon as it has its result, and would wait for what this thread frees.
        let (outcome, reply) = {
            let task = self;
            (task.outcome, task.reply)
        };
        if let Some(outcome) = outcome {
            // The caller may have given up.
            let _ = reply.send(outcome);
        }
    }
}

/// The most threads of a store.
const MAX_THREADS: usize = 256;

/// Runs operations. Its threads finish what is queued and end when it is dropped.
pub(crate) struct SerialExecutor {
    lock_timeout: Duration,
    lanes: Arc<Lanes>,
    pool: Arc<Threads<Ready>>,
    waiter: Arc<Threads<Blocked>>,
}

impl SerialExecutor {
    pub(crate) fn start(threads: usize, lock_timeout: Duration) -> Result<Self, HistoryError> {
        let threads = threads.clamp(1, MAX_THREADS);
        let lanes = Arc::new(Lanes::new(threads));
        // The waiter hands operations back to the pool, but does not keep it running.
        let pool = Arc::new(Mutex::new(Weak::new()));
        let wait = {
            let (lanes, pool) = (Arc::clone(&lanes), Arc::clone(&pool));
            move |jobs: &Jobs<Blocked>| wait_for_locks(jobs, &lanes, &pool)
        };
        let waiter = Arc::new(Threads::start("history-lock", [wait]).map_err(backend)?);
        let runs = (0..threads).map(|_| {
            let (lanes, waiter) = (Arc::clone(&lanes), Arc::clone(&waiter));
            move |jobs: &Jobs<Ready>| {
                let mut next = jobs.next();
                while let Some(ready) = next {
                    let last = run_lane(ready, &lanes, &mut |blocked| {
                        // The waiter ends after the threads that hand over to it.
                        let _ = waiter.send(blocked);
                    });
                    next = jobs.next_after(|| last.reply(), LINGER, || lanes.files.close_idle());
                }
            }
        });
        let threads = Arc::new(Threads::start("history-file", runs).map_err(backend)?);
        *lock(&pool) = Arc::downgrade(&threads);
        Ok(Self { lock_timeout, lanes, pool: threads, waiter })
    }

    /// Runs an operation that belongs to no session. It waits for no other operation, unless all
    /// threads but one run such operations.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.submit(None, None, |_| run()).await
    }

    /// Runs an operation on a session, once it is locked.
    pub(crate) async fn run_locked<T: Send + 'static>(
        &self,
        session: &SessionId,
        paths: SessionPaths,
        mode: LockMode,
        run: impl FnOnce(Option<&mut SessionLock>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        self.submit(Some(session.clone()), Some((paths, mode)), run).await
    }

    /// Runs an operation on a session on this thread, unless others are under way or queued.
    ///
    /// The operation must not wait. It returns `None` if it would have to.
    pub(crate) fn run_at_once<T>(
        &self,
        session: &SessionId,
        run: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, HistoryError> {
        if !self.lanes.begin(session)? {
            return Ok(None);
        }
        let _begun = Begun { executor: self, lane: Some(session.clone()) };
        Ok(run())
    }

    async fn submit<T: Send + 'static>(
        &self,
        lane: Lane,
        lock: Option<(SessionPaths, LockMode)>,
        work: impl FnOnce(Option<&mut SessionLock>) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Task { work: Some(work), outcome: None, reply });
        let deadline = Instant::now().checked_add(self.lock_timeout);
        let operation = Operation { lock, deadline, job };
        if let Some(operation) = self.lanes.push(&lane, operation)? {
            self.pool.send(Ready::Operation(lane, operation))?;
        }
        answer.await.map_err(|_| WorkerError::Panicked)?
    }

    /// Refuses new operations, finishes those that are queued, and waits for the threads' end.
    pub(crate) async fn close(&self) {
        self.lanes.close().await;
        self.waiter.close().await;
        self.pool.close().await;
        self.lanes.files.close();
    }
}

/// A lane whose first operation runs on a thread of its caller. When that ends, the next one is the
/// pool's.
struct Begun<'e> {
    executor: &'e SerialExecutor,
    lane: Lane,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(operation) = self.executor.lanes.next(&self.lane) {
            // The pool is closed once no operation is left.
            let _ = self.executor.pool.send(Ready::Operation(self.lane.take(), operation));
        }
    }
}

/// The operations that wait for others.
struct Lanes {
    state: Mutex<LanesState>,
    /// The files of sessions that have no operation.
    files: OpenFiles,
    /// The most operations of no session that run at the same time.
    most_free: usize,
}

#[derive(Default)]
struct LanesState {
    /// Those that are queued behind the first one of their session. A session without operations
    /// has no entry.
    queues: HashMap<SessionId, VecDeque<Operation>>,
    /// Those of no session that wait for a thread, and the number of those that run.
    free: VecDeque<Operation>,
    free_running: usize,
    is_closed: bool,
    /// Dropped when the last operation ends.
    until_empty: Vec<oneshot::Sender<()>>,
}

impl LanesState {
    fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.free_running == 0
    }
}

impl Lanes {
    fn new(threads: usize) -> Self {
        let (state, files) = Default::default();
        Self { state, files, most_free: threads.saturating_sub(1).max(1) }
    }

    /// Queues an operation, or gives it back if it can run.
    fn push(&self, lane: &Lane, operation: Operation) -> Result<Option<Operation>, HistoryError> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(WorkerError::Closed.into());
        }
        let Some(session) = lane else {
            if state.free_running < self.most_free {
                state.free_running += 1;
                return Ok(Some(operation));
            }
            state.free.push_back(operation);
            return Ok(None);
        };
        match state.queues.entry(session.clone()) {
            Entry::Occupied(mut queue) => {
                queue.get_mut().push_back(operation);
                Ok(None)
            }
            Entry::Vacant(queue) => {
                queue.insert(VecDeque::new());
                Ok(Some(operation))
            }
        }
    }

    /// Begins the lane of a session, unless it has operations.
    fn begin(&self, session: &SessionId) -> Result<bool, HistoryError> {
        let mut state = lock(&self.state);
        if state.is_closed {
            return Err(WorkerError::Closed.into());
        }
        match state.queues.entry(session.clone()) {
            Entry::Occupied(_) => Ok(false),
            Entry::Vacant(queue) => {
                queue.insert(VecDeque::new());
                Ok(true)
            }
        }
    }

    /// Returns the lane's next operation, or ends the lane.
    fn next(&self, lane: &Lane) -> Option<Operation> {
        let mut state = lock(&self.state);
        match lane {
            Some(session) => {
                if let Some(queue) = state.queues.get_mut(session) {
                    if let Some(next) = queue.pop_front() {
                        return Some(next);
                    }
                    state.queues.remove(session);
                }
            }
            None => {
                if let Some(next) = state.free.pop_front() {
                    return Some(next);
                }
                state.free_running = state.free_running.saturating_sub(1);
            }
        }
        if state.is_empty() {
            state.until_empty.clear();
        }
        None
    }

    /// Locks the files that the next operation of a lane needs. Returns `None` if it needs no lock,
    /// and the lock file if another process has locked it.
    fn lock(
        &self,
        lane: &Lane,
        needed: Option<(SessionPaths, LockMode)>,
    ) -> Result<Option<Result<SessionLock, LockFile>>, HistoryError> {
        let Some((paths, mode)) = needed else { return Ok(None) };
        let file = match mode {
            LockMode::Shared => LockFile::shared(&paths)?,
            LockMode::Exclusive => {
                let open_files = lane.as_ref().and_then(|session| self.files.take(session));
                Some(LockFile::exclusive(paths, open_files)?)
            }
        };
        file.map(LockFile::try_lock).transpose()
    }

    async fn close(&self) {
        let empty = {
            let mut state = lock(&self.state);
            state.is_closed = true;
            if state.is_empty() {
                return;
            }
            let (sender, empty) = oneshot::channel();
            state.until_empty.push(sender);
            empty
        };
        // The sender is dropped, never used.
        let _ = empty.await;
    }
}

/// An operation that has ended, and whose caller waits for the result.
#[must_use]
struct Ended(Option<Box<dyn Job>>);

impl Ended {
    fn reply(self) {
        if let Some(job) = self.0 {
            // The waker is the caller's.
            let _ = catch_unwind(AssertUnwindSafe(|| job.reply()));
        }
    }
}

/// Runs the operations of a lane until there are none, or until one has to wait for its lock.
/// Returns the last one.
fn run_lane(ready: Ready, lanes: &Lanes, block: &mut dyn FnMut(Blocked)) -> Ended {
    let (lane, mut next, mut ended) = match ready {
        Ready::Operation(lane, operation) => (lane, Some(operation), Ended(None)),
        Ready::Locked(lane, locked, job) => {
            let ended = run_job(job, locked, &lane, lanes);
            let next = lanes.next(&lane);
            (lane, next, ended)
        }
    };
    while let Some(Operation { lock, deadline, job }) = next {
        ended.reply();
        let locked = match lanes.lock(&lane, lock) {
            Ok(Some(Ok(lock))) => Ok(Some(lock)),
            Ok(Some(Err(file))) => {
                let (pause, _) = PAUSES;
                let next_try = Instant::now() + pause;
                block(Blocked { lane, file, deadline, job, next_try, pause });
                return Ended(None);
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        ended = run_job(job, locked, &lane, lanes);
        // The lane may end here: an operation that the caller starts next need not queue.
        next = lanes.next(&lane);
    }
    ended
}

/// Runs an operation. If it panics, its caller gets an error, and the lane goes on.
fn run_job(mut job: Box<dyn Job>, locked: Locked, lane: &Lane, lanes: &Lanes) -> Ended {
    // The operation owns what it changes: an index that it leaves half changed is dropped with it.
    let Ok(files) = catch_unwind(AssertUnwindSafe(|| job.run(locked))) else {
        // It wakes the caller too.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(job)));
        return Ended(None);
    };
    if let (Some(session), Some(files)) = (lane, files) {
        lanes.files.keep(session, files);
    }
    Ended(Some(job))
}

/// Tries to lock the sessions of blocked operations until each is locked or its time is over.
fn wait_for_locks(jobs: &Jobs<Blocked>, lanes: &Lanes, pool: &Mutex<Weak<Threads<Ready>>>) {
    let mut waiting: Vec<Blocked> = Vec::new();
    loop {
        let now = Instant::now();
        match waiting.iter().map(|blocked| blocked.next_try).min() {
            None => match jobs.next() {
                Some(blocked) => waiting.push(blocked),
                None => return,
            },
            Some(next_try) => {
                waiting.extend(jobs.next_within(next_try.saturating_duration_since(now)));
            }
        }
        let now = Instant::now();
        for mut blocked in std::mem::take(&mut waiting) {
            if blocked.next_try > now {
                waiting.push(blocked);
                continue;
            }
            let locked = match blocked.file.try_lock() {
                Ok(Ok(lock)) => Ok(Some(lock)),
                Ok(Err(file)) if blocked.deadline.is_none_or(|deadline| now < deadline) => {
                    blocked.file = file;
                    blocked.pause = (blocked.pause * 2).min(PAUSES.1);
                    blocked.next_try = now + blocked.pause;
                    waiting.push(blocked);
                    continue;
                }
                Ok(Err(_)) => Err(HistoryError::Busy),
                Err(error) => Err(error),
            };
            let ready = Ready::Locked(blocked.lane, locked, blocked.job);
            let threads = lock(pool).upgrade();
            match threads {
                Some(threads) => {
                    // The threads are closed once no operation is left.
                    let _ = threads.send(ready);
                }
                // The store was dropped. What it has begun is finished here.
                None => run_lane(ready, lanes, &mut |blocked| waiting.push(blocked)).reply(),
            }
        }
    }
}

#[cfg(test)]
mod tests;
