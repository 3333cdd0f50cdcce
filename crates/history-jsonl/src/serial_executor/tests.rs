//! Operations that panic.

use std::{sync::Condvar, thread};

use conversant_testkit::block_on;

use super::*;

/// Operations that wait until a number of them are under way.
#[derive(Default)]
struct Meeting {
    met: Mutex<usize>,
    all: Condvar,
}

impl Meeting {
    /// Returns whether as many have come.
    fn meet(&self, count: usize) -> bool {
        let mut met = lock(&self.met);
        *met += 1;
        self.all.notify_all();
        let limit = Duration::from_secs(60);
        let waited = self.all.wait_timeout_while(met, limit, |met| *met < count).unwrap();
        !waited.1.timed_out()
    }
}

/// A search holds up neither the lists of others nor what is done with a session.
#[test]
fn operations_of_no_session_run_at_the_same_time_and_leave_a_thread() {
    let folder = tempfile::tempdir().unwrap();
    let session = SessionId::new("a").unwrap();
    let paths = SessionPaths::new(folder.path(), &session);
    let executor = SerialExecutor::start(3, Duration::from_secs(10)).unwrap();
    let meeting = Arc::new(Meeting::default());
    thread::scope(|scope| {
        let listing: Vec<_> = (0..2)
            .map(|_| {
                let (executor, meeting) = (&executor, Arc::clone(&meeting));
                scope.spawn(move || block_on(executor.run(move || Ok(meeting.meet(3)))).unwrap())
            })
            .collect();
        while lock(&executor.lanes.state).free_running < 2 {
            thread::yield_now();
        }
        // The threads that are left are for sessions.
        let (executor, met) = (&executor, Arc::clone(&meeting));
        let queued = scope.spawn(move || block_on(executor.run(|| Ok(()))).unwrap());
        while lock(&executor.lanes.state).free.is_empty() {
            thread::yield_now();
        }
        let write = move |_: Option<&mut SessionLock>| Ok(met.meet(3));
        let writing = executor.run_locked(&session, paths, LockMode::Exclusive, write);
        assert!(block_on(writing).unwrap());
        assert!(listing.into_iter().all(|list| list.join().unwrap()));
        queued.join().unwrap();
    });
    let state = lock(&executor.lanes.state);
    assert!(state.free.is_empty());
    drop(state);
    block_on(executor.close());
    assert!(lock(&executor.lanes.state).is_empty());
}

#[test]
fn an_operation_that_panics_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let session = SessionId::new("a").unwrap();
    let paths = SessionPaths::new(folder.path(), &session);
    let executor = SerialExecutor::start(1, Duration::from_secs(10)).unwrap();
    let run = |fails: bool| {
        let (executor, session, paths) = (&executor, &session, paths.clone());
        executor.run_locked(session, paths, LockMode::Exclusive, move |_| {
            assert!(!fails, "this operation panics");
            Ok(7)
        })
    };
    for _ in 0..3 {
        let error = block_on(run(true)).unwrap_err();
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "cannot finish the operation: it panicked"
        );
        assert_eq!(block_on(run(false)).unwrap(), 7);
    }
    block_on(executor.close());
    let error = block_on(run(false)).unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "cannot use the store: it is closed"
    );
}
