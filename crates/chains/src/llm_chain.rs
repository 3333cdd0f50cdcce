//! The LLM chain: a prompt and a model, with or without a memory.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use conversant_core::Memory;

use crate::{
    at_point::impl_at, call_methods::impl_calls, queue::Queue, runner::Runner, step::impl_chain,
};

/// A prompt and a model, optionally with a memory and a parser: LangChain's `LLMChain`.
///
/// Clones share the chain. Calls of a chain with a memory are turns of one conversation and run one
/// after the other, in the order in which they were made; calls of a chain without one run at the
/// same time.
///
/// A call ends by its [deadline](conversant_core::CallOptions::deadline): the deadline covers the
/// wait for other calls, the load, the model, the save and the maintenance.
///
/// # Cancellation
/// A call whose future is dropped before the model has answered changes nothing. If it is dropped
/// during the save, the turn is stored whole or not at all. Other calls of the conversation go on.
///
/// # Examples
///
/// A chain whose answer is a list, and the record of its call:
///
/// ```
/// use conversant_chains::{CommaListParser, LlmChain};
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedChat;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let chain = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("List {count} {things}, separated by commas.")?)
///     .model(ScriptedChat::new(["red, blue"]))
///     .parser(CommaListParser)
///     .build()?;
///
/// let outcome = chain.invoke(vars! { "count" => 2, "things" => "colors" }).await?;
/// assert_eq!(outcome.output(), Some(&json!(["red", "blue"]).into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LlmChain {
    runner: Arc<Runner>,
}

impl LlmChain {
    pub(crate) fn new(runner: Runner) -> Self {
        Self { runner: Arc::new(runner) }
    }

    pub(crate) const fn from_runner(runner: Arc<Runner>) -> Self {
        Self { runner }
    }

    pub(crate) fn downgrade(&self) -> WeakLlmChain {
        WeakLlmChain(Arc::downgrade(&self.runner))
    }

    pub(crate) fn queue(&self) -> Option<&Arc<Queue>> {
        self.runner.queue()
    }

    /// Returns the memory, if the chain has one.
    #[must_use]
    pub fn memory(&self) -> Option<&dyn Memory> {
        self.runner.memory()
    }
}

impl_calls!([] LlmChain);
impl_at!([] LlmChain, |_this, runner| Self { runner });
impl_chain!([] LlmChain);

/// A chain that others keep alive.
pub(crate) struct WeakLlmChain(Weak<Runner>);

impl WeakLlmChain {
    pub(crate) fn upgrade(&self) -> Option<LlmChain> {
        self.0.upgrade().map(|runner| LlmChain { runner })
    }

    /// Returns whether others keep the chain alive. It is not upgraded for that, since a chain that
    /// the others meanwhile give up would be dropped here.
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl fmt::Debug for LlmChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmChain")
            .field("name", &self.runner.chain.name())
            .field("memory", &self.runner.binding)
            .finish_non_exhaustive()
    }
}
