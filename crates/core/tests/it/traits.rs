//! The seams: each can be a trait object, and goes through references, boxes and shared pointers.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use conversant_core::{
    CallId, CallInfo, CallOptions, ChatHistory, ChatModel, ChatRequest, Collection,
    CompletionModel, CompletionRequest, Document, Embeddings, Event, Expect, HistoryError,
    LanguageModel, Lease, LoadContext, Loaded, Match, Memory, MemoryError, Message, Messages,
    ModelDescription, ModelError, Note, Observer, OutputParser, ParseError, Prompt, PromptError,
    PromptValue, Range, Reply, ReplyStream, Saved, SessionId, Slice, Slot, Ticket, TokenCounter,
    Turn, TurnId, TurnKeys, Value, Variables, VectorStore, VectorStoreError, Version, Warning,
    async_trait, unit_vectors, vars,
};

/// Implements every method of every seam, and records the calls.
///
/// The lint on its impls fails for a method that is missing here, and [`check_calls`] for one that
/// a check does not call.
struct All {
    keys: TurnKeys,
    slots: [Slot; 1],
}

thread_local! {
    /// The names of the methods that were called on this thread.
    static CALLS: RefCell<BTreeSet<&'static str>> = RefCell::default();
}

impl All {
    fn new() -> Self {
        Self { keys: TurnKeys::new().with_input_key("q"), slots: [Slot::text("all")] }
    }
}

fn called(method: &'static str) {
    CALLS.with_borrow_mut(|calls| calls.insert(method));
}

/// Asserts that every method of a trait was called since the last time, and no other.
fn check_calls(source: &str, seam: &str) {
    let (_, body) = source.split_once(&format!("pub trait {seam}")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let method = |line: &str| {
        let line = line.strip_prefix("    ")?;
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        Some(name.split(['(', '<']).next()?.to_owned())
    };
    let methods: BTreeSet<_> = body.lines().filter_map(method).collect();
    let calls: BTreeSet<_> = CALLS.take().into_iter().map(str::to_owned).collect();
    assert_eq!(calls, methods, "{seam}");
}

fn told(what: &'static str) -> Saved {
    Saved::default().with_warning(Warning::new(what, None))
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Memory for All {
    fn variables(&self) -> &[Slot] {
        called("variables");
        &self.slots
    }
    fn keys(&self) -> &TurnKeys {
        called("keys");
        &self.keys
    }
    fn saves_turns(&self) -> bool {
        called("saves_turns");
        false
    }
    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        called("stored_in");
        None
    }
    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        called("load");
        Ok(Loaded::new(vars! { "all" => context.input.unwrap_or_default() }))
    }
    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        called("check");
        if messages.is_empty() { Ok(()) } else { Err(MemoryError::Unsupported { what: "words" }) }
    }
    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        called("save");
        Ok(told("save"))
    }
    async fn abandon(&self, _: Ticket) {
        called("abandon");
    }
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        called("maintain");
        Ok(told("maintain"))
    }
    async fn maintain_until(&self, _: Option<Instant>) -> Result<Saved, MemoryError> {
        called("maintain_until");
        Ok(told("maintain_until"))
    }
    fn needs_maintenance(&self) -> bool {
        called("needs_maintenance");
        false
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        called("clear");
        Err(MemoryError::Unsupported { what: "clear" })
    }
}

async fn memory(memory: impl Memory) {
    assert_eq!(memory.variables(), [Slot::text("all")]);
    assert_eq!(memory.keys().input_key(), Some("q"));
    assert!(!memory.saves_turns() && !memory.needs_maintenance());
    let inputs = Variables::new();
    let loaded = memory.load(LoadContext::new(&inputs).with_input("hi")).await.unwrap();
    assert_eq!(loaded.variables, vars! { "all" => "hi" });
    assert!(memory.check(&Messages::new()).is_ok());
    assert!(memory.check(&Message::human("hi").into()).is_err());
    let saved = memory.save(&Turn::exchange("q", "a"), Ticket::default()).await.unwrap();
    assert_eq!(saved.warnings[0].what, "save");
    assert!(memory.stored_in().is_none());
    memory.abandon(Ticket::default()).await;
    assert_eq!(memory.maintain().await.unwrap().warnings[0].what, "maintain");
    let warnings = memory.maintain_until(None).await.unwrap().warnings;
    assert_eq!(warnings[0].what, "maintain_until");
    assert!(memory.clear().await.is_err());
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ChatHistory for All {
    async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
        called("load");
        Ok(Slice::new(Message::human("hi"), Version::new(0, 1)))
    }
    async fn append(&self, _: &SessionId, _: &Turn, _: Expect) -> Result<Version, HistoryError> {
        called("append");
        Ok(Version::new(1, 1))
    }
    fn check(&self, _: &SessionId, messages: &[Message]) -> Result<(), HistoryError> {
        called("check");
        if messages.is_empty() {
            Ok(())
        } else {
            Err(HistoryError::TooLarge { bytes: 2, limit: 1 })
        }
    }
    async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
        called("clear");
        Err(HistoryError::Busy)
    }
    async fn turns(&self, _: &SessionId, _: Range) -> Result<Vec<Turn>, HistoryError> {
        called("turns");
        Ok(vec![Turn::exchange("q", "a")])
    }
    async fn sessions(
        &self,
        _: Option<&SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionId>, HistoryError> {
        called("sessions");
        Ok(vec![SessionId::new("s").unwrap(); limit])
    }
    async fn delete(&self, _: &SessionId) -> Result<(), HistoryError> {
        called("delete");
        Err(HistoryError::Busy)
    }
    async fn first(&self, _: &SessionId, count: usize) -> Result<Option<Messages>, HistoryError> {
        called("first");
        Ok(Some(vec![Message::system("s"); count].into()))
    }
    async fn note(&self, _: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        called("note");
        Ok(Some(Note::new(name, Version::default())))
    }
    async fn put_note(&self, _: &SessionId, _: &str, _: &Note) -> Result<(), HistoryError> {
        called("put_note");
        Ok(())
    }
    async fn lease(&self, session: &SessionId, _: Duration) -> Result<Option<Lease>, HistoryError> {
        called("lease");
        Ok(Some(Lease::new(session.clone(), TurnId::from_u128(1))))
    }
    async fn release(&self, _: &Lease) -> Result<(), HistoryError> {
        called("release");
        Err(HistoryError::Busy)
    }
    fn shares(&self) -> bool {
        called("shares");
        true
    }
}

async fn history(history: impl ChatHistory) {
    let session = SessionId::new("s").unwrap();
    assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 1);
    let turn = Turn::exchange("q", "a");
    let version = history.append(&session, &turn, Expect::Any).await.unwrap();
    assert_eq!(version, Version::new(1, 1));
    assert!(history.check(&session, &[]).is_ok());
    assert!(history.check(&session, &[Message::human("hi")]).is_err());
    assert!(history.clear(&session).await.is_err());
    assert_eq!(history.turns(&session, Range::All).await.unwrap().len(), 1);
    assert_eq!(history.sessions(None, 2).await.unwrap().len(), 2);
    assert!(history.delete(&session).await.is_err());
    assert_eq!(history.first(&session, 3).await.unwrap().unwrap().len(), 3);
    let note = history.note(&session, "n").await.unwrap().unwrap();
    assert_eq!(note.body, Value::from("n"));
    history.put_note(&session, "n", &note).await.unwrap();
    let lease = history.lease(&session, Duration::ZERO).await.unwrap().unwrap();
    assert!(history.release(&lease).await.is_err());
    assert!(history.shares());
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ChatModel for All {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        called("generate");
        Ok(Reply::new(Message::ai(request.messages.to_string())))
    }
    async fn stream(&self, _: &ChatRequest) -> Result<ReplyStream, ModelError> {
        called("stream");
        Err(ModelError::Cancelled)
    }
    fn enforces_schemas(&self) -> bool {
        called("enforces_schemas");
        true
    }

    fn describe(&self) -> ModelDescription {
        called("describe");
        ModelDescription::new().with_name("all")
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl CompletionModel for All {
    async fn generate(&self, request: &CompletionRequest) -> Result<Reply, ModelError> {
        called("generate");
        Ok(Reply::new(Message::ai(request.prompt.as_str())))
    }
    async fn stream(&self, _: &CompletionRequest) -> Result<ReplyStream, ModelError> {
        called("stream");
        Err(ModelError::Cancelled)
    }
    fn enforces_schemas(&self) -> bool {
        called("enforces_schemas");
        true
    }

    fn describe(&self) -> ModelDescription {
        called("describe");
        ModelDescription::new().with_name("all")
    }
}

async fn chat_model(model: impl ChatModel) {
    let request = ChatRequest::new(Message::human("hi"));
    assert_eq!(model.generate(&request).await.unwrap().text(), "Human: hi");
    assert!(model.stream(&request).await.is_err());
    assert!(model.enforces_schemas());
    assert_eq!(model.describe().name.as_deref(), Some("all"));
}

async fn completion_model(model: impl CompletionModel) {
    let request = CompletionRequest::new("hi");
    assert_eq!(model.generate(&request).await.unwrap().text(), "hi");
    assert!(model.stream(&request).await.is_err());
    assert!(model.enforces_schemas());
    assert_eq!(model.describe().name.as_deref(), Some("all"));
}

#[deny(clippy::missing_trait_methods)]
impl Prompt for All {
    fn slots(&self) -> &[Slot] {
        called("slots");
        &self.slots
    }
    fn format(&self, _: &Variables) -> Result<PromptValue, PromptError> {
        called("format");
        Ok("hi".into())
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl VectorStore for All {
    async fn add(&self, _: &Collection, _: &[Document]) -> Result<(), VectorStoreError> {
        called("add");
        Err(VectorStoreError::Dimension { expected: 1, found: 2 })
    }
    async fn search(
        &self,
        _: &Collection,
        text: &str,
        _: usize,
    ) -> Result<Vec<Match>, VectorStoreError> {
        called("search");
        Ok(vec![Match::new(Document::new("1", text), 1.0)])
    }
    async fn clear(&self, _: &Collection) -> Result<(), VectorStoreError> {
        called("clear");
        Ok(())
    }
}

async fn vector_store(store: impl VectorStore) {
    let shared = Collection::shared("examples");
    assert!(store.add(&shared, &[]).await.is_err());
    assert_eq!(store.search(&shared, "x", 1).await.unwrap()[0].document.text, "x");
    store.clear(&shared).await.unwrap();
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Embeddings for All {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        called("embed");
        Ok(vec![vec![7.0]; texts.len()])
    }
}

async fn embeddings(model: impl Embeddings) {
    assert_eq!(model.embed(&["a".into()]).await.unwrap(), [[7.0]]);
}

fn prompt(prompt: impl Prompt) {
    assert_eq!(prompt.slots(), [Slot::text("all")]);
    assert_eq!(prompt.format(&vars! {}).unwrap(), PromptValue::from("hi"));
}

#[deny(clippy::missing_trait_methods)]
impl TokenCounter for All {
    fn count_text(&self, text: &str) -> usize {
        called("count_text");
        text.len()
    }
    fn count_message(&self, _: &Message) -> usize {
        called("count_message");
        7
    }
}

fn counter(counter: impl TokenCounter) {
    assert_eq!((counter.count_text("four"), counter.count_message(&Message::human("x"))), (4, 7));
}

macro_rules! through_every_pointer {
    ($check:ident as $seam:ident in $source:literal $(, $await:tt)?) => {{
        let all: Arc<dyn $seam> = Arc::new(All::new());
        let called_by = |()| check_calls(include_str!($source), stringify!($seam));
        called_by($check(&*all)$(.$await)?);
        called_by($check(&All::new())$(.$await)?);
        called_by($check(Arc::clone(&all))$(.$await)?);
        called_by($check(&all)$(.$await)?);
        called_by($check(Box::new(All::new()) as Box<dyn $seam>)$(.$await)?);
        called_by($check(Arc::new(All::new()))$(.$await)?);
    }};
}

#[tokio::test]
async fn every_method_is_forwarded() {
    through_every_pointer!(memory as Memory in "../../src/memory.rs", await);
    through_every_pointer!(history as ChatHistory in "../../src/history.rs", await);
    through_every_pointer!(chat_model as ChatModel in "../../src/model/traits.rs", await);
    through_every_pointer!(completion_model as CompletionModel in "../../src/model/traits.rs", await);
    through_every_pointer!(vector_store as VectorStore in "../../src/vector_store.rs", await);
    through_every_pointer!(embeddings as Embeddings in "../../src/embeddings.rs", await);
    through_every_pointer!(prompt as Prompt in "../../src/prompt.rs");
    through_every_pointer!(counter as TokenCounter in "../../src/token_counter.rs");
}

/// The methods that an implementer can leave out.
#[tokio::test]
async fn defaults() {
    struct Least([Slot; 0]);

    #[async_trait]
    impl Memory for Least {
        fn variables(&self) -> &[Slot] {
            &self.0
        }
        async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
            Ok(Loaded::default())
        }
        async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
            Ok(Saved::default())
        }
        async fn clear(&self) -> Result<(), MemoryError> {
            Ok(())
        }
    }
    #[async_trait]
    impl ChatHistory for Least {
        async fn load(&self, _: &SessionId, _: Range) -> Result<Slice, HistoryError> {
            Ok(Slice::default())
        }
        async fn append(
            &self,
            _: &SessionId,
            _: &Turn,
            _: Expect,
        ) -> Result<Version, HistoryError> {
            Ok(Version::default())
        }
        async fn clear(&self, _: &SessionId) -> Result<(), HistoryError> {
            Ok(())
        }
    }
    #[async_trait]
    impl ChatModel for Least {
        async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
            Ok(Reply::new(Message::ai("hello")))
        }
    }
    impl TokenCounter for Least {
        fn count_text(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }
    }
    impl OutputParser for Least {
        fn parse(&self, text: &str) -> Result<Value, ParseError> {
            Ok(text.into())
        }
    }

    let least = Least([]);
    assert_eq!(Memory::keys(&least), &TurnKeys::new());
    assert!(least.saves_turns());
    assert!(least.maintain().await.unwrap().warnings.is_empty());
    assert!(least.maintain_until(None).await.unwrap().warnings.is_empty());
    let session = SessionId::new("s").unwrap();
    let note = Note::new("x", Version::default());
    let refused = HistoryError::Unsupported { what: "notes" }.to_string();
    assert_eq!(least.note(&session, "n").await.unwrap_err().to_string(), refused);
    assert_eq!(least.put_note(&session, "n", &note).await.unwrap_err().to_string(), refused);
    assert_eq!(least.first(&session, 1).await.unwrap(), None);
    assert_eq!(least.lease(&session, Duration::ZERO).await.unwrap(), None);
    least.release(&Lease::new(session, TurnId::from_u128(1))).await.unwrap();
    let request = ChatRequest::new(Messages::new());
    let reply = least.stream(&request).await.unwrap().into_reply().await.unwrap();
    assert_eq!(reply.text(), "hello");
    assert_eq!(least.count_message(&Message::human("how are you?")), 4);
    assert_eq!(least.format_instructions(), None);
}

#[tokio::test]
async fn a_language_model_is_of_either_shape() {
    let chat = LanguageModel::chat(All::new());
    let completion = LanguageModel::completion(All::new());
    let messages =
        PromptValue::from(Messages::from(vec![Message::system("s"), Message::human("h")]));
    let options = CallOptions::new;
    let reply = chat.generate(messages.clone(), options()).await.unwrap();
    assert_eq!(reply.text(), "System: s\nHuman: h");
    assert_eq!(chat.generate("hi".into(), options()).await.unwrap().text(), "Human: hi");
    let reply = completion.generate(messages, options()).await.unwrap();
    assert_eq!(reply.text(), "System: s\nHuman: h");
    assert_eq!(completion.generate("hi".into(), options()).await.unwrap().text(), "hi");
    assert!(completion.stream("hi".into(), options()).await.is_err());
    assert!(chat.stream("hi".into(), options()).await.is_err());
    insta::assert_snapshot!(
        format!("{chat:?} {completion:?}"),
        @"LanguageModel::Chat(…) LanguageModel::Completion(…)"
    );
}

#[tokio::test]
async fn the_other_seams_are_dyn_safe() {
    struct Store;
    #[async_trait]
    impl VectorStore for Store {
        async fn add(&self, _: &Collection, _: &[Document]) -> Result<(), VectorStoreError> {
            Ok(())
        }
        async fn search(
            &self,
            _: &Collection,
            text: &str,
            _: usize,
        ) -> Result<Vec<Match>, VectorStoreError> {
            Ok(vec![Match::new(Document::new("1", text).with_metadata(vars! { "n" => 1 }), 1.0)])
        }
        async fn clear(&self, _: &Collection) -> Result<(), VectorStoreError> {
            Ok(())
        }
    }
    struct Zeros;
    #[async_trait]
    impl Embeddings for Zeros {
        async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
            Ok(vec![vec![0.0]; texts.len()])
        }
    }
    struct Nobody;
    impl Observer for Nobody {
        fn on_event(&self, _: &CallInfo, _: &Event<'_>) {}
    }

    let store: Box<dyn VectorStore> = Box::new(Store);
    let own = Collection::from(SessionId::new("user-7").unwrap());
    store.add(&own, &[Document::new("1", "x")]).await.unwrap();
    let found = store.search(&own, "x", 1).await.unwrap();
    assert_eq!((found[0].document.text.as_str(), found[0].score), ("x", 1.0));
    let json = serde_json::to_string(&found[0].document).unwrap();
    assert_eq!(json, r#"{"id":"1","text":"x","metadata":{"n":1}}"#);
    assert_eq!(serde_json::from_str::<Document>(&json).unwrap(), found[0].document);
    store.clear(&own).await.unwrap();
    let embeddings: Arc<dyn Embeddings> = Arc::new(Zeros);
    assert_eq!(embeddings.embed(&["a".into(), "b".into()]).await.unwrap().len(), 2);
    let observer: Arc<dyn Observer> = Arc::new(Nobody);
    let call = CallInfo::new(CallId::random());
    observer.on_event(&call, &Event::chain_ended("c", &vars! {}));
    observer.on_nested_event(&call, &Event::chain_ended("c", &vars! {}));
}

/// A ticket carries what a save must know of its load, and gives it only as what it is.
#[test]
fn tickets() {
    let ticket = Ticket::new(Version::new(0, 2)).with_state(7_u32);
    assert_eq!((ticket.version(), ticket.state::<u32>()), (Some(Version::new(0, 2)), Some(&7)));
    assert_eq!(ticket.state::<u64>(), None);
    assert_eq!(Ticket::default().version(), None);
}

#[tokio::test]
async fn vectors_that_cannot_be_compared_are_refused() {
    struct Fixed(Vec<Vec<f32>>);
    #[async_trait]
    impl Embeddings for Fixed {
        async fn embed(&self, _: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
            Ok(self.0.clone())
        }
    }
    let cases: [(&str, Vec<Vec<f32>>); 9] = [
        ("fine", vec![vec![3.0, 4.0], vec![0.0, 0.0]]),
        ("very long and very short", vec![vec![3e38, 0.0], vec![0.0, 1e-38]]),
        ("none", vec![]),
        ("too few", vec![vec![1.0]]),
        ("too many", vec![vec![1.0]; 3]),
        ("empty", vec![vec![], vec![]]),
        ("two lengths", vec![vec![1.0, 0.0], vec![1.0]]),
        ("not a number", vec![vec![1.0, 0.0], vec![f32::NAN, 1.0]]),
        ("infinite", vec![vec![1.0, f32::NEG_INFINITY], vec![1.0, 0.0]]),
    ];
    let mut seen = String::new();
    for (name, vectors) in cases {
        match unit_vectors(&Fixed(vectors), &["a".into(), "b".into()]).await {
            Ok(vectors) => seen.push_str(&format!("{name}: {vectors:?}\n")),
            Err(error) => seen.push_str(&format!("{name}: {error}\n")),
        }
    }
    insta::assert_snapshot!(seen);
}
