//! The events of a call, and the trait of their receivers.

use std::{error::Error, sync::Arc, time::Duration};

use super::{
    call_info::CallInfo, call_record::CallRecord, model_description::ModelDescription,
    observer_identity::ObserverIdentity, purpose::RequestPurpose,
};
use crate::{
    content::Content,
    memory::Warning,
    model::{CallOptions, ChatRequest, CompletionRequest, ModelError, Reply},
    prompt_value::PromptValue,
    tool_call::ToolCall,
    value::Value,
    variables::Variables,
    withheld::Withheld,
};

/// An observer of calls, such as a printer, a log, a meter or a test.
///
/// A chain, a model or a tool loop calls it in the order of the events, on the task that runs the
/// call, so it should return quickly. It cannot change the call. Its panics are caught.
/// Events of calls that it makes while it handles an event, on the same thread, are not sent to it.
///
/// A call without observers creates no events and reads no clock.
///
/// # Examples
///
/// ```
/// use std::sync::Mutex;
/// use conversant_core::{CallInfo, Event, Observer};
///
/// #[derive(Default)]
/// struct Prompts(Mutex<Vec<String>>);
///
/// impl Observer for Prompts {
///     fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
///         if let Event::PromptFormatted { prompt, .. } = event {
///             self.0.lock().unwrap().push(prompt.to_string());
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Receives an event of a call.
    fn on_event(&self, call: &CallInfo, event: &Event<'_>);

    /// Receives an event of a call that was made from inside an observed call, such as a step of a
    /// chain of chains. By default, it is received like the others.
    ///
    /// An observer of both calls, by its [`identity`](Self::identity), receives the event here
    /// alone.
    fn on_nested_event(&self, call: &CallInfo, event: &Event<'_>) {
        self.on_event(call, event);
    }

    /// Returns the identity of the observer, by which it receives the events of a call once where
    /// it was added to several chains that call each other. `None` if each chain has an observer of
    /// its own. By default, the address of the observer, which the clones of an [`Arc`] share.
    ///
    /// An observer that can be cloned should return the identity of what its clones share.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// use conversant_core::{CallInfo, Event, Observer, ObserverIdentity};
    ///
    /// #[derive(Clone, Default)]
    /// struct Requests(Arc<AtomicU32>);
    ///
    /// impl Observer for Requests {
    ///     fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
    ///         if let Event::ModelEnded { .. } = event {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    ///
    ///     fn identity(&self) -> Option<ObserverIdentity> {
    ///         ObserverIdentity::of(&*self.0)
    ///     }
    /// }
    /// ```
    fn identity(&self) -> Option<ObserverIdentity> {
        ObserverIdentity::of(self)
    }
}

macro_rules! forward_observer {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods)]
        impl<O: Observer + ?Sized> Observer for $pointer {
            fn on_event(&self, call: &CallInfo, event: &Event<'_>) {
                (**self).on_event(call, event);
            }
            fn on_nested_event(&self, call: &CallInfo, event: &Event<'_>) {
                (**self).on_nested_event(call, event);
            }
            fn identity(&self) -> Option<ObserverIdentity> {
                (**self).identity()
            }
        }
    )*};
}
forward_observer!(&O, Box<O>, Arc<O>);

/// An event of a call. The order is:
///
/// 1. [`CallStarted`](Self::CallStarted);
/// 2. the call waits for its conversation and the memory is loaded, with the requests of the
///    memory; [`ChainStarted`](Self::ChainStarted);
/// 3. the inputs are checked; [`PromptFormatted`](Self::PromptFormatted);
/// 4. for each request to a model: [`ModelStarted`](Self::ModelStarted),
///    [`Retrying`](Self::Retrying) for each attempt that is repeated,
///    [`AnswerRejected`](Self::AnswerRejected) for each answer that its adapter does not accept,
///    [`ModelEnded`](Self::ModelEnded); in a tool loop, [`ToolStarted`](Self::ToolStarted) and
///    [`ToolEnded`](Self::ToolEnded) for each tool call, and the next request;
/// 5. [`ModelAnswered`](Self::ModelAnswered) with the whole answer, whose usage is the sum of all
///    requests;
/// 6. the turn is saved, and the memory's maintenance is done with its requests;
///    [`ChainEnded`](Self::ChainEnded), or [`ChainFailed`](Self::ChainFailed) if the call fails
///    after `ChainStarted`;
/// 7. [`CallEnded`](Self::CallEnded), exactly once for each `CallStarted`, also if the call's
///    future or stream is dropped.
///
/// `ModelStarted` and `ModelEnded`, and `ToolStarted` and `ToolEnded`, are paired in the same way.
/// Tools may run at the same time. A request has its [`RequestPurpose`], which says whether it is
/// one of the memory. Maintenance that the caller starts is a call of its own, with
/// [`CallResult::Maintained`].
///
/// `Debug` withholds message text.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The call starts, before it waits for its conversation.
    #[non_exhaustive]
    CallStarted {},
    /// The memory is loaded and the chain starts.
    #[non_exhaustive]
    ChainStarted {
        /// The chain's name.
        chain: &'e str,
        /// The call's inputs and the memory's variables.
        inputs: &'e Variables,
    },
    /// The prompt is formatted.
    #[non_exhaustive]
    PromptFormatted {
        /// The prompt that the model receives.
        prompt: &'e PromptValue,
    },
    /// A request to a model starts.
    #[non_exhaustive]
    ModelStarted {
        /// The number of the request in the call, which its end has too.
        number: u32,
        /// The model.
        model: &'e ModelDescription,
        /// The purpose of the request.
        purpose: RequestPurpose,
        /// The request.
        request: ModelRequest<'e>,
        /// Whether the answer is requested piece by piece.
        is_streamed: bool,
    },
    /// An attempt of a request has failed and is repeated after a wait.
    #[non_exhaustive]
    Retrying {
        /// The number of the request in the call. `None` if its start was not reported: the caller
        /// has called the model itself, not by [`LanguageModel`](crate::LanguageModel).
        number: Option<u32>,
        /// The model, if the start of the request was reported.
        model: Option<&'e ModelDescription>,
        /// The purpose of the request.
        purpose: RequestPurpose,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// The reason.
        error: &'e ModelError,
        /// The wait before the next attempt.
        wait: Duration,
    },
    /// A model has answered, and its answer is not used: it refuses, is empty or is incomplete. It
    /// was paid for. The request ends with an error.
    #[non_exhaustive]
    AnswerRejected {
        /// The number of the request in the call, if its start was reported.
        number: Option<u32>,
        /// The model.
        model: &'e ModelDescription,
        /// The purpose of the request.
        purpose: RequestPurpose,
        /// The answer, with its usage.
        reply: &'e Reply,
    },
    /// A request to a model has ended.
    #[non_exhaustive]
    ModelEnded {
        /// The number of the request in the call.
        number: u32,
        /// The model.
        model: &'e ModelDescription,
        /// The purpose of the request.
        purpose: RequestPurpose,
        /// The answer, or the error: [`ModelError::Cancelled`] if the request was dropped.
        result: Result<&'e Reply, &'e ModelError>,
        /// The time that the request took, retries included.
        time: Duration,
        /// The time until the first piece of the answer, if it is streamed.
        first_token: Option<Duration>,
    },
    /// A tool is called.
    #[non_exhaustive]
    ToolStarted {
        /// The number of the tool call in the call, which its end has too.
        number: u32,
        /// The call.
        call: &'e ToolCall,
        /// Whether a tool has the name of the call. If not, the model has made up the name, which
        /// is text of the answer.
        is_known: bool,
    },
    /// A tool call has ended.
    #[non_exhaustive]
    ToolEnded {
        /// The number of the tool call in the call.
        number: u32,
        /// The call.
        call: &'e ToolCall,
        /// The result, or the reason for its failure, as the model receives it.
        result: Result<&'e Content, &'e Withheld>,
        /// The time that the call took.
        time: Duration,
        /// Whether a tool has the name of the call. If not, the model has made up the name, which
        /// metrics must not have as a label.
        is_known: bool,
    },
    /// The model has answered. The usage is that of all requests of the call.
    #[non_exhaustive]
    ModelAnswered {
        /// The answer.
        reply: &'e Reply,
    },
    /// A step of a simple sequence has ended.
    #[non_exhaustive]
    StepEnded {
        /// The step's index, from 0.
        step: usize,
        /// The step's output, which is the input of the next step.
        output: &'e Value,
    },
    /// A router has chosen a chain.
    #[non_exhaustive]
    Routed {
        /// The name of the chain, or `None` for the default chain.
        destination: Option<&'e str>,
        /// The inputs that the router sets for the chain.
        inputs: &'e Variables,
    },
    /// An operation failed without the loss of the answer or the turn.
    #[non_exhaustive]
    Warned {
        /// The warning.
        warning: &'e Warning,
    },
    /// The chain has ended successfully.
    #[non_exhaustive]
    ChainEnded {
        /// The chain's name.
        chain: &'e str,
        /// The chain's outputs.
        outputs: &'e Variables,
    },
    /// The chain has failed.
    #[non_exhaustive]
    ChainFailed {
        /// The chain's name.
        chain: &'e str,
        /// The error.
        error: &'e (dyn Error + 'static),
    },
    /// The call has ended.
    #[non_exhaustive]
    CallEnded {
        /// The way in which it ended.
        result: CallResult<'e>,
        /// The usage, the model and the times.
        record: &'e CallRecord,
    },
}

/// The way in which a call ended.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum CallResult<'e> {
    /// With an answer.
    Answered,
    /// With tool calls that the caller runs. The turn is not stored yet.
    ToolCalls,
    /// With an error.
    #[non_exhaustive]
    Failed {
        /// The error.
        error: &'e (dyn Error + 'static),
        /// The class of the error, for metrics, such as `timeout`.
        class: &'e str,
    },
    /// It did the memory's maintenance, which the caller asked for, and has no answer.
    Maintained,
    /// Its future or stream was dropped.
    Cancelled,
}

impl<'e> CallResult<'e> {
    /// Creates the result of a call that failed.
    #[must_use]
    pub const fn failed(error: &'e (dyn Error + 'static), class: &'e str) -> Self {
        Self::Failed { error, class }
    }
}

/// A request to a model.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum ModelRequest<'e> {
    /// A request to a chat model.
    Chat(&'e ChatRequest),
    /// A request to a completion model.
    Completion(&'e CompletionRequest),
}

impl<'e> ModelRequest<'e> {
    /// Returns the options of the request.
    #[must_use]
    pub const fn options(self) -> &'e CallOptions {
        match self {
            Self::Chat(request) => &request.options,
            Self::Completion(request) => &request.options,
        }
    }
}

impl<'e> From<&'e ChatRequest> for ModelRequest<'e> {
    fn from(request: &'e ChatRequest) -> Self {
        Self::Chat(request)
    }
}

impl<'e> From<&'e CompletionRequest> for ModelRequest<'e> {
    fn from(request: &'e CompletionRequest) -> Self {
        Self::Completion(request)
    }
}

impl<'e> Event<'e> {
    /// Creates a [`CallStarted`](Self::CallStarted).
    #[must_use]
    pub const fn call_started() -> Self {
        Self::CallStarted {}
    }

    /// Creates a [`ModelStarted`](Self::ModelStarted).
    #[must_use]
    pub const fn model_started(
        number: u32,
        model: &'e ModelDescription,
        request: ModelRequest<'e>,
        is_streamed: bool,
    ) -> Self {
        let purpose = request.options().events.purpose();
        Self::ModelStarted { number, model, purpose, request, is_streamed }
    }

    /// Creates a [`Retrying`](Self::Retrying). [`EventEmitter::emit`](crate::EventEmitter::emit)
    /// adds the request of its emitter: the number, the model and the purpose.
    #[must_use]
    pub const fn retrying(attempt: u32, error: &'e ModelError, wait: Duration) -> Self {
        let purpose = RequestPurpose::Answer;
        Self::Retrying { number: None, model: None, purpose, attempt, error, wait }
    }

    /// Creates an [`AnswerRejected`](Self::AnswerRejected).
    /// [`EventEmitter::emit`](crate::EventEmitter::emit) adds the number of the request.
    #[must_use]
    pub const fn answer_rejected(
        model: &'e ModelDescription,
        purpose: RequestPurpose,
        reply: &'e Reply,
    ) -> Self {
        Self::AnswerRejected { number: None, model, purpose, reply }
    }

    /// Creates a [`ModelEnded`](Self::ModelEnded).
    #[must_use]
    pub const fn model_ended(
        number: u32,
        model: &'e ModelDescription,
        purpose: RequestPurpose,
        result: Result<&'e Reply, &'e ModelError>,
        time: Duration,
        first_token: Option<Duration>,
    ) -> Self {
        Self::ModelEnded { number, model, purpose, result, time, first_token }
    }

    /// Creates a [`ToolStarted`](Self::ToolStarted).
    #[must_use]
    pub const fn tool_started(number: u32, call: &'e ToolCall) -> Self {
        Self::ToolStarted { number, call, is_known: true }
    }

    /// Creates a [`ToolEnded`](Self::ToolEnded).
    #[must_use]
    pub const fn tool_ended(
        number: u32,
        call: &'e ToolCall,
        result: Result<&'e Content, &'e Withheld>,
        time: Duration,
    ) -> Self {
        Self::ToolEnded { number, call, result, time, is_known: true }
    }

    /// Sets whether a tool has the name of the call, for a [`ToolStarted`](Self::ToolStarted) and a
    /// [`ToolEnded`](Self::ToolEnded). Default: `true`.
    #[must_use]
    pub const fn with_known_tool(mut self, known: bool) -> Self {
        if let Self::ToolStarted { is_known, .. } | Self::ToolEnded { is_known, .. } = &mut self {
            *is_known = known;
        }
        self
    }

    /// Creates a [`CallEnded`](Self::CallEnded).
    #[must_use]
    pub const fn call_ended(result: CallResult<'e>, record: &'e CallRecord) -> Self {
        Self::CallEnded { result, record }
    }

    /// Creates a [`ChainStarted`](Self::ChainStarted).
    #[must_use]
    pub const fn chain_started(chain: &'e str, inputs: &'e Variables) -> Self {
        Self::ChainStarted { chain, inputs }
    }

    /// Creates a [`PromptFormatted`](Self::PromptFormatted).
    #[must_use]
    pub const fn prompt_formatted(prompt: &'e PromptValue) -> Self {
        Self::PromptFormatted { prompt }
    }

    /// Creates a [`ModelAnswered`](Self::ModelAnswered).
    #[must_use]
    pub const fn model_answered(reply: &'e Reply) -> Self {
        Self::ModelAnswered { reply }
    }

    /// Creates a [`StepEnded`](Self::StepEnded).
    #[must_use]
    pub const fn step_ended(step: usize, output: &'e Value) -> Self {
        Self::StepEnded { step, output }
    }

    /// Creates a [`Routed`](Self::Routed).
    #[must_use]
    pub const fn routed(destination: Option<&'e str>, inputs: &'e Variables) -> Self {
        Self::Routed { destination, inputs }
    }

    /// Creates a [`Warned`](Self::Warned).
    #[must_use]
    pub const fn warned(warning: &'e Warning) -> Self {
        Self::Warned { warning }
    }

    /// Creates a [`ChainEnded`](Self::ChainEnded).
    #[must_use]
    pub const fn chain_ended(chain: &'e str, outputs: &'e Variables) -> Self {
        Self::ChainEnded { chain, outputs }
    }

    /// Creates a [`ChainFailed`](Self::ChainFailed).
    #[must_use]
    pub const fn chain_failed(chain: &'e str, error: &'e (dyn Error + 'static)) -> Self {
        Self::ChainFailed { chain, error }
    }
}
