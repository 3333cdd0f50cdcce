//! The lease of a call, which the next call releases if this one cannot.

use std::{
    mem,
    sync::{Arc, Mutex},
};

use conversant_core::Lease;

use crate::sync::lock;

/// The leases of calls that ended without releasing them, such as one whose future was dropped.
#[derive(Default)]
pub(super) struct LeftLeases(Mutex<Vec<Lease>>);

/// The lease of a call. If it is dropped before its release, it becomes one of the left leases.
pub(super) struct CallLease {
    lease: Mutex<Option<Lease>>,
    left: Arc<LeftLeases>,
}

impl LeftLeases {
    /// Takes the leases, to release them.
    pub(super) fn take(self: &Arc<Self>) -> Vec<CallLease> {
        let leases = mem::take(&mut *lock(&self.0));
        leases.into_iter().map(|lease| CallLease::new(lease, self)).collect()
    }
}

impl CallLease {
    pub(super) fn new(lease: Lease, left: &Arc<LeftLeases>) -> Self {
        Self { lease: Mutex::new(Some(lease)), left: Arc::clone(left) }
    }

    /// Creates the lease of a call that releases none.
    pub(super) fn none() -> Self {
        Self { lease: Mutex::default(), left: Arc::default() }
    }

    /// Returns the lease, unless it was released.
    pub(super) fn get(&self) -> Option<Lease> {
        lock(&self.lease).clone()
    }

    /// Sets that nothing is to be released.
    pub(super) fn forget(&self) {
        *lock(&self.lease) = None;
    }
}

impl Drop for CallLease {
    fn drop(&mut self) {
        if let Some(lease) = lock(&self.lease).take() {
            lock(&self.left.0).push(lease);
        }
    }
}
