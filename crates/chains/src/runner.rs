//! A chain with its memory and its observers: the part that all callable chains share.

use std::{fmt, future::poll_fn, sync::Arc, task::Poll, time::Duration};

use conversant_core::{CallOptions, MaintainContext, Memory, Message, Saved, Slot, Variables};

use crate::{
    any_runner::AnyRunner,
    apply::{Batch, Boxed, join_bounded},
    call::invoke,
    call_inputs::CallInputs,
    call_phase::CallPhase,
    chain::Chain,
    error::ChainError,
    limits::Limits,
    memory_binding::MemoryBinding,
    observation::Observation,
    outcome::Outcome,
    pending::PendingTurn,
    queue::Queue,
};

/// A chain, ready to be called.
pub(crate) struct Runner {
    pub(crate) chain: Arc<dyn Chain>,
    /// The number of chains inside of each other.
    pub(crate) depth: usize,
    /// The chain's slots that the memory does not provide.
    pub(crate) inputs: Vec<Slot>,
    pub(crate) binding: Option<MemoryBinding>,
    pub(crate) observation: Observation,
    /// The number of calls of `apply` that run at the same time without a memory.
    pub(crate) concurrency: usize,
    pub(crate) prompt_cache_key: Option<String>,
    /// The runner whose conversation this one continues at a point: it exists as long, so that
    /// [`Conversations`](crate::Conversations) finds it.
    pub(crate) origin: Option<Arc<Self>>,
}

impl AnyRunner for Runner {
    fn chain(&self) -> &(dyn Chain + 'static) {
        &*self.chain
    }

    fn binding(&self) -> Option<&MemoryBinding> {
        self.binding.as_ref()
    }

    fn observation(&self) -> &Observation {
        &self.observation
    }
}

impl Runner {
    pub(crate) fn memory(&self) -> Option<&dyn Memory> {
        self.binding.as_ref().map(MemoryBinding::memory)
    }

    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.binding.as_ref().map(|binding| &binding.queue)
    }

    pub(crate) fn call(
        &self,
        inputs: Variables,
        options: CallOptions,
    ) -> Boxed<'_, Result<Outcome, ChainError>> {
        self.invoke(CallInputs::new(inputs, self.with_defaults(options)))
    }

    /// Runs a call in a box. Otherwise each crate that awaits a call would compile all of it.
    pub(crate) fn invoke(&self, inputs: CallInputs) -> Boxed<'_, Result<Outcome, ChainError>> {
        Box::pin(invoke(&*self.chain, self.binding.as_ref(), &self.observation, inputs))
    }

    /// Returns the options of a call, with the chain's own where a call has none.
    pub(crate) fn with_defaults(&self, mut options: CallOptions) -> CallOptions {
        if options.prompt_cache_key.is_none() {
            options.prompt_cache_key.clone_from(&self.prompt_cache_key);
        }
        options
    }

    pub(crate) async fn resume(
        &self,
        pending: &PendingTurn,
        results: Vec<Message>,
        options: CallOptions,
    ) -> Result<Outcome, ChainError> {
        self.invoke(self.continued(pending, results, options)?).await
    }

    /// Returns the inputs of a call that continues a turn with the results of its calls.
    pub(crate) fn continued(
        &self,
        pending: &PendingTurn,
        results: Vec<Message>,
        options: CallOptions,
    ) -> Result<CallInputs, ChainError> {
        let answered = pending.clone().with_results(results);
        let pending = answered.map_err(|reason| ChainError::ToolResults { reason })?;
        let options = self.with_defaults(pending.continue_with(options));
        Ok(CallInputs::of_pending(pending, options))
    }

    /// Returns the options of each call of many, which have a turn of their own each, and the
    /// number of calls that run at the same time.
    fn for_many(&self, mut options: CallOptions) -> (CallOptions, usize) {
        options.turn_id = None;
        (options, if self.binding.is_some() { 1 } else { self.concurrency })
    }

    pub(crate) fn apply_as_completed(
        self: &Arc<Self>,
        inputs: Vec<Variables>,
        options: CallOptions,
    ) -> Batch {
        let (options, limit) = self.for_many(options);
        let runner = Arc::clone(self);
        let calls = inputs.into_iter().map(move |inputs| -> Boxed<'static, _> {
            let runner = Arc::clone(&runner);
            let inputs = CallInputs::new(inputs, runner.with_defaults(options.clone()));
            Box::pin(async move { runner.invoke(inputs).await })
        });
        Batch::new(calls, limit)
    }

    pub(crate) async fn apply(
        &self,
        inputs: Vec<Variables>,
        options: CallOptions,
    ) -> Vec<Result<Outcome, ChainError>> {
        let (options, limit) = self.for_many(options);
        let calls = inputs.into_iter().map(|inputs| {
            self.invoke(CallInputs::new(inputs, self.with_defaults(options.clone())))
        });
        join_bounded(calls, limit).await
    }

    pub(crate) async fn maintain(&self, mut options: CallOptions) -> Result<Saved, ChainError> {
        let Some(binding) = &self.binding else { return Ok(Saved::default()) };
        let observed =
            self.observation.start(&*self.chain, Some(binding), None, &mut options, None);
        let maintained = Self::maintain_observed(binding, &options).await;
        if let Some(mut observed) = observed {
            observed.end_maintenance(maintained.as_ref());
        }
        maintained
    }

    async fn maintain_observed(
        binding: &MemoryBinding,
        options: &CallOptions,
    ) -> Result<Saved, ChainError> {
        let mut limits = Limits::new(options.deadline);
        let permit = limits.run(None, binding.enter(options.no_wait, options.deadline)).await;
        let permit = permit.map_err(|exceeded| exceeded.during(CallPhase::Queue))??;
        let mut context = MaintainContext::new().with_events(&options.events);
        context.deadline = limits.deadline();
        let maintain = binding.memory().maintain_with(context);
        let maintained = limits.run(Some(&permit), maintain).await;
        maintained
            .map_err(|exceeded| exceeded.during(CallPhase::Maintain))?
            .map_err(ChainError::Maintain)
    }

    pub(crate) async fn close(&self, limit: Duration) -> usize {
        close(self.queue().cloned(), limit).await
    }
}

/// Closes queues, and waits until their running calls have ended or the limit is reached. Then
/// gives up the calls that still run, and returns their number.
pub(crate) async fn close(queues: impl IntoIterator<Item = Arc<Queue>>, limit: Duration) -> usize {
    let mut running: Vec<_> = queues.into_iter().collect();
    running.iter().for_each(|queue| queue.close());
    let idle = poll_fn(|context| {
        running.retain(|queue| queue.poll_idle(context).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    });
    let _ = Limits::after(limit).run(None, idle).await;
    running.iter().for_each(|queue| queue.abort());
    running.len()
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner")
            .field("chain", &self.chain.name())
            .field("memory", &self.binding)
            .finish_non_exhaustive()
    }
}
