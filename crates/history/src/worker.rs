//! Threads that own a resource whose calls block.

use std::{
    collections::VecDeque,
    fmt, io, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use conversant_core::{HistoryError, VectorStoreError};
use futures_channel::oneshot;

/// An error of a [`Worker`] or of [`Threads`].
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// It was closed.
    #[error("cannot use the store: it is closed")]
    Closed,
    /// The operation panicked, or all threads have ended because something on them did.
    #[error("cannot finish the operation: it panicked")]
    Panicked,
}

conversant_core::debug_as_report!(WorkerError);

impl From<WorkerError> for HistoryError {
    fn from(error: WorkerError) -> Self {
        Self::Backend { source: error.into() }
    }
}

impl From<WorkerError> for VectorStoreError {
    fn from(error: WorkerError) -> Self {
        Self::Backend { source: error.into() }
    }
}

type Run<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A thread that owns a resource, such as a database connection, and runs one operation at a time.
///
/// An operation is queued when its future is first polled, and runs even if the future is dropped.
/// The thread ends after the last queued operation once the worker is closed or dropped. One that
/// panics is an error to its caller alone: the next one gets the resource as that one has left it.
///
/// # Examples
///
/// ```
/// use conversant_history::Worker;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::start("log", Vec::new())?;
/// let count = worker.run(|log: &mut Vec<&str>| { log.push("Hi"); log.len() }).await?;
/// assert_eq!(count, 1);
///
/// // Once closed, the resource is dropped.
/// worker.close().await;
/// assert_eq!(worker.run(|log| log.len()).await.unwrap_err().to_string(), "cannot use the store: it is closed");
/// # Ok(())
/// # }
/// ```
pub struct Worker<T> {
    threads: Threads<Run<T>>,
}

impl<T: Send + 'static> Worker<T> {
    /// Starts a thread that owns `resource`.
    ///
    /// # Errors
    /// The system's error if it cannot start a thread.
    pub fn start(name: &str, mut resource: T) -> io::Result<Self> {
        let run = move |jobs: &Jobs<Run<T>>| {
            while let Some(run) = jobs.next() {
                run(&mut resource);
            }
        };
        Ok(Self { threads: Threads::start(name, [run])? })
    }

    /// Runs an operation on the resource.
    ///
    /// # Errors
    /// [`WorkerError`] if the worker was closed, or the operation panicked.
    ///
    /// # Cancellation
    /// Once polled, the operation runs even if this future is dropped.
    pub async fn run<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, WorkerError> {
        let (reply, answer) = oneshot::channel();
        self.threads.send(Box::new(move |resource| {
            let outcome = catch_unwind(AssertUnwindSafe(|| operation(resource)));
            let outcome = outcome.map_err(|_| WorkerError::Panicked);
            // The waker is the caller's. One that has given up does not need the result.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(reply.send(outcome))));
        }))?;
        answer.await.unwrap_or(Err(WorkerError::Panicked))
    }

    /// Runs what is queued, drops the resource and ends the thread. Later operations fail with
    /// [`WorkerError::Closed`]. Once it returns, the file behind the resource can be removed.
    pub async fn close(&self) {
        self.threads.close().await;
    }
}

impl<T> fmt::Debug for Worker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

/// Threads that take jobs from one queue, for a store with several connections or with jobs that
/// are done together. [`Worker`] is simpler for one connection.
///
/// The threads end after the last queued job once this is closed or dropped.
pub struct Threads<J> {
    queue: Arc<Queue<J>>,
    running: Vec<Weak<Running>>,
}

/// The queue of [`Threads`], as their threads see it.
pub struct Jobs<J> {
    queue: Arc<Queue<J>>,
}

/// Jobs that wait. A channel behind a mutex would wake two threads for each job: the one that waits
/// for it, and the next one to wait. A condition variable would wake the thread that has waited
/// longest, whose memory is the least likely to be in a cache.
struct Queue<J> {
    state: Mutex<QueueState<J>>,
}

struct QueueState<J> {
    jobs: VecDeque<J>,
    /// The threads that wait for a job. The last one has begun last, and is woken first.
    idle: Vec<Thread>,
    is_closed: bool,
    /// The number of threads that have not ended. A job is refused once all of them have panicked.
    threads: usize,
}

/// A thread that runs; it alone holds this. To wait for its end is to wait for a sender's drop.
#[derive(Default)]
struct Running {
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
}

impl<J: Send + 'static> Threads<J> {
    /// Starts a thread for each of `runs`, which takes jobs until there are none. All that they own
    /// is dropped before [`close`](Self::close) returns.
    ///
    /// # Errors
    /// The system's error if it cannot start a thread.
    pub fn start<R: FnOnce(&Jobs<J>) + Send + 'static>(
        name: &str,
        runs: impl IntoIterator<Item = R>,
    ) -> io::Result<Self> {
        let (jobs, idle) = (VecDeque::new(), Vec::new());
        let state = QueueState { jobs, idle, is_closed: false, threads: 0 };
        let queue = Arc::new(Queue { state: Mutex::new(state) });
        // Dropped on failure, so that the threads that have started end.
        let mut threads = Self { queue, running: Vec::new() };
        for run in runs {
            let this = Arc::new(Running::default());
            threads.running.push(Arc::downgrade(&this));
            lock(&threads.queue.state).threads += 1;
            let jobs = Jobs { queue: Arc::clone(&threads.queue) };
            thread::Builder::new().name(name.to_owned()).spawn(move || {
                // Dropped last, after `run` and all that it owns, also if it panics.
                let _this = this;
                let jobs = jobs;
                run(&jobs);
            })?;
        }
        Ok(threads)
    }

    /// Queues a job.
    ///
    /// # Errors
    /// [`WorkerError`] if the threads were closed, or all of them have panicked.
    pub fn send(&self, job: J) -> Result<(), WorkerError> {
        let idle = {
            let mut state = lock(&self.queue.state);
            if state.is_closed {
                return Err(WorkerError::Closed);
            }
            if state.threads == 0 {
                return Err(WorkerError::Panicked);
            }
            state.jobs.push_back(job);
            state.idle.pop()
        };
        if let Some(thread) = idle {
            thread.unpark();
        }
        Ok(())
    }

    /// Runs what is queued and ends the threads. Later jobs are refused with
    /// [`WorkerError::Closed`].
    pub async fn close(&self) {
        self.queue.close();
        for thread in &self.running {
            let Some(thread) = thread.upgrade() else { continue };
            let (waiting, ended) = oneshot::channel();
            lock(&thread.waiting).push(waiting);
            drop(thread);
            // The sender is dropped, never used.
            let _ = ended.await;
        }
    }
}

impl<J> Drop for Threads<J> {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl<J> QueueState<J> {
    /// Removes this thread from those that wait.
    fn leave(&mut self) {
        if !self.idle.is_empty() {
            let this = thread::current().id();
            self.idle.retain(|thread| thread.id() != this);
        }
    }
}

impl<J> Queue<J> {
    fn close(&self) {
        let idle = {
            let mut state = lock(&self.state);
            state.is_closed = true;
            mem::take(&mut state.idle)
        };
        idle.iter().for_each(Thread::unpark);
    }
}

impl<J> fmt::Debug for Threads<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("threads", &self.running.len()).finish_non_exhaustive()
    }
}

impl<J> Jobs<J> {
    /// Waits for the next job. Returns `None` once the threads are closed and the queue is empty.
    #[must_use]
    pub fn next(&self) -> Option<J> {
        loop {
            match self.poll() {
                Ok(job) => return Some(job),
                Err(is_closed) if is_closed => return None,
                Err(_) => thread::park(),
            }
        }
    }

    /// Waits for the next job as [`next`](Self::next) does, but stays awake for `time` at first, in
    /// which other threads may run. For the first job of a thread that was just started: a store
    /// that is opened is used at once, and waking a thread takes longer than a short operation.
    #[must_use]
    pub fn next_awake(&self, time: Duration) -> Option<J> {
        let started = Instant::now();
        while started.elapsed() < time {
            let (job, is_closed) = {
                let mut state = lock(&self.queue.state);
                (state.jobs.pop_front(), state.is_closed)
            };
            if job.is_some() || is_closed {
                return job;
            }
            thread::yield_now();
        }
        self.next()
    }

    /// Waits for the next job as [`next`](Self::next) does. Runs `reply` once this thread is among
    /// those that wait, and `idle` once it has waited for `time`.
    ///
    /// A caller that sends its next job as soon as it has the reply to its last one thus wakes no
    /// other thread.
    #[must_use]
    pub fn next_after(
        &self,
        reply: impl FnOnce(),
        time: Duration,
        idle: impl FnOnce(),
    ) -> Option<J> {
        let first = self.poll();
        reply();
        if let Ok(job) = first {
            return Some(job);
        }
        let started = Instant::now();
        loop {
            // The reply may have used up the wake-up of a job.
            match self.poll() {
                Ok(job) => return Some(job),
                Err(is_closed) if is_closed => return None,
                Err(_) => {}
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                idle();
                return self.next();
            }
            thread::park_timeout(left);
        }
    }

    /// Waits for the next job, at most `time`. Returns `None` if there is none by then.
    #[must_use]
    pub fn next_within(&self, time: Duration) -> Option<J> {
        let started = Instant::now();
        loop {
            // Once the threads are closed there are no jobs, but the time has to pass.
            if let Ok(job) = self.poll() {
                return Some(job);
            }
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                let mut state = lock(&self.queue.state);
                state.leave();
                // The thread may have been chosen for a job meanwhile.
                return state.jobs.pop_front();
            }
            thread::park_timeout(left);
        }
    }

    /// Returns the next job. Without one, the thread is woken when there is one, and the error is
    /// whether the threads are closed.
    fn poll(&self) -> Result<J, bool> {
        let mut state = lock(&self.queue.state);
        // It may have been woken by something else.
        state.leave();
        if let Some(job) = state.jobs.pop_front() {
            return Ok(job);
        }
        if !state.is_closed {
            state.idle.push(thread::current());
        }
        Err(state.is_closed)
    }

    /// Returns the next job if one is queued.
    #[must_use]
    pub fn try_next(&self) -> Option<J> {
        lock(&self.queue.state).jobs.pop_front()
    }
}

impl<J> Drop for Jobs<J> {
    fn drop(&mut self) {
        let dropped = {
            let mut state = lock(&self.queue.state);
            state.threads = state.threads.saturating_sub(1);
            if state.threads == 0 { mem::take(&mut state.jobs) } else { VecDeque::new() }
        };
        // A job may own what sends to these threads.
        drop(dropped);
    }
}

impl<J> fmt::Debug for Jobs<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
