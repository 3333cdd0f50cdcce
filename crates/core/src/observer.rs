//! Observers of chains and the events that they receive.

use std::{error::Error, sync::Arc};

use crate::{
    memory::Warning, model::Reply, prompt_value::PromptValue, value::Value, variables::Variables,
};

/// An observer of chains, such as a printer, a log or a test.
///
/// A chain calls it in the order of the events below, on the task that runs the call, so it should
/// return quickly. It cannot change the call.
///
/// # Examples
///
/// ```
/// use std::sync::Mutex;
/// use conversant_core::{Event, Observer};
///
/// #[derive(Default)]
/// struct Prompts(Mutex<Vec<String>>);
///
/// impl Observer for Prompts {
///     fn on_event(&self, event: &Event<'_>) {
///         if let Event::PromptFormatted { prompt, .. } = event {
///             self.0.lock().unwrap().push(prompt.to_string());
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Receives an event.
    fn on_event(&self, event: &Event<'_>);
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on_event(&self, event: &Event<'_>) {
        (**self).on_event(event);
    }
}

/// An event of a call. The order is: the memory is loaded,
/// [`ChainStarted`](Self::ChainStarted), the inputs are checked,
/// [`PromptFormatted`](Self::PromptFormatted), the model is called,
/// [`ModelAnswered`](Self::ModelAnswered), the turn is saved, [`ChainEnded`](Self::ChainEnded). A
/// call that fails after its start ends with [`ChainFailed`](Self::ChainFailed) instead.
///
/// `Debug` withholds message text.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'e> {
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
    /// The model has answered.
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
}

impl<'e> Event<'e> {
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
