//! A sequence of chains with one input and one output each.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Event, Message, Messages, Reply, Slot, Value, Variables};

use super::{
    kind::impl_kind,
    parts::depth_of,
    step_result::{failed, intermediate, with_outputs},
};
use crate::{
    answer::Answer,
    answer_type::AnswerType,
    answering::answering,
    chain::{Chain, RunContext, Streaming},
    error::ChainError,
    parser::is_space,
    pending::PendingTurn,
    resumed::Completed,
    runner::Runner,
    settings::Settings,
    wiring::{WiringError, WiringFault},
};

/// Chains that run one after the other, each with one input and one output: the output of a chain
/// is the input of the next (LangChain 0.1.20 `chains/sequential.py::SimpleSequentialChain`).
///
/// Needs the feature `composition`.
///
/// The verbose transcript has each step's output. Everything else is as for a
/// [`SequentialChain`](crate::SequentialChain).
///
/// # Examples
///
/// ```
/// use conversant_chains::{LlmChain, SimpleSequentialChain};
/// use conversant_core::vars;
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::ScriptedCompletion;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let model = ScriptedCompletion::new(["\n\nA lamp finds a home.\n", "Moving, and bright.\n"]);
/// let step = |template: &str| {
///     let prompt = PromptTemplate::from_template(template)?;
///     Ok::<_, Box<dyn std::error::Error>>(
///         LlmChain::builder().prompt(prompt).model(model.clone()).build()?,
///     )
/// };
/// let chain = SimpleSequentialChain::builder()
///     .chain(step("Write a synopsis of the play {title}.")?)
///     .chain(step("Review a play: {synopsis}")?)
///     .strip_outputs(true)
///     .build()?;
///
/// assert_eq!(chain.predict(vars! { "input" => "The Lamp" }).await?, "Moving, and bright.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SimpleSequentialChain {
    runner: Arc<Runner>,
}

/// A builder of a [`SimpleSequentialChain`]. At least one chain is required.
///
/// | setting | default |
/// |---|---|
/// | [`strip_outputs`](Self::strip_outputs) | `false` |
/// | [`input_key`](Self::input_key), [`output_key`](Self::output_key) | `input`, `output` |
/// | [`name`](Self::name) | `SimpleSequentialChain`, as LangChain's |
/// | [`memory`](Self::memory), [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`SimpleSequentialChain`].
#[must_use]
#[derive(Clone, Default)]
pub struct SimpleSequentialChainBuilder {
    chains: Vec<Arc<dyn Chain>>,
    strip_outputs: bool,
    input_key: Option<Cow<'static, str>>,
    output_key: Option<Cow<'static, str>>,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

impl_kind!(SimpleSequentialChain, SimpleSequentialChainBuilder, "SimpleSequentialChain");

impl SimpleSequentialChain {
    /// Returns a builder.
    pub fn builder() -> SimpleSequentialChainBuilder {
        SimpleSequentialChainBuilder::default()
    }
}

impl SimpleSequentialChainBuilder {
    /// Adds a chain at the end.
    pub fn chain(mut self, chain: impl Chain + 'static) -> Self {
        self.chains.push(Arc::new(chain));
        self
    }

    /// Sets whether whitespace around each step's output is removed, as Python's `str.strip` does.
    /// The pieces of a stream and the model's reply keep it.
    pub fn strip_outputs(mut self, strip: bool) -> Self {
        self.strip_outputs = strip;
        self
    }

    /// Sets the name of the input.
    pub fn input_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.input_key = Some(key.into());
        self
    }

    /// Sets the name of the output.
    pub fn output_key(mut self, key: impl Into<Cow<'static, str>>) -> Self {
        self.output_key = Some(key.into());
        self
    }

    /// Checks the steps and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault.
    pub fn build(mut self) -> Result<SimpleSequentialChain, WiringError> {
        let name = self.take_name();
        let mut faults = Vec::new();
        let mut steps = Vec::with_capacity(self.chains.len());
        for (index, chain) in self.chains.into_iter().enumerate() {
            match SimpleStep::new(index, chain) {
                Ok(step) => steps.push(step),
                Err(found) => faults.extend(found),
            }
        }
        let last = steps.pop();
        if last.is_none() && faults.is_empty() {
            faults.push(WiringFault::NoParts { parts: "steps", method: "chain" });
        }
        let chains = steps.iter().chain(&last).map(|step| &step.chain);
        faults.extend(WiringFault::of_depth(depth_of(chains)));
        let slots = [Slot::text(self.input_key.unwrap_or(Cow::Borrowed("input")))];
        let outputs = [self.output_key.unwrap_or(Cow::Borrowed("output"))];
        let names = self.settings.check(&slots, &outputs, faults)?;
        let Some(step) = last else { return Err(WiringError::new(Vec::new())) };
        let last = Arc::new(LastStep { step, outputs, strip: self.strip_outputs });
        let steps = SimpleSteps { name, slots, earlier: steps, last };
        Ok(SimpleSequentialChain { runner: Arc::new(self.settings.runner(steps, names)) })
    }
}

/// A chain with the names of its input and its output.
#[derive(Clone)]
struct SimpleStep {
    index: usize,
    chain: Arc<dyn Chain>,
    input: Cow<'static, str>,
    output: Cow<'static, str>,
}

impl SimpleStep {
    fn new(index: usize, chain: Arc<dyn Chain>) -> Result<Self, Vec<WiringFault>> {
        let part = || format!("step {} (`{}`) of a simple sequence", index + 1, chain.name());
        let mut faults = Vec::new();
        let names = |slots: &[Slot]| slots.iter().map(|slot| slot.name().to_owned()).collect();
        let required: Vec<_> = chain.slots().iter().filter(|slot| slot.is_required()).collect();
        let input = match (required.as_slice(), chain.slots()) {
            ([only], _) => Some(only.name().to_owned()),
            ([], [only]) => Some(only.name().to_owned()),
            (_, slots) => {
                let (part, noun, found) = (part(), "input", names(slots));
                faults.push(WiringFault::NotOne { part, noun, found });
                None
            }
        };
        let output = match chain.outputs() {
            [only] => Some(only.clone()),
            outputs => {
                let found = outputs.iter().map(|name| name.clone().into_owned()).collect();
                faults.push(WiringFault::NotOne { part: part(), noun: "output", found });
                None
            }
        };
        match (input, output) {
            (Some(input), Some(output)) => {
                Ok(Self { index, chain, input: Cow::Owned(input), output })
            }
            _ => Err(faults),
        }
    }

    fn variables(&self, input: Value) -> Variables {
        Variables::from([(self.input.clone(), input)])
    }

    /// Returns the step's output from its outputs.
    fn output(&self, outputs: &Variables, strip: bool) -> Value {
        let output = outputs.get(&self.output).cloned().unwrap_or_else(|| Value::from(""));
        match output.as_text() {
            Some(text) if strip => Value::from(text.trim_matches(is_space)),
            _ => output,
        }
    }
}

/// The chains of a simple sequence.
struct SimpleSteps {
    name: Cow<'static, str>,
    slots: [Slot; 1],
    earlier: Vec<SimpleStep>,
    last: Arc<LastStep>,
}

/// The last chain, and the output of the sequence.
struct LastStep {
    step: SimpleStep,
    outputs: [Cow<'static, str>; 1],
    strip: bool,
}

impl SimpleSteps {
    /// Runs the chains before the last, and returns the input of the last.
    async fn run_earlier(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Value, ChainError> {
        let [input] = &self.slots;
        let completed = context.resumed().completed.as_ref();
        let input = match completed.and_then(|completed| completed.variables.get(input.name())) {
            Some(input) => return Ok(input.clone()),
            None => variables.get(input.name()),
        };
        let mut value = input.cloned().unwrap_or_else(|| Value::from(""));
        for step in &self.earlier {
            let before = value.clone();
            let child = context.intermediate_step(step.index);
            let answer = step.chain.run(&step.variables(value), &child).await;
            match intermediate(answer, &*step.chain) {
                Ok(outputs) => value = step.output(&outputs, self.last.strip),
                Err(error) => return Err(step.failed(before, error)),
            }
            context.emit(&Event::step_ended(step.index, &value));
        }
        Ok(value)
    }
}

impl SimpleStep {
    /// Returns the error of the step. Its outputs are the output of the step before.
    fn failed(&self, input: Value, error: ChainError) -> ChainError {
        let outputs = if self.index == 0 { Variables::new() } else { self.variables(input) };
        failed(self.index, self.chain.name(), outputs, error)
    }
}

impl LastStep {
    /// Creates the sequence's answer from that of the last chain.
    fn finish(
        &self,
        result: Result<Answer, ChainError>,
        input: Value,
        name: &str,
        context: &RunContext,
    ) -> Result<Answer, ChainError> {
        let step = &self.step;
        let mut answer = match with_outputs(result, step.chain.outputs()) {
            Ok(answer) => answer,
            Err(error) => return Err(step.failed(input, error)),
        };
        if PendingTurn::is_due(&answer) {
            let variables = Variables::from([(name.to_owned(), input)]);
            let inner = answer.completed.take();
            let completed = Completed { step: step.index, variables, inner };
            answer.completed = Some(Arc::new(completed));
            return Ok(answer);
        }
        let output = step.output(&answer.outputs, self.strip);
        context.emit(&Event::step_ended(step.index, &output));
        if self.strip && output.as_text().is_some() {
            answer.messages = Some(stripped(&answer, &output));
        }
        let [key] = &self.outputs;
        answer.outputs = Variables::from([(key.clone(), output)]);
        Ok(answer)
    }
}

/// Returns the messages of a turn whose answer was stripped.
fn stripped(answer: &Answer, output: &Value) -> Messages {
    let mut messages = match (&answer.messages, &answer.reply) {
        (Some(messages), _) => messages.slice(..messages.len().saturating_sub(1)),
        (None, Some(reply)) => reply.intermediate.clone(),
        (None, None) => Messages::new(),
    };
    messages.push(Message::ai(output.to_text().into_owned()));
    messages
}

#[async_trait]
impl Chain for SimpleSteps {
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
        let input = self.run_earlier(variables, context).await?;
        let step = &self.last.step;
        let child = context.final_step(step.index);
        let result = step.chain.run(&step.variables(input.clone()), &child).await;
        let [slot] = &self.slots;
        self.last.finish(result, input, slot.name(), context)
    }

    fn depth(&self) -> usize {
        depth_of(self.earlier.iter().chain([&self.last.step]).map(|step| &step.chain))
    }

    fn restore(&self, reply: Reply, context: &RunContext) -> Option<Result<Answer, ChainError>> {
        let LastStep { step, outputs: [key], strip } = &*self.last;
        let stored = reply.text().into_owned();
        let mut answer = match step.chain.restore(reply, context)? {
            Ok(answer) => answer,
            // The stored text is the stripped output, which the step need not be able to read.
            Err(_) if *strip => return None,
            Err(error) => return Some(Err(error)),
        };
        let output = step.output(&answer.outputs, *strip);
        if *strip {
            if output.as_text() != Some(&stored) {
                return None;
            }
            answer.messages = Some(stripped(&answer, &output));
        }
        answer.outputs = Variables::from([(key.clone(), output)]);
        Some(Ok(answer))
    }

    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let LastStep { step, outputs, strip } = &*self.last;
        let mut step = step.clone();
        step.chain = answering(&step.chain, Some(&step.output), answer_type);
        let last = LastStep { step, outputs: outputs.clone(), strip: *strip };
        let (name, slots) = (self.name.clone(), self.slots.clone());
        Some(Arc::new(Self { name, slots, earlier: self.earlier.clone(), last: Arc::new(last) }))
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let input = self.run_earlier(variables, context).await?;
        let last = Arc::clone(&self.last);
        let step = &last.step;
        let child = context.final_step(step.index);
        match step.chain.stream(&step.variables(input.clone()), &child).await {
            Ok(streaming) => {
                let (chain, context) = (Arc::clone(&step.chain), context.clone());
                let [slot] = self.slots.clone();
                streaming.map(chain, child, move |result| {
                    last.finish(result, input, slot.name(), &context)
                })
            }
            Err(error) => Err(step.failed(input, error)),
        }
    }
}
