//! The answers of chains that can be neither returned nor stored, with the reasons.

use std::borrow::Cow;

use conversant_core::MissingVariable;

use crate::{answer::Answer, pending::PendingTurn};

/// An answer of a chain that was refused, in
/// [`ChainError::RefusedAnswer`](crate::ChainError::RefusedAnswer). It may have been paid for, and
/// is not stored.
///
/// `Debug` withholds message text.
///
/// # Examples
///
/// ```
/// use conversant_chains::{ChainError, RefusedAnswer};
///
/// /// Returns what a custom chain has said, though it is not the answer that it declares.
/// fn said(error: &ChainError) -> Option<String> {
///     match error {
///         ChainError::RefusedAnswer(refused) => {
///             let RefusedAnswer { answer, .. } = &**refused;
///             answer.reply.as_ref().map(|reply| reply.text().into_owned())
///         }
///         _ => None,
///     }
/// }
/// assert_eq!(said(&ChainError::Closed), None);
/// ```
#[derive(thiserror::Error)]
#[error("{fault}")]
#[non_exhaustive]
pub struct RefusedAnswer {
    /// The reason.
    pub fault: AnswerFault,
    /// The answer.
    pub answer: Answer,
}

impl RefusedAnswer {
    /// Creates the error of an answer.
    #[must_use]
    pub const fn new(fault: AnswerFault, answer: Answer) -> Self {
        Self { fault, answer }
    }
}

conversant_core::debug_as_report!(RefusedAnswer);

/// The reason for which an answer of a chain is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerFault {
    /// The answer lacks outputs that its chain declares.
    #[error("cannot return the outputs of the chain: missing {}", list(missing))]
    MissingOutputs {
        /// All missing outputs.
        missing: Vec<MissingVariable>,
    },
    /// The answer has a list of messages for the turn, which is empty: a turn would have the
    /// question alone.
    #[error("cannot store the turn: the chain's answer has no messages")]
    NoMessages,
    /// The answer's messages have tool calls without results before the last message. Providers
    /// refuse a conversation with such a turn.
    #[error("cannot store the turn: the chain's answer has tool calls without results")]
    UnansweredCalls,
}

impl AnswerFault {
    /// Returns the fault of an answer that lacks outputs. An answer that calls tools has its
    /// outputs once it is resumed.
    pub(crate) fn of_outputs(answer: &Answer, declared: &[Cow<'static, str>]) -> Option<Self> {
        let lacking = declared.iter().filter(|name| !answer.outputs.contains(name));
        let missing: Vec<_> =
            lacking.map(|name| MissingVariable::new(name, answer.outputs.names())).collect();
        if missing.is_empty() || PendingTurn::is_due(answer) {
            return None;
        }
        Some(Self::MissingOutputs { missing })
    }
}

fn list(missing: &[MissingVariable]) -> String {
    let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
    names.join(", ")
}
