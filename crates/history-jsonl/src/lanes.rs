//! Threads for what blocks: one thing at a time for each session, several sessions at a time.
//!
//! What is handed over when a future is first polled takes place whatever becomes of the future, and before anything that is handed
//! over later for the same session.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use conversant_core::{HistoryError, SessionId};
use futures_channel::oneshot;

use crate::failure::backend;

/// A session, or none for what is of none.
type Lane = Option<SessionId>;

type Job = Box<dyn FnOnce() + Send>;

/// The way to the threads. They end when it is dropped and what was asked of them is done.
pub(crate) struct Lanes {
    ready: mpsc::Sender<(Lane, Job)>,
    waiting: Arc<Waiting>,
}

/// What waits behind the job of its session that runs. A lane without a job is not there.
#[derive(Default)]
struct Waiting(Mutex<HashMap<Lane, VecDeque<Job>>>);

impl Lanes {
    pub(crate) fn start(threads: usize) -> Result<Self, HistoryError> {
        let (ready, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let waiting = Arc::new(Waiting::default());
        for _ in 0..threads.max(1) {
            let (jobs, waiting) = (Arc::clone(&jobs), Arc::clone(&waiting));
            let run = move || run_all(&jobs, &waiting);
            let thread = thread::Builder::new().name("history-file".to_owned());
            thread.spawn(run).map(drop).map_err(backend)?;
        }
        Ok(Self { ready, waiting })
    }

    /// Runs something for a session, after what was asked for it before.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        session: Option<&SessionId>,
        run: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, HistoryError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Nobody to hear the answer is no fault.
            let _ = reply.send(run());
        });
        let lane = session.cloned();
        if let Some(job) = self.waiting.push(&lane, job)
            && self.ready.send((lane, job)).is_err()
        {
            return Err(backend(Ended));
        }
        answer.await.map_err(|_| backend(Ended))?
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<Lane, VecDeque<Job>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job behind the one that runs, or gives it back if there is none.
    fn push(&self, lane: &Lane, job: Job) -> Option<Job> {
        let mut lanes = self.lock();
        match lanes.get_mut(lane) {
            Some(jobs) => {
                jobs.push_back(job);
                None
            }
            None => {
                lanes.insert(lane.clone(), VecDeque::new());
                Some(job)
            }
        }
    }

    /// Returns the session's next job, or ends its turn.
    fn next(&self, lane: &Lane) -> Option<Job> {
        let mut lanes = self.lock();
        let next = lanes.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.remove(lane);
        }
        next
    }
}

fn run_all(jobs: &Mutex<mpsc::Receiver<(Lane, Job)>>, waiting: &Waiting) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((lane, job)) = next else { return };
        job();
        while let Some(job) = waiting.next(&lane) {
            job();
        }
    }
}

/// A thread that ended before it was done.
#[derive(Debug)]
struct Ended;

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the history's thread has ended")
    }
}

impl std::error::Error for Ended {}
