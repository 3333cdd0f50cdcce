//! A sequence of chains that share their variables.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Memory, Reply, Slot, Variables};

use super::{
    kind::impl_kind,
    parts::depth_of,
    sequence_wiring::{Outputs, Sequence},
    step_result::{failed, intermediate, with_outputs},
};
use crate::{
    answer::Answer,
    answer_type::AnswerType,
    answering::{answering, slots_answering},
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    pending::PendingTurn,
    resumed::Completed,
    runner::Runner,
    settings::Settings,
    wiring::{WiringError, WiringFault},
};

/// Chains that run one after the other: each sees the inputs, the memory's variables and the
/// outputs of the chains before it (LangChain 0.1.20 `chains/sequential.py::SequentialChain`).
///
/// Needs the feature `composition`.
///
/// The names are checked when the sequence is built: a step that needs a variable that is not
/// provided, an output whose name is taken, an output that no step makes. All faults are reported
/// at once.
///
/// Clones share the chain. The steps get the call's deadline and its stop sequences; its tools and
/// its response format are for the last step. A stream has the pieces of the last step. If the last
/// step calls tools, a resumed call does not run the others again.
///
/// A step that fails ends the call with [`ChainError::Step`], which has the outputs of the steps
/// before it. After the call's deadline, a step has up to 250 ms for each chain inside of another,
/// and at most 750 ms, to release what its memory holds and to fail so.
///
/// # Examples
///
/// ```
/// use conversant_chains::{LlmChain, SequentialChain};
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedCompletion;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ScriptedCompletion::new(["A lamp finds a home.", "Moving, and bright."]);
/// let synopsis = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Write a synopsis of the play {title}.")?)
///     .model(model.clone())
///     .output_key("synopsis")
///     .build()?;
/// let review = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Review {title}, a play: {synopsis}")?)
///     .model(model)
///     .output_key("review")
///     .build()?;
/// let chain = SequentialChain::builder()
///     .chain(synopsis)
///     .chain(review)
///     .inputs(["title"])
///     .outputs(["review", "synopsis"])
///     .build()?;
///
/// let outcome = chain.invoke(vars! { "title" => "The Lamp" }).await?;
/// assert_eq!(outcome.text(), "Moving, and bright.");
/// assert_eq!(outcome.variables.get("synopsis").unwrap().to_text(), "A lamp finds a home.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SequentialChain {
    runner: Arc<Runner>,
}

/// A builder of a [`SequentialChain`]. At least one chain is required.
///
/// | setting | default |
/// |---|---|
/// | [`outputs`](Self::outputs), [`return_all`](Self::return_all) | the outputs of the last chain |
/// | [`inputs`](Self::inputs) | the chains' variables that nothing else provides |
/// | [`name`](Self::name) | `SequentialChain`, as LangChain's |
/// | [`memory`](Self::memory), [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`SequentialChain`].
#[must_use]
#[derive(Clone, Default)]
pub struct SequentialChainBuilder {
    chains: Vec<Arc<dyn Chain>>,
    outputs: Outputs,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

impl_kind!(SequentialChain, SequentialChainBuilder, "SequentialChain");

impl SequentialChain {
    /// Returns a builder.
    pub fn builder() -> SequentialChainBuilder {
        SequentialChainBuilder::default()
    }
}

impl SequentialChainBuilder {
    /// Adds a chain at the end.
    pub fn chain(mut self, chain: impl Chain + 'static) -> Self {
        self.chains.push(Arc::new(chain));
        self
    }

    /// Sets the outputs, by the names of the chains' outputs. Inputs and variables of the memory
    /// may be among them. `predict` returns the first.
    pub fn outputs(
        mut self,
        outputs: impl IntoIterator<Item = impl Into<Cow<'static, str>>>,
    ) -> Self {
        self.outputs = Outputs::Named(outputs.into_iter().map(Into::into).collect());
        self
    }

    /// Sets whether the outputs of all chains are returned, the last chain's first. Outputs that
    /// are [set by name](Self::outputs) stay.
    pub fn return_all(mut self, return_all: bool) -> Self {
        self.outputs = match self.outputs {
            Outputs::Named(names) => Outputs::Named(names),
            _ if return_all => Outputs::All,
            _ => Outputs::Last,
        };
        self
    }

    /// Checks the names and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault.
    pub fn build(mut self) -> Result<SequentialChain, WiringError> {
        let name = self.take_name();
        let memory = self.settings.memory.as_deref();
        // Facts that are not used do no harm; a conversation that no model sees would.
        if let Some(facts) = memory.filter(|memory| !memory.saves_turns()) {
            let names = facts.variables().iter().map(|slot| slot.name().to_owned());
            self.settings.allow_unused.extend(names);
        }
        let sequence = Sequence {
            chains: &self.chains,
            declared: self.settings.inputs.as_deref(),
            memory: memory.map_or(&[][..], Memory::variables),
            input_key: memory.and_then(|memory| memory.keys().input_key()),
            allow_unused: &self.settings.allow_unused,
            outputs: &self.outputs,
        };
        let mut names = sequence.check();
        names.faults.extend(WiringFault::of_depth(depth_of(&self.chains)));
        let slots = names.slots.into_slots();
        let turn_names = self.settings.check(&slots, &names.outputs, names.faults)?;
        let Some((last, earlier)) = self.chains.split_last() else {
            let (parts, method) = ("steps", "chain");
            return Err(WiringError::new(vec![WiringFault::NoParts { parts, method }]));
        };
        let last =
            LastStep { step: earlier.len(), chain: Arc::clone(last), outputs: names.outputs };
        let steps =
            SequentialSteps { name, slots, earlier: earlier.to_vec(), last: Arc::new(last) };
        Ok(SequentialChain { runner: Arc::new(self.settings.runner(steps, turn_names)) })
    }
}

/// The chains of a sequence.
struct SequentialSteps {
    name: Cow<'static, str>,
    slots: Vec<Slot>,
    earlier: Vec<Arc<dyn Chain>>,
    last: Arc<LastStep>,
}

/// The last chain, and the outputs of the sequence.
struct LastStep {
    step: usize,
    chain: Arc<dyn Chain>,
    outputs: Vec<Cow<'static, str>>,
}

impl SequentialSteps {
    /// Runs the chains before the last, and returns their outputs.
    async fn run_earlier(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Variables, ChainError> {
        if let Some(completed) = &context.resumed().completed {
            return Ok(completed.variables.clone());
        }
        let mut known = variables.clone();
        let mut outputs = Variables::new();
        for (step, chain) in self.earlier.iter().enumerate() {
            let answer = chain.run(&known, &context.intermediate_step(step)).await;
            match intermediate(answer, &**chain) {
                Ok(made) => {
                    known.extend(made.clone());
                    outputs.extend(made);
                }
                Err(error) => return Err(failed(step, chain.name(), outputs, error)),
            }
        }
        Ok(outputs)
    }
}

impl LastStep {
    /// Returns whether the first output of the sequence is that of the last chain.
    fn is_first_output(&self) -> bool {
        self.outputs.first() == self.chain.outputs().first()
    }

    /// Creates the sequence's answer from that of the last chain.
    fn finish(
        &self,
        result: Result<Answer, ChainError>,
        variables: &Variables,
        earlier: Variables,
    ) -> Result<Answer, ChainError> {
        let made = self.chain.outputs();
        let mut answer = match with_outputs(result, made) {
            Ok(answer) => answer,
            Err(error) => return Err(failed(self.step, self.chain.name(), earlier, error)),
        };
        let is_due = PendingTurn::is_due(&answer);
        // The reply is the answer only where the first output is the last chain's.
        if !is_due && !self.is_first_output() {
            answer.reply = None;
            answer.messages = None;
        }
        let mut outputs = Variables::with_capacity(self.outputs.len());
        for name in &self.outputs {
            let sources = [&answer.outputs, &earlier, variables];
            if let Some(value) = sources.iter().find_map(|source| source.get(name)) {
                outputs.insert(name.clone(), value.clone());
            }
        }
        answer.outputs = outputs;
        if is_due {
            let inner = answer.completed.take();
            let completed = Completed { step: self.step, variables: earlier, inner };
            answer.completed = Some(Arc::new(completed));
        }
        Ok(answer)
    }
}

#[async_trait]
impl Chain for SequentialSteps {
    fn name(&self) -> &str {
        &self.name
    }

    fn slots(&self) -> &[Slot] {
        &self.slots
    }

    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.last.outputs
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let earlier = self.run_earlier(variables, context).await?;
        let mut known = variables.clone();
        known.extend(earlier.clone());
        let last = &self.last;
        let result = last.chain.run(&known, &context.final_step(last.step)).await;
        last.finish(result, variables, earlier)
    }

    fn depth(&self) -> usize {
        depth_of(self.earlier.iter().chain([&self.last.chain]))
    }

    fn restore(&self, reply: Reply, context: &RunContext) -> Option<Result<Answer, ChainError>> {
        let LastStep { chain, outputs, .. } = &*self.last;
        let made = chain.outputs();
        if !self.last.is_first_output() || !outputs.iter().all(|name| made.contains(name)) {
            return None;
        }
        let answer = chain.restore(reply, context)?;
        Some(self.last.finish(answer, &Variables::new(), Variables::new()))
    }

    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let first = self.last.outputs.first()?;
        let mut chains: Vec<_> = self.earlier.iter().chain([&self.last.chain]).cloned().collect();
        let step = chains.iter().position(|chain| chain.outputs().first() == Some(first))?;
        let before = chains.get_mut(step)?;
        let after = answering(before, Some(first), answer_type);
        let before = std::mem::replace(before, Arc::clone(&after));
        let others = chains.iter().enumerate().filter(|(index, _)| *index != step);
        let kept = others.flat_map(|(_, chain)| chain.slots());
        let slots = slots_answering(&self.slots, &[(&*before, &*after)], kept);
        let chain = chains.pop()?;
        let last = LastStep { step: self.last.step, chain, outputs: self.last.outputs.clone() };
        let name = self.name.clone();
        Some(Arc::new(Self { name, slots, earlier: chains, last: Arc::new(last) }))
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let earlier = self.run_earlier(variables, context).await?;
        let mut known = variables.clone();
        known.extend(earlier.clone());
        let last = Arc::clone(&self.last);
        let context = context.final_step(last.step);
        match last.chain.stream(&known, &context).await {
            Ok(streaming) => {
                let is_first = last.is_first_output();
                let (chain, variables) = (Arc::clone(&last.chain), variables.clone());
                let finish = move |result| last.finish(result, &variables, earlier);
                streaming.map(chain, context, finish).map(|streaming| match streaming {
                    Streaming::Steps(stream) if !is_first => {
                        Streaming::Steps(stream.without_partial())
                    }
                    streaming => streaming,
                })
            }
            Err(error) => Err(failed(last.step, last.chain.name(), earlier, error)),
        }
    }
}
