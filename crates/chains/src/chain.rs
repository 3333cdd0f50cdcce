//! The chain trait: steps that turn variables into an answer.

use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use conversant_core::{CallOptions, Event, Messages, Reply, ReplyStream, Slot, TurnId, Variables};

use crate::{
    answer::Answer,
    answer_stream::{AnswerStream, Map},
    answer_type::AnswerType,
    error::ChainError,
    resumed::Resumed,
};

/// Steps that turn variables into an answer, such as those of an [`LlmChain`](crate::LlmChain).
/// Implement it for a custom chain, and add a memory with [`WithMemory`](crate::WithMemory).
///
/// A call runs the steps with all inputs and the memory's variables, after it has checked that they
/// contain the required [`slots`](Self::slots). A chain keeps no state of a call: it serves many
/// calls at the same time.
///
/// # Examples
///
/// See [`WithMemory`](crate::WithMemory).
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a chain",
    note = "implement `Chain` for it, with `#[async_trait]` above the `impl`"
)]
pub trait Chain: Send + Sync {
    /// Returns the chain's name, as transcripts show it.
    fn name(&self) -> &str;

    /// Returns the variables that the steps use. The caller or the memory provides them.
    fn slots(&self) -> &[Slot];

    /// Returns the names of the outputs.
    fn outputs(&self) -> &[Cow<'static, str>];

    /// Runs the steps. An answer that lacks one of the [`outputs`](Self::outputs), or whose
    /// messages are not a whole turn, fails the call with [`ChainError::RefusedAnswer`], unless its
    /// last message calls tools, for whose results it waits.
    ///
    /// # Errors
    /// [`ChainError`], by the step that failed.
    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError>;

    /// Runs the steps up to the model, whose answer arrives piece by piece. By default, runs all
    /// steps and returns the whole answer.
    ///
    /// # Errors
    /// [`ChainError`], by the step that failed.
    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        self.run(variables, context).await.map(|answer| Streaming::Whole(Box::new(answer)))
    }

    /// Creates the answer from a reply that arrived in pieces, for chains that implement
    /// [`stream`](Self::stream). By default, the first output is the reply's text.
    ///
    /// # Errors
    /// [`ChainError::unparsed`] if the reply cannot be parsed.
    fn finish(&self, reply: Reply, context: &RunContext) -> Result<Answer, ChainError> {
        let _ = context;
        let name = self.outputs().first().cloned().unwrap_or_default();
        let text = reply.text().into_owned();
        Ok(Answer::new(Variables::from([(name, text)])).with_reply(reply))
    }

    /// Makes the answer of a call that is repeated with its turn id from the answer that its turn
    /// stores, without calling a model. Implement it by [`finish`](Self::finish), if that makes all
    /// outputs from the reply alone.
    ///
    /// Returns `None` if the stored answer is not enough, by default. The call is then refused with
    /// [`ChainError::AlreadyAnswered`] before a model is called.
    ///
    /// The chains of this crate restore the answer of an LLM chain; of a sequence, if its last step
    /// makes all of its outputs and restores them; of a router or a fallback, if the chains that
    /// may have answered restore equal outputs.
    fn restore(&self, reply: Reply, context: &RunContext) -> Option<Result<Answer, ChainError>> {
        let _ = (reply, context);
        None
    }

    /// Returns how many chains are inside of each other here, this one included: 1, the default,
    /// for a chain without others. A custom chain that calls another one adds 1 to that one's
    /// depth. `build` refuses more than 64, since each takes room on the stack of a call.
    fn depth(&self) -> usize {
        1
    }

    /// Returns whether a call of this chain goes on after the tool calls and results that the
    /// context has ([`RunContext::exchange`]), and runs none of its tools before. By default
    /// `false`.
    ///
    /// A [`FallbackChain`](crate::FallbackChain) calls no other chain after tools have run, since
    /// they would run again. An LLM chain goes on so; a router or a fallback does if each chain
    /// that may be called does.
    fn takes_exchange(&self) -> bool {
        false
    }

    /// Returns a chain that is this one, except that its model is asked for a type and its first
    /// output is of that type, for calls of `predict_as`. By default `None`: then the first output
    /// is parsed.
    ///
    /// The chains of this crate ask the model that makes the first output: of a sequence, the step
    /// that makes it; of a router or a fallback, each chain that may be called; of branches, the
    /// first.
    fn answering_as(&self, answer_type: &AnswerType) -> Option<Arc<dyn Chain>> {
        let _ = answer_type;
        None
    }
}

/// Implements [`Chain`] for a type that dereferences to a chain.
macro_rules! forward_chain {
    ($([$($generics:tt)*] $pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        #[async_trait::async_trait]
        impl $($generics)* $crate::Chain for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn slots(&self) -> &[conversant_core::Slot] {
                (**self).slots()
            }

            fn outputs(&self) -> &[std::borrow::Cow<'static, str>] {
                (**self).outputs()
            }

            async fn run(
                &self,
                variables: &conversant_core::Variables,
                context: &$crate::RunContext,
            ) -> Result<$crate::Answer, $crate::ChainError> {
                (**self).run(variables, context).await
            }

            async fn stream(
                &self,
                variables: &conversant_core::Variables,
                context: &$crate::RunContext,
            ) -> Result<$crate::Streaming, $crate::ChainError> {
                (**self).stream(variables, context).await
            }

            fn finish(&self, reply: conversant_core::Reply, context: &$crate::RunContext) -> Result<$crate::Answer, $crate::ChainError> {
                (**self).finish(reply, context)
            }

            fn restore(&self, reply: conversant_core::Reply, context: &$crate::RunContext) -> Option<Result<$crate::Answer, $crate::ChainError>> {
                (**self).restore(reply, context)
            }

            fn depth(&self) -> usize {
                (**self).depth()
            }

            fn takes_exchange(&self) -> bool {
                (**self).takes_exchange()
            }

            fn answering_as(&self, answer_type: &$crate::AnswerType) -> Option<std::sync::Arc<dyn $crate::Chain>> {
                (**self).answering_as(answer_type)
            }
        }
    )*};
}
#[cfg(feature = "schema")]
pub(crate) use forward_chain;

forward_chain!(
    [<C: Chain + ?Sized>] &C,
    [<C: Chain + ?Sized>] Box<C>,
    [<C: Chain + ?Sized>] Arc<C>
);

/// The result of [`Chain::stream`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Streaming {
    /// A model's answer, piece by piece. [`Chain::finish`] turns it into the chain's answer.
    Pieces(ReplyStream),
    /// The answer of a chain's last step, or those of its branches, piece by piece, and then the
    /// chain's answer.
    Steps(AnswerStream),
    /// The whole answer, of a chain that does not stream.
    Whole(Box<Answer>),
}

impl Streaming {
    /// Applies a function to the answer, or to the error, of a step that streams. For chains that
    /// contain other chains: `chain` and `context` are those of the step.
    ///
    /// # Errors
    /// The function's error, if the answer is whole already.
    pub fn map(
        self,
        chain: Arc<dyn Chain>,
        context: RunContext,
        map: impl FnOnce(Result<Answer, ChainError>) -> Result<Answer, ChainError> + Send + 'static,
    ) -> Result<Self, ChainError> {
        let map: Map = Box::new(map);
        Ok(match self {
            Self::Whole(answer) => Self::Whole(Box::new(map(Ok(*answer))?)),
            pieces => Self::Steps(pieces.into_steps(chain, context).map(map)),
        })
    }

    /// Returns the stream of a step. An answer that is whole already has the pieces of its reply.
    pub(crate) fn into_steps(self, chain: Arc<dyn Chain>, context: RunContext) -> AnswerStream {
        match self {
            Self::Pieces(stream) => {
                AnswerStream::of_model(stream, move |reply| chain.finish(reply, &context))
            }
            Self::Steps(stream) => stream,
            Self::Whole(answer) => {
                AnswerStream::whole(*answer, chain.outputs(), context.exchange())
            }
        }
    }
}

/// The context of one run: the call's options and its observers.
#[derive(Clone, Default)]
pub struct RunContext {
    options: CallOptions,
    resumed: Resumed,
    /// Whether the chain is a step of another one, whose own events the observers receive.
    is_step: bool,
    /// Whether the caller has given the turn's id, so that the call may be a repetition.
    may_be_stored: bool,
}

impl RunContext {
    pub(crate) fn new(options: CallOptions) -> Self {
        Self { options, resumed: Resumed::default(), is_step: false, may_be_stored: false }
    }

    pub(crate) const fn repeatable(mut self, may_be_stored: bool) -> Self {
        self.may_be_stored = may_be_stored;
        self
    }

    pub(crate) const fn may_be_stored(&self) -> bool {
        self.may_be_stored
    }

    pub(crate) fn with_resumed(mut self, resumed: Resumed) -> Self {
        self.resumed = resumed;
        self
    }

    pub(crate) const fn resumed(&self) -> &Resumed {
        &self.resumed
    }

    /// Returns the context of a step whose answer another step uses. It has the call's options, but
    /// for those of the answer: the tools and the response format. A step with a memory stores a
    /// turn of its own, whose id depends on the call's turn id and on `step` alone. In a call that
    /// is repeated with its id, such a step answers from its stored turn ([`Chain::restore`]).
    #[must_use]
    pub fn intermediate_step(&self, step: usize) -> Self {
        let mut options = self.step_options(step);
        options.tools.clear();
        options.tool_choice = None;
        options.parallel_tool_calls = None;
        options.response_format = None;
        let may_be_stored = self.may_be_stored;
        Self { options, resumed: Resumed::default(), is_step: true, may_be_stored }
    }

    /// Returns the context of the step that makes the chain's answer. It has all of the call's
    /// options; see [`intermediate_step`](Self::intermediate_step) for the turn id.
    #[must_use]
    pub fn final_step(&self, step: usize) -> Self {
        let Resumed { exchange, completed, .. } = &self.resumed;
        let inner = completed.as_ref().and_then(|completed| completed.inner.clone());
        let resumed = Resumed { exchange: exchange.clone(), completed: inner, record: None };
        let (options, may_be_stored) = (self.step_options(step), self.may_be_stored);
        Self { options, resumed, is_step: true, may_be_stored }
    }

    /// Returns the context of a chain that goes on after the tools of another one.
    #[cfg(feature = "composition")]
    pub(crate) fn after_tools(mut self, exchange: &Messages) -> Self {
        if exchange.is_empty() {
            return self;
        }
        self.resumed.exchange.append(exchange);
        // A model's own settings are lifted where it is called.
        self.options.lift_forced_choice(false);
        self
    }

    fn step_options(&self, step: usize) -> CallOptions {
        let mut options = self.options.clone();
        options.turn_id = options.turn_id.map(|id| step_turn_id(id, step));
        options
    }

    /// Returns the messages of this turn that the model must see after the prompt: tool calls and
    /// their results, where a turn is resumed, or where a fallback goes on after the tools of
    /// another chain. Empty otherwise. A model whose own settings force a call would call again; an
    /// LLM chain lifts them ([`CallOptions::lift_forced_choice`]).
    #[must_use]
    pub const fn exchange(&self) -> &Messages {
        &self.resumed.exchange
    }

    /// Returns the call's options. Models and chains that are called with them report to the call's
    /// observers.
    #[must_use]
    pub const fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Sends an event to every observer of the chain. A chain that is a step of another one has no
    /// observers, unless it is a callable chain with its own. A panic of an observer is caught, so
    /// that it costs neither the answer nor the turn.
    pub fn emit(&self, event: &Event<'_>) {
        if !self.is_step {
            self.options.events.emit(event);
        }
    }
}

/// Returns the turn id of a step: the call's, with its low bits mixed with the step's index. Turns
/// are stored by it, so it never changes.
fn step_turn_id(id: TurnId, step: usize) -> TurnId {
    let bits = u128::from_be_bytes(*id.as_bytes());
    // The finalizer of SplitMix64, over the half of the id that is random.
    let mut mixed = (bits as u64) ^ (step as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The two bits of the UUID's variant stay.
    let random = u128::from(u64::MAX >> 2);
    TurnId::from_u128((bits & !random) | (u128::from(mixed) & random))
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("options", &self.options).finish_non_exhaustive()
    }
}
