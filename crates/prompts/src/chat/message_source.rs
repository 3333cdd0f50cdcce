//! Messages that are selected for each call.

use std::fmt;

use conversant_core::{Messages, Prompt, PromptError, Variables};

/// A source of messages that depend on the variables of a call.
pub(crate) trait MessageSource: Prompt + fmt::Debug {
    /// Returns the messages for a call.
    fn messages(&self, variables: &Variables) -> Result<Messages, PromptError>;
}
