//! The plan of a double: which call fails, and how.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::failure_mode::FailureMode;

/// The failures that a test chose, and the number of calls so far.
pub(super) struct Plan<C, E>(Mutex<State<C, E>>);

struct State<C, E> {
    /// The function, the number of its call counted from 1 (`None`: each), and the failure.
    failures: Vec<(C, Option<usize>, FailureMode<E>)>,
    calls: HashMap<C, usize>,
}

impl<C: Copy + Eq + Hash, E> Plan<C, E> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { failures: Vec::new(), calls: HashMap::new() }))
    }

    pub(super) fn add(&self, call: C, nth: Option<usize>, failure: FailureMode<E>) {
        self.lock().failures.push((call, nth, failure));
    }

    pub(super) fn forget(&self) {
        self.lock().failures.clear();
    }

    pub(super) fn calls(&self, call: C) -> usize {
        self.lock().calls.get(&call).copied().unwrap_or(0)
    }

    /// Counts a call that cannot fail.
    pub(super) fn count(&self, call: C) {
        *self.lock().calls.entry(call).or_default() += 1;
    }

    /// Counts a call, and runs it with its failure, if it has one.
    pub(super) async fn run<T>(
        &self,
        call: C,
        work: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let failure = self.begin(call);
        if let Some(failure) = failure.as_ref().filter(|failure| !failure.after) {
            failure.happen().await?;
        }
        let outcome = work.await;
        if let Some(failure) = failure.as_ref().filter(|failure| failure.after) {
            failure.happen().await?;
        }
        outcome
    }

    fn begin(&self, call: C) -> Option<FailureMode<E>> {
        let mut state = self.lock();
        let count = state.calls.entry(call).or_default();
        *count += 1;
        let count = *count;
        let planned = |nth: Option<usize>| {
            state.failures.iter().find(|(wanted, at, _)| *wanted == call && *at == nth)
        };
        let failure = planned(Some(count)).or_else(|| planned(None));
        failure.map(|(_, _, failure)| failure.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State<C, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
