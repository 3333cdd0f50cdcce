//! The memory that shows as much of a conversation's end as fits into a limit.

mod kept;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conversant_core::{
    LoadContext, Loaded, Memory, MemoryError, Messages, Range, Saved, Slot, Ticket, TokenCounter,
    Turn, TurnKeys,
};

use self::kept::Kept;
use crate::{
    Oversized, Trim,
    budget::{Budget, budget_settings, fitting, total},
    conversation::{Conversation, conversation_settings, lock},
    cut,
    opening::Opening,
    turns,
};

/// How many messages the first load asks for; each further one asks for four times as many.
const FIRST_READ: usize = 32;

/// Shows as much of a conversation's end as fits into a limit of tokens, as text or as messages. LangChain's
/// `ConversationTokenBufferMemory`.
///
/// Under [`Trim::Turns`] whole turns are shown, after the system messages that the conversation opens with; a newest turn that alone
/// exceeds the limit is refused or cut ([`Oversized`]). Under [`Trim::LangChain`] the last messages that fit are shown, whoever they are
/// from: possibly none.
///
/// What is cut off is not read again: a turn costs what it adds and what is shown, however long the conversation is. A message
/// is counted once.
///
/// # Examples
///
/// ```
/// use conversant_core::{vars, LoadContext, Memory, Ticket, TokenCounter, Turn};
/// use conversant_memory::TokenBufferMemory;
///
/// struct Words;
///
/// impl TokenCounter for Words {
///     fn count_text(&self, text: &str) -> usize {
///         text.split_whitespace().count()
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = TokenBufferMemory::new(Words).with_max_token_limit(7);
/// memory.save(&Turn::exchange("hi", "hello"), Ticket::default()).await?;
/// memory.save(&Turn::exchange("how are you?", "fine"), Ticket::default()).await?;
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "Human: how are you?\nAI: fine" });
/// # Ok(())
/// # }
/// ```
pub struct TokenBufferMemory {
    conversation: Conversation,
    budget: Budget,
    oversized: Oversized,
    kept: Mutex<Option<Kept>>,
    opening: Opening,
}

impl TokenBufferMemory {
    /// Creates a memory with a conversation of its own, of which it shows what fits into 2,000 tokens as text in the variable
    /// `history`.
    #[must_use]
    pub fn new(counter: impl TokenCounter + 'static) -> Self {
        Self {
            conversation: Conversation::new(),
            budget: Budget::new(Arc::new(counter)),
            oversized: Oversized::default(),
            kept: Mutex::default(),
            opening: Opening::new(),
        }
    }

    /// Sets what becomes of a newest turn that alone exceeds the limit, under [`Trim::Turns`]. By default it is refused.
    #[must_use]
    pub const fn with_oversized(mut self, oversized: Oversized) -> Self {
        self.oversized = oversized;
        self
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.forget();
    }

    fn forget(&self) {
        *lock(&self.kept) = None;
        self.opening.forget();
    }

    /// Returns the end of the conversation that matters, reading only what was added since the last time.
    async fn read(&self) -> Result<Kept, MemoryError> {
        let asked = lock(&self.kept).as_ref().map(Kept::version);
        if let Some(asked) = asked {
            let slice = self.conversation.load(Range::After(asked)).await?;
            let mut kept = lock(&self.kept);
            let held = kept.take();
            if let Some(held) = held.and_then(|held| held.take_in(asked, &slice)) {
                return Ok(kept.insert(self.trimmed(held)).clone());
            }
        }
        let fresh = self.trimmed(self.read_afresh().await?);
        *lock(&self.kept) = Some(fresh.clone());
        Ok(fresh)
    }

    /// Lets go of what no load will show again, and remembers how the conversation opens.
    fn trimmed(&self, kept: Kept) -> Kept {
        let kept = kept.trimmed(&self.budget);
        if kept.is_cut() && self.budget.trim == Trim::Turns {
            self.opening.learn(kept.version(), &kept.opening, false);
        }
        kept
    }

    /// Reads from the conversation's end as far back as the limit goes.
    async fn read_afresh(&self) -> Result<Kept, MemoryError> {
        let mut count = FIRST_READ;
        let slice = loop {
            let slice = self.conversation.load(Range::LastMessages(count)).await?;
            if slice.start() == 0 || slice.messages.len() < count {
                return Ok(Kept::whole(&slice, self.budget.trim));
            }
            let sizes = self.budget.sizes(&slice.messages);
            let is_enough = fitting(&sizes, self.budget.limit) > 0;
            if is_enough
                && (self.budget.trim == Trim::LangChain
                    || !turns::starts(&slice.messages).is_empty())
            {
                break slice;
            }
            count = count.saturating_mul(4);
        };
        let opening = match self.budget.trim {
            Trim::Turns => self.opening.read(&self.conversation, slice.version).await?,
            Trim::LangChain => Messages::new(),
        };
        Ok(Kept::end(slice, opening, self.budget.trim))
    }

    /// Returns what is shown of the end of the conversation.
    fn shown(&self, kept: &Kept) -> Result<Messages, MemoryError> {
        let budget = self.budget.available();
        let sizes = self.budget.sizes(&kept.body);
        if self.budget.trim == Trim::LangChain {
            return Ok(kept.body.slice(fitting(&sizes, budget)..));
        }
        let opening = total(self.budget.sizes(&kept.opening));
        let mut shown = kept.opening.clone();
        let starts = kept.starts();
        let from = budget.checked_sub(opening).map(|left| fitting(&sizes, left));
        let fits = from.and_then(|from| starts.iter().copied().find(|&start| start >= from));
        match (fits, starts.last()) {
            (Some(start), _) => shown.append(&kept.body.slice(start..)),
            (None, None) if opening <= budget => {}
            (None, newest) => {
                let newest = newest.copied().unwrap_or_default();
                let turn = kept.body.slice(newest..);
                let left = budget.checked_sub(opening);
                let cut = left
                    .filter(|_| self.oversized == Oversized::Cut)
                    .and_then(|left| cut::to_fit(&turn, left, |message| self.budget.size(message)));
                let size = opening.saturating_add(total(sizes.into_iter().skip(newest)));
                shown.append(&cut.ok_or(MemoryError::OverBudget { size, budget })?);
            }
        }
        Ok(shown)
    }
}

conversation_settings!(TokenBufferMemory: prefixes, text_or_messages);
budget_settings!(TokenBufferMemory);

#[async_trait]
impl Memory for TokenBufferMemory {
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.budget.count_template(&self.conversation, context)?;
        let kept = self.read().await?;
        let shown = self.shown(&kept)?;
        Ok(self.conversation.loaded(self.conversation.show(shown), kept.version()))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    /// Notes the system messages that the conversation opens with, once something of it was cut off.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.opening.note(&self.conversation).await)
    }

    fn needs_maintenance(&self) -> bool {
        self.opening.is_unnoted()
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
