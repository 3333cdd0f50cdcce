//! Runs cases concurrently and reports their results in order.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
};

use serde_json::Value as Json;

use crate::{case::Case, difference::Difference};

/// The number of cases that run at the same time. Some wait for a slow server for seconds.
const CONCURRENT_CASES: usize = 32;

/// The stack of a thread that runs cases, in bytes: as much as a main thread has.
const STACK: usize = 8 << 20;

/// The number of cases that passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The cases whose result is the recorded one.
    pub passed: usize,
    /// The other cases.
    pub failed: usize,
}

impl Count {
    /// Adds the cases of another count.
    pub const fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Runs cases, calls `on_difference` for each that fails, in order, and counts.
pub fn compare(cases: &[Case], mut on_difference: impl FnMut(&Difference)) -> Count {
    let mut count = Count::default();
    let each = |case: &Case, got: Json| {
        match case.difference(&got) {
            None => count.passed += 1,
            Some(difference) => {
                count.failed += 1;
                on_difference(&difference);
            }
        }
        Ok::<_, Infallible>(())
    };
    match run_all(cases, each) {
        Ok(()) => count,
    }
}

/// Runs cases, many at a time, and calls `each` with the result of each case, in order.
///
/// # Errors
///
/// The first error of `each`. Cases that have not begun by then are not run.
pub fn run_all<E>(
    cases: &[Case],
    mut each: impl FnMut(&Case, Json) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for worker in 0..cases.len().min(CONCURRENT_CASES) {
            let (thread_sender, next) = (sender.clone(), &next);
            let thread = thread::Builder::new().stack_size(STACK);
            let spawned = thread.spawn_scoped(scope, move || work(cases, next, &thread_sender));
            if spawned.is_err() {
                // Without any other thread, this one runs the cases.
                if worker == 0 {
                    work(cases, next, &sender);
                }
                break;
            }
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = cases.iter().enumerate().peekable();
        for (index, result) in results {
            early.insert(index, result);
            while let Some((index, case)) = due.peek()
                && let Some(result) = early.remove(index)
            {
                each(case, result)?;
                due.next();
            }
        }
        Ok(())
    })
}

/// Runs cases until all have begun, or the receiver of the results was dropped.
fn work(cases: &[Case], next: &AtomicUsize, results: &Sender<(usize, Json)>) {
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = cases.get(index) else { break };
        if results.send((index, case.result())).is_err() {
            break;
        }
    }
}
