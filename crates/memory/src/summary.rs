//! The memory that shows a summary of the conversation.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    BoxError, ChatHistory, HistoryError, LanguageModel, LoadContext, Loaded, MaintainContext,
    Memory, MemoryError, Message, Messages, Saved, Slice, Ticket, Turn, Value,
};

use crate::{
    conversation::{
        Conversation,
        derived_state::{Derived, DerivedState, is_lost},
        note::Covered,
        settings::{conversation_at, conversation_methods, conversation_settings},
    },
    llm::{
        attempts::Attempts,
        summarizer::{Summarizer, not_summarized, summary_settings},
    },
};

/// Shows a summary of the conversation, as text or as a system message.
///
/// Needs the feature `summaries`.
///
/// LangChain 0.1.20 `langchain/memory/summary.py::ConversationSummaryMemory`.
///
/// The summary is extended after each turn by [`maintain`](Memory::maintain). That is one call of
/// the model for each turn, or for each 64 KiB of a conversation that is older than its summary. It
/// is stored as a note of the session with the version that it covers, so it survives a restart.
///
/// A summary is cut after 64 KiB, and `[…]` marks the place. A message counts as covered once its
/// summary is stored. If the model fails, the call is cancelled or the answer is blank, the turn is
/// shown in full after the summary. A [`Warning`](conversant_core::Warning) reports the cause, and
/// the next turn tries again. An older turn that the model does not accept, because a content
/// filter refuses it or it is too long even when its texts are cut, is left out: `[…]` marks the
/// place, and a warning reports it.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LoadContext, Memory, Message, Ticket, Turn};
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
/// let memory = SummaryMemory::new(Scribe);
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
    summarizer: Summarizer,
    state: DerivedState,
}

/// A summary, and the messages that it does not cover.
struct Summarized {
    summary: String,
    rest: Slice,
}

impl SummaryMemory {
    /// Creates a memory with its own in-memory conversation. It shows this model's summary as text
    /// in the variable `history`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>) -> Self {
        Self {
            conversation: Conversation::new(),
            summarizer: Summarizer::new(model.into()),
            state: DerivedState::new("summary"),
        }
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            conversation: self.conversation.over(history),
            summarizer: self.summarizer.clone(),
            state: DerivedState::new("summary"),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.state.forget();
    }

    async fn read(&self) -> Result<Summarized, HistoryError> {
        let Derived { body, uncovered } = self.state.read(&self.conversation.session).await?;
        let summary = body.map(|body| body.to_text().into_owned()).unwrap_or_default();
        Ok(Summarized { summary, rest: uncovered })
    }

    /// Extends the summary to the messages that it does not cover.
    async fn summarize(
        &self,
        attempts: &mut Attempts,
        context: MaintainContext<'_>,
    ) -> Result<(), BoxError> {
        let mut written = None;
        loop {
            let Summarized { summary, rest } = self.read().await?;
            if rest.messages.is_empty() || is_lost(&rest, written) {
                return Ok(());
            }
            let transcript = &self.conversation.transcript;
            let extended = self
                .summarizer
                .extend(summary, &rest.messages, attempts, transcript, context)
                .await?;
            let Some((summary, messages)) = extended else { continue };
            let covered = Covered::up_to(&rest, messages);
            self.state.write(&self.conversation.session, Value::from(summary), covered).await?;
            written = Some(covered);
        }
    }

    fn show(&self, summarized: &Summarized) -> Value {
        let Summarized { summary, rest } = summarized;
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
    conversation_methods!();
    conversation_at!();

    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let summarized = self.read().await?;
        Ok(self.conversation.loaded(self.show(&summarized), summarized.rest.version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.maintain_with(MaintainContext::new()).await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let mut attempts = Attempts::new();
        let failed = self.summarize(&mut attempts, context).await.err().map(not_summarized);
        let saved = failed.into_iter().fold(Saved::default(), Saved::with_warning);
        Ok(attempts.add_warning(saved))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.state.forget();
        Ok(())
    }
}
