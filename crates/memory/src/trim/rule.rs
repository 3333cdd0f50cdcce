//! The rules by which a conversation is trimmed.

/// A rule by which a memory with a limit trims a conversation at the front.
///
/// Neither rule deletes messages. They stay in the history, and a memory with a higher limit shows
/// them again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trim {
    /// Whole turns are removed (the default).
    ///
    /// - The shown part does not begin with an answer or a tool result, and a tool result is never
    ///   separated from its call.
    /// - The system messages at the start of the conversation stay.
    /// - A token budget counts all that is shown.
    #[default]
    Turns,
    /// The arithmetic of LangChain 0.1.20: single messages of any role are removed, so the shown
    /// part may begin with an answer. Only messages are counted, and a limit of 0 leaves none.
    LangChain,
}
