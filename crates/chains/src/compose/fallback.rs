//! Chains that replace one that fails.

use std::{borrow::Cow, future::poll_fn, sync::Arc};

use async_trait::async_trait;
use conversant_core::{Delta, Messages, ModelError, Reply, Variables, clock::Instant};

use super::{
    after_tools::ToolsRun,
    kind::impl_kind,
    parts::{MergedSlots, depth_of, other_outputs},
    signature::{Signature, impl_signature},
    step_result::{restored_by_any, with_outputs},
};
use crate::{
    answer::Answer,
    answer_stream::{AnswerItem, AnswerSource},
    answer_type::AnswerType,
    answering::{answering, slots_answering},
    chain::{Chain, RunContext, Streaming},
    error::{ChainError, FailedFallbacks},
    pending::PendingTurn,
    resumed::Completed,
    runner::Runner,
    settings::Settings,
    wiring::{WiringError, WiringFault},
};

/// A chain with others that are called in turn if it fails: the counterpart of LangChain's
/// `with_fallbacks`.
///
/// Needs the feature `composition`.
///
/// By default, the next chain is called unless it would fail too, or an answer was paid for that it
/// would replace, that is, not after:
///
/// - a cancelled model;
/// - inputs that are missing or refused;
/// - an answer whose turn was not saved;
/// - a conversation that is closed, or that is called from inside its own call.
///
/// [`when`](FallbackChainBuilder::when) replaces this rule. After the end of the call's
/// [`deadline`](conversant_core::CallOptions::deadline), the next chain is never called. It is
/// called if a time limit of a model itself passes, such as the `timeout` of an adapter. A stream
/// falls back until its first piece. If all chains fail, the error is [`ChainError::Fallbacks`],
/// with all of their errors.
///
/// By any rule, tools do not run again: if a tool loop has run tools before its chain failed, the
/// next chain goes on after their calls and results ([`RunContext::exchange`]), which are part of
/// its turn, and with which its stream begins. It is not called if it does not go on so
/// ([`Chain::takes_exchange`]), as a sequence does not, or if the tools are those of a step that
/// failed; the error, which has the calls and results, is then returned. The tools of steps that
/// have succeeded before another step failed are not known here: let them be the last step's, or
/// put the fallback into the step.
///
/// # Examples
///
/// ```
/// use conversant_chains::{FallbackChain, LlmChain};
/// use conversant_core::{vars, ModelError};
/// use conversant_prompts::PromptTemplate;
/// use conversant_testkit::{ScriptedChat, ScriptedCompletion};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let hosted = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Answer in detail: {question}")?)
///     .model(ScriptedChat::new([ModelError::custom("out of order", true, None)]))
///     .build()?;
/// let local = LlmChain::builder()
///     .prompt(PromptTemplate::from_template("Answer in one word: {question}")?)
///     .model(ScriptedCompletion::new(["Yes."]))
///     .build()?;
/// let chain = FallbackChain::builder(hosted).fallback(local).build()?;
/// assert_eq!(chain.predict(vars! { "question" => "Is it true?" }).await?, "Yes.");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FallbackChain {
    runner: Arc<Runner>,
}

/// A builder of a [`FallbackChain`]. At least one fallback is required. All chains have the same
/// outputs.
///
/// | setting | default |
/// |---|---|
/// | [`when`](Self::when) | see [`FallbackChain`] |
/// | [`inputs`](Self::inputs) | the variables of all chains |
/// | [`name`](Self::name) | `FallbackChain` |
/// | [`memory`](Self::memory), [`observer`](Self::observer), [`verbose`](Self::verbose) | none |
/// | [`maintenance`](Self::maintenance) | [`Inline`](crate::Maintenance::Inline) |
/// | [`concurrency`](Self::concurrency) | 8 calls of an `apply` at the same time |
/// | others, such as [`prices`](Self::prices) | [as in an LLM chain](crate::LlmChainBuilder) |
///
/// # Examples
///
/// See [`FallbackChain`].
#[must_use]
#[derive(Clone)]
pub struct FallbackChainBuilder {
    chains: Vec<Arc<dyn Chain>>,
    when: Arc<Rule>,
    name: Option<Cow<'static, str>>,
    settings: Settings,
}

/// Returns whether the next chain is called after an error.
type Rule = dyn Fn(&ChainError) -> bool + Send + Sync;

impl_kind!(FallbackChain, FallbackChainBuilder, "FallbackChain");

impl FallbackChain {
    /// Returns a builder, with the chain that is called first.
    pub fn builder(chain: impl Chain + 'static) -> FallbackChainBuilder {
        FallbackChainBuilder {
            chains: vec![Arc::new(chain)],
            when: Arc::new(may_succeed_elsewhere),
            name: None,
            settings: Settings::default(),
        }
    }
}

impl FallbackChainBuilder {
    /// Adds a chain that is called if those before it fail.
    pub fn fallback(mut self, chain: impl Chain + 'static) -> Self {
        self.chains.push(Arc::new(chain));
        self
    }

    /// Sets the errors after which the next chain is called, if tools do not run again (see
    /// [`FallbackChain`]).
    pub fn when(mut self, when: impl Fn(&ChainError) -> bool + Send + Sync + 'static) -> Self {
        self.when = Arc::new(when);
        self
    }

    /// Checks the chains and builds the chain.
    ///
    /// # Errors
    /// [`WiringError`], with every fault.
    pub fn build(mut self) -> Result<FallbackChain, WiringError> {
        let name = self.take_name();
        let Self { chains, when, settings, .. } = self;
        let mut faults = Vec::new();
        if chains.len() < 2 {
            faults.push(WiringFault::NoParts { parts: "fallbacks", method: "fallback" });
        }
        let slots: MergedSlots = chains.iter().flat_map(|chain| chain.slots()).collect();
        let slots = slots.into_slots();
        let parts = chains.iter().enumerate().map(|(index, chain)| {
            let part = match index {
                0 => format!("the first chain (`{}`)", chain.name()),
                _ => format!("fallback {index} (`{}`)", chain.name()),
            };
            (part, chain.outputs())
        });
        faults.extend(other_outputs(parts));
        faults.extend(WiringFault::of_depth(depth_of(&chains)));
        let outputs = chains.first().map(|chain| chain.outputs().to_vec()).unwrap_or_default();
        let names = settings.check(&slots, &outputs, faults)?;
        let steps = FallbackSteps { signature: Signature { name, slots, outputs }, chains, when };
        Ok(FallbackChain { runner: Arc::new(settings.runner(steps, names)) })
    }
}

/// Returns whether another chain may succeed where one failed.
fn may_succeed_elsewhere(error: &ChainError) -> bool {
    match error {
        ChainError::TakenInput { .. }
        | ChainError::MissingInputs { .. }
        | ChainError::RefusedInput(_)
        | ChainError::ToolResults { .. }
        | ChainError::Reentrant
        | ChainError::TurnIdInUse { .. }
        | ChainError::IncompleteTurn { .. }
        | ChainError::AlreadyAnswered { .. }
        | ChainError::Closed
        | ChainError::Model(ModelError::Cancelled) => false,
        error => error.not_saved().is_none(),
    }
}

/// The chains, in the order in which they are called.
struct FallbackSteps {
    signature: Signature,
    chains: Vec<Arc<dyn Chain>>,
    when: Arc<Rule>,
}

impl FallbackSteps {
    /// Returns the chains of a call: all of them, or the one whose tool calls were answered.
    fn attempts(&self, context: &RunContext) -> impl Iterator<Item = (usize, &Arc<dyn Chain>)> {
        let resumed = context.resumed().completed.as_ref().map(|completed| completed.step);
        let chains = self.chains.iter().enumerate();
        chains.filter(move |(index, _)| resumed.is_none_or(|step| step == *index))
    }

    /// Keeps the error of a chain if the next one is to be called, and otherwise returns it with
    /// the others.
    fn keep(
        &self,
        failed: &mut FailedAttempts,
        step: usize,
        child: &RunContext,
        error: ChainError,
    ) -> Result<(), ChainError> {
        let deadline = child.options().deadline;
        let has_time = deadline.is_none_or(|deadline| Instant::now() < deadline);
        let exchange =
            (has_time && (self.when)(&error)).then(|| ToolsRun::of(&error, child.exchange()));
        let exchange = match exchange {
            Some(ToolsRun::Exchange(exchange)) => Some(exchange),
            Some(ToolsRun::Inside) | None => None,
        };
        failed.errors.push(error);
        let Some(exchange) = exchange else { return Err(failed.take_error()) };
        failed.exchange.append(&exchange);
        let takes = |next: &Arc<dyn Chain>| next.takes_exchange();
        if failed.exchange.is_empty() || self.chains.get(step + 1).is_none_or(takes) {
            return Ok(());
        }
        Err(failed.take_error())
    }
}

/// The chains of a call that have failed.
#[derive(Default)]
struct FailedAttempts {
    errors: Vec<ChainError>,
    /// The work that their tools have done.
    exchange: Messages,
}

impl FailedAttempts {
    /// Returns the error of all attempts. A resumed call has one attempt.
    fn take_error(&mut self) -> ChainError {
        let mut errors = std::mem::take(&mut self.errors);
        match errors.pop() {
            Some(only) if errors.is_empty() => only,
            last => {
                errors.extend(last);
                ChainError::Fallbacks(Box::new(FailedFallbacks { errors }))
            }
        }
    }
}

/// Marks an answer that calls tools with the chain that made it.
fn with_attempt(mut answer: Answer, step: usize) -> Answer {
    if PendingTurn::is_due(&answer) {
        let inner = answer.completed.take();
        let completed = Completed { step, variables: Variables::new(), inner };
        answer.completed = Some(Arc::new(completed));
    }
    answer
}

#[async_trait]
impl Chain for FallbackSteps {
    impl_signature!();

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let mut failed = FailedAttempts::default();
        for (step, chain) in self.attempts(context) {
            let child = context.final_step(step).after_tools(&failed.exchange);
            let result = chain.run(variables, &child).await;
            match with_outputs(result, &self.signature.outputs) {
                Ok(answer) => return Ok(with_attempt(answer, step)),
                Err(error) => self.keep(&mut failed, step, &child, error)?,
            }
        }
        Err(failed.take_error())
    }

    fn depth(&self) -> usize {
        depth_of(&self.chains)
    }

    fn takes_exchange(&self) -> bool {
        self.chains.iter().all(|chain| chain.takes_exchange())
    }

    fn restore(&self, reply: Reply, context: &RunContext) -> Option<Result<Answer, ChainError>> {
        restored_by_any(&self.chains, &reply, context)
    }

    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let output = self.signature.outputs.first();
        let chains = self.chains.iter().map(|chain| answering(chain, output, answer_type));
        let chains: Vec<_> = chains.collect();
        let pairs = self.chains.iter().zip(&chains);
        let replaced: Vec<_> = pairs.map(|(before, after)| (&**before, &**after)).collect();
        Some(Arc::new(Self {
            signature: Signature {
                slots: slots_answering(&self.signature.slots, &replaced, []),
                ..self.signature.clone()
            },
            chains,
            when: Arc::clone(&self.when),
        }))
    }

    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        let mut failed = FailedAttempts::default();
        for (step, chain) in self.attempts(context) {
            let child = context.final_step(step).after_tools(&failed.exchange);
            let streaming = match chain.stream(variables, &child).await {
                // An answer that is whole already is refused before its first piece.
                Ok(Streaming::Whole(answer)) => with_outputs(Ok(*answer), &self.signature.outputs)
                    .map(|answer| Streaming::Whole(Box::new(answer))),
                streaming => streaming,
            };
            let begun = match streaming {
                Ok(streaming) => {
                    let mut stream = streaming.into_steps(Arc::clone(chain), child.clone());
                    let first = poll_fn(|context| stream.poll_item(context)).await;
                    // The reader has not seen what the tools have done before.
                    let before = Delta::of_exchange(&failed.exchange).map(AnswerItem::Piece);
                    first.map(|first| stream.after(before.chain([first]).collect()))
                }
                Err(error) => Err(error),
            };
            match begun {
                Ok(stream) => {
                    let outputs = self.signature.outputs.clone();
                    return Streaming::Steps(stream).map(Arc::clone(chain), child, move |result| {
                        let answer = with_outputs(result, &outputs);
                        answer.map(|answer| with_attempt(answer, step)).map_err(|error| {
                            failed.errors.push(error);
                            failed.take_error()
                        })
                    });
                }
                Err(error) => self.keep(&mut failed, step, &child, error)?,
            }
        }
        Err(failed.take_error())
    }
}
