//! A gate at which answers wait until a test lets them through.

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use crate::counter::Counter;

/// A gate at which callers wait until the test opens it.
///
/// With a gate, a test puts calls into a chosen order without sleeping. The model's answer waits at
/// the gate, and [`Gate::reached`] returns when the call has arrived there. The test then does what
/// should happen in between, and opens the gate. Clones share the gate. It needs no runtime.
///
/// # Examples
///
/// ```
/// use conversant_testkit::{Gate, block_on};
///
/// let gate = Gate::new();
/// let worker = std::thread::spawn({
///     let gate = gate.clone();
///     move || block_on(gate.pass())
/// });
/// block_on(gate.reached(1)); // the worker waits at the gate
/// assert!(!worker.is_finished());
/// gate.open();
/// assert!(worker.join().is_ok());
/// ```
#[derive(Clone, Default)]
pub struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    arrived: Counter,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: bool,
    /// The number of callers that may pass although the gate is closed.
    permits: usize,
    /// Whether each caller waits once and is then let through.
    yields: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    /// Returns a closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a gate at which each call waits once: it passes at its second poll. With
    /// [`poll_then_drop`](crate::poll_then_drop), a call can then be dropped there.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_testkit::{Gate, block_on, poll_then_drop};
    ///
    /// let gate = Gate::yielding();
    /// assert!(block_on(poll_then_drop(gate.pass(), 1)).is_none());
    /// assert!(block_on(poll_then_drop(gate.pass(), 2)).is_some());
    /// ```
    #[must_use]
    pub fn yielding() -> Self {
        let gate = Self::new();
        gate.lock().yields = true;
        gate
    }

    /// Opens the gate permanently, for waiting and later callers.
    pub fn open(&self) {
        self.change(|state| state.open = true);
    }

    /// Lets `count` callers pass, waiting or later ones, and stays closed for the rest.
    pub fn let_through(&self, count: usize) {
        self.change(|state| state.permits = state.permits.saturating_add(count));
    }

    /// Waits until the gate lets the caller through.
    ///
    /// A call counts as arrived when it is polled for the first time; dropping it costs no permit.
    pub async fn pass(&self) {
        self.0.arrived.add();
        let mut waited = false;
        poll_fn(|context| {
            let mut state = self.lock();
            if state.open || (state.yields && waited) {
                return Poll::Ready(());
            }
            if state.yields {
                waited = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Some(left) = state.permits.checked_sub(1) {
                state.permits = left;
                return Poll::Ready(());
            }
            if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                state.waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }

    /// Waits until `count` calls have arrived since the gate was created, including those that
    /// passed.
    pub async fn reached(&self, count: usize) {
        self.0.arrived.reached(count).await;
    }

    /// Returns the number of calls that have arrived since the gate was created, including those
    /// that passed.
    #[must_use]
    pub fn arrivals(&self) -> usize {
        self.0.arrived.count()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let waiting = {
            let mut state = self.lock();
            change(&mut state);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("open", &self.lock().open)
            .field("arrivals", &self.arrivals())
            .finish_non_exhaustive()
    }
}
