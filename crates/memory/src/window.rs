//! The memory that shows the last turns.

use async_trait::async_trait;
use conversant_core::{
    HistoryError, LoadContext, Loaded, Memory, MemoryError, Range, Saved, Slice, Slot, Ticket,
    Turn, TurnKeys,
};

use crate::{
    Trim,
    conversation::{Conversation, conversation_settings},
    opening::Opening,
    turns,
};

/// Shows the last `k` turns, as text or as messages. LangChain's `ConversationBufferWindowMemory`.
///
/// A load reads the window and nothing else. Under [`Trim::Turns`] a turn is what one call saved, with its tool calls and their
/// results, and the system messages that the conversation opens with stay in front; what would open on an answer or a tool's
/// result opens on the next question. Under [`Trim::LangChain`] a turn is two messages. With `k` = 0 nothing is shown; the turns are kept
/// all the same.
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
    opening: Opening,
}

impl WindowMemory {
    /// Creates a memory with a conversation of its own, of which it shows the last 5 turns as text in the variable `history`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            conversation: Conversation::new(),
            k: 5,
            trim: Trim::default(),
            opening: Opening::new(),
        }
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
        self.opening.forget();
    }

    /// Returns the last turns, after the system messages that the conversation opens with, and the version.
    async fn last_turns(&self) -> Result<Slice, HistoryError> {
        let mut turns = self.k;
        loop {
            let slice = self.conversation.load(Range::LastTurns(turns)).await?;
            let is_whole = slice.start() == 0;
            if is_whole {
                self.opening.learn_from(&slice);
            }
            if turns == 0 || is_whole && turns == self.k {
                return Ok(slice);
            }
            let mut shown = if is_whole {
                slice.messages.slice(..turns::opening(&slice.messages))
            } else {
                self.opening.read(&self.conversation, slice.version).await?
            };
            let known = (shown.len() as u64).saturating_sub(slice.start());
            let body = match usize::try_from(known).unwrap_or(usize::MAX) {
                0 => slice.messages,
                known => slice.messages.slice(known..),
            };
            // Where no question is among them, the window reaches back to one.
            let start = match turns::starts_backwards(&body) {
                starts if turns == self.k => starts.last(),
                mut starts => starts.next(),
            };
            match start.or_else(|| (is_whole || body.is_empty()).then_some(0)) {
                Some(0) if shown.is_empty() => return Ok(Slice::new(body, slice.version)),
                Some(start) => {
                    shown.append(&body.slice(start..));
                    return Ok(Slice::new(shown, slice.version));
                }
                None => {}
            }
            turns = turns.saturating_mul(2);
        }
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
        let slice = match self.trim {
            Trim::Turns => self.last_turns().await?,
            Trim::LangChain => {
                let messages = self.k.saturating_mul(2);
                self.conversation.load(Range::LastMessages(messages)).await?
            }
        };
        Ok(self.conversation.loaded(self.conversation.show(slice.messages), slice.version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    /// Notes the system messages that the conversation opens with, for a process that comes later.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.opening.note(&self.conversation).await)
    }

    fn needs_maintenance(&self) -> bool {
        self.opening.is_unnoted()
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.opening.forget();
        Ok(())
    }
}
