//! The memory that shows a summary of the conversation.

use async_trait::async_trait;
use conversant_core::{
    BoxError, HistoryError, LanguageModel, LoadContext, Loaded, Memory, MemoryError, Message,
    Messages, Saved, Slice, Slot, Ticket, Turn, TurnKeys, Value, Version,
};

use crate::{
    conversation::{Conversation, conversation_settings},
    derived::Derived,
    summariser::{Summariser, at_once, is_behind, not_written, summary_settings},
    tail::Tail,
};

/// Shows a summary of the conversation, as text or as a system message. LangChain's `ConversationSummaryMemory`.
///
/// The summary is rewritten after each turn, by [`maintain`](Memory::maintain), and kept beside the conversation with the point that it goes to, so it
/// survives a restart. A message counts as covered once its summary is stored and not before: if the model fails, if the call is cancelled, or if
/// the answer is empty, the turn is shown after the summary as it was said, a [`Warning`](conversant_core::Warning) tells
/// why, and the next turn tries again.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LanguageModel, LoadContext, Memory, Message, Ticket, Turn};
/// use conversant_core::{ChatModel, ChatRequest, ModelError, Reply};
/// use conversant_memory::SummaryMemory;
///
/// struct Scribe;
///
/// #[async_trait]
/// impl ChatModel for Scribe {
///     async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
///         Ok(Reply::new(Message::ai("They greeted each other.")))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = SummaryMemory::new(LanguageModel::chat(Scribe));
/// memory.save(&Turn::exchange("hi", "hello"), Ticket::default()).await?;
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "Human: hi\nAI: hello" });
///
/// memory.maintain().await?; // a chain does this after each answer
/// let loaded = memory.load(LoadContext::new(&vars! {})).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "They greeted each other." });
/// # Ok(())
/// # }
/// ```
pub struct SummaryMemory {
    conversation: Conversation,
    summariser: Summariser,
    summary: Derived,
    rest: Tail,
}

/// A summary, and the messages that it does not cover.
struct Seen {
    summary: String,
    rest: Slice,
}

impl SummaryMemory {
    /// Creates a memory with a conversation of its own, whose summary by this model it shows as text in the variable `history`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>) -> Self {
        Self {
            conversation: Conversation::new(),
            summariser: Summariser::new(model.into()),
            summary: Derived::new("summary"),
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
        let rest = self.rest.after(&self.conversation, covers).await?;
        let current = note.filter(|note| note.covers.epoch == rest.version.epoch);
        let summary = current.map(|note| note.body.to_text().into_owned()).unwrap_or_default();
        Ok(Seen { summary, rest })
    }

    /// Makes the summary cover what it does not cover yet.
    async fn go_on(&self) -> Result<(), BoxError> {
        let mut written = None;
        loop {
            let Seen { summary, rest } = self.read().await?;
            let new = at_once(&rest.messages);
            if new.is_empty() || is_behind(&rest, written) {
                return Ok(());
            }
            let transcript = &self.conversation.transcript;
            let summary = self.summariser.go_on(&summary, &new, transcript).await?;
            let covers = Version::new(rest.version.epoch, rest.start() + new.len() as u64);
            self.summary.write(&self.conversation, Value::from(summary), covers).await?;
            written = Some(covers);
        }
    }

    fn show(&self, seen: &Seen) -> Value {
        let Seen { summary, rest } = seen;
        let has_rest = !rest.messages.is_empty();
        if self.conversation.shows_messages() {
            let mut shown = Messages::new();
            if !summary.is_empty() || !has_rest {
                shown.push(Message::system(summary.as_str()));
            }
            shown.append(&rest.messages);
            return Value::from(shown);
        }
        let rest = self.conversation.transcript.render(&rest.messages);
        let gap = if has_rest && !summary.is_empty() { "\n" } else { "" };
        Value::from(format!("{summary}{gap}{rest}"))
    }
}

conversation_settings!(SummaryMemory: prefixes, text_or_messages);
summary_settings!(SummaryMemory);

#[async_trait]
impl Memory for SummaryMemory {
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let seen = self.read().await?;
        Ok(self.conversation.loaded(self.show(&seen), seen.rest.version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.go_on().await.err().map_or_else(Saved::default, not_written))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
