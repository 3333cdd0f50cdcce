//! The memory that extracts facts and shows those about the user's input.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    BoxError, ChatHistory, HistoryError, LanguageModel, LoadContext, Loaded, MaintainContext,
    Memory, MemoryError, Message, Messages, Prompt, PromptError, Range, RequestPurpose, Saved,
    Slice, Ticket, Turn, Value, Warning, vars,
};

use crate::{
    conversation::{
        Conversation,
        derived_state::{Derived, DerivedState, is_lost},
        note::Covered,
        settings::{conversation_at, conversation_methods, conversation_settings},
        turn_boundaries::turns,
    },
    llm::{
        attempts::Attempts,
        entity_extractor::{EntityExtractor, ExtractedNames, extraction_settings, human_text},
        limits::{MAX_TEXT, count_fitting_questions, shortened_messages},
        prompted_model::PromptedModel,
        static_prompt::Piece::{self, Text, Variable},
        triples::{KnowledgeGraph, SEPARATOR},
    },
};

/// The default number of entities about which facts are shown.
const DEFAULT_MAX_ENTITIES: usize = 100;

/// The prompt that requests facts.
const FACTS: &[Piece] = &[
    Text(
        "Below are a conversation and the human's last words in it. Write down each fact that the last words tell, as a \
         triple `(subject, relation, object)`. Put `<|>` between triples. Use full names for subjects; the conversation tells who `he` or \
         `it` is. Answer with the triples alone, or with NONE if the last words tell no fact.\n\nExample of last words: My \
         sister Ada moved to Lisbon.\nIts triples: (Ada, is, the human's sister)<|>(Ada, moved to, Lisbon)\n\nConversation:\n",
    ),
    Variable("history"),
    Text("\n\nLast words:\n"),
    Variable("input"),
    Text("\n\nTriples:"),
];

/// Shows facts about the entities in the user's input, as text or as system messages.
///
/// Needs the feature `entities`.
///
/// LangChain 0.1.20 `langchain_community/memory/kg.py::ConversationKGMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_k`](Self::with_k) | 2 turns |
/// | [`with_max_entities`](Self::with_max_entities) | 100 entities a call |
///
/// A load calls the model once to extract the names. Case is ignored: several spellings of a name
/// are one entity, and each fact is shown once at most. After the turn,
/// [`maintain`](Memory::maintain) calls it once to extract facts from the user's text. The last
/// 20,000 facts, with at most 4 MiB of text, are stored as a note of the session, so they survive a
/// restart. Of an answer of the model with more than 4 MiB, the rest is ignored.
///
/// If the model fails, neither the answer nor the turn is lost: a
/// [`Warning`](conversant_core::Warning) reports the cause, and the next turn tries again. An older
/// turn that the model does not accept, because a content filter refuses it or it is too long even
/// when its texts are cut, is left out, and a warning reports it.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LoadContext, Memory, Message, Ticket, Turn};
/// use conversant_core::{ChatModel, ChatRequest, ModelError, Reply};
/// use conversant_memory::KnowledgeGraphMemory;
///
/// struct Scribe;
///
/// #[async_trait]
/// impl ChatModel for Scribe {
///     async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
///         let asks_for_names = request.messages.to_string().ends_with("Names:");
///         Ok(Reply::new(Message::ai(if asks_for_names { "Ada" } else { "(Ada, lives in, Lisbon)" })))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = KnowledgeGraphMemory::new(Scribe);
/// memory.save(&Turn::exchange("Ada lives in Lisbon", "How nice!"), Ticket::default()).await?;
/// memory.maintain().await?; // a chain does this after each answer
///
/// let loaded = memory.load(LoadContext::new(&vars! { "input" => "Where is Ada?" })).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "On Ada: Ada lives in Lisbon." });
/// # Ok(())
/// # }
/// ```
pub struct KnowledgeGraphMemory {
    conversation: Conversation,
    k: usize,
    extractor: EntityExtractor,
    writer: PromptedModel,
    state: DerivedState,
}

impl KnowledgeGraphMemory {
    /// Creates a memory with its own in-memory conversation. It shows the facts that this model
    /// extracts as text in the variable `history`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>) -> Self {
        let model = model.into();
        Self {
            conversation: Conversation::new(),
            k: 2,
            extractor: EntityExtractor::new(model.clone(), DEFAULT_MAX_ENTITIES),
            writer: PromptedModel::new(model, FACTS, RequestPurpose::Facts),
            state: DerivedState::new("knowledge_graph"),
        }
    }

    /// Sets the number of turns that are shown to the memory's model. The default is 2.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets the most entities about which facts are shown. The default is 100. Further names in the
    /// user's input are ignored.
    #[must_use]
    pub const fn with_max_entities(mut self, entities: usize) -> Self {
        self.extractor.max_entities = entities;
        self
    }

    /// Sets the prompt that extracts facts, with the variables `history` and `input`. The answer is
    /// a list of facts such as `(subject, relation, object)`, separated by `<|>`.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`] if the prompt needs other variables.
    pub fn with_knowledge_extraction_prompt(
        mut self,
        prompt: impl Prompt + 'static,
    ) -> Result<Self, PromptError> {
        self.writer = self.writer.with_prompt(prompt, &["history", "input"])?;
        Ok(self)
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            conversation: self.conversation.over(history),
            k: self.k,
            extractor: self.extractor.clone(),
            writer: self.writer.clone(),
            state: DerivedState::new("knowledge_graph"),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.state.forget();
    }

    /// Returns the facts, and the turns from which none were extracted yet.
    async fn read(&self) -> Result<(KnowledgeGraph, Slice), HistoryError> {
        let Derived { body, uncovered } = self.state.read(&self.conversation.session).await?;
        let graph = body.map(|body| KnowledgeGraph::from_note(&body)).unwrap_or_default();
        Ok((graph, uncovered))
    }

    async fn recent(&self) -> Result<String, HistoryError> {
        let recent = self.conversation.session.load(Range::LastTurns(self.k)).await?;
        Ok(self.transcript(&recent.messages, MAX_TEXT))
    }

    /// Returns the transcript for the memory's model.
    fn transcript(&self, messages: &Messages, max: usize) -> String {
        self.conversation.transcript.render(&shortened_messages(messages, max))
    }

    /// Extracts facts from the turns that are not covered.
    async fn extract_facts(
        &self,
        attempts: &mut Attempts,
        context: MaintainContext<'_>,
    ) -> Result<(), BoxError> {
        let mut written = None;
        loop {
            let (mut graph, uncovered) = self.read().await?;
            if uncovered.messages.is_empty() || is_lost(&uncovered, written) {
                return Ok(());
            }
            let turns = turns(&uncovered.messages);
            let fits = count_fitting_questions(&uncovered.messages);
            let (new, tried) = attempts.next_messages(&turns, fits);
            let (messages, max) = (uncovered.messages.slice(new.clone()), attempts.bytes());
            let is_last = new.end == uncovered.messages.len();
            let history = match attempts.is_narrowed() || !is_last {
                true => self.transcript(&messages, max),
                false => self.recent().await?,
            };
            let variables = vars! { "history" => history, "input" => human_text(&messages, max) };
            let is_covered = match self.writer.call_for_list(SEPARATOR, &variables, context).await {
                Ok(answer) => {
                    graph.add_answer(&answer);
                    attempts.succeeded()
                }
                Err(error) => attempts.failed(error, tried, turns.len())?,
            };
            if is_covered {
                let covered = Covered::up_to(&uncovered, new.end);
                self.state.write(&self.conversation.session, graph.to_note(), covered).await?;
                written = Some(covered);
            }
            if new.start == 0 && is_last && is_covered {
                return Ok(());
            }
        }
    }

    fn show(&self, lines: Vec<String>) -> Value {
        if self.conversation.shows_messages() {
            Value::from(lines.into_iter().map(Message::system).collect::<Messages>())
        } else {
            Value::from(lines.join("\n"))
        }
    }
}

conversation_settings!(KnowledgeGraphMemory: prefixes, text_or_messages);
extraction_settings!(KnowledgeGraphMemory);

#[async_trait]
impl Memory for KnowledgeGraphMemory {
    conversation_methods!();
    conversation_at!();

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let (graph, uncovered) = self.read().await?;
        let extracted = match self.conversation.input(context) {
            Some(input) if !graph.is_empty() => {
                self.extractor.extract(&self.recent().await?, &input, 1, context.into()).await
            }
            _ => Ok(Vec::new()),
        };
        let mentioned = ExtractedNames::new(extracted);
        let lines = graph.describe(mentioned.names.as_deref().unwrap_or_default());
        let mut loaded = self.conversation.loaded(self.show(lines), uncovered.version);
        loaded.ticket = loaded.ticket.with_state(mentioned);
        Ok(loaded)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(ExtractedNames::saved(&ticket))
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.maintain_with(MaintainContext::new()).await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let mut attempts = Attempts::new();
        let extracted = self.extract_facts(&mut attempts, context).await;
        let saved = extracted.err().map_or_else(Saved::default, |error| {
            let what = "cannot extract a turn's facts; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        });
        Ok(attempts.add_warning(saved))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.state.forget();
        Ok(())
    }
}
