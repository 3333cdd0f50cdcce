//! Errors of tool loops.

use conversant_core::{Messages, debug_as_report};

/// A set of tools that a model cannot use. All faults are reported at once.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolSetError {
    /// There are no tools.
    #[error("cannot build a tool loop: it has no tools; add one with `tool`")]
    Empty,
    /// Two tools have one name.
    #[error("cannot build a tool loop: two tools have the name `{name}`; rename one")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name has characters that providers refuse.
    #[error(
        "cannot build a tool loop: invalid tool name `{name}`; use 1 to 64 letters, digits, `_` \
         and `-`"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The schema of a tool's arguments is not an object.
    #[error(
        "cannot build a tool loop: the schema of tool `{name}` is not a JSON object; start with \
         `{{\"type\": \"object\"}}`"
    )]
    Schema {
        /// The tool's name.
        name: String,
    },
    /// The schema of a tool's arguments allows no object, so that no call can be right.
    #[error(
        "cannot build a tool loop: the schema of tool `{name}` allows no object, which arguments \
         are; start with `{{\"type\": \"object\"}}`, or use a struct"
    )]
    NoObject {
        /// The tool's name.
        name: String,
    },
    /// There are several faults.
    #[error("{}", join(faults))]
    Several {
        /// The faults, in the order of the tools.
        faults: Vec<Self>,
    },
}

/// Returns the texts of several faults, of which the first says what failed.
fn join(faults: &[ToolSetError]) -> String {
    let texts = faults.iter().enumerate().map(|(index, fault)| {
        let text = fault.to_string();
        match text.strip_prefix(FAILED) {
            Some(fault) if index > 0 => fault.to_owned(),
            _ => text,
        }
    });
    texts.collect::<Vec<_>>().join("; and ")
}

/// The start of each text.
const FAILED: &str = "cannot build a tool loop: ";

/// The model still called tools after the last round that was allowed.
///
/// It is the source of the [`ModelError::Custom`](conversant_core::ModelError::Custom) that ends
/// such a loop. As for each error of a later round, [`ModelError::exchange`] has the rounds before
/// it. No turn is stored.
///
/// [`ModelError::exchange`]: conversant_core::ModelError::exchange
///
/// # Examples
///
/// ```
/// use std::error::Error;
/// use conversant_core::ModelError;
/// use conversant_tools::RoundLimit;
///
/// fn last_calls(error: &ModelError) -> Option<usize> {
///     let limit = error.without_exchange().source()?.downcast_ref::<RoundLimit>()?;
///     Some(limit.messages.last()?.tool_calls().len())
/// }
/// assert_eq!(last_calls(&ModelError::Cancelled), None);
/// ```
#[derive(Clone, PartialEq, thiserror::Error)]
#[error(
    "cannot end the tool loop: the model still calls tools after {rounds} rounds; raise `max_rounds`"
)]
#[non_exhaustive]
pub struct RoundLimit {
    /// The number of rounds.
    pub rounds: usize,
    /// The tool calls and results of all rounds, and the last calls.
    pub messages: Messages,
}

impl RoundLimit {
    pub(crate) const fn new(rounds: usize, messages: Messages) -> Self {
        Self { rounds, messages }
    }
}

debug_as_report!(ToolSetError, RoundLimit);
