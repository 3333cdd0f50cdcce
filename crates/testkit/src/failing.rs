//! Doubles of histories and memories that fail, hang or panic at a chosen call.

mod history;
mod memory;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use self::{
    history::{FailingHistory, HistoryCall},
    memory::{FailingMemory, MemoryCall},
};
use crate::Gate;

/// The failure of a call of a [`FailingHistory`] or a [`FailingMemory`].
///
/// A failure happens before the call, which then has no effect, or after it: the call took effect,
/// and its caller does not learn of it. Callers of stores must handle both.
///
/// # Examples
///
/// ```
/// use conversant_core::HistoryError;
/// use conversant_testkit::{Gate, FailureMode};
///
/// let full = FailureMode::fail(|| HistoryError::Full { source: "no space left on device".into() });
/// let reply_lost = FailureMode::<HistoryError>::hang().after();
/// let slow = FailureMode::<HistoryError>::hold(&Gate::new());
/// # let _ = (full, reply_lost, slow);
/// ```
#[must_use]
pub struct FailureMode<E> {
    kind: Kind<E>,
    after: bool,
}

enum Kind<E> {
    Fail(Arc<dyn Fn() -> E + Send + Sync>),
    Hold(Gate),
    Panic,
}

impl<E> FailureMode<E> {
    /// Fails with an error that `error` makes.
    pub fn fail(error: impl Fn() -> E + Send + Sync + 'static) -> Self {
        Self { kind: Kind::Fail(Arc::new(error)), after: false }
    }

    /// Waits until the call's future is dropped.
    pub fn hang() -> Self {
        Self::hold(&Gate::new())
    }

    /// Waits until `gate` lets the call through, which then goes on.
    pub fn hold(gate: &Gate) -> Self {
        Self { kind: Kind::Hold(gate.clone()), after: false }
    }

    /// Panics.
    pub fn panic() -> Self {
        Self { kind: Kind::Panic, after: false }
    }

    /// Lets the call take effect first.
    pub fn after(mut self) -> Self {
        self.after = true;
        self
    }
}

impl<E> Clone for FailureMode<E> {
    fn clone(&self) -> Self {
        let kind = match &self.kind {
            Kind::Fail(error) => Kind::Fail(Arc::clone(error)),
            Kind::Hold(gate) => Kind::Hold(gate.clone()),
            Kind::Panic => Kind::Panic,
        };
        Self { kind, after: self.after }
    }
}

impl<E> fmt::Debug for FailureMode<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Fail(_) => "fail",
            Kind::Hold(_) => "hold",
            Kind::Panic => "panic",
        };
        write!(f, "FailureMode({kind}{})", if self.after { ", after" } else { "" })
    }
}

/// Which calls go wrong, and how many there were.
struct Plan<C, E>(Mutex<State<C, E>>);

struct State<C, E> {
    /// For which call, the how manieth (`None`: each), and what happens.
    failures: Vec<(C, Option<usize>, FailureMode<E>)>,
    calls: HashMap<C, usize>,
}

impl<C: Copy + Eq + Hash, E> Plan<C, E> {
    fn new() -> Self {
        Self(Mutex::new(State { failures: Vec::new(), calls: HashMap::new() }))
    }

    fn add(&self, call: C, nth: Option<usize>, failure: FailureMode<E>) {
        self.lock().failures.push((call, nth, failure));
    }

    fn forget(&self) {
        self.lock().failures.clear();
    }

    fn calls(&self, call: C) -> usize {
        self.lock().calls.get(&call).copied().unwrap_or(0)
    }

    /// Counts a call that cannot fail.
    fn count(&self, call: C) {
        *self.lock().calls.entry(call).or_default() += 1;
    }

    /// Counts a call, and runs it with what goes wrong in it.
    async fn run<T>(
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

impl<E> FailureMode<E> {
    async fn happen(&self) -> Result<(), E> {
        match &self.kind {
            Kind::Fail(error) => return Err(error()),
            Kind::Hold(gate) => gate.pass().await,
            Kind::Panic => panic(),
        }
        Ok(())
    }
}

#[expect(clippy::panic, reason = "the plan says so")]
fn panic() -> ! {
    panic!("a failure, as planned")
}
