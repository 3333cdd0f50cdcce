//! The state that all parts of a schedule share: the seeded decisions, the order of events, and the
//! task that is polled.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use conversant_core::{Messages, TurnId};

use super::{leases::Leases, plan::TaskId};

/// The most polls for which an operation stalls.
const MAX_STALL: usize = 3;

/// The decisions of a schedule and its journal.
pub(super) struct World {
    random: Mutex<fastrand::Rng>,
    calm: AtomicBool,
    /// Counts all that happens, so that the journal has its order.
    clock: AtomicU64,
    /// The task that is polled.
    task: AtomicU64,
    journal: Mutex<Journal>,
    leases: Mutex<Leases>,
}

/// The events of a schedule that its invariants are about.
#[derive(Default)]
pub(super) struct Journal {
    /// The requests to the model with a question of the conversation.
    pub(super) asked: Vec<Asked>,
    /// The answers that the model gave, whole.
    pub(super) paid: Vec<Paid>,
    /// The appends that succeeded in a store.
    pub(super) stored: Vec<Stored>,
    /// Pairs of tasks that asked the model at the same time.
    pub(super) overlaps: Vec<(TaskId, TaskId)>,
    /// The tasks that are asking the model.
    asking: Vec<TaskId>,
}

/// A request to the model.
pub(super) struct Asked {
    pub(super) task: TaskId,
    pub(super) time: u64,
    pub(super) messages: Messages,
}

/// An answer of the model.
pub(super) struct Paid {
    pub(super) task: TaskId,
    pub(super) answer: String,
}

/// An append that succeeded.
pub(super) struct Stored {
    pub(super) task: TaskId,
    pub(super) store: usize,
    pub(super) time: u64,
    pub(super) turn: TurnId,
    pub(super) is_incomplete: bool,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            calm: AtomicBool::new(false),
            clock: AtomicU64::new(0),
            task: AtomicU64::new(0),
            journal: Mutex::default(),
            leases: Mutex::default(),
        }
    }

    /// Returns a number below `limit`, or 0.
    pub(super) fn below(&self, limit: usize) -> usize {
        lock(&self.random).usize(..limit.max(1))
    }

    /// Returns `true` with a chance of `percent`.
    pub(super) fn happens(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// Returns `true` with a chance of `percent`, while faults happen.
    pub(super) fn strike(&self, percent: usize) -> bool {
        !self.is_calm() && self.happens(percent)
    }

    /// Ends the faults.
    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Advances the clock and returns its time.
    pub(super) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Marks a task as being polled.
    pub(super) fn enter(&self, task: TaskId) {
        self.task.store(task, Ordering::Relaxed);
    }

    /// Returns the task that is polled.
    pub(super) fn task(&self) -> TaskId {
        self.task.load(Ordering::Relaxed)
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        lock(&self.journal)
    }

    pub(super) fn leases(&self) -> MutexGuard<'_, Leases> {
        lock(&self.leases)
    }

    /// Records that the task asks the model. It does so until the value is dropped.
    pub(super) fn ask(self: &Arc<Self>, messages: &Messages) -> Asking {
        let (task, time) = (self.task(), self.tick());
        let mut journal = self.journal();
        let others = journal.asking.iter().filter(|other| **other != task);
        let others: Vec<_> = others.map(|other| (*other, task)).collect();
        journal.overlaps.extend(others);
        journal.asking.push(task);
        journal.asked.push(Asked { task, time, messages: messages.clone() });
        Asking { world: Arc::clone(self), task }
    }

    /// Records an answer of the model.
    pub(super) fn pay(&self, answer: &str) {
        let paid = Paid { task: self.task(), answer: answer.to_owned() };
        self.journal().paid.push(paid);
    }

    /// Waits for a few polls.
    pub(super) async fn stall(&self) {
        let mut polls = self.polls_of_a_stall();
        poll_fn(|context| {
            let Some(left) = polls.checked_sub(1) else { return Poll::Ready(()) };
            polls = left;
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Returns the number of polls for which an operation waits.
    pub(super) fn polls_of_a_stall(&self) -> usize {
        if self.strike(50) { self.below(MAX_STALL) + 1 } else { 0 }
    }
}

/// A running request to the model.
pub(super) struct Asking {
    world: Arc<World>,
    task: TaskId,
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut journal = self.world.journal();
        if let Some(index) = journal.asking.iter().position(|task| *task == self.task) {
            journal.asking.swap_remove(index);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
