//! Streams that are given up at any place: they save a turn, or return the reason.

use std::{convert::Infallible, sync::Arc};

use conversant_chains::{
    Chain, ChainError, ChainStream, Correction, FallbackChain, FnRouter, JsonParser, LlmChain,
    ParallelChain, Route, RouterChain, SequentialChain, WithMemory,
};
use conversant_core::{
    CallOptions, ChatHistory, ChatModel, ChatRequest, Delta, LanguageModel, LoadContext, Loaded,
    Memory, MemoryError, Message, ModelError, Range, Reply, Saved, Slot, Ticket, ToolCall, Turn,
    TurnId, async_trait, vars,
};
use conversant_memory::{BufferMemory, ReadOnlyMemory, SimpleMemory};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, poll_then_drop};
use serde_json::json;

use crate::support::{TestHistory, chat_memory, chat_prompt, memory, session, text_prompt};

fn hi() -> conversant_core::Variables {
    vars! { "human_input" => "hi" }
}

fn calling() -> ScriptedReply {
    let call = ToolCall::new("weather", json!({})).with_id("a");
    Reply::new(Message::ai("").with_tool_calls([call])).into()
}

async fn read(stream: &mut ChainStream, pieces: usize) {
    for _ in 0..pieces {
        if stream.next().await.is_none_or(|piece| piece.is_err()) {
            break;
        }
    }
}

/// A memory that waits at a gate before it releases what a load acquired.
struct Slow(BufferMemory, Gate);

#[async_trait]
impl Memory for Slow {
    fn variables(&self) -> &[Slot] {
        self.0.variables()
    }
    async fn load(&self, context: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        self.0.load(context).await
    }
    async fn save(&self, turn: &Turn, ticket: Ticket) -> Result<Saved, MemoryError> {
        self.0.save(turn, ticket).await
    }
    async fn abandon(&self, _: Ticket) {
        self.1.pass().await;
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        self.0.clear().await
    }
}

/// An answer that calls tools is not a turn. The caller gets it back, and can go on.
#[tokio::test]
async fn an_answer_that_calls_tools_is_returned_and_not_stored() {
    for (name, is_whole, polls) in [
        ("at its end", false, None),
        ("while it ends", false, Some(1)),
        ("whole, before its end", true, Some(0)),
    ] {
        let (history, gate) = (TestHistory::default(), Gate::new());
        let chain = LlmChain::builder()
            .prompt(chat_prompt())
            .model(ScriptedChat::new([calling(), "{}".into()]))
            .memory(Slow(memory(&history), gate.clone()));
        let chain = match is_whole {
            true => chain.parser(JsonParser).correction(Correction::retry(1)),
            false => chain,
        };
        let chain = chain.build().unwrap();
        let mut stream = chain.stream(hi()).await.unwrap();
        match polls {
            Some(polls) => {
                assert!(poll_then_drop(read(&mut stream, 9), polls).await.is_none(), "{name}");
                gate.open();
            }
            None => {
                gate.open();
                read(&mut stream, 9).await;
            }
        }
        let error = stream.save_partial().await.unwrap_err();
        assert_eq!(history.transcript().await, "", "{name}");
        let ChainError::ToolCalls(pending) = error else { panic!("{name}: {error}") };
        chain.resume(&pending, [Message::tool("dry", "a")]).await.unwrap();
        let turns = history.inner.turns(&session(), Range::All).await.unwrap();
        assert_eq!((turns.len(), turns[0].messages().len()), (1, 4), "{name}");
    }
}

#[tokio::test]
async fn a_memory_that_saves_no_turns_has_nothing() {
    let facts = vars! { "chat_history" => "" };
    let conversation = || BufferMemory::new().with_memory_key("chat_history");
    let memories: [Arc<dyn Memory>; 2] =
        [Arc::new(SimpleMemory::new(facts)), Arc::new(ReadOnlyMemory::new(conversation()))];
    for (memory, pieces) in memories.into_iter().flat_map(|of| [(Arc::clone(&of), 1), (of, 9)]) {
        let chain = LlmChain::builder()
            .prompt(text_prompt())
            .model(ScriptedChat::new([ScriptedReply::pieces(["Hel", "lo"])]))
            .memory(memory)
            .build()
            .unwrap();
        let mut stream = chain.stream(hi()).await.unwrap();
        read(&mut stream, pieces).await;
        let error = stream.save_partial().await.unwrap_err().to_string();
        assert_eq!(error, "cannot save a partial answer: the memory saves no turns");
    }
}

/// An answer that is there as a whole is saved as a whole, with what its tools have done.
#[tokio::test]
async fn an_answer_that_does_not_stream_is_saved_whole() {
    for pieces in 0..3 {
        let history = TestHistory::default();
        let chain = LlmChain::builder()
            .prompt(chat_prompt())
            .model(ScriptedChat::new(["Hm.", "{}"]))
            .memory(memory(&history))
            .parser(JsonParser)
            .correction(Correction::retry(1))
            .build()
            .unwrap();
        let mut stream = chain.stream(hi()).await.unwrap();
        read(&mut stream, pieces).await;
        stream.save_partial().await.unwrap();
        assert_eq!(history.transcript().await, "Human: hi\nAI: {}", "{pieces} pieces");
        let turns = history.inner.turns(&session(), Range::All).await.unwrap();
        assert!(!turns[0].is_incomplete(), "{pieces} pieces");
    }
}

/// Makes a chain.
type Make<'m> = &'m dyn Fn() -> Arc<dyn Chain>;

/// A chain with corrections does not stream, nor does a chain of chains whose last step it is.
#[tokio::test]
async fn a_last_step_that_does_not_stream_is_saved_whole() {
    let judge = || {
        let builder = LlmChain::builder().prompt(text_prompt()).parser(JsonParser);
        let model = ScriptedChat::new(["Hm.", "{}"]);
        builder.model(model).correction(Correction::retry(1)).build().unwrap()
    };
    let broken = || {
        let model = ScriptedChat::new([ModelError::custom("busy", true, None)]);
        LlmChain::builder().prompt(text_prompt()).model(model).build().unwrap()
    };
    let route = || FnRouter::new(["human_input"], |_: &_| Ok::<_, Infallible>(Route::to("a")));
    let sequence = || SequentialChain::builder().chain(judge()).build().unwrap();
    let chains: [(&str, Make<'_>); 4] = [
        ("a sequence", &|| Arc::new(sequence())),
        ("a fallback", &|| {
            Arc::new(FallbackChain::builder(broken()).fallback(judge()).build().unwrap())
        }),
        ("a route", &|| {
            let builder = RouterChain::builder().router(route()).destination("a", judge());
            Arc::new(builder.default_chain(sequence()).build().unwrap())
        }),
        ("a branch", &|| {
            Arc::new(ParallelChain::builder().branch("text", judge()).build().unwrap())
        }),
    ];
    for (name, chain) in chains {
        for pieces in 0..3 {
            let history = TestHistory::default();
            let chain = WithMemory::builder(chain(), memory(&history)).build().unwrap();
            let mut stream = chain.stream(hi()).await.unwrap();
            read(&mut stream, pieces).await;
            let saved = stream.save_partial().await;
            if name == "a branch" && pieces == 0 {
                // It has not started.
                assert!(matches!(saved, Err(ChainError::NothingToSave { .. })), "{name}");
                continue;
            }
            saved.unwrap();
            assert_eq!(history.transcript().await, "Human: hi\nAI: {}", "{name}, {pieces} pieces");
            let turns = history.inner.turns(&session(), Range::All).await.unwrap();
            assert!(!turns[0].is_incomplete(), "{name}, {pieces} pieces");
        }
    }
}

/// A model whose answer comes as one piece.
struct Whole(ScriptedChat);

#[async_trait]
impl ChatModel for Whole {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.generate(request).await
    }
}

/// The end of the answer has arrived, and the reader has not taken it.
#[tokio::test]
async fn an_answer_that_has_ended_is_saved_whole() {
    let call = ToolCall::new("mail", json!({})).with_id("a");
    let sent = vec![Message::ai("").with_tool_calls([call]), Message::tool("sent", "a")];
    let reply = Reply::new(Message::ai("It is sent.")).with_intermediate(sent);
    let (history, model) = (TestHistory::default(), Whole(ScriptedChat::new([reply])));
    let chain = LlmChain::builder().prompt(chat_prompt()).model(LanguageModel::chat(model));
    let chain = chain.memory(memory(&history)).build().unwrap();
    let mut stream = chain.stream(hi()).await.unwrap();
    while !matches!(stream.next().await, Some(Ok(Delta::Text(_)))) {}
    stream.save_partial().await.unwrap();
    let turns = history.inner.turns(&session(), Range::All).await.unwrap();
    assert_eq!((turns[0].messages().len(), turns[0].is_incomplete()), (4, false));
}

/// A text that the parser refuses is a part of an answer.
#[tokio::test]
async fn an_answer_that_has_ended_and_cannot_be_read_is_a_part() {
    let (history, model) = (TestHistory::default(), ScriptedChat::new(["no JSON"]));
    let chain = LlmChain::builder().prompt(chat_prompt()).model(model).parser(JsonParser);
    let chain = chain.memory(memory(&history)).build().unwrap();
    let mut stream = chain.stream(hi()).await.unwrap();
    read(&mut stream, 1).await;
    stream.save_partial().await.unwrap();
    let turns = history.inner.turns(&session(), Range::All).await.unwrap();
    assert_eq!((turns[0].messages().len(), turns[0].is_incomplete()), (2, true));
}

/// The answer of a repeated call is stored already.
#[tokio::test]
async fn a_repeated_call_has_nothing_to_save() {
    let (history, model) = (TestHistory::default(), ScriptedChat::new(["Hello"]));
    // A store that can list turns.
    let memory = chat_memory(&history.inner);
    let chain = LlmChain::builder().prompt(chat_prompt()).model(model).memory(memory);
    let chain = chain.build().unwrap();
    let options = || CallOptions::new().with_turn_id(TurnId::from_u128(7));
    chain.predict_with(hi(), options()).await.unwrap();
    for pieces in 0..3 {
        let mut stream = chain.stream_with(hi(), options()).await.unwrap();
        read(&mut stream, pieces).await;
        stream.save_partial().await.unwrap();
        assert_eq!(history.transcript().await, "Human: hi\nAI: Hello", "{pieces} pieces");
    }
}
