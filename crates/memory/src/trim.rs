//! The two rules by which a memory cuts a conversation.

/// How a memory with a limit cuts a conversation at the front.
///
/// Neither deletes: what is cut off stays in the history, and whoever raises the limit sees it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trim {
    /// Whole turns. What is shown never opens on an answer or a tool's result, and a tool's result is never parted from its call. The
    /// system messages that a conversation opens with are kept. A budget in tokens counts everything that is shown.
    #[default]
    Turns,
    /// LangChain 0.1's arithmetic, for whoever moves over: one message at a time, whoever it is from, so that a conversation may
    /// open on an answer. Only the messages kept are counted, and a limit of 0 leaves nothing.
    LangChain,
}
