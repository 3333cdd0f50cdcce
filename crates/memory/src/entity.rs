//! The memory that knows what was said of each name.

use std::sync::Mutex;

use async_trait::async_trait;
use conversant_core::{
    BoxError, HistoryError, LanguageModel, LoadContext, Loaded, Memory, MemoryError, Prompt,
    PromptError, Range, Saved, Slice, Slot, Ticket, Turn, TurnKeys, Value, Warning, vars,
};
use serde_json::{Map, Value as Json};

use crate::{
    asked::Asked,
    conversation::{Conversation, conversation_settings, lock},
    derived::Derived,
    entities::{Extractor, words, words_in},
    literal::Piece::{self, Text, Variable},
    tail::Tail,
};

/// The prompt that asks what is known of a name.
const KNOWN: &[Piece] = &[
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

/// Shows the last `k` turns and what is known of the names that the user's words speak of. LangChain's `ConversationEntityMemory`.
///
/// Two variables: `history`, as text or as messages, and `entities`, a map from each name to what is known of it. Finding the names
/// asks the model while loading; what is known is rewritten after the turn, by [`maintain`](Memory::maintain), and kept beside the
/// conversation, so it survives a restart. A model that fails costs neither answer nor turn: a
/// [`Warning`](conversant_core::Warning) tells why, and the next turn makes up for it.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LanguageModel, LoadContext, Memory, Message, Turn};
/// use conversant_core::{ChatModel, ChatRequest, ModelError, Reply};
/// use conversant_memory::EntityMemory;
/// use serde_json::json;
///
/// /// Finds Ada in everything, and knows one thing of her.
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
/// let memory = EntityMemory::new(LanguageModel::chat(Scribe));
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
    extractor: Extractor,
    writer: Asked,
    known: Derived,
    rest: Tail,
    /// The names of the turns that what is known does not cover yet; `None` if they have to be found again.
    pending: Mutex<Option<Vec<String>>>,
}

/// What a load has found out, for the save.
struct Mentioned {
    names: Option<Vec<String>>,
    warning: Mutex<Option<Warning>>,
}

impl EntityMemory {
    /// Creates a memory with a conversation of its own, of which it shows the last 3 turns as text in the variable `history`, and what
    /// this model makes of its names in the variable `entities`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>) -> Self {
        let model = model.into();
        let mut conversation = Conversation::new();
        conversation.slots.push(Slot::text("entities"));
        Self {
            conversation,
            k: 3,
            extractor: Extractor::new(model.clone()),
            writer: Asked::new(model, KNOWN),
            known: Derived::new("entities"),
            rest: Tail::default(),
            pending: Mutex::default(),
        }
    }

    /// Sets how many turns are shown, and given to the model beside the user's words. The default is 3.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Names the variable of what is known. The default is `entities`.
    #[must_use]
    pub fn with_entities_key(mut self, key: impl Into<String>) -> Self {
        self.conversation.slots.truncate(1);
        self.conversation.slots.push(Slot::text(key.into()));
        self
    }

    /// Sets the prompt that asks for names, over `history` and `input`. The answer is names separated by commas, or `NONE`.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`], if it needs something else.
    pub fn with_entity_extraction_prompt(
        mut self,
        prompt: impl Prompt + 'static,
    ) -> Result<Self, PromptError> {
        self.extractor = self.extractor.with_prompt(prompt)?;
        Ok(self)
    }

    /// Sets the prompt that asks what is known of a name, over `entity`, `summary` (what was known so far), `history` and `input`.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`], if it needs something else.
    pub fn with_entity_summarization_prompt(
        mut self,
        prompt: impl Prompt + 'static,
    ) -> Result<Self, PromptError> {
        let names = ["entity", "summary", "history", "input"];
        self.writer = self.writer.with_prompt(prompt, &names)?;
        Ok(self)
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.forget();
    }

    fn forget(&self) {
        self.known.forget();
        self.rest.forget();
        *lock(&self.pending) = None;
    }

    /// Returns what is known, and the turns that it does not cover.
    async fn read(&self) -> Result<(Map<String, Json>, Slice), HistoryError> {
        let note = self.known.read(&self.conversation).await?;
        let covers = note.as_ref().map(|note| note.covers);
        let rest = self.rest.after(&self.conversation, covers).await?;
        let current = note.filter(|note| note.covers.epoch == rest.version.epoch);
        let known = match current.map(|note| note.body) {
            Some(Value::Data(data)) => data.as_object().cloned().unwrap_or_default(),
            _ => Map::new(),
        };
        Ok((known, rest))
    }

    async fn recent(&self) -> Result<Slice, HistoryError> {
        self.conversation.load(Range::LastTurns(self.k)).await
    }

    /// Rewrites what is known of each name in the turns that are not covered.
    async fn go_on(&self) -> Result<(), BoxError> {
        let (mut known, rest) = self.read().await?;
        if rest.messages.is_empty() {
            return Ok(());
        }
        let input = words_in(&rest.messages);
        let history = self.conversation.transcript.render(&self.recent().await?.messages);
        let pending = lock(&self.pending).clone();
        let names = match pending {
            Some(names) => names,
            None => self.extractor.find(&history, &input).await?,
        };
        for name in &names {
            let before = known.get(name).and_then(Json::as_str).unwrap_or_default();
            let variables = vars! {
                "entity" => name.as_str(),
                "summary" => before,
                "history" => history.as_str(),
                "input" => input.as_str(),
            };
            let now = self.writer.ask(&variables).await?;
            known.insert(name.clone(), Json::from(now.trim()));
        }
        let body = Value::from(Json::Object(known));
        self.known.write(&self.conversation, body, rest.version).await?;
        *lock(&self.pending) = Some(Vec::new());
        Ok(())
    }
}

/// Adds the names that are not there.
fn union(mut names: Vec<String>, more: Vec<String>) -> Vec<String> {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

conversation_settings!(EntityMemory: prefixes, text_or_messages);

#[async_trait]
impl Memory for EntityMemory {
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let recent = self.recent().await?;
        let found = match words(&self.conversation, context) {
            Some(input) => {
                let history = self.conversation.transcript.render(&recent.messages);
                self.extractor.find(&history, &input).await
            }
            None => Ok(Vec::new()),
        };
        let (known, rest) = self.read().await?;
        if rest.messages.is_empty() {
            *lock(&self.pending) = Some(Vec::new());
        }
        let (names, warning) = match found {
            Ok(names) => (Some(names), None),
            Err(error) => {
                (None, Some(Warning::new("the names of a turn were not found", Some(error))))
            }
        };
        let entities: Map<String, Json> = names
            .iter()
            .flatten()
            .map(|name| (name.clone(), known.get(name).cloned().unwrap_or_else(|| "".into())))
            .collect();
        let shown = self.conversation.show(recent.messages);
        let mut loaded = self.conversation.loaded(shown, recent.version);
        let key = self.conversation.slots.get(1).map_or("entities", Slot::name).to_owned();
        loaded.variables.insert(key, Value::from(Json::Object(entities)));
        loaded.ticket = loaded.ticket.with_state(Mentioned { names, warning: Mutex::new(warning) });
        Ok(loaded)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        let mentioned = ticket.state::<Mentioned>();
        let names = mentioned.and_then(|mentioned| mentioned.names.clone());
        {
            let mut pending = lock(&self.pending);
            *pending = pending.take().zip(names).map(|(before, names)| union(before, names));
        }
        let warning = mentioned.and_then(|mentioned| lock(&mentioned.warning).take());
        Ok(warning.into_iter().fold(Saved::default(), Saved::with_warning))
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.go_on().await.err().map_or_else(Saved::default, |error| {
            let what = "what is known of a turn's names was not written; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        }))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
