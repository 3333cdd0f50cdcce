//! The memory that shows the last turns.

use async_trait::async_trait;
use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Range, Saved, Slot, Ticket, Turn, TurnKeys,
};

use crate::{
    Trim,
    conversation::{Conversation, conversation_settings},
};

/// Shows the last `k` turns, as text or as messages. LangChain's `ConversationBufferWindowMemory`.
///
/// A load reads the window and nothing else. Under [`Trim::Turns`] a turn is what one call saved, with its tool calls and their
/// results; under [`Trim::LangChain`] it is two messages. With `k` = 0 nothing is shown; the turns are kept all the same.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, LoadContext, Memory, Ticket, Turn};
/// use conversant_memory::WindowMemory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = WindowMemory::new().with_k(1);
/// memory.save(&Turn::exchange("hi", "hello"), Ticket::default()).await?;
/// memory.save(&Turn::exchange("how are you?", "fine"), Ticket::default()).await?;
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "Human: how are you?\nAI: fine" });
/// assert_eq!(memory.messages().await?.len(), 4);
/// # Ok(())
/// # }
/// ```
pub struct WindowMemory {
    conversation: Conversation,
    k: usize,
    trim: Trim,
}

impl WindowMemory {
    /// Creates a memory with a conversation of its own, of which it shows the last 5 turns as text in the variable `history`.
    #[must_use]
    pub fn new() -> Self {
        Self { conversation: Conversation::new(), k: 5, trim: Trim::default() }
    }

    /// Sets how many turns are shown. The default is 5.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets what a turn is. The default is [`Trim::Turns`].
    #[must_use]
    pub const fn with_trim(mut self, trim: Trim) -> Self {
        self.trim = trim;
        self
    }

    fn reset(&mut self) {
        self.conversation.reset();
    }
}

conversation_settings!(WindowMemory: prefixes, text_or_messages);

impl Default for WindowMemory {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Memory for WindowMemory {
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let range = match self.trim {
            Trim::Turns => Range::LastTurns(self.k),
            Trim::LangChain => Range::LastMessages(self.k.saturating_mul(2)),
        };
        let slice = self.conversation.load(range).await?;
        Ok(self.conversation.loaded(self.conversation.show(slice.messages), slice.version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await
    }
}
