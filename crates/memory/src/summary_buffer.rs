//! The memory that shows the last turns, and a summary of those before.

mod body;

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    BoxError, HistoryError, LanguageModel, LoadContext, Loaded, Memory, MemoryError, Messages,
    Saved, Slice, Slot, Ticket, TokenCounter, Turn, TurnKeys, Version, Warning,
};

use self::body::Body;
use crate::{
    Trim,
    budget::{Budget, budget_settings, fitting, total},
    conversation::{Conversation, conversation_settings},
    derived::Derived,
    summariser::{Summariser, at_once, is_behind, not_written, summary_settings},
    tail::Tail,
    turns,
};

/// Shows the last turns that fit into a limit of tokens, after a summary of all before them, as text or as messages. LangChain's
/// `ConversationSummaryBufferMemory`.
///
/// What exceeds the limit is summarised after the turn, by [`maintain`](Memory::maintain), and the summary is kept beside the conversation with the point that it
/// goes to, so it survives a restart. A message counts as covered once its summary is stored and not before: if the model fails, if the call
/// is cancelled, or if the answer is empty, all that the summary does not cover is shown, above the limit though it is, a
/// [`Warning`](conversant_core::Warning) tells why, and the next turn tries again.
///
/// Under [`Trim::Turns`] whole turns go into the summary, which counts against the limit, and the system messages that the conversation opens with stay.
/// A newest turn that alone exceeds the limit is summarised too. Under [`Trim::LangChain`] one message at a time goes, and
/// the summary is not counted.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LanguageModel, LoadContext, Memory, Message, Ticket, TokenCounter, Turn};
/// use conversant_core::{ChatModel, ChatRequest, ModelError, Reply};
/// use conversant_memory::SummaryBufferMemory;
///
/// struct Words;
///
/// impl TokenCounter for Words {
///     fn count_text(&self, text: &str) -> usize {
///         text.split_whitespace().count()
///     }
/// }
///
/// struct Scribe;
///
/// #[async_trait]
/// impl ChatModel for Scribe {
///     async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
///         Ok(Reply::new(Message::ai("They greeted.")))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = SummaryBufferMemory::new(LanguageModel::chat(Scribe), Words).with_max_token_limit(9);
/// memory.save(&Turn::exchange("hi", "hello"), Ticket::default()).await?;
/// memory.save(&Turn::exchange("how are you?", "fine"), Ticket::default()).await?;
/// memory.maintain().await?; // a chain does this after each answer
///
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// let shown = "System: They greeted.\nHuman: how are you?\nAI: fine";
/// assert_eq!(loaded.variables, vars! { "history" => shown });
/// # Ok(())
/// # }
/// ```
pub struct SummaryBufferMemory {
    conversation: Conversation,
    budget: Budget,
    summariser: Summariser,
    summary: Derived,
    rest: Tail,
}

/// A summary, and the messages that it does not cover.
struct Seen {
    body: Body,
    rest: Slice,
}

impl SummaryBufferMemory {
    /// Creates a memory with a conversation of its own, of which it shows what fits into 2,000 tokens, and this model's summary
    /// of the rest, as text in the variable `history`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>, counter: impl TokenCounter + 'static) -> Self {
        Self {
            conversation: Conversation::new(),
            budget: Budget::new(Arc::new(counter)),
            summariser: Summariser::new(model.into()),
            summary: Derived::new("summary_buffer"),
            rest: Tail::default(),
        }
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.forget();
    }

    fn forget(&self) {
        self.summary.forget();
        self.rest.forget();
    }

    async fn read(&self) -> Result<Seen, HistoryError> {
        let note = self.summary.read(&self.conversation).await?;
        let covers = note.as_ref().map(|note| note.covers);
        let mut rest = self.rest.after(&self.conversation, covers).await?;
        let current = note.filter(|note| note.covers.epoch == rest.version.epoch);
        let mut body = match current {
            Some(note) => Body::read(&note.body)?,
            None => Body::default(),
        };
        if rest.start() == 0 && self.budget.trim == Trim::Turns {
            let opening = turns::opening(&rest.messages);
            body.opening = rest.messages.slice(..opening);
            rest.messages = rest.messages.slice(opening..);
        }
        Ok(Seen { body, rest })
    }

    /// Writes and stores summaries until what is shown fits. Returns the warning that it can't be made to.
    async fn shrink(&self) -> Result<Option<Warning>, BoxError> {
        let mut written = None;
        loop {
            let Seen { mut body, rest } = self.read().await?;
            let too_much = rest.messages.slice(..self.too_much(&body, &rest.messages));
            if too_much.is_empty() || is_behind(&rest, written) {
                return Ok(self.too_long(&body));
            }
            let old = at_once(&too_much);
            let transcript = &self.conversation.transcript;
            body.summary = self.summariser.go_on(&body.summary, &old, transcript).await?;
            let messages = rest.start() + old.len() as u64;
            let covers = Version::new(rest.version.epoch, messages);
            self.summary.write(&self.conversation, body.write(), covers).await?;
            written = Some(covers);
        }
    }

    /// Warns of a summary that alone exceeds the limit. It is shown all the same: it is all that there is of what it covers.
    fn too_long(&self, body: &Body) -> Option<Warning> {
        let budget = self.budget.available();
        let size = self.budget.size(&body.message()?);
        let exceeds = self.budget.trim == Trim::Turns && size > budget;
        let what = format!("the summary takes {size} tokens, and the memory's budget is {budget}");
        exceeds.then(|| Warning::new(what, None))
    }

    /// Returns how many messages have to go into the summary.
    fn too_much(&self, body: &Body, rest: &Messages) -> usize {
        let sizes = self.budget.sizes(rest);
        let budget = self.budget.available();
        if self.budget.trim == Trim::LangChain {
            return fitting(&sizes, budget);
        }
        let opening = total(self.budget.sizes(&body.opening));
        let summary = body.message().map_or(0, |summary| self.budget.size(&summary));
        let from =
            budget.checked_sub(opening.saturating_add(summary)).map(|left| fitting(&sizes, left));
        match from {
            Some(0) => 0,
            Some(from) => {
                turns::starts(rest).into_iter().find(|&start| start >= from).unwrap_or(rest.len())
            }
            None => rest.len(),
        }
    }
}

conversation_settings!(SummaryBufferMemory: prefixes, text_or_messages);
budget_settings!(SummaryBufferMemory);
summary_settings!(SummaryBufferMemory);

#[async_trait]
impl Memory for SummaryBufferMemory {
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.budget.count_template(&self.conversation, context)?;
        let Seen { body, rest } = self.read().await?;
        let mut shown = body.opening.clone();
        shown.extend(body.message());
        shown.append(&rest.messages);
        Ok(self.conversation.loaded(self.conversation.show(shown), rest.version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(match self.shrink().await {
            Ok(warning) => warning.into_iter().fold(Saved::default(), Saved::with_warning),
            Err(error) => not_written(error),
        })
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
