//! The seeded source of all decisions of a schedule.

use std::{
    future::poll_fn,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

/// The most polls for which an operation stalls.
const MAX_STALL: u8 = 3;

/// The decisions of a schedule, and whether faults still happen.
pub(super) struct Faults {
    random: Mutex<fastrand::Rng>,
    calm: AtomicBool,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        let random = Mutex::new(fastrand::Rng::with_seed(seed));
        Self { random, calm: AtomicBool::new(false) }
    }

    /// Returns a number below `limit`, or 0.
    pub(super) fn below(&self, limit: usize) -> usize {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.usize(..limit.max(1))
    }

    /// Returns `true` with a chance of `percent`.
    pub(super) fn happens(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns `true` with a chance of `percent`, while faults happen.
    pub(super) fn strike(&self, percent: usize) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.happens(percent)
    }

    /// Ends the faults.
    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    /// Waits for a few polls.
    pub(super) async fn stall(&self) {
        let mut polls = if self.strike(50) { self.below(usize::from(MAX_STALL)) + 1 } else { 0 };
        poll_fn(|context| {
            let Some(left) = polls.checked_sub(1) else { return Poll::Ready(()) };
            polls = left;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}
