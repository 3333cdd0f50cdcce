//! The memory that shows the last turns after a summary of the earlier ones.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conversant_core::{
    BoxError, ChatHistory, HistoryError, LanguageModel, LoadContext, Loaded, MaintainContext,
    Memory, MemoryError, Message, Messages, Saved, Slice, Ticket, TokenCounter, Turn, Value,
    Warning,
};
use serde_json::{Value as Json, json};

use crate::{
    conversation::{
        Conversation,
        derived_state::{Derived, DerivedState, is_lost},
        note::Covered,
        settings::{conversation_at, conversation_methods, conversation_settings},
        turn_boundaries::{boundaries, count_leading_system},
    },
    llm::{
        attempts::Attempts,
        summarizer::{Summarizer, not_summarized, summary_settings},
    },
    sync::lock,
    trim::{
        Trim,
        sizes::{fitting, total},
        token_budget::{TokenBudget, budget_settings},
    },
};

/// The name of the note.
const NOTE: &str = "summary_buffer";

/// Shows the last turns within a token limit, after a summary of the earlier ones, as text or as
/// messages.
///
/// Needs the feature `summaries`.
///
/// LangChain 0.1.20 `langchain/memory/summary_buffer.py::ConversationSummaryBufferMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_max_token_limit`](Self::with_max_token_limit) | 2,000 tokens |
/// | [`with_low_water`](Self::with_low_water) | 0.5 of what the summary leaves |
/// | [`with_reserved_tokens`](Self::with_reserved_tokens) | 0 tokens |
/// | [`with_template`](Self::with_template) | the prompt is not counted |
/// | [`with_trim`](Self::with_trim) | [`Trim::Turns`] |
///
/// Messages that exceed the limit are summarised after the turn by [`maintain`](Memory::maintain).
/// They go down to the low-water mark at once, so that one call of the model covers many turns.
/// With the defaults, that is one call in about twenty turns of 100 tokens. The summary is stored
/// as a note of the session, with the version that it covers. It survives a restart, and another
/// process shows the same.
///
/// A summary is cut after 64 KiB, and `[…]` marks the place. A message counts as covered once its
/// summary is stored. If the model fails, the call is cancelled or the answer is blank, all
/// messages that the summary does not cover are shown, even above the limit. A
/// [`Warning`](conversant_core::Warning) reports the cause, and the next turn tries again. A turn
/// that the model does not accept, because a content filter refuses it or it is too long even when
/// its texts are cut, is left out: `[…]` marks the place, and a warning reports it.
///
/// Under [`Trim::Turns`], whole turns are summarised, the summary counts against the limit, and the
/// system messages at the start of the conversation stay. A newest turn that alone exceeds the
/// limit is summarised too. Under [`Trim::LangChain`], single messages are summarised and the
/// summary is not counted.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LoadContext, Memory, Message, Ticket, TokenCounter, Turn};
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
/// let memory = SummaryBufferMemory::new(Scribe, Words).with_max_token_limit(9);
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
    budget: TokenBudget,
    summarizer: Summarizer,
    state: DerivedState,
    /// The last summary that was counted, and its size.
    counted: Mutex<Option<(String, usize)>>,
}

/// A summary, the system messages before it, and the messages that it does not cover.
struct Summarized {
    leading: Messages,
    summary: String,
    rest: Slice,
}

impl Summarized {
    /// Returns the summary as the message that shows it.
    fn message(&self) -> Option<Message> {
        (!self.summary.is_empty()).then(|| Message::system(self.summary.as_str()))
    }
}

impl SummaryBufferMemory {
    /// Creates a memory with its own in-memory conversation. It shows up to 2,000 tokens, and this
    /// model's summary of the earlier turns, as text in the variable `history`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>, counter: impl TokenCounter + 'static) -> Self {
        Self {
            conversation: Conversation::new(),
            budget: TokenBudget::new(Arc::new(counter)),
            summarizer: Summarizer::new(model.into()),
            state: DerivedState::new(NOTE),
            counted: Mutex::default(),
        }
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            conversation: self.conversation.over(history),
            budget: self.budget.again(),
            summarizer: self.summarizer.clone(),
            state: DerivedState::new(NOTE),
            counted: Mutex::default(),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.state.forget();
        *lock(&self.counted) = None;
    }

    /// Returns the size of the summary as it is shown. A summary is counted once.
    fn summary_size(&self, summarized: &Summarized) -> usize {
        let Some(message) = summarized.message() else { return 0 };
        let mut counted = lock(&self.counted);
        match &*counted {
            Some((summary, size)) if *summary == summarized.summary => *size,
            _ => {
                let size = self.budget.size(&message);
                *counted = Some((summarized.summary.clone(), size));
                size
            }
        }
    }

    async fn read(&self) -> Result<Summarized, HistoryError> {
        let Derived { body, uncovered: mut rest } =
            self.state.read(&self.conversation.session).await?;
        let (mut leading, summary) = match body {
            Some(body) => decode(&body)?,
            None => (Messages::new(), String::new()),
        };
        if rest.start() == 0 && self.budget.trim == Trim::Turns {
            let count = count_leading_system(&rest.messages);
            leading = rest.messages.slice(..count);
            rest.messages = rest.messages.slice(count..);
        }
        Ok(Summarized { leading, summary, rest })
    }

    /// Extends and stores the summary until the shown messages fit. Returns a warning if the
    /// summary alone exceeds the limit.
    async fn summarize(
        &self,
        attempts: &mut Attempts,
        context: MaintainContext<'_>,
    ) -> Result<Option<Warning>, BoxError> {
        let mut written = None;
        loop {
            let mut summarized = self.read().await?;
            let rest = &summarized.rest;
            let excess = rest.messages.slice(..self.count_excess(&summarized));
            if excess.is_empty() || is_lost(rest, written) {
                return Ok(self.summary_too_long(&summarized));
            }
            let transcript = &self.conversation.transcript;
            let summary = std::mem::take(&mut summarized.summary);
            let extended =
                self.summarizer.extend(summary, &excess, attempts, transcript, context).await?;
            let Some((summary, messages)) = extended else { continue };
            let covered = Covered::up_to(rest, messages);
            summarized.summary = summary;
            self.state.write(&self.conversation.session, encode(summarized), covered).await?;
            written = Some(covered);
        }
    }

    /// Returns a warning if the summary alone exceeds the limit. It is shown nevertheless, since
    /// nothing else represents the messages that it covers.
    fn summary_too_long(&self, summarized: &Summarized) -> Option<Warning> {
        let budget = self.budget.available();
        let size = self.summary_size(summarized);
        let exceeds = self.budget.trim == Trim::Turns && size > budget;
        let what = format!("the summary of {size} tokens exceeds the memory's budget of {budget}");
        exceeds.then(|| Warning::new(what, None))
    }

    /// Returns the number of messages to summarise.
    fn count_excess(&self, summarized: &Summarized) -> usize {
        let rest = &summarized.rest.messages;
        let sizes = self.budget.sizes(rest);
        if self.budget.trim == Trim::LangChain {
            return fitting(&sizes, self.budget.limit);
        }
        let leading = total(self.budget.sizes(&summarized.leading));
        let summary = self.summary_size(summarized);
        let Some(marks) = self.budget.marks(leading.saturating_add(summary)) else {
            return rest.len();
        };
        let [high, low] = [marks.high, marks.low].map(|mark| fitting(&sizes, mark));
        if high == 0 {
            return 0;
        }
        let boundaries = boundaries(rest);
        let first = boundaries.iter().find(|&&boundary| boundary >= low);
        let newest = || boundaries.last().filter(|&&boundary| boundary >= high);
        first.or_else(newest).copied().unwrap_or(rest.len())
    }
}

/// Decodes the content of a note: the leading system messages, and the summary.
fn decode(body: &Value) -> Result<(Messages, String), HistoryError> {
    let Value::Data(data) = body else {
        return Ok((Messages::new(), body.to_text().into_owned()));
    };
    let corrupt = |source: serde_json::Error| HistoryError::Corrupt {
        what: format!("the note `{NOTE}`"),
        source: Some(source.into()),
    };
    let field = |name: &str| data.get(name).cloned().unwrap_or_default();
    let leading = serde_json::from_value(field("opening")).map_err(corrupt)?;
    Ok((leading, serde_json::from_value(field("summary")).map_err(corrupt)?))
}

/// Encodes the content of a note. Without leading system messages it is the summary as text.
fn encode(summarized: Summarized) -> Value {
    let Summarized { leading, summary, .. } = summarized;
    if leading.is_empty() {
        return Value::from(summary);
    }
    let leading: Vec<Json> = leading.iter().map(Message::to_stored).collect();
    Value::from(json!({"summary": summary, "opening": leading}))
}

conversation_settings!(SummaryBufferMemory: prefixes, text_or_messages);
budget_settings!(SummaryBufferMemory);
summary_settings!(SummaryBufferMemory);

#[async_trait]
impl Memory for SummaryBufferMemory {
    conversation_methods!();
    conversation_at!();

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let empty = || self.conversation.show(Messages::new());
        self.budget.count_template(self.conversation.name(), empty, context)?;
        let summarized = self.read().await?;
        let message = summarized.message();
        let Summarized { leading: mut shown, rest, .. } = summarized;
        shown.extend(message);
        shown.append(&rest.messages);
        Ok(self.conversation.loaded(self.conversation.show(shown), rest.version))
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
        let summarized = self.summarize(&mut attempts, context).await;
        let warning = summarized.unwrap_or_else(|error| Some(not_summarized(error)));
        let saved = warning.into_iter().fold(Saved::default(), Saved::with_warning);
        Ok(attempts.add_warning(saved))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.state.forget();
        Ok(())
    }
}
