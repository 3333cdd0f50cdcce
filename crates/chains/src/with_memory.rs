//! A memory for any chain.

use std::{fmt, sync::Arc};

use conversant_core::Memory;

use crate::{
    at_point::impl_at,
    call_methods::impl_calls,
    chain::Chain,
    memory_binding::MemoryBinding,
    runner::Runner,
    settings::{Settings, impl_settings},
    step::impl_chain,
    wiring::{WiringError, WiringFault},
};

/// Any [`Chain`] with a memory, which is loaded before each call and saves its turn.
/// [`LlmChain::builder`](crate::LlmChain::builder) has a memory of its own.
///
/// Clones share the chain and the memory. Calls are turns of one conversation and run one after the
/// other.
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
    chain: Arc<C>,
    runner: Arc<Runner>,
    memory: Arc<dyn Memory>,
}

impl<C: Chain + 'static> WithMemory<C> {
    /// Adds a memory to a chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault between the two.
    pub fn new(chain: C, memory: impl Memory + 'static) -> Result<Self, WiringError> {
        Self::builder(chain, memory).build()
    }

    /// Returns a builder, for a chain with more settings than a memory.
    pub fn builder(chain: C, memory: impl Memory + 'static) -> WithMemoryBuilder<C> {
        WithMemoryBuilder { chain, memory: Arc::new(memory), settings: Settings::default() }
    }

    /// Returns the chain.
    #[must_use]
    pub fn chain(&self) -> &C {
        &self.chain
    }

    /// Returns the memory.
    #[must_use]
    pub fn memory(&self) -> &dyn Memory {
        &*self.memory
    }
}

impl_calls!([<C: Chain + 'static>] WithMemory<C>);
impl_at!([<C: Chain + 'static>] WithMemory<C>, |this, runner| {
    let memory = runner.binding.as_ref().map(MemoryBinding::shared_memory);
    let memory = memory.unwrap_or_else(|| Arc::clone(&this.memory));
    Self { chain: Arc::clone(&this.chain), runner, memory }
});
impl_chain!([<C: Chain + 'static>] WithMemory<C>);

impl<C> Clone for WithMemory<C> {
    fn clone(&self) -> Self {
        Self {
            chain: Arc::clone(&self.chain),
            runner: Arc::clone(&self.runner),
            memory: Arc::clone(&self.memory),
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for WithMemory<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithMemory")
            .field("chain", &self.chain)
            .field("memory", &self.runner.binding)
            .finish_non_exhaustive()
    }
}

/// A builder of a [`WithMemory`].
///
/// | setting | default |
/// |---|---|
/// | [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`inputs`](Self::inputs) | the chain's slots that the memory does not provide |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`WithMemory`].
#[must_use]
#[derive(Clone)]
pub struct WithMemoryBuilder<C> {
    chain: C,
    memory: Arc<dyn Memory>,
    settings: Settings,
}

impl<C: Chain + 'static> WithMemoryBuilder<C> {
    /// Checks the wiring and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault.
    pub fn build(self) -> Result<WithMemory<C>, WiringError> {
        let Self { chain, memory, mut settings } = self;
        settings.memory = Some(Arc::clone(&memory));
        let depth = chain.depth().saturating_add(1);
        let faults = WiringFault::of_depth(depth).into_iter().collect();
        let names = settings.check(chain.slots(), chain.outputs(), faults)?;
        let chain = Arc::new(chain);
        let shared: Arc<dyn Chain> = Arc::clone(&chain) as _;
        let runner = Runner { depth, ..settings.runner_of(shared, names) };
        Ok(WithMemory { chain, runner: Arc::new(runner), memory })
    }
}

impl_settings!([<C>] WithMemoryBuilder<C>);

impl<C: fmt::Debug> fmt::Debug for WithMemoryBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithMemoryBuilder")
            .field("chain", &self.chain)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
