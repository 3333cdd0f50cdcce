//! The chain seam: steps that turn variables into an answer.

use std::{borrow::Cow, fmt, sync::Arc};

use async_trait::async_trait;
use conversant_core::{
    CallOptions, Event, Messages, Observer, Reply, ReplyStream, Slot, Variables,
};

use crate::ChainError;

/// Steps that turn variables into an answer. [`LlmChain`](crate::LlmChain) is one; write your own and give it a memory with
/// [`WithMemory`](crate::WithMemory).
///
/// `run` is called with all inputs and the memory's variables, after those that [`slots`](Self::slots) requires were found there. It
/// keeps nothing: the same chain serves many calls at once.
#[async_trait]
pub trait Chain: Send + Sync {
    /// Returns the chain's name, as the verbose transcript shows it.
    fn name(&self) -> &str;

    /// Returns what has to be given: by the caller, or by the memory.
    fn slots(&self) -> &[Slot];

    /// Returns the names of the outputs.
    fn outputs(&self) -> &[Cow<'static, str>];

    /// Runs the steps.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError>;

    /// Runs the steps up to the model, whose answer comes piece by piece. The default runs them all.
    ///
    /// # Errors
    /// [`ChainError`], of the step that failed.
    async fn stream(
        &self,
        variables: &Variables,
        context: &RunContext,
    ) -> Result<Streaming, ChainError> {
        self.run(variables, context).await.map(|answer| Streaming::Whole(Box::new(answer)))
    }

    /// Makes the answer of a reply that came in pieces: for chains that have a [`stream`](Self::stream) of their own. The default gives the
    /// reply's text as the first output.
    ///
    /// # Errors
    /// [`ChainError`], if the reply can't be parsed.
    fn finish(&self, reply: Reply, context: &RunContext) -> Result<Answer, ChainError> {
        let _ = context;
        let name = self.outputs().first().cloned().unwrap_or_default();
        let text = reply.text().into_owned();
        Ok(Answer::new(Variables::from([(name, text)])).with_reply(reply))
    }
}

/// What a chain gives whoever streams it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Streaming {
    /// A model's answer, piece by piece; [`Chain::finish`] makes the chain's answer of it.
    Pieces(ReplyStream),
    /// The whole answer, where there are no pieces.
    Whole(Box<Answer>),
}

/// What a chain answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Answer {
    /// The outputs, by name.
    pub outputs: Variables,
    /// The model's reply, if one model gave the answer.
    pub reply: Option<Reply>,
    /// The messages that the turn has after the user's: tool calls, their results, the answer. `None`: the reply's message, or
    /// the output that the memory's keys pick.
    pub messages: Option<Messages>,
}

impl Answer {
    /// Creates an answer of these outputs.
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

    /// Sets the messages that the turn has after the user's.
    #[must_use]
    pub fn with_messages(mut self, messages: impl Into<Messages>) -> Self {
        self.messages = Some(messages.into());
        self
    }
}

/// What holds for one run: the call's options, and who watches.
#[derive(Clone, Default)]
pub struct RunContext {
    options: CallOptions,
    observers: Observers,
}

/// Who watches a chain.
pub(crate) type Observers = Arc<[Arc<dyn Observer>]>;

impl RunContext {
    pub(crate) const fn new(options: CallOptions, observers: Observers) -> Self {
        Self { options, observers }
    }

    /// Returns the call's options.
    #[must_use]
    pub const fn options(&self) -> &CallOptions {
        &self.options
    }

    /// Tells an event to all who watch.
    pub fn emit(&self, event: &Event<'_>) {
        for observer in self.observers.iter() {
            observer.on_event(event);
        }
    }
}

impl fmt::Debug for RunContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("options", &self.options).finish_non_exhaustive()
    }
}
