//! What can go wrong in a call of a chain, in the order of its steps.

use std::fmt;

use conversant_core::{
    BoxError, MemoryError, MissingVariable, ModelError, ParseError, PromptError, Reply, Turn,
};

/// A call of a chain that failed, by the step it failed in.
///
/// Unless it is [`NotSaved`](Self::NotSaved), the conversation is as it was before the call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The memory could not be loaded. No model was asked.
    #[error("can't load the conversation")]
    Load(#[source] MemoryError),
    /// Inputs are missing: all of them. No model was asked.
    #[error("missing {}", list(missing))]
    MissingInputs {
        /// What is missing.
        missing: Vec<MissingVariable>,
    },
    /// An input has a name that is taken. No model was asked.
    #[error("input `{name}` can't be given: {reason}")]
    TakenInput {
        /// The input.
        name: String,
        /// Who has taken it.
        reason: &'static str,
    },
    /// The prompt could not be filled in. No model was asked.
    #[error("can't fill in the prompt")]
    Prompt(#[source] PromptError),
    /// The model did not answer.
    #[error("the model did not answer")]
    Model(#[source] ModelError),
    /// The answer could not be parsed. The error holds it; nothing was saved.
    #[error("the model's answer does not parse")]
    Parse(#[source] ParseError),
    /// The model answered, and the turn could not be saved. The error holds both.
    #[error("the model answered, and the turn could not be saved")]
    NotSaved(#[source] Box<NotSaved>),
    /// A chain of one's own failed.
    #[error("the chain failed")]
    Custom(#[source] BoxError),
}

impl ChainError {
    /// Returns the turn and the answer that could not be saved, if that is what failed.
    #[must_use]
    pub fn not_saved(&self) -> Option<&NotSaved> {
        match self {
            Self::NotSaved(not_saved) => Some(not_saved),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Model(error) if error.is_retryable())
    }
}

fn list(missing: &[MissingVariable]) -> String {
    let noun = if missing.len() == 1 { "input" } else { "inputs" };
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    format!("{noun} {}", names.join(", "))
}

/// An answer that was paid for, in a turn that could not be saved.
///
/// Saving the turn again is safe: a turn is kept once by its id, whatever became of the first try. `memory.save(&turn,
/// Ticket::default())` does it.
///
/// `Debug` withholds what was said.
#[derive(Debug)]
#[non_exhaustive]
pub struct NotSaved {
    /// The answer's text.
    pub text: conversant_core::Withheld,
    /// The model's reply, if the chain has one.
    pub reply: Option<Reply>,
    /// The turn to save.
    pub turn: Turn,
    /// Why it could not be saved.
    pub source: MemoryError,
}

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "turn `{}` was not saved", self.turn.id())
    }
}

impl std::error::Error for NotSaved {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
