//! The phases of a call.

use std::fmt;

/// The phase of a call in which its deadline passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallPhase {
    /// Waiting for other calls of the conversation.
    Queue,
    /// Loading the memory.
    Load,
    /// Running the chain's steps.
    Run,
    /// Maintaining the memory.
    Maintain,
}

impl fmt::Display for CallPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "it waited for other calls of the conversation",
            Self::Load => "the memory was loading",
            Self::Run => "the chain was running",
            Self::Maintain => "the memory was maintained",
        })
    }
}
