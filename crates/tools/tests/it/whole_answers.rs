//! Answers of a loop that come whole, such as from a cache: a reader sees what the loop has done,
//! and a stream that is stopped keeps it.

use std::sync::Arc;

use conversant_chains::{
    Correction, FallbackChain, JsonParser, LlmChain, LlmChainBuilder, SequentialChain,
};
use conversant_core::{
    CallOptions, ChatHistory, ChatModel, ChatRequest, Delta, LanguageModel, Message, ModelError,
    Range, Reply, SessionId, ToolCall, async_trait, vars,
};
use conversant_layers::{Cached, Fallback, InMemoryCache};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::{ScriptedChat, ScriptedReply};
use conversant_tools::{ToolLoop, ToolLoopBuilder};
use serde_json::json;

use crate::support::{calling, definition, saying, tools};

/// A model that does not stream.
pub(crate) struct Whole<M>(pub(crate) M);

#[async_trait]
impl<M: ChatModel> ChatModel for Whole<M> {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.generate(request).await
    }
}

fn around(model: ScriptedChat) -> ToolLoop {
    let tools = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
    tools.build().unwrap()
}

/// A round of two calls, and one of one call.
fn rounds() -> [ScriptedReply; 2] {
    let first = calling(&[("double", json!({"x": 1}), "a"), ("fail", json!({}), "b")]);
    [first, calling(&[("double", json!({"x": 2}), "c")])].map(ScriptedReply::from)
}

fn answering() -> ScriptedChat {
    ScriptedChat::new(rounds().into_iter().chain([ScriptedReply::pieces(["It is", " 4."])]))
}

/// A model that fails after the rounds.
fn failing() -> ScriptedChat {
    let busy = ModelError::custom("busy", true, None);
    ScriptedChat::new(rounds().into_iter().chain([ScriptedReply::from(busy)]))
}

struct Store {
    history: Arc<InMemoryHistory>,
    session: SessionId,
}

impl Store {
    fn new() -> Self {
        let history = Arc::new(InMemoryHistory::new());
        Self { history, session: SessionId::new("s").unwrap() }
    }

    fn memory(&self) -> BufferMemory {
        let memory = BufferMemory::new();
        let memory = memory.with_history(Arc::clone(&self.history), self.session.clone());
        memory.with_return_messages(true)
    }

    /// Returns what is stored: the ids of calls and results, and the other texts.
    async fn stored(&self) -> Vec<String> {
        let messages = self.history.load(&self.session, Range::All).await.unwrap().messages;
        let shown = messages.iter().flat_map(|message| {
            let calls = message.tool_calls().iter().filter_map(|call| call.id.clone());
            let result = message.tool_call_id().map(|id| format!("{id}!"));
            let is_text = message.tool_calls().is_empty() && result.is_none();
            let text = is_text.then(|| message.text().into_owned());
            calls.chain(result).chain(text).collect::<Vec<_>>()
        });
        shown.collect()
    }
}

fn builder(model: impl ChatModel + 'static) -> LlmChainBuilder {
    let prompt = ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("history").optional(),
        MessageTemplate::human("{question}"),
    ));
    LlmChain::builder().prompt(prompt.unwrap()).model(LanguageModel::chat(model))
}

fn shown(piece: &Delta) -> Option<String> {
    match piece {
        Delta::ToolCall(call) => call.id.clone(),
        Delta::ToolResult(result) => result.tool_call_id().map(|id| format!("{id}!")),
        Delta::Text(text) => Some(text.clone()),
        _ => None,
    }
}

const ROUNDS: [&str; 6] = ["a", "b", "a!", "b!", "c", "c!"];

/// Reads a stream up to its first text, and stops it.
async fn stop_in_text(mut stream: conversant_chains::ChainStream) -> Vec<String> {
    let mut pieces = Vec::new();
    loop {
        let piece = stream.next().await.unwrap().unwrap();
        pieces.extend(shown(&piece));
        if matches!(piece, Delta::Text(_)) {
            break;
        }
    }
    stream.save_partial().await.unwrap();
    pieces
}

#[tokio::test]
async fn a_whole_answer_has_the_pieces_of_its_rounds() {
    let cached = Cached::new(around(answering()), "", InMemoryCache::new(9));
    let asked = ChatRequest::new(Message::human("q"));
    cached.generate(&asked).await.unwrap();
    let goes_on = Fallback::new(Whole(around(failing())), ScriptedChat::new(["It is 4."]));
    let models: [(&str, Arc<dyn ChatModel>); 3] = [
        ("a hit", Arc::new(cached)),
        ("a model that does not stream", Arc::new(Whole(around(answering())))),
        ("a fallback", Arc::new(goes_on)),
    ];
    for (name, model) in models {
        let store = Store::new();
        let chain = builder(model).memory(store.memory()).build().unwrap();
        let stream = chain.stream(vars! { "question" => "q" }).await.unwrap();
        let pieces = stop_in_text(stream).await;
        assert_eq!(pieces, [&ROUNDS[..], &["It is 4."]].concat(), "{name}");
        assert_eq!(store.stored().await, [&["q"], &ROUNDS[..], &["It is 4."]].concat(), "{name}");
    }
}

/// A chain with corrections answers whole, also as a step of another chain.
#[tokio::test]
async fn a_chain_that_does_not_stream_has_the_pieces_of_its_rounds() {
    for is_step in [false, true] {
        let store = Store::new();
        let model = ScriptedChat::new(rounds().into_iter().chain([saying("{\"x\": 4}").into()]));
        let chain = builder(around(model)).parser(JsonParser).correction(Correction::retry(1));
        let inputs = vars! { "question" => "q" };
        let stream = if is_step {
            let chain = SequentialChain::builder().chain(chain.build().unwrap());
            let chain = chain.memory(store.memory()).allow_unused("history").build().unwrap();
            chain.stream(inputs).await.unwrap()
        } else {
            chain.memory(store.memory()).build().unwrap().stream(inputs).await.unwrap()
        };
        let expected = [&ROUNDS[..], &["{\"x\": 4}"]].concat();
        assert_eq!(stop_in_text(stream).await, expected, "{is_step}");
        assert_eq!(store.stored().await, [&["q"], &expected[..]].concat(), "{is_step}");
    }
}

/// Tools of a chain that failed before its first piece are part of the turn of the next one.
#[tokio::test]
async fn a_fallback_keeps_the_rounds_of_the_chain_that_failed() {
    let store = Store::new();
    let second = ScriptedChat::new([ScriptedReply::pieces(["It is", " 4."])]);
    let chain = FallbackChain::builder(builder(Whole(around(failing()))).build().unwrap())
        .fallback(builder(second).build().unwrap())
        .memory(store.memory())
        .allow_unused("history")
        .build()
        .unwrap();
    let stream = chain.stream(vars! { "question" => "q" }).await.unwrap();
    assert_eq!(stop_in_text(stream).await, [&ROUNDS[..], &["It is"]].concat());
    assert_eq!(store.stored().await, [&["q"], &ROUNDS[..], &["It is"]].concat());
}

/// Results that the caller has brought are not shown to the caller again.
#[tokio::test]
async fn a_resumed_turn_has_the_pieces_of_its_own_call() {
    let store = Store::new();
    let mine = calling(&[("mine", json!({}), "m")]);
    let script = [mine.into()].into_iter().chain(rounds()).chain([saying("{}").into()]);
    let chain = builder(around(ScriptedChat::new(script)));
    let chain = chain.parser(JsonParser).correction(Correction::retry(1)).memory(store.memory());
    let chain = chain.build().unwrap();
    let options = CallOptions::new().with_tools([definition("mine")]);
    let inputs = vars! { "question" => "q" };
    let pending = chain.invoke_with(inputs, options).await.unwrap().pending.unwrap();
    let call: &ToolCall = &pending.tool_calls()[0];
    let result = Message::tool("yours", call.id.clone().unwrap());
    let stream = chain.resume_stream(&pending, [result]).await.unwrap();
    assert_eq!(stop_in_text(stream).await, [&ROUNDS[..], &["{}"]].concat());
    let expected = [&["q", "m", "m!"], &ROUNDS[..], &["{}"]].concat();
    assert_eq!(store.stored().await, expected);
}
