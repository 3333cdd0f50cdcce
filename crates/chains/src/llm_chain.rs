//! The LLM chain: a prompt and a model, with or without a memory.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
};

use conversant_core::{CallOptions, Memory, MemoryError, Saved, Slot, Variables};

use crate::{
    Chain, ChainError, ChainStream, LlmChainBuilder, Outcome, apply, call, chain::Observers,
    link::Link, steps::LlmSteps,
};

/// How many calls of an [`LlmChain::apply`] without a memory run at once.
const AT_ONCE: usize = 8;

/// A prompt, a model, perhaps a memory and a parser: LangChain's `LLMChain`.
///
/// Cloning shares it. Calls of a chain with a memory are turns of one conversation, and run one after the other in the order they
/// were made; calls of a chain without one run at once. A call whose future is dropped before the model has answered leaves
/// no trace.
///
/// # Examples
///
/// See the [crate's page](crate).
#[derive(Clone)]
pub struct LlmChain {
    inner: Arc<Inner>,
}

struct Inner {
    steps: LlmSteps,
    link: Option<Link>,
    observers: Observers,
}

impl LlmChain {
    /// Starts building a chain.
    pub fn builder() -> LlmChainBuilder {
        LlmChainBuilder::default()
    }

    pub(crate) fn new(steps: LlmSteps, link: Option<Link>, observers: Observers) -> Self {
        Self { inner: Arc::new(Inner { steps, link, observers }) }
    }

    pub(crate) fn downgrade(&self) -> WeakLlmChain {
        WeakLlmChain(Arc::downgrade(&self.inner))
    }

    /// Returns what a call has to give: the prompt's slots that the memory does not fill.
    pub fn inputs(&self) -> impl Iterator<Item = &Slot> {
        let given = self.memory().map_or(&[][..], Memory::variables);
        let slots = self.inner.steps.slots().iter();
        slots.filter(move |slot| given.iter().all(|given| given.name() != slot.name()))
    }

    /// Returns the memory, if there is one.
    #[must_use]
    pub fn memory(&self) -> Option<&dyn Memory> {
        self.inner.link.as_ref().map(|link| &*link.memory)
    }

    /// Runs a call and returns the answer's text.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    pub async fn predict(&self, inputs: Variables) -> Result<String, ChainError> {
        self.call(inputs, CallOptions::new()).await.map(Outcome::into_text)
    }

    /// As [`predict`](Self::predict), with stop sequences, a deadline or a turn id.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    pub async fn predict_with(
        &self,
        inputs: Variables,
        options: CallOptions,
    ) -> Result<String, ChainError> {
        self.call(inputs, options).await.map(Outcome::into_text)
    }

    /// Runs a call and returns its inputs, the memory's variables, the output and the model's reply.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    pub async fn invoke(&self, inputs: Variables) -> Result<Outcome, ChainError> {
        self.call(inputs, CallOptions::new()).await
    }

    /// As [`invoke`](Self::invoke), with stop sequences, a deadline or a turn id.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    pub async fn invoke_with(
        &self,
        inputs: Variables,
        options: CallOptions,
    ) -> Result<Outcome, ChainError> {
        self.call(inputs, options).await
    }

    fn call(
        &self,
        inputs: Variables,
        options: CallOptions,
    ) -> impl Future<Output = Result<Outcome, ChainError>> + Send {
        let Inner { steps, link, observers } = &*self.inner;
        call::invoke(steps, link.as_ref(), Arc::clone(observers), inputs, options)
    }

    /// Runs a call for each of the inputs, and returns what came of each, in their order. With a memory they are turns of
    /// one conversation, one after the other; without, up to eight run at once.
    pub async fn apply(
        &self,
        inputs: impl IntoIterator<Item = Variables>,
    ) -> Vec<Result<Outcome, ChainError>> {
        let inputs: Vec<_> = inputs.into_iter().collect();
        let limit = if self.inner.link.is_some() { 1 } else { AT_ONCE };
        let calls =
            inputs.into_iter().map(|inputs| -> Pin<Box<dyn Future<Output = _> + Send + '_>> {
                Box::pin(self.invoke(inputs))
            });
        apply::join_bounded(calls, limit).await
    }

    /// Runs a call and returns its answer piece by piece. The turn is saved at the stream's clean end, before
    /// [`Delta::Done`](conversant_core::Delta::Done) comes; a stream that fails or is dropped saves nothing.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed before the answer began.
    pub async fn stream(&self, inputs: Variables) -> Result<ChainStream, ChainError> {
        self.stream_with(inputs, CallOptions::new()).await
    }

    /// As [`stream`](Self::stream), with stop sequences, a deadline or a turn id.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed before the answer began.
    pub async fn stream_with(
        &self,
        inputs: Variables,
        options: CallOptions,
    ) -> Result<ChainStream, ChainError> {
        ChainStream::start(self.clone(), inputs, options).await
    }

    /// Does the memory's work after an answer, for a chain built with [`Maintenance::Deferred`](crate::Maintenance::Deferred). The
    /// conversation's calls wait for it.
    ///
    /// # Errors
    /// [`MemoryError`]. A failure costs nothing: the next time tries again.
    pub async fn maintain(&self) -> Result<Saved, MemoryError> {
        let Some(link) = &self.inner.link else { return Ok(Saved::default()) };
        let _permit = link.queue.enter().await;
        link.memory().maintain().await
    }
}

/// A chain that somebody else keeps.
pub(crate) struct WeakLlmChain(Weak<Inner>);

impl WeakLlmChain {
    pub(crate) fn upgrade(&self) -> Option<LlmChain> {
        self.0.upgrade().map(|inner| LlmChain { inner })
    }
}

impl crate::stream::Streamable for LlmChain {
    fn chain(&self) -> &dyn Chain {
        &self.inner.steps
    }

    fn link(&self) -> Option<&Link> {
        self.inner.link.as_ref()
    }

    fn observers(&self) -> Observers {
        Arc::clone(&self.inner.observers)
    }
}

impl fmt::Debug for LlmChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmChain")
            .field("name", &self.inner.steps.name)
            .field("model", &self.inner.steps.model)
            .field("memory", &self.inner.link)
            .finish_non_exhaustive()
    }
}
