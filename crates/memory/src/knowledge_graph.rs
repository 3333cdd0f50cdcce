//! The memory that knows facts as subject, relation and object.

mod triples;

use async_trait::async_trait;
use conversant_core::{
    BoxError, HistoryError, LanguageModel, LoadContext, Loaded, Memory, MemoryError, Message,
    Messages, Prompt, PromptError, Range, Saved, Slice, Slot, Ticket, Turn, TurnKeys, Value,
    Warning, vars,
};

use self::triples::Triple;
use crate::{
    asked::Asked,
    conversation::{Conversation, conversation_settings},
    derived::Derived,
    entities::{Extractor, words, words_in},
    literal::Piece::{self, Text, Variable},
    tail::Tail,
};

/// The prompt that asks for facts.
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

/// Shows the facts about what the user's words speak of, as text or as system messages. LangChain's `ConversationKGMemory`.
///
/// Finding what the words speak of asks the model while loading. Facts are drawn from the user's words after the turn, by
/// [`maintain`](Memory::maintain), and kept beside the conversation, so they survive a restart. A model that fails costs neither answer nor
/// turn: a [`Warning`](conversant_core::Warning) tells why, and the next turn makes up for it.
///
/// # Examples
///
/// ```
/// use conversant_core::{async_trait, vars, LanguageModel, LoadContext, Memory, Message, Ticket, Turn};
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
/// let memory = KnowledgeGraphMemory::new(LanguageModel::chat(Scribe));
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
    extractor: Extractor,
    writer: Asked,
    known: Derived,
    rest: Tail,
}

/// Why a load knows no names, for the save to tell.
struct NotFound(std::sync::Mutex<Option<Warning>>);

impl KnowledgeGraphMemory {
    /// Creates a memory with a conversation of its own, of which it shows what this model makes of it as text in the variable
    /// `history`.
    #[must_use]
    pub fn new(model: impl Into<LanguageModel>) -> Self {
        let model = model.into();
        Self {
            conversation: Conversation::new(),
            k: 2,
            extractor: Extractor::new(model.clone()),
            writer: Asked::new(model, FACTS),
            known: Derived::new("knowledge_graph"),
            rest: Tail::default(),
        }
    }

    /// Sets how many turns are given to the model beside the user's words. The default is 2.
    #[must_use]
    pub const fn with_k(mut self, k: usize) -> Self {
        self.k = k;
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

    /// Sets the prompt that asks for facts, over `history` and `input`. The answer is `(subject, relation, object)`, with `<|>` between two.
    ///
    /// # Errors
    /// [`PromptError::MissingVariables`], if it needs something else.
    pub fn with_knowledge_extraction_prompt(
        mut self,
        prompt: impl Prompt + 'static,
    ) -> Result<Self, PromptError> {
        self.writer = self.writer.with_prompt(prompt, &["history", "input"])?;
        Ok(self)
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.forget();
    }

    fn forget(&self) {
        self.known.forget();
        self.rest.forget();
    }

    /// Returns the facts, and the turns that they were not drawn from yet.
    async fn read(&self) -> Result<(Vec<Triple>, Slice), HistoryError> {
        let note = self.known.read(&self.conversation).await?;
        let covers = note.as_ref().map(|note| note.covers);
        let rest = self.rest.after(&self.conversation, covers).await?;
        let current = note.filter(|note| note.covers.epoch == rest.version.epoch);
        Ok((current.map(|note| triples::read(&note.body)).unwrap_or_default(), rest))
    }

    async fn recent(&self) -> Result<String, HistoryError> {
        let recent = self.conversation.load(Range::LastTurns(self.k)).await?;
        Ok(self.conversation.transcript.render(&recent.messages))
    }

    /// Draws facts from the turns that they were not drawn from yet.
    async fn go_on(&self) -> Result<(), BoxError> {
        let (mut known, rest) = self.read().await?;
        if rest.messages.is_empty() {
            return Ok(());
        }
        let variables = vars! {
            "history" => self.recent().await?,
            "input" => words_in(&rest.messages),
        };
        let answer = self.writer.answer(&variables).await?;
        for triple in Triple::read_answer(&answer) {
            if !known.contains(&triple) {
                known.push(triple);
            }
        }
        self.known.write(&self.conversation, triples::write(&known), rest.version).await?;
        Ok(())
    }

    fn show(&self, lines: Vec<String>) -> Value {
        if self.conversation.shows_messages() {
            Value::from(lines.into_iter().map(Message::system).collect::<Messages>())
        } else {
            Value::from(lines.join("\n"))
        }
    }
}

/// Writes what is known of a name as a line.
fn line(name: &str, known: &[Triple]) -> Option<String> {
    let about = known.iter().filter(|triple| triple.is_about(name));
    let facts: Vec<_> = about.map(ToString::to_string).collect();
    (!facts.is_empty()).then(|| format!("On {name}: {}.", facts.join(". ")))
}

conversation_settings!(KnowledgeGraphMemory: prefixes, text_or_messages);

#[async_trait]
impl Memory for KnowledgeGraphMemory {
    fn variables(&self) -> &[Slot] {
        &self.conversation.slots
    }

    fn keys(&self) -> &TurnKeys {
        &self.conversation.keys
    }

    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        let (known, rest) = self.read().await?;
        let found = match words(&self.conversation, context) {
            Some(input) if !known.is_empty() => {
                self.extractor.find(&self.recent().await?, &input).await
            }
            _ => Ok(Vec::new()),
        };
        let (names, warning) = match found {
            Ok(names) => (names, None),
            Err(error) => {
                (Vec::new(), Some(Warning::new("the names of a turn were not found", Some(error))))
            }
        };
        let lines = names.iter().filter_map(|name| line(name, &known)).collect();
        let mut loaded = self.conversation.loaded(self.show(lines), rest.version);
        loaded.ticket = loaded.ticket.with_state(NotFound(warning.into()));
        Ok(loaded)
    }

    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.conversation.append(turn, &ticket).await?;
        let warning = ticket
            .state::<NotFound>()
            .and_then(|NotFound(warning)| crate::conversation::lock(warning).take());
        Ok(warning.into_iter().fold(Saved::default(), Saved::with_warning))
    }

    async fn maintain(&self) -> Result<Saved, MemoryError> {
        Ok(self.go_on().await.err().map_or_else(Saved::default, |error| {
            let what = "the facts of a turn were not drawn from it; the next turn tries again";
            Saved::default().with_warning(Warning::new(what, Some(error)))
        }))
    }

    async fn clear(&self) -> Result<(), MemoryError> {
        self.conversation.clear().await?;
        self.forget();
        Ok(())
    }
}
