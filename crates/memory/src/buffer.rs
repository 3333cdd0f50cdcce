//! The memory that shows the whole conversation.

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

/// Shows the whole conversation, as text or as messages.
///
/// LangChain 0.1.20 `langchain/memory/buffer.py::ConversationBufferMemory`.
///
/// Messages are loaded and rendered once. A call therefore costs what its turn adds, and one copy
/// of the text; as messages, it costs what its turn adds.
///
/// A turn is saved even if other turns were added since its prompt was made; its base is stored
/// with it. If the conversation was *cleared* while the model was called, saving fails with
/// [`HistoryError::Stale`](conversant_core::HistoryError::Stale).
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, LoadContext, Memory, Ticket, Turn};
/// use conversant_memory::BufferMemory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = BufferMemory::new().with_memory_key("chat_history").with_ai_prefix("Chatbot");
/// memory.save(&Turn::exchange("Hi there my friend", "Hello!"), Ticket::default()).await?;
///
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// let text = loaded.variables.get("chat_history").and_then(|value| value.as_text());
/// assert_eq!(text, Some("Human: Hi there my friend\nChatbot: Hello!"));
/// # Ok(())
/// # }
/// ```
pub struct BufferMemory {
    conversation: Conversation,
}

impl BufferMemory {
    /// Creates a memory with its own in-memory conversation, shown as text in the variable
    /// `history`.
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

conversation_settings!(BufferMemory: prefixes, text_or_messages);

impl Default for BufferMemory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Memory for BufferMemory {
    conversation_methods!();
    conversation_at!();

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let (value, version) = if self.conversation.shows_messages() {
            let slice = self.conversation.whole().await?;
            (Value::from(slice.messages), slice.version)
        } else {
            let (text, version) = self.conversation.whole_as_text(LeadingNewline::Omit).await?;
            (Value::from(text), version)
        };
        Ok(self.conversation.loaded(value, version))
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
