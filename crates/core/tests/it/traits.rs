//! Every method of every trait is forwarded by references, boxes and shared pointers.

mod history;

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use conversant_core::{
    CallId, CallInfo, CallOptions, ChatHistory, ChatModel, ChatRequest, Collection,
    CompletionModel, CompletionRequest, Content, Document, Embeddings, Event, LanguageModel,
    LoadContext, Loaded, MaintainContext, Match, Memory, MemoryError, Message, Messages,
    ModelDescription, ModelError, Observer, ObserverIdentity, OutputParser, ParseError, Point,
    Prompt, PromptError, PromptFault, PromptValue, Reply, ReplyStream, Saved, SessionId, Slot,
    SlotKind, Ticket, TokenCounter, Tool, ToolCall, ToolDefinition, ToolError, Turn, TurnId,
    TurnKeys, Value, Variables, VectorStore, VectorStoreError, Warning, async_trait, vars,
};
use serde_json::json;

use self::history::history;

/// Implements every method of every trait, and records the calls.
///
/// The lint on its impls fails for a method that is missing here, and [`check_calls`] for one that
/// a check does not call.
struct All {
    keys: TurnKeys,
    slots: [Slot; 1],
    definition: ToolDefinition,
}

thread_local! {
    /// The names of the methods that were called on this thread.
    static CALLS: RefCell<BTreeSet<&'static str>> = RefCell::default();
}

impl All {
    fn new() -> Self {
        Self {
            keys: TurnKeys::new().with_input_key("q"),
            slots: [Slot::text("all")],
            definition: ToolDefinition::new("all", json!({})),
        }
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
    fn gives_text(&self, variable: &str) -> bool {
        called("gives_text");
        variable == "all"
    }
    fn stored_in(&self) -> Option<(&dyn ChatHistory, &SessionId)> {
        called("stored_in");
        None
    }
    fn at(&self, point: Point) -> Option<Box<dyn Memory>> {
        called("at");
        (point == Point::Start).then(|| Box::new(Self::new()) as _)
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
    async fn maintain_with(&self, _: MaintainContext<'_>) -> Result<Saved, MemoryError> {
        called("maintain_with");
        Ok(told("maintain_with"))
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
    assert!(!memory.saves_turns() && !memory.needs_maintenance() && memory.gives_text("all"));
    let inputs = Variables::new();
    let loaded = memory.load(LoadContext::new(&inputs).with_input("hi")).await.unwrap();
    assert_eq!(loaded.variables, vars! { "all" => "hi" });
    assert!(memory.check(&Messages::new()).is_ok());
    assert!(memory.check(&Message::human("hi").into()).is_err());
    let saved = memory.save(&Turn::exchange("q", "a"), Ticket::default()).await.unwrap();
    assert_eq!(saved.warnings[0].what, "save");
    assert!(memory.stored_in().is_none());
    assert!(memory.at(Point::Start).is_some() && memory.at(TurnId::from_u128(1).into()).is_none());
    memory.abandon(Ticket::default()).await;
    assert_eq!(memory.maintain().await.unwrap().warnings[0].what, "maintain");
    let warnings = memory.maintain_with(MaintainContext::new()).await.unwrap().warnings;
    assert_eq!(warnings[0].what, "maintain_with");
    assert!(memory.clear().await.is_err());
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
    fn gives(&self) -> Option<SlotKind> {
        called("gives");
        Some(SlotKind::Text)
    }
    fn faults(&self, given: &[Slot]) -> Vec<PromptFault> {
        called("faults");
        let fault = |slot: &Slot| PromptFault::TextForMessages { name: slot.name().to_owned() };
        given.iter().map(fault).collect()
    }
}

type Listed = Result<Vec<Document>, VectorStoreError>;

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
    async fn list(&self, _: &Collection, _: Option<&str>, _: usize) -> Listed {
        called("list");
        Ok(vec![Document::new("1", "x")])
    }
    async fn remove(&self, _: &Collection, ids: &[&str]) -> Result<usize, VectorStoreError> {
        called("remove");
        Ok(ids.len())
    }
}

async fn vector_store(store: impl VectorStore) {
    let shared = Collection::shared("examples");
    assert!(store.add(&shared, &[]).await.is_err());
    assert_eq!(store.search(&shared, "x", 1).await.unwrap()[0].document.text, "x");
    store.clear(&shared).await.unwrap();
    assert_eq!(store.list(&shared, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.remove(&shared, &["1", "2"]).await.unwrap(), 2);
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
    assert_eq!(prompt.gives(), Some(SlotKind::Text));
    assert_eq!(prompt.faults(&[Slot::text("all")]).len(), 1);
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

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Tool for All {
    fn definition(&self) -> &ToolDefinition {
        called("definition");
        &self.definition
    }
    async fn call(&self, call: &ToolCall) -> Result<Content, ToolError> {
        called("call");
        Ok(call.name.clone().into())
    }
}

async fn tool(tool: impl Tool) {
    assert_eq!(tool.definition().name, "all");
    let result = tool.call(&ToolCall::new("x", json!({}))).await.unwrap();
    assert_eq!(result, Content::from("x"));
}

#[deny(clippy::missing_trait_methods)]
impl OutputParser for All {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        called("parse");
        Ok(text.len().to_string().into())
    }
    fn format_instructions(&self) -> Option<&str> {
        called("format_instructions");
        Some("be brief")
    }
}

fn parser(parser: impl OutputParser) {
    assert_eq!(parser.parse("four").unwrap(), Value::from("4"));
    assert_eq!(parser.format_instructions(), Some("be brief"));
}

#[deny(clippy::missing_trait_methods)]
impl Observer for All {
    fn on_event(&self, _: &CallInfo, _: &Event<'_>) {
        called("on_event");
    }
    fn on_nested_event(&self, _: &CallInfo, _: &Event<'_>) {
        called("on_nested_event");
    }
    fn identity(&self) -> Option<ObserverIdentity> {
        called("identity");
        None
    }
}

fn observer(observer: impl Observer) {
    let (call, outputs) = (CallInfo::new(CallId::random()), vars! {});
    observer.on_event(&call, &Event::chain_ended("c", &outputs));
    observer.on_nested_event(&call, &Event::chain_ended("c", &outputs));
    assert_eq!(observer.identity(), None);
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
    through_every_pointer!(tool as Tool in "../../src/tool.rs", await);
    through_every_pointer!(parser as OutputParser in "../../src/output_parser.rs");
    through_every_pointer!(observer as Observer in "../../src/observer/event.rs");
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
