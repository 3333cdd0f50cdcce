//! The memory that shows the turns nearest to the user's words.

use std::sync::Arc;

use async_trait::async_trait;
use conversant_core::{
    BoxError, Document, LoadContext, Loaded, Match, Memory, MemoryError, Message, Messages, Range,
    Saved, Slot, Ticket, Turn, TurnKeys, Value, VectorStore, Version, Warning, vars,
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
/// As text, the nearest comes first, as in the reference; as messages, turns come in the order in which they were said. The conversation is kept in the
/// history; [`maintain`](Memory::maintain) adds its turns to the vector store, which is for this conversation alone: clearing the memory
/// clears it. If it fails, a [`Warning`](conversant_core::Warning) tells why, and the next turn makes up for it.
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
            k: 4,
            added: Derived::new("vector_store"),
            rest: Tail::default(),
        }
    }

    /// Sets how many turns are shown. The default is 4.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.forget();
    }

    fn forget(&self) {
        self.added.forget();
        self.rest.forget();
    }

    /// Adds the turns that the store does not have.
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
        self.store.add(&documents).await?;
        self.added.write(&self.conversation, Value::from(""), rest.version).await?;
        Ok(())
    }

    /// Makes a document of a turn: where it begins is its identity, so that adding it twice is adding it once.
    fn document(&self, first: Version, turn: &Messages) -> Document {
        let text = self.conversation.transcript.render(turn);
        let stored = Json::Array(turn.iter().map(Message::to_stored).collect());
        Document::new(first.to_string(), text).with_metadata(vars! {
            "epoch" => first.epoch,
            "first" => first.messages,
            "messages" => stored,
        })
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
                .search(&input, self.k)
                .await
                .map_err(|error| MemoryError::Custom(error.into()))?,
            None => Vec::new(),
        };
        // What was cleared elsewhere is forgotten, although the store still has it.
        found.retain(|found| number(found, "epoch") == i64::try_from(version.epoch).ok());
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
        self.store.clear().await.map_err(|error| MemoryError::Custom(error.into()))
    }
}
