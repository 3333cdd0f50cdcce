//! A memory around another one, in which chosen calls fail.

use std::{fmt, sync::Arc};

use conversant_core::{
    ChatHistory, LoadContext, Loaded, MaintainContext, Memory, MemoryError, Messages, Point, Saved,
    SessionId, Slot, Ticket, Turn, TurnKeys, async_trait,
};

use super::{failure_mode::FailureMode, plan::Plan};

/// A memory around another one, in which chosen calls fail.
///
/// Clones share the double. It needs no runtime.
///
/// # Examples
///
/// ```
/// use conversant_core::{HistoryError, Memory, MemoryError};
/// use conversant_testkit::{FailingMemory, MemoryCall, FailureMode};
///
/// /// A memory that can't save the first turn.
/// fn full_once<M: Memory>(memory: M) -> FailingMemory<M> {
///     let full = || MemoryError::from(HistoryError::Full { source: "disk full".into() });
///     FailingMemory::new(memory).on(MemoryCall::Save, 1, FailureMode::fail(full))
/// }
/// ```
pub struct FailingMemory<M> {
    inner: Arc<M>,
    plan: Arc<Plan<MemoryCall, MemoryError>>,
}

/// A function of [`Memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryCall {
    /// [`Memory::load`].
    Load,
    /// [`Memory::save`].
    Save,
    /// [`Memory::abandon`]. It is only counted, since it cannot fail.
    Abandon,
    /// [`Memory::maintain`].
    Maintain,
    /// [`Memory::clear`].
    Clear,
}

impl<M: Memory> FailingMemory<M> {
    /// Creates a double of `inner` in which no call fails.
    #[must_use]
    pub fn new(inner: M) -> Self {
        Self { inner: Arc::new(inner), plan: Arc::new(Plan::new()) }
    }

    /// Makes the `nth` call of a function fail, counted from 1.
    #[must_use]
    pub fn on(self, call: MemoryCall, nth: usize, failure: FailureMode<MemoryError>) -> Self {
        self.plan.add(call, Some(nth), failure);
        self
    }

    /// Makes every call of a function fail, except those that [`on`](Self::on) has set.
    #[must_use]
    pub fn always(self, call: MemoryCall, failure: FailureMode<MemoryError>) -> Self {
        self.plan.add(call, None, failure);
        self
    }

    /// Removes all failures.
    pub fn clear_failures(&self) {
        self.plan.forget();
    }

    /// Returns the number of calls of a function.
    #[must_use]
    pub fn calls(&self, call: MemoryCall) -> usize {
        self.plan.calls(call)
    }

    /// Returns the inner memory, which does not fail.
    #[must_use]
    pub fn inner(&self) -> &M {
        &self.inner
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<M: Memory> Memory for FailingMemory<M> {
    fn variables(&self) -> &[Slot] {
        self.inner.variables()
    }

    fn keys(&self) -> &TurnKeys {
        self.inner.keys()
    }

    fn saves_turns(&self) -> bool {
        self.inner.saves_turns()
    }

    fn gives_text(&self, variable: &str) -> bool {
        self.inner.gives_text(variable)
    }

    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        self.inner.stored_in()
    }

    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        let inner = Arc::new(self.inner.at(point)?);
        Some(Box::new(FailingMemory { inner, plan: Arc::clone(&self.plan) }))
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.plan.run(MemoryCall::Load, self.inner.load(context)).await
    }

    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        self.inner.check(messages)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.plan.run(MemoryCall::Save, self.inner.save(turn, ticket)).await
    }

    async fn abandon(&self, ticket: Ticket) {
        self.plan.count(MemoryCall::Abandon);
        self.inner.abandon(ticket).await;
    }

    fn needs_maintenance(&self) -> bool {
        self.inner.needs_maintenance()
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.plan.run(MemoryCall::Maintain, self.inner.maintain()).await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        self.plan.run(MemoryCall::Maintain, self.inner.maintain_with(context)).await
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.plan.run(MemoryCall::Clear, self.inner.clear()).await
    }
}

impl<M> Clone for FailingMemory<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), plan: Arc::clone(&self.plan) }
    }
}

impl<M> fmt::Debug for FailingMemory<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingMemory").finish_non_exhaustive()
    }
}
