//! The memory that shows the turns nearest to the user's words.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    BoxError, Collection, Document, LoadContext, Loaded, Match, Memory, MemoryError, Message,
    Messages, Range, Saved, Slot, Ticket, Turn, TurnKeys, Value, VectorStore, Version, Warning,
    vars,
};
use serde_json::Value as Json;

use crate::{
    conversation::{Conversation, conversation_settings},
    derived::Derived,
    entities::words,
    tail::Tail,
    turns,
};

/// Shows the `k` turns of the conversation that are nearest in meaning to the user's words. LangChain's
/// `VectorStoreRetrieverMemory`.
///
/// As text, the nearest turn comes first, as in LangChain; as messages, turns come in the order of
/// the conversation. The history keeps the conversation; [`maintain`](Memory::maintain) adds its
/// turns to the vector store. If that fails, a [`Warning`](conversant_core::Warning) has the reason,
/// and the next turn tries again.
///
/// Turns are added to the collection of the memory's session, so that one vector store can serve
/// all sessions and none finds another's words. Clearing the memory clears the collection.
/// [`with_shared_collection`](Self::with_shared_collection) shares what is found instead.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, Embeddings, LoadContext, Memory, ModelError, Ticket, Turn};
/// use conversant_memory::{InMemoryVectorStore, VectorStoreMemory};
///
/// /// Tells texts about food from others.
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
    /// The name of a shared collection, if not the session's is used.
    shared: Option<Arc<str>>,
    k: usize,
    added: Derived,
    rest: Tail,
}

impl VectorStoreMemory {
    /// Creates a memory with a conversation of its own, of which it shows the 4 nearest turns as text in the variable `history`.
    #[must_use]
    pub fn new(store: impl VectorStore + 'static) -> Self {
        Self {
            conversation: Conversation::new(),
            store: Arc::new(store),
            shared: None,
            k: 4,
            added: Derived::new("vector_store_session"),
            rest: Tail::default(),
        }
    }

    /// Sets how many turns are shown. The default is 4.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Searches, and adds to, the collection that is shared under `name`, instead of the session's.
    ///
    /// **Every memory with this name shows its user what the others' users said.** Clearing the
    /// memory leaves the collection as it is, except that the memory no longer finds its own turns.
    #[must_use]
    pub fn with_shared_collection(mut self, name: impl Into<Arc<str>>) -> Self {
        self.shared = Some(name.into());
        // The note that was written before sessions had collections.
        self.added = Derived::new("vector_store");
        self.rest.forget();
        self
    }

    fn collection(&self) -> Collection {
        match &self.shared {
            Some(name) => Collection::Shared(Arc::clone(name)),
            None => Collection::Session(self.conversation.session.clone()),
        }
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.forget();
    }

    fn forget(&self) {
        self.added.forget();
        self.rest.forget();
    }

    /// Adds the turns that the collection does not have.
    async fn go_on(&self) -> Result<(), BoxError> {
        let note = self.added.read(&self.conversation).await?;
        let covers = note.map(|note| note.covers);
        let rest = self.rest.after(&self.conversation, covers).await?;
        if rest.messages.is_empty() {
            return Ok(());
        }
        let mut starts = turns::starts(&rest.messages);
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        let ends = starts.iter().copied().skip(1).chain([rest.messages.len()]);
        let turn = |(start, end)| {
            let first = Version::new(rest.version.epoch, rest.start() + start as u64);
            self.document(first, &rest.messages.slice(start..end))
        };
        let documents: Vec<_> = starts.iter().copied().zip(ends).map(turn).collect();
        self.store.add(&self.collection(), &documents).await?;
        self.added.write(&self.conversation, Value::from(""), rest.version).await?;
        Ok(())
    }

    /// Returns the document of a turn. Its id is the turn's place, so that adding it twice adds it
    /// once.
    fn document(&self, first: Version, turn: &Messages) -> Document {
        let text = self.conversation.transcript.render(turn);
        let stored = Json::Array(turn.iter().map(Message::to_stored).collect());
        let metadata = vars! {
            "epoch" => first.epoch,
            "first" => first.messages,
            "messages" => stored,
        };
        if self.shared.is_none() {
            return Document::new(first.to_string(), text).with_metadata(metadata);
        }
        let session = self.conversation.session.as_str();
        let mut metadata = metadata;
        metadata.insert("session".to_owned(), Value::from(session));
        Document::new(format!("{first} {session}"), text).with_metadata(metadata)
    }

    /// Returns whether a document is of this session and of an epoch that was cleared.
    fn is_cleared(&self, found: &Match, version: Version) -> bool {
        let session = found.document.metadata.get("session");
        let own = self.conversation.session.as_str();
        let is_own = match session {
            Some(Value::Text(session)) => &**session == own,
            _ => true,
        };
        is_own && number(found, "epoch") != i64::try_from(version.epoch).ok()
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
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let version = self.conversation.load(Range::LastMessages(0)).await?.version;
        let mut found = match words(&self.conversation, context) {
            Some(input) => self
                .store
                .search(&self.collection(), &input, self.k)
                .await
                .map_err(|error| MemoryError::Custom(error.into()))?,
            None => Vec::new(),
        };
        // The store may still have turns of a conversation that was cleared elsewhere.
        found.retain(|found| !self.is_cleared(found, version));
        Ok(self.conversation.loaded(self.show(found)?, version))
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        Ok(Saved::default())
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.go_on().await.err().map_or_else(Saved::default, |error| {
            let what = "a turn was not added to the vector store; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        }))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        if self.shared.is_some() {
            return Ok(());
        }
        let cleared = self.store.clear(&self.collection()).await;
        cleared.map_err(|error| MemoryError::Custom(error.into()))
    }
}
