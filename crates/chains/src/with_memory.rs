//! A memory for any chain.

use std::{fmt, sync::Arc};

use conversant_core::{CallOptions, Memory, MemoryError, Observer, Saved, Variables};

use crate::{
    Chain, ChainError, ChainStream, Maintenance, Outcome, WiringError, call, chain::Observers,
    link::Link, stream::Streamable, wiring::Wiring,
};

/// Gives any [`Chain`] a memory: load, run, save. [`LlmChain::builder`](crate::LlmChain::builder) does it for LLM chains.
///
/// Cloning shares it. Calls are turns of one conversation and run one after the other.
///
/// # Examples
///
/// ```
/// use std::borrow::Cow;
/// use conversant_chains::{Answer, Chain, ChainError, RunContext, WithMemory};
/// use conversant_core::{async_trait, vars, Slot, Value, Variables};
/// use conversant_memory::BufferMemory;
///
/// struct Shout { slots: [Slot; 2], outputs: [Cow<'static, str>; 1] }
///
/// #[async_trait]
/// impl Chain for Shout {
///     fn name(&self) -> &str { "Shout" }
///     fn slots(&self) -> &[Slot] { &self.slots }
///     fn outputs(&self) -> &[Cow<'static, str>] { &self.outputs }
///     async fn run(&self, variables: &Variables, _: &RunContext) -> Result<Answer, ChainError> {
///         let said = variables.get("said").map(Value::to_text).unwrap_or_default();
///         Ok(Answer::new(vars! { "shout" => said.to_uppercase() }))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shout = Shout { slots: [Slot::text("said"), Slot::text("history").optional()], outputs: ["shout".into()] };
/// let chain = WithMemory::new(shout, BufferMemory::new())?;
/// assert_eq!(chain.predict(vars! { "said" => "hi" }).await?, "HI");
/// let outcome = chain.invoke(vars! { "said" => "ho" }).await?;
/// assert_eq!(outcome.variables.get("history").unwrap().to_text(), "Human: hi\nAI: HI");
/// # Ok(())
/// # }
/// ```
pub struct WithMemory<C> {
    inner: Arc<Inner<C>>,
}

struct Inner<C> {
    chain: C,
    link: Link,
    observers: Observers,
}

impl<C: Chain + 'static> WithMemory<C> {
    /// Gives a chain a memory.
    ///
    /// # Errors
    /// [`WiringError`], with every fault between the two.
    pub fn new(chain: C, memory: impl Memory + 'static) -> Result<Self, WiringError> {
        Self::watched(chain, memory, [])
    }

    /// Gives a chain a memory, and those who watch it.
    ///
    /// # Errors
    /// [`WiringError`], with every fault between the two.
    pub fn watched(
        chain: C,
        memory: impl Memory + 'static,
        observers: impl IntoIterator<Item = Arc<dyn Observer>>,
    ) -> Result<Self, WiringError> {
        let wiring = Wiring {
            slots: chain.slots(),
            outputs: chain.outputs(),
            memory: Some(&memory),
            declared: None,
            allow_unused: &[],
        };
        let names = wiring.check(Vec::new())?;
        let link = Link::new(Arc::new(memory), names, Maintenance::Inline);
        Ok(Self {
            inner: Arc::new(Inner { chain, link, observers: observers.into_iter().collect() }),
        })
    }

    /// Runs a call and returns the first output as text.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    pub async fn predict(&self, inputs: Variables) -> Result<String, ChainError> {
        self.invoke(inputs).await.map(Outcome::into_text)
    }

    /// Runs a call.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    pub async fn invoke(&self, inputs: Variables) -> Result<Outcome, ChainError> {
        self.invoke_with(inputs, CallOptions::new()).await
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
        let Inner { chain, link, observers } = &*self.inner;
        call::invoke(chain, Some(link), Arc::clone(observers), inputs, options).await
    }

    /// Runs a call and returns its answer piece by piece; see [`LlmChain::stream`](crate::LlmChain::stream).
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed before the answer began.
    pub async fn stream(&self, inputs: Variables) -> Result<ChainStream, ChainError> {
        ChainStream::start(self.clone(), inputs, CallOptions::new()).await
    }

    /// Returns the memory.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        &*self.inner.link.memory
    }

    /// Does the memory's work after an answer once more. The conversation's calls wait for it.
    ///
    /// # Errors
    /// [`MemoryError`]. A failure costs nothing: the next time tries again.
    pub async fn maintain(&self) -> Result<Saved, MemoryError> {
        let _permit = self.inner.link.queue.enter().await;
        self.inner.link.memory().maintain().await
    }
}

impl<C: Chain + 'static> Streamable for WithMemory<C> {
    fn chain(&self) -> &dyn Chain {
        &self.inner.chain
    }

    fn link(&self) -> Option<&Link> {
        Some(&self.inner.link)
    }

    fn observers(&self) -> Observers {
        Arc::clone(&self.inner.observers)
    }
}

impl<C> Clone for WithMemory<C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<C: fmt::Debug> fmt::Debug for WithMemory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithMemory")
            .field("chain", &self.inner.chain)
            .field("memory", &self.inner.link)
            .finish_non_exhaustive()
    }
}
