//! The memory that shows the turns nearest in meaning to the user's input.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    BoxError, Collection, Document, LoadContext, Loaded, Match, Memory, MemoryError, Message,
    Messages, Range, Saved, Ticket, Turn, Value, VectorStore, Version, Warning, vars,
};
use serde_json::Value as Json;

use crate::conversation::{
    Conversation,
    note::{Derived, DerivedState},
    settings::{conversation_methods, conversation_settings},
    turn_boundaries::boundaries,
};

/// Shows the `k` turns of the conversation that are nearest in meaning to the user's input.
///
/// LangChain 0.1.20 `langchain/memory/vectorstore.py::VectorStoreRetrieverMemory`.
///
/// | setting | default |
/// |---|---|
/// | [`with_k`](Self::with_k) | 4 turns |
/// | [`with_shared_collection`](Self::with_shared_collection) | the session's collection |
///
/// As text, the nearest turn comes first, as in LangChain; as messages, turns are in the order of
/// the conversation. The conversation is stored in the history. [`maintain`](Memory::maintain) adds
/// its turns to the vector store. If that fails, a [`Warning`](conversant_core::Warning) reports
/// the cause, and the next turn tries again.
///
/// Turns are added to the collection of the memory's session. One vector store can then serve all
/// sessions and does not show one user's messages to another. Clearing the memory clears the
/// collection. [`with_shared_collection`](Self::with_shared_collection) shares turns instead.
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
    /// The name of the shared collection, if one is set.
    shared: Option<Arc<str>>,
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
            shared: None,
            k: 4,
            state: DerivedState::new("vector_store_session"),
        }
    }

    /// Sets the number of turns that are shown. The default is 4.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets a shared collection, to which turns are added and in which the memory searches, instead
    /// of the session's collection.
    ///
    /// **Every memory with this name shows its user what other users have said.** Clearing the
    /// memory does not clear the collection, but the memory no longer finds its own turns.
    #[must_use]
    pub fn with_shared_collection(mut self, name: impl Into<Arc<str>>) -> Self {
        self.shared = Some(name.into());
        // The note that was written before sessions had collections.
        self.state = DerivedState::new("vector_store");
        self
    }

    fn collection(&self) -> Collection {
        match &self.shared {
            Some(name) => Collection::Shared(Arc::clone(name)),
            None => Collection::Session(self.conversation.session.id.clone()),
        }
    }

    fn reset(&mut self) {
        self.conversation.forget();
        self.state.forget();
    }

    /// Adds the turns that are not in the collection yet.
    async fn add_turns(&self) -> Result<(), BoxError> {
        let session = &self.conversation.session;
        let Derived { uncovered, .. } = self.state.read(session).await?;
        if uncovered.messages.is_empty() {
            return Ok(());
        }
        let mut starts = boundaries(&uncovered.messages);
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        let ends = starts.iter().copied().skip(1).chain([uncovered.messages.len()]);
        let turn = |(start, end)| {
            let messages = uncovered.start() + start as u64;
            let first = Version::new(uncovered.version.epoch, messages);
            self.document(first, &uncovered.messages.slice(start..end))
        };
        let documents: Vec<_> = starts.iter().copied().zip(ends).map(turn).collect();
        self.store.add(&self.collection(), &documents).await?;
        self.state.write(session, Value::from(""), uncovered.version).await?;
        Ok(())
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
        if self.shared.is_none() {
            return Document::new(first.to_string(), text).with_metadata(metadata);
        }
        let session = self.conversation.session.id.as_str();
        metadata.insert("session".to_owned(), Value::from(session));
        Document::new(format!("{first} {session}"), text).with_metadata(metadata)
    }

    /// Returns whether a document is a turn of this session that was cleared from the history.
    fn is_cleared(&self, found: &Match, version: Version) -> bool {
        let own = self.conversation.session.id.as_str();
        let is_own = match found.document.metadata.get("session") {
            Some(Value::Text(session)) => &**session == own,
            _ => true,
        };
        let is_current = number(found, "epoch") == i64::try_from(version.epoch).ok()
            && number(found, "first") < i64::try_from(version.messages).ok();
        is_own && !is_current
    }

    fn show(&self, mut found: Vec<Match>) -> Result<Value, MemoryError> {
        if !self.conversation.shows_messages() {
            let texts: Vec<_> = found.into_iter().map(|found| found.document.text).collect();
            return Ok(Value::from(texts.join("\n")));
        }
        found.sort_by_key(|found| number(found, "first"));
        let mut shown = Messages::new();
        for found in &found {
            if let Some(Value::Data(stored)) = found.document.metadata.get("messages") {
                let turn: Messages = serde_json::from_value(Json::clone(stored))
                    .map_err(|error| MemoryError::Custom(error.into()))?;
                shown.append(&turn);
            }
        }
        Ok(Value::from(shown))
    }
}

fn number(found: &Match, name: &str) -> Option<i64> {
    match found.document.metadata.get(name) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

conversation_settings!(VectorStoreMemory: prefixes, text_or_messages);

#[async_trait]
impl Memory for VectorStoreMemory {
    conversation_methods!();

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let version = self.conversation.session.load(Range::LastMessages(0)).await?.version;
        let mut found = match self.conversation.input(context) {
            Some(input) => {
                self.store.search(&self.collection(), &input, self.k).await.map_err(custom)?
            }
            None => Vec::new(),
        };
        // The store may still contain turns that another process has cleared from the history.
        found.retain(|found| !self.is_cleared(found, version));
        Ok(self.conversation.loaded(self.show(found)?, version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.add_turns().await.err().map_or_else(Saved::default, |error| {
            let what = "cannot add a turn to the vector store; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        }))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.state.forget();
        if self.shared.is_some() {
            return Ok(());
        }
        self.store.clear(&self.collection()).await.map_err(custom)
    }
}

fn custom(error: impl Into<BoxError>) -> MemoryError {
    MemoryError::Custom(error.into())
}
