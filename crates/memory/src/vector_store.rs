//! The memory that shows the turns nearest in meaning to the user's input.

mod adding;
mod other_sessions;
mod turn_document;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use conversant_core::{
    BoxError, Collection, Document, HistoryError, LoadContext, Loaded, MaintainContext, Match,
    Memory, MemoryError, Message, Messages, Range, Saved, Scope, Ticket, Turn, Value, VectorStore,
    VectorStoreError, Version, Warning, clock::Instant, vars,
};
use serde_json::Value as Json;

use self::{
    other_sessions::remove_deleted,
    turn_document::{begins_before, messages_of, number},
};
use crate::{
    conversation::{
        Conversation,
        derived_state::{Derived, DerivedState},
        settings::{conversation_methods, conversation_settings},
    },
    llm::{
        attempts::{Attempts, is_refusal},
        limits::shortened,
    },
    sync::lock,
};

/// The note with the version up to which a session's turns are in its collection.
const SESSION_NOTE: &str = "vector_store_session";

/// The most documents that are searched for, if some of the nearest are of deleted sessions.
const MAX_SEARCHED: usize = 1024;

/// The number of documents that are listed, or removed, at once.
const PAGE: usize = 256;

/// Shows the `k` turns of the conversation that are nearest in meaning to the user's input.
///
/// Needs the feature `vectors`.
///
/// LangChain 0.1.20 `langchain/memory/vectorstore.py::VectorStoreRetrieverMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_k`](Self::with_k) | 4 turns |
/// | [`with_scope`](Self::with_scope) | the session |
///
/// As text, the nearest turn comes first, as in LangChain; as messages, turns are in the order of
/// the conversation. The conversation is stored in the history. [`maintain`](Memory::maintain) adds
/// its turns to the vector store, up to 256 at once, and notes each time how far it is: of a long
/// conversation that others have written, no turn is embedded twice. If that fails, or the deadline
/// of the call passes, a [`Warning`](conversant_core::Warning) reports the cause, and the next turn
/// goes on from there. Each addition is followed by a removal of what may be in the place of the
/// turns. Of a turn or an input that is too long for the embedding model, the end is cut off, to
/// 8 KiB or to 1 KiB. An older turn that it does not accept even then is left out, and no turn is
/// shown for such an input; a warning reports it.
///
/// If the conversation has moved to another branch
/// ([`ChatHistory::set_tip`](conversant_core::ChatHistory::set_tip)), the turns of the new branch
/// replace those in the vector store before they are searched. If that fails, none of the session
/// is shown. A custom store that cannot [list](VectorStore::list) or [remove](VectorStore::remove)
/// documents may keep a turn of the other branch. Since the vector store has the turns of one
/// branch, the memory has no view at another point than the tip ([`Memory::at`] returns `None`,
/// over any history): to answer a question again, move the tip to the point first.
///
/// Turns are added to the collection of the memory's session. One vector store can then serve all
/// sessions and does not show one user's messages to another. [`with_scope`](Self::with_scope)
/// shares turns between the sessions of a user or a group, which are in one history. Clearing the
/// memory removes the turns of its session. Turns of a session that the history has cleared or
/// deleted are not shown; their documents stay in the vector store until they are removed there. So
/// a search loads the versions of the other sessions that it finds, all at once. If one cannot be
/// loaded, its turns are not shown, and a warning reports the cause. To list, correct or remove
/// what is known, use the methods of [`VectorStore`] with [`collection`](Self::collection).
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, Embeddings, LoadContext, Memory, ModelError, Ticket, Turn};
/// use conversant_memory::{InMemoryVectorStore, VectorStoreMemory};
///
/// /// Separates texts about food from others.
/// struct Food;
///
/// #[async_trait]
/// impl Embeddings for Food {
///     async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
///         let food = |text: &String| text.contains("pizza") || text.contains("eat");
///         Ok(texts.iter().map(|text| if food(text) { vec![1.0, 0.0] } else { vec![0.0, 1.0] }).collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), conversant_core::MemoryError> {
/// let memory = VectorStoreMemory::new(InMemoryVectorStore::new(Food)).with_k(1);
/// for (question, answer) in [("I like pizza", "Noted."), ("I like chess", "Noted.")] {
///     memory.save(&Turn::exchange(question, answer), Ticket::default()).await?;
/// }
/// memory.maintain().await?; // a chain does this after each answer
///
/// let loaded = memory.load(LoadContext::new(&vars! { "input" => "What shall I eat?" })).await?;
/// assert_eq!(loaded.variables, vars! { "history" => "Human: I like pizza\nAI: Noted." });
/// # Ok(())
/// # }
/// ```
pub struct VectorStoreMemory {
    conversation: Conversation,
    store: Arc<dyn VectorStore>,
    scope: Scope,
    k: usize,
    state: DerivedState,
}

impl VectorStoreMemory {
    /// Creates a memory with its own in-memory conversation. It shows the 4 nearest turns as text
    /// in the variable `history`.
    #[must_use]
    pub fn new(store: impl VectorStore + 'static) -> Self {
        Self {
            conversation: Conversation::new(),
            store: Arc::new(store),
            scope: Scope::Session,
            k: 4,
            state: DerivedState::new(SESSION_NOTE),
        }
    }

    /// Sets the number of turns that are shown. The default is 4.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets who shares the turns: the session alone (the default), all sessions of a user, or those
    /// of a group. **Every user of a group is shown what the others have said.**
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{Collection, SessionId, UserId};
    /// # use conversant_core::{async_trait, Embeddings, ModelError};
    /// use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
    ///
    /// # struct Model;
    /// # #[async_trait]
    /// # impl Embeddings for Model {
    /// #     async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
    /// #         Ok(vec![vec![1.0]; texts.len()])
    /// #     }
    /// # }
    /// let memory = VectorStoreMemory::new(InMemoryVectorStore::new(Model))
    ///     .with_history(InMemoryHistory::new(), SessionId::new("ada-2026-11-26")?)
    ///     .with_scope(UserId::new("ada")?);
    /// assert_eq!(memory.collection(), Collection::User(UserId::new("ada")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Scope>) -> Self {
        self.scope = scope.into();
        self.state = DerivedState::new(match self.scope {
            Scope::Session => SESSION_NOTE,
            Scope::User(_) => "vector_store_user",
            // The note that was written before sessions had collections.
            _ => "vector_store",
        });
        self
    }

    /// Returns the collection in which the memory searches.
    #[must_use]
    pub fn collection(&self) -> Collection {
        Collection::of(&self.scope, &self.conversation.session.id)
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.state.forget();
    }

    /// Searches the `k` nearest turns. If the input is too long for the embedding model, searches
    /// its beginning.
    async fn search(&self, input: &str, k: usize) -> Result<Vec<Match>, BoxError> {
        let mut attempts = Attempts::new();
        loop {
            let text = match attempts.shortens() {
                true => shortened(input, attempts.bytes()),
                false => input.into(),
            };
            match self.store.search(&self.collection(), &text, k).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    attempts.failed(error.into(), 1, 1)?;
                }
            }
        }
    }

    /// Searches the turns of the conversation.
    async fn search_conversation(
        &self,
        input: &str,
        deadline: Option<Instant>,
    ) -> Result<Searched, BoxError> {
        let Derived { body, uncovered } = self.state.read(&self.conversation.session).await?;
        // The history has the note only if the turns that it covers are in the conversation.
        let end = Version::new(uncovered.version.epoch, uncovered.start());
        let mut covers = body.filter(|_| end.messages > 0).map(|_| end);
        let mut k = self.k;
        let mut found = self.search(input, k).await?;
        let is_own = |document: &Document| self.is_own_turn(document);
        if covers.is_none() && found.iter().any(|found| is_own(&found.document)) {
            covers = self.add_turns(true, &mut Attempts::new(), deadline).await.ok();
            if covers.is_some() {
                found = self.search(input, k).await?;
            }
        }
        let is_shown = |found: &Match| covers.is_some_and(|end| begins_before(found, end));
        let history = &*self.conversation.session.history;
        loop {
            let is_all = found.len() < k;
            found.retain(|found| !is_own(&found.document) || is_shown(found));
            let unknown = remove_deleted(&mut found, history, is_own).await;
            if is_all || found.len() >= self.k || k >= MAX_SEARCHED || unknown.is_some() {
                found.truncate(self.k);
                return Ok(Searched { found, version: uncovered.version, unknown });
            }
            // Turns that are not shown have taken the places of others.
            k = k.saturating_mul(4).min(MAX_SEARCHED);
            found = self.search(input, k).await?;
        }
    }

    /// Creates the document of a turn. Its id is the position of the turn, so that a turn is added
    /// once.
    fn document(&self, first: Version, turn: &Messages) -> Document {
        let text = self.conversation.transcript.render(turn);
        let stored = Json::Array(turn.iter().map(Message::to_stored).collect());
        let mut metadata = vars! {
            "epoch" => first.epoch,
            "first" => first.messages,
            "messages" => stored,
        };
        if self.scope != Scope::Session {
            let session = self.conversation.session.id.as_str();
            metadata.insert("session".to_owned(), Value::from(session));
        }
        Document::new(self.id(first), text).with_metadata(metadata)
    }

    /// Returns the id of the document of the turn that begins at a version.
    fn id(&self, first: Version) -> String {
        match self.scope {
            Scope::Session => first.to_string(),
            _ => format!("{first} {}", self.conversation.session.id.as_str()),
        }
    }

    /// Returns whether a document is a turn of this session, and not one that was corrected.
    fn is_own_turn(&self, document: &Document) -> bool {
        let own = self.conversation.session.id.as_str();
        let is_own = match document.metadata.get("session") {
            Some(Value::Text(session)) => &**session == own,
            _ => self.scope == Scope::Session,
        };
        is_own && number(document, "epoch").is_some()
    }

    /// Removes the turns of this session from the collection, except those with these ids.
    async fn remove_own(&self, except: &HashSet<String>) -> Result<(), VectorStoreError> {
        let collection = self.collection();
        let is_removed =
            |document: &&Document| self.is_own_turn(document) && !except.contains(&document.id);
        let mut after = None;
        loop {
            let page = self.store.list(&collection, after.as_deref(), PAGE).await?;
            let ids: Vec<_> =
                page.iter().filter(is_removed).map(|found| found.id.as_str()).collect();
            if !ids.is_empty() {
                self.store.remove(&collection, &ids).await?;
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last.id),
                None => return Ok(()),
            }
        }
    }

    fn show(&self, found: Vec<Match>) -> Result<Value, MemoryError> {
        if !self.conversation.shows_messages() {
            let texts: Vec<_> = found.into_iter().map(|found| found.document.text).collect();
            return Ok(Value::from(texts.join("\n")));
        }
        let shown = messages_of(found).map_err(|error| MemoryError::Custom(error.into()))?;
        Ok(Value::from(shown))
    }
}

conversation_settings!(VectorStoreMemory: prefixes, text_or_messages);

#[async_trait]
impl Memory for VectorStoreMemory {
    conversation_methods!();

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let searched = match self.conversation.input(context) {
            Some(input) => Some(self.search_conversation(&input, context.deadline).await),
            None => None,
        };
        let (found, version, warning) = match searched {
            Some(Ok(Searched { found, version, unknown })) => (found, version, unknown),
            Some(Err(error)) if !is_refusal(&error) => return Err(failed(error)),
            refused => {
                let end = self.conversation.session.load(Range::LastMessages(0)).await?;
                let what = "cannot search the conversation: the model of the vector store does not accept the input";
                let refused = refused.and_then(Result::err);
                (Vec::new(), end.version, refused.map(|error| Warning::new(what, error)))
            }
        };
        let mut loaded = self.conversation.loaded(self.show(found)?, version);
        if let Some(warning) = warning {
            loaded.ticket = loaded.ticket.with_state(NotShown(Mutex::new(Some(warning))));
        }
        Ok(loaded)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        let warning = ticket.state::<NotShown>().and_then(|NotShown(warning)| lock(warning).take());
        Ok(warning.map_or_else(Saved::default, |warning| Saved::default().with_warning(warning)))
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.maintain_with(MaintainContext::new()).await
    }

    async fn maintain_with(&self, context: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        let mut attempts = Attempts::new();
        let added = self.add_turns(false, &mut attempts, context.deadline).await;
        let saved = added.err().map_or_else(Saved::default, |error| {
            let what = "cannot add a turn to the vector store; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        });
        Ok(attempts.add_warning(saved))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.state.forget();
        match self.scope {
            Scope::Session => self.store.clear(&self.collection()).await,
            _ => match self.remove_own(&HashSet::new()).await {
                // Those that cannot be removed are not shown by this memory.
                Err(VectorStoreError::Unsupported { .. }) => Ok(()),
                removed => removed,
            },
        }
        .map_err(custom)
    }
}

/// The result of a search.
struct Searched {
    found: Vec<Match>,
    /// The version of the conversation.
    version: Version,
    /// The reason for which turns of other sessions are not shown, although they may be there.
    unknown: Option<Warning>,
}

/// The warning of a load that shows less than it should, for the save.
struct NotShown(Mutex<Option<Warning>>);

/// Returns the error of a load whose search failed.
fn failed(error: BoxError) -> MemoryError {
    match error.downcast::<HistoryError>() {
        Ok(error) => (*error).into(),
        Err(error) => MemoryError::Custom(error),
    }
}

fn custom(error: impl Into<BoxError>) -> MemoryError {
    MemoryError::Custom(error.into())
}
