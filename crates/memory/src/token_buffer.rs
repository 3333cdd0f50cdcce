//! The memory that shows the end of a conversation within a token limit.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, LoadContext, Loaded, Memory, MemoryError, Messages, Range, Saved, Ticket,
    TokenCounter, Turn,
};

use crate::{
    conversation::{
        Conversation,
        leading_system::LeadingSystem,
        settings::{conversation_at, conversation_methods, conversation_settings},
        suffix_cache::{CachedSuffix, Extension},
    },
    sync::lock,
    trim::{
        Oversized, Trim,
        sizes::total,
        token_budget::{TokenBudget, budget_settings},
        truncate::truncate,
    },
};

/// The number of messages that the first load reads from the end.
const FIRST_READ: usize = 32;

/// Shows the end of a conversation within a token limit, as text or as messages.
///
/// LangChain 0.1.20 `langchain/memory/token_buffer.py::ConversationTokenBufferMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_max_token_limit`](Self::with_max_token_limit) | 2,000 tokens |
/// | [`with_low_water`](Self::with_low_water) | 0.5 of the limit |
/// | [`with_reserved_tokens`](Self::with_reserved_tokens) | 0 tokens |
/// | [`with_template`](Self::with_template) | the prompt is not counted |
/// | [`with_trim`](Self::with_trim) | [`Trim::Turns`] |
/// | [`with_oversized`](Self::with_oversized) | [`Oversized::Truncate`] |
///
/// Under [`Trim::Turns`], whole turns are shown after the system messages at the start of the
/// conversation. A conversation that exceeds the limit falls to the low-water mark, so that
/// consecutive prompts share a prefix. The fall depends on the conversation and the settings alone.
/// A newest turn that alone exceeds the limit is truncated in the view and stays whole in the
/// history.
///
/// Under [`Trim::LangChain`], the last messages that fit are shown, of any role and possibly none.
///
/// A load reads the new messages only, and counts each message once. The first load of a process
/// reads from the end. It reads at most 256 messages more than it shows, or one for each 16 tokens
/// of the limit if that is more.
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
    budget: TokenBudget,
    oversized: Oversized,
    cached: Mutex<Option<CachedSuffix>>,
    leading: LeadingSystem,
}

impl TokenBufferMemory {
    /// Creates a memory with its own in-memory conversation. It shows up to 2,000 tokens as text in
    /// the variable `history`.
    #[must_use]
    pub fn new(counter: impl TokenCounter + 'static) -> Self {
        Self {
            conversation: Conversation::new(),
            budget: TokenBudget::new(Arc::new(counter)),
            oversized: Oversized::default(),
            cached: Mutex::default(),
            leading: LeadingSystem::new(),
        }
    }

    /// Sets the treatment of a newest turn that alone exceeds the limit, under [`Trim::Turns`]. The
    /// default is [`Oversized::Truncate`].
    #[must_use]
    pub const fn with_oversized(mut self, oversized: Oversized) -> Self {
        self.oversized = oversized;
        self
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            conversation: self.conversation.over(history),
            budget: self.budget.again(),
            oversized: self.oversized,
            cached: Mutex::default(),
            leading: LeadingSystem::new(),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.forget();
    }

    fn forget(&self) {
        *lock(&self.cached) = None;
        self.leading.forget();
    }

    /// Returns the end of the conversation that is shown, and loads only the new messages.
    async fn read(&self) -> Result<CachedSuffix, MemoryError> {
        let asked = lock(&self.cached).as_ref().map(CachedSuffix::version);
        if let Some(asked) = asked {
            let slice = self.conversation.session.load(Range::After(asked)).await?;
            let mut cached = lock(&self.cached);
            match cached.take().map(|suffix| suffix.extend(asked, &slice, &self.budget)) {
                Some(Extension::Extended(suffix)) => {
                    self.learn_leading(&suffix);
                    return Ok(cached.insert(suffix).clone());
                }
                Some(Extension::Replaced) => self.leading.forget(),
                Some(Extension::Outdated) | None => {}
            }
        }
        let suffix = self.read_from_end().await?;
        self.learn_leading(&suffix);
        *lock(&self.cached) = Some(suffix.clone());
        Ok(suffix)
    }

    /// Keeps the leading system messages for processes that load the conversation from its end.
    fn learn_leading(&self, suffix: &CachedSuffix) {
        if suffix.is_cut() && self.budget.trim == Trim::Turns {
            self.leading.learn(suffix.version(), &suffix.leading, false);
        }
    }

    async fn read_from_end(&self) -> Result<CachedSuffix, MemoryError> {
        let session = &self.conversation.session;
        let mut count = FIRST_READ;
        let slice = loop {
            let slice = session.load(Range::LastMessages(count)).await?;
            if slice.start() == 0 || slice.messages.len() < count {
                return Ok(CachedSuffix::of_whole(&slice, &self.budget));
            }
            match CachedSuffix::missing(&slice, &self.budget) {
                Some(more) => count = more,
                None => break slice,
            }
        };
        let leading = match self.budget.trim {
            Trim::Turns => self.leading.read(session, slice.version).await?,
            Trim::LangChain => Messages::new(),
        };
        Ok(CachedSuffix::of_end(&slice, leading, &self.budget))
    }

    /// Returns the messages that are shown.
    fn shown(&self, suffix: &CachedSuffix) -> Result<Messages, MemoryError> {
        if self.budget.trim == Trim::LangChain {
            return Ok(suffix.body.clone());
        }
        let budget = self.budget.available();
        let leading = total(self.budget.sizes(&suffix.leading));
        let sizes = self.budget.sizes(&suffix.body);
        let left = budget.checked_sub(leading);
        let mut shown = suffix.leading.clone();
        if left.is_some_and(|left| total(sizes.iter().copied()) <= left) {
            shown.append(&suffix.body);
            return Ok(shown);
        }
        // Only a newest turn that alone exceeds the limit is left in the body.
        let newest = suffix.boundaries().last().copied().unwrap_or_default();
        match left.filter(|_| self.oversized == Oversized::Truncate) {
            Some(left) => {
                let turn = suffix.body.slice(newest..);
                shown.append(&truncate(&turn, left, |message| self.budget.size(message)));
                Ok(shown)
            }
            None => {
                let size = leading.saturating_add(total(sizes.into_iter().skip(newest)));
                Err(MemoryError::OverBudget { size, budget })
            }
        }
    }
}

conversation_settings!(TokenBufferMemory: prefixes, text_or_messages);
budget_settings!(TokenBufferMemory);

#[async_trait]
impl Memory for TokenBufferMemory {
    conversation_methods!();
    conversation_at!();

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let empty = || self.conversation.show(Messages::new());
        self.budget.count_template(self.conversation.name(), empty, context)?;
        let suffix = self.read().await?;
        let shown = self.shown(&suffix)?;
        Ok(self.conversation.loaded(self.conversation.show(shown), suffix.version()))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    /// Stores a note of the leading system messages, once other messages have been dropped.
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.leading.store(&self.conversation.session).await)
    }

    fn needs_maintenance(&self) -> bool {
        self.leading.is_unstored()
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
