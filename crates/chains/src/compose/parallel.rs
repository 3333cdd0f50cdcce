//! Branches that run at the same time.

use std::{borrow::Cow, collections::HashSet, sync::Arc};

use async_trait::async_trait;
use conversant_core::Variables;

use super::{
    branch_stream::{Branch, BranchStream},
    kind::impl_kind,
    parts::{MergedSlots, depth_of},
    signature::{Signature, impl_signature},
    step_result::{branch_output, joined},
};
use crate::{
    answer::Answer,
    answer_stream::AnswerStream,
    answer_type::AnswerType,
    answering::{answering, slots_answering},
    apply::{Boxed, join_bounded},
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    runner::Runner,
    settings::Settings,
    wiring::{WiringError, WiringFault},
};

/// Chains that run at the same time on the same variables: the counterpart of LangChain's
/// `RunnableParallel`. Each branch has one output, which gets the branch's name.
///
/// Needs the feature `composition`.
///
/// All branches run to their end. If one fails, the error is [`ChainError::Branches`], with all
/// failures and with the outputs of the other branches. The branches get the call's deadline and
/// stop sequences, but not its tools.
///
/// A stream has the pieces of all branches as they arrive, each a
/// [`Delta::Branch`](conversant_core::Delta::Branch) with the branch's name. A branch ends with a
/// piece that contains [`Delta::Done`](conversant_core::Delta::Done); the stream ends with a `Done`
/// of its own. Dropping the stream drops all branches.
///
/// # Examples
///
/// ```
/// use conversant_chains::{LlmChain, ParallelChain};
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedCompletion;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let joke = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Tell a joke about {topic}.")?)
///     .model(ScriptedCompletion::new(["Why did the lamp blink?"]))
///     .build()?;
/// let poem = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Write a poem about {topic}.")?)
///     .model(ScriptedCompletion::new(["O lamp!"]))
///     .build()?;
/// let chain = ParallelChain::builder().branch("joke", joke).branch("poem", poem).build()?;
///
/// let outcome = chain.invoke(vars! { "topic" => "lamps" }).await?;
/// assert_eq!(outcome.variables.get("joke").unwrap().to_text(), "Why did the lamp blink?");
/// assert_eq!(outcome.variables.get("poem").unwrap().to_text(), "O lamp!");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ParallelChain {
    runner: Arc<Runner>,
}

/// A builder of a [`ParallelChain`]. At least one branch is required.
///
/// | setting | default |
/// |---|---|
/// | [`branch_concurrency`](Self::branch_concurrency) | all branches at the same time |
/// | [`inputs`](Self::inputs) | the variables of all branches |
/// | [`name`](Self::name) | `ParallelChain` |
/// | [`memory`](Self::memory), [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`ParallelChain`].
#[must_use]
#[derive(Clone, Default)]
pub struct ParallelChainBuilder {
    branches: Vec<(Cow<'static, str>, Arc<dyn Chain>)>,
    branch_concurrency: Option<usize>,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

impl_kind!(ParallelChain, ParallelChainBuilder, "ParallelChain");

impl ParallelChain {
    /// Returns a builder.
    pub fn builder() -> ParallelChainBuilder {
        ParallelChainBuilder::default()
    }
}

impl ParallelChainBuilder {
    /// Adds a branch: a chain with one output, and the name of that output.
    pub fn branch(
        mut self,
        name: impl Into<Cow<'static, str>>,
        chain: impl Chain + 'static,
    ) -> Self {
        self.branches.push((name.into(), Arc::new(chain)));
        self
    }

    /// Sets the number of branches of one call that run at the same time. `0` counts as one.
    pub fn branch_concurrency(mut self, branches: usize) -> Self {
        self.branch_concurrency = Some(branches);
        self
    }

    /// Checks the branches and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault.
    pub fn build(mut self) -> Result<ParallelChain, WiringError> {
        let name = self.take_name();
        let Self { branches, branch_concurrency, settings, .. } = self;
        let mut faults = Vec::new();
        if branches.is_empty() {
            faults.push(WiringFault::NoParts { parts: "branches", method: "branch" });
        }
        let slots: MergedSlots = branches.iter().flat_map(|(_, chain)| chain.slots()).collect();
        let slots = slots.into_slots();
        let mut earlier = HashSet::new();
        for (branch, chain) in &branches {
            if !earlier.insert(branch) {
                let (name, parts) = (branch.clone().into_owned(), "branches");
                faults.push(WiringFault::TwoParts { name, parts });
            }
            if chain.outputs().len() != 1 {
                let part = format!("branch `{branch}` (`{}`)", chain.name());
                let found = chain.outputs().iter().map(|name| name.clone().into_owned());
                let (noun, found) = ("output", found.collect());
                faults.push(WiringFault::NotOne { part, noun, found });
            }
        }
        let outputs: Vec<_> = branches.iter().map(|(branch, _)| branch.clone()).collect();
        faults.extend(WiringFault::of_depth(depth_of(branches.iter().map(|(_, chain)| chain))));
        let names = settings.check(&slots, &outputs, faults)?;
        let concurrency = branch_concurrency.unwrap_or(branches.len());
        let chains = branches.into_iter().map(|(_, chain)| chain).collect();
        let steps =
            ParallelSteps { signature: Signature { name, slots, outputs }, chains, concurrency };
        Ok(ParallelChain { runner: Arc::new(settings.runner(steps, names)) })
    }
}

/// The chains of the branches, by the names of the outputs.
struct ParallelSteps {
    signature: Signature,
    chains: Vec<Arc<dyn Chain>>,
    concurrency: usize,
}

#[async_trait]
impl Chain for ParallelSteps {
    impl_signature!();

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let branches = self.chains.iter().enumerate().map(|(index, chain)| -> Boxed<'_, _> {
            let child = context.intermediate_step(index);
            Box::pin(async move { branch_output(chain.run(variables, &child).await, &**chain) })
        });
        let branches: Vec<_> = branches.collect();
        let results = join_bounded(branches, self.concurrency).await;
        joined(self.signature.outputs.iter().cloned().zip(results))
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let variables = Arc::new(variables.clone());
        let branches = self.signature.outputs.iter().zip(&self.chains).enumerate();
        let branches = branches.map(|(index, (name, chain))| {
            let context = context.intermediate_step(index);
            Branch::new(name.clone(), Arc::clone(chain), Arc::clone(&variables), context)
        });
        let stream = BranchStream::new(branches.collect(), self.concurrency);
        Ok(Streaming::Steps(AnswerStream::new(stream)))
    }

    fn depth(&self) -> usize {
        depth_of(&self.chains)
    }

    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let mut chains = self.chains.clone();
        let first = chains.first_mut()?;
        let after = answering(first, None, answer_type);
        let before = std::mem::replace(first, Arc::clone(&after));
        let kept = chains.iter().skip(1).flat_map(|chain| chain.slots());
        let slots = slots_answering(&self.signature.slots, &[(&*before, &*after)], kept);
        let signature = Signature { slots, ..self.signature.clone() };
        Some(Arc::new(Self { signature, chains, concurrency: self.concurrency }))
    }
}
