//! The memory that describes the entities in the user's input.

mod describe;
mod pending;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use conversant_core::{
    ChatHistory, HistoryError, LanguageModel, LoadContext, Loaded, MaintainContext, Memory,
    MemoryError, Messages, Note, Prompt, PromptError, Range, RequestPurpose, Saved, Scope, Slice,
    Slot, Ticket, Turn, Value, Warning, clock::Instant,
};
use serde_json::{Map, Value as Json};

use self::pending::{MAX_TURNS, Pending};
use crate::{
    conversation::{
        Conversation,
        derived_state::{Derived, DerivedState},
        note::{Covered, DerivedNote},
        settings::{conversation_at, conversation_methods, conversation_settings},
    },
    facts::{self, Abandoned, Facts, Rewritten},
    llm::{
        attempts::Attempts,
        entity_extractor::{EntityExtractor, ExtractedNames, extraction_settings},
        limits::{MAX_TEXT, shortened_messages},
        prompted_model::PromptedModel,
        static_prompt::Piece::{self, Text, Variable},
    },
    sync::lock,
};

/// The default name of the variable with the descriptions.
const DEFAULT_ENTITIES_KEY: &str = "entities";

/// The default number of entities that are described after a turn.
const DEFAULT_MAX_ENTITIES: usize = 20;

/// The prompt that requests a description.
const DESCRIPTION: &[Piece] = &[
    Text("Below are the end of a conversation and what is known so far of `"),
    Variable("entity"),
    Text(
        "`. Rewrite what is known, so that it also says what the last words tell of it. Keep to facts. If they tell nothing new, \
         repeat what is known. Answer with what is known and nothing else.\n\nConversation:\n",
    ),
    Variable("history"),
    Text("\n\nKnown so far:\n"),
    Variable("summary"),
    Text("\n\nLast words:\n"),
    Variable("input"),
    Text("\n\nKnown now:"),
];

/// Shows the last `k` turns, and descriptions of the entities in the user's input.
///
/// Needs the feature `entities`.
///
/// LangChain 0.1.20 `langchain/memory/entity.py::ConversationEntityMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_k`](Self::with_k) | 3 turns |
/// | [`with_entities_key`](Self::with_entities_key) | `entities` |
/// | [`with_max_entities`](Self::with_max_entities) | 20 entities a turn |
/// | [`with_scope`](Self::with_scope) | the session |
///
/// There are two variables: `history`, as text or as messages, and `entities`, a map from each name
/// to its description. A load calls the model once to extract the names. After the turn,
/// [`maintain`](Memory::maintain) calls it once for each name to rewrite the description. The
/// descriptions of up to 2,000 names, with at most 4 MiB of text, are stored as a note of the
/// session, so they survive a restart. A description is cut after 64 KiB, and `[…]` marks the
/// place.
///
/// Descriptions belong to the session. [`with_scope`](Self::with_scope) shares them between the
/// sessions of a user or a group, and [`facts`](Self::facts) lists, corrects and forgets them.
///
/// Descriptions do not depend on the branch of the conversation ([`Facts`]): those that were
/// learned on a branch stay when it is left.
///
/// Changes of several processes follow each other ([`Facts`]). If a process ended during one, the
/// next maintenance waits up to 10 seconds, or until the call's deadline.
///
/// If the model fails, neither the answer nor the turn is lost: a
/// [`Warning`](conversant_core::Warning) reports the cause, and the next turn goes on with the
/// names that are not described yet. Of a conversation that others have written, up to 16 turns are
/// described at once, and those after them next. An older turn that the model does not accept,
/// because a content filter refuses it or it is too long even when its texts are cut, is left out,
/// and a warning reports it.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LoadContext, Memory, Message, Turn};
/// use conversant_core::{ChatModel, ChatRequest, ModelError, Reply};
/// use conversant_memory::EntityMemory;
/// use serde_json::json;
///
/// /// Finds Ada in each text.
/// struct Scribe;
///
/// #[async_trait]
/// impl ChatModel for Scribe {
///     async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
///         let asks_for_names = request.messages.to_string().ends_with("Names:");
///         Ok(Reply::new(Message::ai(if asks_for_names { "Ada" } else { "Ada lives in Lisbon." })))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = EntityMemory::new(Scribe);
/// let inputs = vars! { "input" => "Ada lives in Lisbon" };
/// let ticket = memory.load(LoadContext::new(&inputs)).await?.ticket;
/// memory.save(&Turn::exchange("Ada lives in Lisbon", "How nice!"), ticket).await?;
/// memory.maintain().await?; // a chain does this after each answer
///
/// let loaded = memory.load(LoadContext::new(&vars! { "input" => "Where is she?" })).await?;
/// assert_eq!(loaded.variables.get("entities"), Some(&json!({"Ada": "Ada lives in Lisbon."}).into()));
/// # Ok(())
/// # }
/// ```
pub struct EntityMemory {
    conversation: Conversation,
    k: usize,
    extractor: EntityExtractor,
    writer: PromptedModel,
    state: DerivedState,
    scope: Scope,
    /// The descriptions of a session.
    known: DerivedNote,
    /// The history that has the facts of a user or a group, if the conversation is a view of it.
    base: Option<Arc<dyn ChatHistory>>,
    /// The names in the first of the turns that the descriptions do not cover yet; `None` if they
    /// have to be extracted again.
    pending: Mutex<Option<Pending>>,
    abandoned: Abandoned,
}

impl EntityMemory {
    /// Creates a memory with its own in-memory conversation. It shows the last 3 turns as text in
    /// the variable `history`, and this model's descriptions in the variable `entities`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>) -> Self {
        let model = model.into();
        let mut conversation = Conversation::new();
        conversation.slots.push(Slot::text(DEFAULT_ENTITIES_KEY));
        Self {
            conversation,
            k: 3,
            extractor: EntityExtractor::new(model.clone(), DEFAULT_MAX_ENTITIES),
            writer: PromptedModel::new(model, DESCRIPTION, RequestPurpose::EntityDescription),
            state: DerivedState::new(facts::DESCRIBED),
            scope: Scope::Session,
            known: DerivedNote::new(facts::NOTE),
            base: None,
            pending: Mutex::default(),
            abandoned: Abandoned::default(),
        }
    }

    /// Sets who shares the descriptions: the session alone (the default), all sessions of a user,
    /// or those of a group. The sessions need the same history.
    ///
    /// Clearing the memory clears the descriptions of its session only;
    /// [`Facts::clear`] clears those of a user or a group.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn run(
    /// #     model: conversant_core::LanguageModel,
    /// #     history: conversant_memory::InMemoryHistory,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// use conversant_core::{SessionId, UserId};
    /// use conversant_memory::EntityMemory;
    ///
    /// let memory = EntityMemory::new(model)
    ///     .with_history(history, SessionId::new("ada-2026-11-26")?)
    ///     .with_scope(UserId::new("ada")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Scope>) -> Self {
        self.scope = scope.into();
        self.state = DerivedState::new(note_of(&self.scope));
        self.reset();
        self
    }

    /// Returns the descriptions of the memory's [scope](Self::with_scope), to list, correct and
    /// forget them.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let session = &self.conversation.session;
        let history = self.base.as_ref().unwrap_or(&session.history);
        let facts = Facts::new(Arc::clone(history), &self.scope, session.id.clone());
        facts.with_abandoned(&self.abandoned)
    }

    /// Sets the number of turns that are shown to the prompt and to the memory's model. The default
    /// is 3.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets the name of the variable with the descriptions. The default is `entities`.
    #[must_use]
    pub fn with_entities_key(mut self, key: impl Into<String>) -> Self {
        self.conversation.slots.truncate(1);
        self.conversation.slots.push(Slot::text(key.into()));
        self
    }

    /// Sets the most entities of a turn that are described after it, each by a call of the model.
    /// The default is 20. Further names in the turn are ignored.
    #[must_use]
    pub const fn with_max_entities(mut self, entities: usize) -> Self {
        self.extractor.max_entities = entities;
        self
    }

    /// Sets the prompt that asks for a description, with the variables `entity`, `summary` (the
    /// previous description), `history` and `input`.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`] if the prompt needs other variables.
    pub fn with_entity_summarization_prompt(
        mut self,
        prompt: impl Prompt + 'static,
    ) -> Result<Self, PromptError> {
        let names = ["entity", "summary", "history", "input"];
        self.writer = self.writer.with_prompt(prompt, &names)?;
        Ok(self)
    }

    /// Returns a memory with the same settings over another history.
    fn over(&self, history: Arc<dyn ChatHistory>) -> Self {
        Self {
            conversation: self.conversation.over(history),
            k: self.k,
            extractor: self.extractor.clone(),
            writer: self.writer.clone(),
            state: DerivedState::new(note_of(&self.scope)),
            scope: self.scope.clone(),
            known: DerivedNote::new(facts::NOTE),
            base: Some(Arc::clone(
                self.base.as_ref().unwrap_or(&self.conversation.session.history),
            )),
            pending: Mutex::default(),
            abandoned: Arc::clone(&self.abandoned),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.forget();
    }

    fn forget(&self) {
        self.state.forget();
        self.known.forget();
        *lock(&self.pending) = None;
    }

    /// Reads the note with the descriptions.
    async fn note(&self) -> Result<Option<Note>, HistoryError> {
        match self.scope {
            Scope::Session => self.known.read(&self.conversation.session).await,
            _ => self.facts().note().await,
        }
    }

    /// Returns the descriptions by name, and the turns that they do not cover.
    async fn read(&self, note: Option<Note>) -> Result<(Map<String, Json>, Slice), HistoryError> {
        let Derived { uncovered, .. } = self.state.read(&self.conversation.session).await?;
        let is_shared = self.scope != Scope::Session;
        let note = note.filter(|note| is_shared || note.covers.epoch == uncovered.version.epoch);
        Ok((facts::to_facts(note.as_ref()), uncovered))
    }

    /// Stores which turns are described, if the note of an earlier version covers them.
    async fn adopt(&self, note: Option<&Note>) -> Result<(), HistoryError> {
        let described = note.and_then(Note::described_in_facts);
        let Some(end) = described.filter(|_| self.scope == Scope::Session) else {
            return Ok(());
        };
        let session = &self.conversation.session;
        if session.note(facts::DESCRIBED).await?.is_none() {
            self.state.write(session, Value::from(""), Covered::all(end)).await?;
        }
        Ok(())
    }

    async fn recent(&self) -> Result<Slice, HistoryError> {
        self.conversation.session.load(Range::LastTurns(self.k)).await
    }

    /// Returns the transcript for the memory's model.
    fn transcript(&self, messages: &Messages, max: usize) -> String {
        self.conversation.transcript.render(&shortened_messages(messages, max))
    }

    /// Stores rewritten descriptions of a conversation of an epoch, and what they cover of it, if
    /// they do. Returns all descriptions, and the names of those that were corrected while they
    /// were rewritten. One that was forgotten meanwhile stays forgotten.
    async fn store(
        &self,
        rewritten: Vec<Rewritten>,
        epoch: u64,
        covered: Option<Covered>,
        deadline: Option<Instant>,
    ) -> Result<(Map<String, Json>, Vec<String>), HistoryError> {
        let facts = self.facts();
        let store = |known: &mut Map<String, Json>| {
            let refused: Vec<_> = rewritten.iter().filter(|new| !new.store(known)).collect();
            let corrected = refused.iter().filter(|new| known.contains_key(&new.name));
            let corrected = corrected.map(|new| new.name.clone()).collect();
            (known.clone(), corrected)
        };
        let session = &self.conversation.session;
        if self.scope != Scope::Session {
            let stored = facts.change_before(deadline, store).await?;
            if let Some(covered) = covered {
                self.state.write(session, Value::from(""), covered).await?;
            }
            return Ok(stored);
        }
        for _ in 0..Note::FACTS_ATTEMPTS {
            let held = facts.lock(deadline).await?;
            let stored = async {
                let read = self.note().await?;
                let note = read.clone().filter(|note| note.covers.epoch == epoch);
                let before = facts::to_facts(note.as_ref());
                let mut known = before.clone();
                let stored = store(&mut known);
                let covers = facts::on_every_branch(epoch);
                let is_there = note.is_none_or(|note| note.covers == covers);
                // All descriptions are one note, which is written only if one has changed.
                if !(is_there && known.iter().eq(&before)) {
                    let body = Note::facts_body(known);
                    if !self.known.replace(session, read.as_ref(), body, covers).await? {
                        return Ok(None);
                    }
                }
                if let Some(covered) = covered {
                    self.state.write(session, Value::from(""), covered).await?;
                }
                Ok(Some(stored))
            }
            .await;
            facts.unlock(held).await;
            if let Some(stored) = stored? {
                return Ok(stored);
            }
        }
        Err(HistoryError::Busy)
    }
}

/// Returns the name of the session's note with the version that the descriptions cover.
const fn note_of(scope: &Scope) -> &'static str {
    match scope {
        Scope::Session => facts::DESCRIBED,
        Scope::User(_) => "entities_of_user",
        _ => "entities_of_group",
    }
}

conversation_settings!(EntityMemory: prefixes, text_or_messages);
extraction_settings!(EntityMemory);

#[async_trait]
impl Memory for EntityMemory {
    conversation_methods!();
    conversation_at!();

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let recent = self.recent().await?;
        let extracted = match self.conversation.input(context) {
            Some(input) => {
                let history = self.transcript(&recent.messages, MAX_TEXT);
                self.extractor.extract(&history, &input, 1, context.into()).await
            }
            None => Ok(Vec::new()),
        };
        let mentioned = ExtractedNames::new(extracted);
        let (known, uncovered) = self.read(self.note().await?).await?;
        if uncovered.messages.is_empty() {
            let version = uncovered.version;
            *lock(&self.pending) = Some(Pending::nothing(version.messages, version));
        }
        let describe =
            |name: &String| (name.clone(), known.get(name).cloned().unwrap_or_else(|| "".into()));
        let entities: Map<String, Json> = mentioned.names.iter().flatten().map(describe).collect();
        let shown = self.conversation.show(recent.messages);
        let mut loaded = self.conversation.loaded(shown, recent.version);
        let key = self.conversation.slots.get(1).map_or(DEFAULT_ENTITIES_KEY, Slot::name);
        loaded.variables.insert(key.to_owned(), Value::from(Json::Object(entities)));
        loaded.ticket = loaded.ticket.with_state(mentioned);
        Ok(loaded)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        let after = self.conversation.append(turn, &ticket).await?;
        let mentioned = ticket.state::<ExtractedNames>();
        let names = mentioned.and_then(|mentioned| mentioned.names.clone());
        let length = turn.messages().len() as u64;
        let base = ticket.version().filter(|base| base.messages + length == after.messages);
        if let Some((names, base)) = names.zip(base)
            && let Some(pending) = lock(&self.pending).as_mut()
        {
            let max = self.extractor.max_entities.saturating_mul(MAX_TURNS);
            pending.add(base, after, names, max);
        }
        Ok(ExtractedNames::saved(&ticket))
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.maintain_with(MaintainContext::new()).await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let mut attempts = Attempts::new();
        let described = self.describe(&mut attempts, context).await;
        let saved = described.err().map_or_else(Saved::default, |error| {
            let what = "cannot describe a turn's entities; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        });
        Ok(attempts.add_warning(saved))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
