//! The lease that a memory keeps from call to call.

use std::{sync::Mutex, time::Duration};

use conversant_core::{Lease, clock::Instant};

use crate::sync::lock;

/// The longest time for which a lease is kept: a year.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A lease that is kept while it is valid for at least half of its time.
#[derive(Default)]
pub(crate) struct KeptLease(Mutex<State>);

#[derive(Default)]
struct State {
    term: Term,
    held: Option<Held>,
}

struct Held {
    lease: Lease,
    renewal: Instant,
    end: Instant,
}

/// The time from an acquisition of the lease to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Term(u64);

impl KeptLease {
    /// Returns the current term, unless the lease has expired.
    pub(crate) fn term(&self) -> Option<Term> {
        let state = lock(&self.0);
        let is_valid = state.held.as_ref().is_some_and(|held| Instant::now() < held.end);
        is_valid.then_some(state.term)
    }

    /// Returns the lease if another call may begin under it.
    pub(crate) fn lease(&self) -> Option<Lease> {
        let state = lock(&self.0);
        let held = state.held.as_ref().filter(|held| Instant::now() < held.renewal);
        held.map(|held| held.lease.clone())
    }

    /// Begins a term with a lease that was requested at a time, for a duration.
    pub(crate) fn begin(&self, lease: Lease, requested: Instant, time: Duration) {
        let mut state = lock(&self.0);
        state.term.0 += 1;
        let time = time.min(MAX_TIME);
        let after = |time| requested.checked_add(time).unwrap_or(requested);
        state.held = Some(Held { lease, renewal: after(time / 2), end: after(time) });
    }

    /// Ends the term, and returns the lease to release.
    pub(crate) fn end(&self) -> Option<Lease> {
        lock(&self.0).held.take().map(|held| held.lease)
    }
}
