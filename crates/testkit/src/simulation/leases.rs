//! The leases of a simulated store, whose time is that of the schedule.

use conversant_core::{HistoryError, Lease, LeaseHolder, SessionId};

use super::plan::TaskId;

/// The leases that are held.
///
/// A lease expires some time after the task that acquired it has ended without releasing it. It
/// does not expire while that task runs: programs choose a time that no call exceeds.
#[derive(Default)]
pub(super) struct Leases {
    held: Vec<Held>,
    count: u128,
}

struct Held {
    lease: Lease,
    task: TaskId,
    is_orphaned: bool,
}

impl Leases {
    pub(super) fn acquire(
        &mut self,
        session: &SessionId,
        task: TaskId,
    ) -> Result<Lease, HistoryError> {
        if self.held.iter().any(|held| held.lease.session == *session) {
            return Err(HistoryError::Busy);
        }
        self.count += 1;
        let lease = Lease::new(session.clone(), LeaseHolder::from_bytes(self.count.to_be_bytes()));
        self.held.push(Held { lease: lease.clone(), task, is_orphaned: false });
        Ok(lease)
    }

    pub(super) fn release(&mut self, lease: &Lease) {
        self.held.retain(|held| held.lease != *lease);
    }

    /// Marks the leases of a task that has ended.
    pub(super) fn orphan(&mut self, task: TaskId) {
        self.held.iter_mut().filter(|held| held.task == task).for_each(|held| {
            held.is_orphaned = true;
        });
    }

    /// Lets the time of the leases pass whose task has ended.
    pub(super) fn expire(&mut self) {
        self.held.retain(|held| !held.is_orphaned);
    }
}
