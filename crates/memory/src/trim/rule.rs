//! The rules by which a conversation is trimmed.

/// A rule by which a memory with a limit trims a conversation at the front.
///
/// Neither rule deletes messages. They stay in the history, and a memory with a higher limit shows
/// them again.
///
/// # Examples
///
/// ```
/// use conversant_core::{LoadContext, Memory, Message, Ticket, Turn, vars};
/// use conversant_memory::{Trim, WindowMemory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let mut shown = Vec::new();
/// for trim in [Trim::Turns, Trim::LangChain] {
///     let memory = WindowMemory::new().with_k(1).with_trim(trim);
///     // A turn of three messages, such as one with a greeting before its answer.
///     let messages = vec![Message::human("Hi"), Message::ai("Hm."), Message::ai("Hello!")];
///     memory.save(&Turn::new(messages), Ticket::default()).await?;
///     let loaded = memory.load(LoadContext::new(&vars! {})).await?;
///     shown.push(loaded.variables);
/// }
/// assert_eq!(shown[0], vars! { "history" => "Human: Hi\nAI: Hm.\nAI: Hello!" });
/// assert_eq!(shown[1], vars! { "history" => "AI: Hm.\nAI: Hello!" });
/// # Ok(())
/// # }
/// ```
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
