//! The memory that shows the last turns.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, HistoryError, LoadContext, Loaded, Memory, MemoryError, Messages, Range, Saved,
    Slice, Ticket, Turn, Version,
};

use crate::{
    conversation::{
        Conversation,
        held_turns::HeldTurns,
        leading_system::LeadingSystem,
        settings::{conversation_at, conversation_methods, conversation_settings},
        turn_boundaries::{boundaries, boundaries_backwards, count_leading_system},
    },
    trim::Trim,
};

/// Shows the last `k` turns, as text or as messages.
///
/// LangChain 0.1.20 `langchain/memory/buffer_window.py::ConversationBufferWindowMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_k`](Self::with_k) | 5 turns |
/// | [`with_step`](Self::with_step) | 1 turn |
/// | [`with_trim`](Self::with_trim) | [`Trim::Turns`] |
///
/// A load reads the window and no other messages. From a store that returns where turns begin
/// ([`Slice::turns`]), it reads only the new ones.
///
/// Under [`Trim::Turns`], a turn is what one call saved, with its tool calls and their results. The
/// system messages at the start of the conversation stay. A window that would begin with an answer
/// or a tool result begins with the next question.
///
/// Under [`Trim::LangChain`], a turn is two messages.
///
/// With `k` = 0, no messages are shown; turns are still stored.
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
    step: usize,
    trim: Trim,
    held: HeldTurns,
    leading: LeadingSystem,
}

impl WindowMemory {
    /// Creates a memory with its own in-memory conversation. It shows the last 5 turns as text in
    /// the variable `history`.
    #[must_use]
    pub fn new() -> Self {
        Self {
            conversation: Conversation::new(),
            k: 5,
            step: 1,
            trim: Trim::default(),
            held: HeldTurns::default(),
            leading: LeadingSystem::new(),
        }
    }

    /// Sets the number of turns that are shown. The default is 5.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets the number of turns by which the window moves at once. The default is 1; 0 means 1.
    ///
    /// With a step of `n`, between `k` and `k + n - 1` turns are shown: the window begins with turn
    /// `(turns - k) / n * n` and grows until it moves. Consecutive prompts share a prefix in the
    /// meantime, so prompt caches of providers hit; a window that moves with each turn always
    /// misses. Half of `k` is a good step.
    ///
    /// The start depends on the conversation alone, so another process shows the same. It is
    /// counted in messages, two for each turn: in a conversation with tool calls the window moves
    /// more often.
    ///
    /// Has no effect under [`Trim::LangChain`].
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_memory::WindowMemory;
    ///
    /// // Shows 10 to 14 turns.
    /// let memory = WindowMemory::new().with_k(10).with_step(5);
    /// ```
    #[must_use]
    pub const fn with_step(mut self, turns: usize) -> Self {
        self.step = if turns == 0 { 1 } else { turns };
        self
    }

    /// Sets the definition of a turn. The default is [`Trim::Turns`].
    #[must_use]
    pub const fn with_trim(mut self, trim: Trim) -> Self {
        self.trim = trim;
        self
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            conversation: self.conversation.over(history),
            k: self.k,
            step: self.step,
            trim: self.trim,
            held: HeldTurns::default(),
            leading: LeadingSystem::new(),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.held.forget();
        self.leading.forget();
    }

    /// Returns the last `k` turns after the leading system messages, and the version.
    async fn last_turns(&self) -> Result<Slice, HistoryError> {
        let session = &self.conversation.session;
        let mut turns = self.k;
        loop {
            let slice = match turns == self.k {
                true => self.held_turns(turns).await?,
                false => session.load(Range::LastTurns(turns)).await?,
            };
            let is_whole = slice.start() == 0;
            if is_whole {
                self.leading.learn_from(&slice);
            }
            if turns == 0 || is_whole && turns == self.k {
                return Ok(slice);
            }
            let Parts { leading, body, version } = self.split(slice).await?;
            // If there is no question among the turns, the window begins with an earlier one.
            let start = match boundaries_backwards(&body) {
                boundaries if turns == self.k => boundaries.last(),
                mut boundaries => boundaries.next(),
            };
            match start.or_else(|| (is_whole || body.is_empty()).then_some(0)) {
                Some(start) => {
                    return Ok(Parts { leading, body: body.slice(start..), version }.join());
                }
                None => turns = turns.saturating_mul(2),
            }
        }
    }

    /// Returns the last `k` turns and those before them, down to a multiple of the step, after the
    /// leading system messages, and the version.
    async fn stepped_turns(&self) -> Result<Slice, HistoryError> {
        let session = &self.conversation.session;
        let grid = (self.step as u64).saturating_mul(2);
        let mut slice = self.held_turns(self.k.saturating_add(self.step - 1)).await?;
        loop {
            let is_whole = slice.start() == 0;
            if is_whole {
                self.leading.learn_from(&slice);
            }
            let Parts { leading, body, version } = self.split(slice).await?;
            let boundaries = boundaries(&body);
            let Some(last) = boundaries.len().checked_sub(self.k) else {
                if is_whole {
                    return Ok(Parts { leading, body, version }.join());
                }
                let messages = body.len().saturating_mul(4).max(8);
                slice = session.load(Range::LastMessages(messages)).await?;
                continue;
            };
            let start = version.messages.saturating_sub(body.len() as u64);
            let first = boundaries.get(last).copied().unwrap_or_default() as u64;
            let from = (start + first) / grid * grid;
            if from < start && !is_whole {
                let after = Range::After(Version::new(version.epoch, from));
                slice = session.load(after).await?;
                continue;
            }
            let is_in = |&&boundary: &&usize| boundary as u64 + start >= from;
            // The turn with which the conversation begins may begin with an answer.
            let first = boundaries.iter().find(is_in).copied().unwrap_or_default();
            let first = if from == 0 { 0 } else { first };
            return Ok(Parts { leading, body: body.slice(first..), version }.join());
        }
    }

    /// Returns the last turns, of which only the new ones are loaded.
    async fn held_turns(&self, turns: usize) -> Result<Slice, HistoryError> {
        let session = &self.conversation.session;
        let (slice, continues) = self.held.last(session, turns).await?;
        match continues {
            None => self.leading.observe(session, &slice).await?,
            Some(continues) => {
                if !continues {
                    self.leading.forget();
                }
                self.leading.see(&slice);
            }
        }
        Ok(slice)
    }

    /// Splits a slice into the leading system messages of the conversation and the rest.
    async fn split(&self, slice: Slice) -> Result<Parts, HistoryError> {
        let Slice { messages, version, .. } = &slice;
        let leading = if slice.start() == 0 {
            messages.slice(..count_leading_system(messages))
        } else {
            self.leading.read(&self.conversation.session, *version).await?
        };
        let overlap = (leading.len() as u64).saturating_sub(slice.start());
        let overlap = usize::try_from(overlap).unwrap_or(usize::MAX);
        Ok(Parts { leading, body: messages.slice(overlap..), version: *version })
    }
}

/// The leading system messages, and the end of a conversation.
struct Parts {
    leading: Messages,
    body: Messages,
    version: Version,
}

impl Parts {
    fn join(self) -> Slice {
        let Self { mut leading, body, version } = self;
        if leading.is_empty() {
            return Slice::new(body, version);
        }
        leading.append(&body);
        Slice::new(leading, version)
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
    conversation_methods!();
    conversation_at!();

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let slice = match self.trim {
            Trim::Turns if self.step > 1 && self.k > 0 => self.stepped_turns().await?,
            Trim::Turns => self.last_turns().await?,
            Trim::LangChain => {
                let messages = self.k.saturating_mul(2);
                self.conversation.session.load(Range::LastMessages(messages)).await?
            }
        };
        Ok(self.conversation.loaded(self.conversation.show(slice.messages), slice.version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    /// Stores a note of the leading system messages, for processes that load the conversation
    /// later.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.leading.store(&self.conversation.session).await)
    }

    fn needs_maintenance(&self) -> bool {
        self.leading.is_unstored()
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.held.forget();
        self.leading.forget();
        Ok(())
    }
}
