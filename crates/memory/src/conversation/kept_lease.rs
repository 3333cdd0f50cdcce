//! The lease that the memories of a conversation keep from call to call.

use std::{sync::Mutex, time::Duration};

use conversant_core::{Lease, Version, clock::Instant};

use crate::sync::lock;

/// The longest time for which a lease is kept: a year.
const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A lease that is kept while it is valid for at least half of its time. A memory and the memories
/// at its points share it.
#[derive(Default)]
pub(crate) struct KeptLease(Mutex<State>);

#[derive(Default)]
struct State {
    term: Term,
    held: Option<Held>,
    /// Whether only the memories that share the lease change the conversation.
    is_only_writer: bool,
}

struct Held {
    lease: Lease,
    renewal: Instant,
    end: Instant,
    /// The epoch of the first load under the lease.
    epoch: Option<u64>,
}

/// The time from an acquisition of the lease, or from a write under it, to the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Term(u64);

impl KeptLease {
    /// Sets that only the memories that share the lease change the conversation.
    pub(crate) fn set_only_writer(&self) {
        lock(&self.0).is_only_writer = true;
    }

    /// Returns the term in which nothing was written, if others do not write either.
    pub(crate) fn term(&self) -> Option<Term> {
        lock(&self.0).term()
    }

    /// Begins a term with a write.
    pub(crate) fn begin_write(&self) -> Term {
        lock(&self.0).next_term()
    }

    /// Returns the term that began with a write, unless another write overlapped with it.
    pub(crate) fn end_write(&self, begun: Term) -> Option<Term> {
        let mut state = lock(&self.0);
        if state.term == begun {
            return state.term();
        }
        // The other write must not continue its term: this one may have come after it.
        state.next_term();
        None
    }

    /// Returns whether another call may begin under the lease.
    pub(crate) fn is_held(&self) -> bool {
        lock(&self.0).held.as_ref().is_some_and(|held| Instant::now() < held.renewal)
    }

    /// Returns whether the lease is as old as the conversation that was loaded under it. With a
    /// conversation that was deleted since, its lease was deleted too.
    pub(crate) fn is_current(&self, loaded: Option<Version>) -> bool {
        let mut state = lock(&self.0);
        let (Some(held), Some(loaded)) = (&mut state.held, loaded) else { return true };
        *held.epoch.get_or_insert(loaded.epoch) == loaded.epoch
    }

    /// Begins a term with a lease that was requested at a time, for a duration.
    pub(crate) fn begin(&self, lease: Lease, requested: Instant, time: Duration) {
        let mut state = lock(&self.0);
        state.next_term();
        let time = time.min(MAX_TIME);
        let after = |time| requested.checked_add(time).unwrap_or(requested);
        state.held = Some(Held { lease, renewal: after(time / 2), end: after(time), epoch: None });
    }

    /// Ends the term, and returns the lease to release.
    pub(crate) fn end(&self) -> Option<Lease> {
        lock(&self.0).held.take().map(|held| held.lease)
    }
}

impl State {
    fn term(&self) -> Option<Term> {
        let is_valid = self.held.as_ref().is_some_and(|held| Instant::now() < held.end);
        (self.is_only_writer && is_valid).then_some(self.term)
    }

    const fn next_term(&mut self) -> Term {
        self.term.0 += 1;
        self.term
    }
}
