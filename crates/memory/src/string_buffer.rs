//! The memory that shows the whole conversation as text, with a line break before each message.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, LoadContext, Loaded, Memory, MemoryError, Saved, Ticket, Turn, Value,
};

use crate::conversation::{
    Conversation,
    settings::{conversation_at, conversation_methods, conversation_settings},
    transcript_cache::LeadingNewline,
};

/// Shows the whole conversation as text that begins with a line break.
///
/// LangChain 0.1.20 `langchain/memory/buffer.py::ConversationStringBufferMemory`.
///
/// Like a [`BufferMemory`](crate::BufferMemory) that shows text, with a line break before the first
/// message as well. An empty conversation is an empty text.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, LoadContext, Memory, Ticket, Turn};
/// use conversant_memory::StringBufferMemory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = StringBufferMemory::new();
/// memory.save(&Turn::exchange("hi", "hello"), Ticket::default()).await?;
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "\nHuman: hi\nAI: hello" });
/// # Ok(())
/// # }
/// ```
pub struct StringBufferMemory {
    conversation: Conversation,
}

impl StringBufferMemory {
    /// Creates a memory with its own in-memory conversation, shown in the variable `history`.
    #[must_use]
    pub fn new() -> Self {
        Self { conversation: Conversation::new() }
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self { conversation: self.conversation.over(history) }
    }

    fn reset(&mut self) {
        self.conversation.forget();
    }
}

conversation_settings!(StringBufferMemory: prefixes);

impl Default for StringBufferMemory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Memory for StringBufferMemory {
    conversation_methods!();
    conversation_at!();

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let (text, version) = self.conversation.whole_as_text(LeadingNewline::Keep).await?;
        Ok(self.conversation.loaded(Value::from(text), version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    fn needs_maintenance(&self) -> bool {
        false
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await
    }
}
