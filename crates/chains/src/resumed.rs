//! The part of a turn that a resumed call does not run again.

use std::sync::Arc;

use conversant_core::{CallRecord, Messages, Variables};

/// The part of a turn that is done: empty for a call that is not resumed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Resumed {
    /// The messages after the user's: tool calls and their results.
    pub(crate) exchange: Messages,
    pub(crate) completed: Option<Arc<Completed>>,
    /// The record of the turn's calls so far, if they are observed.
    pub(crate) record: Option<Box<CallRecord>>,
}

/// The steps of a composition that had ended when its last step called tools. They are paid for,
/// so they do not run again.
#[derive(Debug, Default)]
pub(crate) struct Completed {
    /// The index of the step that called the tools.
    #[cfg_attr(not(feature = "composition"), expect(dead_code, reason = "no chain has steps"))]
    pub(crate) step: usize,
    /// The variables that the other steps gave it.
    #[cfg_attr(not(feature = "composition"), expect(dead_code, reason = "no chain has steps"))]
    pub(crate) variables: Variables,
    /// The steps that had ended within that step.
    pub(crate) inner: Option<Arc<Self>>,
}

/// Returns the messages of an answer that are not those of the turn before it.
pub(crate) fn after_exchange(messages: &Messages, before: &Messages) -> Messages {
    let has_both = !before.is_empty() && messages.slice(..before.len()) == *before;
    if has_both { messages.slice(before.len()..) } else { messages.clone() }
}
