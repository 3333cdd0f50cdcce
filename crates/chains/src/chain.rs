//! The chain trait: steps that turn variables into an answer.

use std::{
    borrow::Cow,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use async_trait::async_trait;
use conversant_core::{
    CallOptions, Event, Messages, Observer, Reply, ReplyStream, Slot, Variables,
};

use crate::error::ChainError;

/// Steps that turn variables into an answer, such as those of an [`LlmChain`](crate::LlmChain).
/// Implement it for a custom chain, and add a memory with [`WithMemory`](crate::WithMemory).
///
/// A call runs the steps with all inputs and the memory's variables, after it has checked that they
/// contain the required [`slots`](Self::slots). A chain keeps no state of a call: it serves many
/// calls at the same time.
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

    /// Runs the steps.
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
    /// [`ChainError::Parse`] if the reply cannot be parsed.
    fn finish(&self, reply: Reply, context: &RunContext) -> Result<Answer, ChainError> {
        let _ = context;
        let name = self.outputs().first().cloned().unwrap_or_default();
        let text = reply.text().into_owned();
        Ok(Answer::new(Variables::from([(name, text)])).with_reply(reply))
    }
}

/// The result of [`Chain::stream`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Streaming {
    /// A model's answer, piece by piece. [`Chain::finish`] turns it into the chain's answer.
    Pieces(ReplyStream),
    /// The whole answer, of a chain that does not stream.
    Whole(Box<Answer>),
}

/// The result of [`Chain::run`]: the outputs, and the messages for the turn.
///
/// `Debug` withholds message text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The outputs, by name.
    pub outputs: Variables,
    /// The model's reply, if the answer is that of one model.
    pub reply: Option<Reply>,
    /// The messages of the turn after the user's: tool calls, their results, the answer. If `None`,
    /// the reply's messages; without a reply, the output that the memory's keys select.
    pub messages: Option<Messages>,
}

impl Answer {
    /// Creates an answer from its outputs.
    #[must_use]
    pub const fn new(outputs: Variables) -> Self {
        Self { outputs, reply: None, messages: None }
    }

    /// Sets the model's reply.
    #[must_use]
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.reply = Some(reply);
        self
    }

    /// Sets the messages of the turn after the user's.
    #[must_use]
    pub fn with_messages(mut self, messages: impl Into<Messages>) -> Self {
        self.messages = Some(messages.into());
        self
    }
}

/// The context of one run: the call's options and its observers.
#[derive(Clone, Default)]
pub struct RunContext {
    options: CallOptions,
    observers: Observers,
    exchange: Messages,
}

/// The observers of a chain.
pub(crate) type Observers = Arc<[Arc<dyn Observer>]>;

impl RunContext {
    pub(crate) const fn new(options: CallOptions, observers: Observers) -> Self {
        Self { options, observers, exchange: Messages::new() }
    }

    pub(crate) fn with_exchange(mut self, exchange: Messages) -> Self {
        self.exchange = exchange;
        self
    }

    /// Returns the messages of this turn that the model must see after the prompt: tool calls and
    /// their results, where a turn is resumed. Empty otherwise.
    #[must_use]
    pub const fn exchange(&self) -> &Messages {
        &self.exchange
    }

    /// Returns the call's options.
    #[must_use]
    pub const fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Sends an event to every observer. A panic of an observer is caught, so that it costs neither
    /// the answer nor the turn.
    pub fn emit(&self, event: &Event<'_>) {
        for observer in self.observers.iter() {
            let _ = catch_unwind(AssertUnwindSafe(|| observer.on_event(event)));
        }
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("options", &self.options).finish_non_exhaustive()
    }
}
