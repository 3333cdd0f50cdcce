//! A chain with a memory stores a tool loop as one turn, or nothing.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use conversant_chains::{ChainError, LlmChain, ParallelChain, SequentialChain};
use conversant_core::{
    ChatHistory, ChatModel, ChatRequest, Delta, InvalidToolCall, LanguageModel, Message, Messages,
    ModelError, Range, Reply, ReplyStream, SessionId, TimeoutPhase, ToolCall, ToolCallDelta,
    async_trait, vars,
};
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, poll_then_drop};
use conversant_tools::{Approval, FnTool, ToolLoop, ToolLoopBuilder};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::support::{calling, saying, schema, tools};

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

/// A chain whose model, tools and reviewer wait once each, so that a call can be dropped there.
fn chain(history: Arc<dyn ChatHistory>, session: SessionId) -> LlmChain {
    let waiting = Gate::yielding();
    let model = ScriptedChat::new(
        [
            calling(&[("double", json!({"x": 1}), "a"), ("fail", json!({}), "b")]),
            calling(&[
                ("wait", json!({}), "c"),
                ("wait", json!({}), "d"),
                ("deny", json!({}), "e"),
            ]),
            saying("4"),
        ]
        .map(|reply| ScriptedReply::from(reply).held_by(&waiting)),
    );
    let wait = FnTool::new("wait", "Waits.", schema(), |_| async {
        tokio::task::yield_now().await;
        Ok("4".into())
    });
    let tools = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
    let deny = FnTool::new("deny", "Is never run.", schema(), |_| async { Ok("run".into()) });
    let prompt = ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{question}"),
    ));
    LlmChain::builder()
        .prompt(prompt.unwrap())
        .model(LanguageModel::chat(
            tools.tool(wait).tool(deny).approve_calls(review).build().unwrap(),
        ))
        .memory(BufferMemory::new().with_history(history, session).with_return_messages(true))
        .build()
        .unwrap()
}

/// Denies the calls of `deny`, after a wait.
fn review(call: &ToolCall) -> BoxFuture<'_, Approval> {
    Box::pin(async move {
        tokio::task::yield_now().await;
        if call.name == "deny" { Approval::denied("not now") } else { Approval::Approved }
    })
}

async fn stored(history: &dyn ChatHistory, session: &SessionId) -> (usize, Messages) {
    let turns = history.turns(session, Range::All).await.unwrap();
    (turns.len(), history.load(session, Range::All).await.unwrap().messages)
}

#[tokio::test]
async fn the_whole_exchange_is_one_turn() {
    let history = Arc::new(InMemoryHistory::new());
    let chain = chain(history.clone(), session());
    let answer = chain.predict(vars! { "question" => "2 * 2?" }).await.unwrap();
    assert_eq!(answer, "4");
    let (turns, messages) = stored(&*history, &session()).await;
    assert_eq!(turns, 1);
    insta::assert_snapshot!(messages);
}

#[tokio::test]
async fn a_call_or_a_stream_that_is_dropped_leaves_the_whole_turn_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let stores: [Arc<dyn ChatHistory>; 2] =
        [Arc::new(InMemoryHistory::new()), Arc::new(SqliteHistory::open(&path).unwrap())];
    for (store, streams) in stores.iter().flat_map(|store| [(store, false), (store, true)]) {
        let mut polls = 0;
        loop {
            let session = SessionId::new(format!("{streams} {polls}")).unwrap();
            let chain = chain(Arc::clone(store), session.clone());
            let inputs = vars! { "question" => "2 * 2?" };
            let run = async {
                if streams {
                    chain.stream(inputs).await.unwrap().into_outcome().await.map(drop)
                } else {
                    chain.invoke(inputs).await.map(drop)
                }
            };
            let ended = poll_then_drop(run, polls).await;
            let (turns, messages) = stored(&**store, &session).await;
            let whole = (1, 9);
            assert!(
                [(0, 0), whole].contains(&(turns, messages.len())),
                "{polls} polls: {turns} turns, {} messages",
                messages.len()
            );
            if ended.is_some() {
                assert_eq!((turns, messages.len()), whole);
                break;
            }
            polls += 1;
        }
        // Three rounds of the model, the reviewer and a tool wait.
        assert!(polls >= 6, "{polls} polls");
    }
}

/// The error of a later round is that of the model for a chain, and has the rounds before it.
#[tokio::test]
async fn an_error_of_a_chain_has_the_rounds_before_it() {
    let history = Arc::new(InMemoryHistory::new());
    let late = ModelError::Timeout { phase: TimeoutPhase::Total, after: Duration::from_secs(1) };
    let script = [calling(&[("double", json!({"x": 1}), "a")]).into(), ScriptedReply::from(late)];
    let model = ToolLoop::builder(ScriptedChat::new(script));
    let model = tools().into_iter().fold(model, ToolLoopBuilder::tool).build().unwrap();
    let memory = BufferMemory::new().with_history(history.clone(), session());
    let chain = LlmChain::builder()
        .prompt(ChatPromptTemplate::from_messages([("human", "{history} {question}")]).unwrap())
        .model(LanguageModel::chat(model))
        .memory(memory)
        .build()
        .unwrap();
    let error = chain.invoke(vars! { "question" => "2 * 2?" }).await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    let ChainError::Model(error) = error else { panic!("{error}") };
    assert_eq!(error.exchange().unwrap().len(), 2);
    assert_eq!(stored(&*history, &session()).await.0, 0);
}

/// The calls and results of tools are stored with the text that follows them, and the text before
/// them is not taken for the answer.
#[tokio::test]
async fn a_stream_that_is_stopped_keeps_the_rounds_that_have_ended() {
    let calling = |text: &str, ids: &[&str]| {
        let calls = ids.iter().map(|id| ToolCall::new("double", json!({"x": 2})).with_id(*id));
        Message::ai(text).with_tool_calls(calls)
    };
    let result = |id: &str| Message::tool("4", id).with_name("double");
    let whole = [
        Message::human("2 * 2?"),
        calling("Let me see.", &["a"]),
        result("a"),
        calling("And again.", &["b", "c"]),
        result("b"),
        result("c"),
    ];
    let answer = || ScriptedReply::pieces(["It is", " 4."]);
    let failure = || ModelError::custom("no network", true, None);
    // The pieces that are read, the messages of the rounds, and the text after them.
    let table = [
        ("before the first result", answer(), 2, 1, "Let me see."),
        ("after the first round", answer(), 3, 3, ""),
        ("in a text of the second round", answer(), 4, 3, "And again."),
        ("between two results", answer(), 7, 3, ""),
        ("after the second round", answer(), 8, 6, ""),
        ("in the answer", answer(), 9, 6, "It is"),
        ("at a failure of the third request", failure().into(), 99, 6, ""),
        ("at a failure of the answer", answer().then_error(failure()), 99, 6, "It is 4."),
    ];
    for (name, third, pieces, rounds, text) in table {
        let history = Arc::new(InMemoryHistory::new());
        let script = [calling("Let me see.", &["a"]), calling("And again.", &["b", "c"])];
        let script = script.map(|message| Reply::new(message).into()).into_iter().chain([third]);
        let model = ToolLoop::builder(ScriptedChat::new(script));
        let model = tools().into_iter().fold(model, ToolLoopBuilder::tool).build().unwrap();
        let prompt = ChatPromptTemplate::from_messages((
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{question}"),
        ));
        let memory = BufferMemory::new().with_history(history.clone(), session());
        let chain = LlmChain::builder()
            .prompt(prompt.unwrap())
            .model(LanguageModel::chat(model))
            .memory(memory.with_return_messages(true))
            .build()
            .unwrap();
        let mut stream = chain.stream(vars! { "question" => "2 * 2?" }).await.unwrap();
        for _ in 0..pieces {
            if stream.next().await.is_none_or(|piece| piece.is_err()) {
                break;
            }
        }
        let saved = stream.save_partial().await;
        let (turns, messages) = stored(&*history, &session()).await;
        // A turn ends with an answer.
        if text.is_empty() {
            let reason = "no text was received after the results of tools";
            let expected = format!("cannot save a partial answer: {reason}");
            assert_eq!((saved.unwrap_err().to_string(), turns), (expected, 0), "{name}");
            continue;
        }
        saved.unwrap();
        let mut expected = whole[..rounds].to_vec();
        expected.push(Message::ai(text));
        assert_eq!(turns, 1, "{name}");
        assert_eq!(messages, Messages::from(expected), "{name}");
    }
}

/// The text before the calls of a branch's tools is not the answer, nor a part of it.
#[tokio::test]
async fn a_branch_that_is_stopped_keeps_the_text_after_its_tools() {
    for (pieces, text) in [(1, ""), (2, "It is"), (3, "It is 4."), (4, "It is 4.")] {
        let history = Arc::new(InMemoryHistory::new());
        let call = ToolCall::new("double", json!({"x": 2})).with_id("a");
        let first = Reply::new(Message::ai("I look it up.").with_tool_calls([call]));
        let script = [first.into(), ScriptedReply::pieces(["It is", " 4."])];
        let model = ToolLoop::builder(ScriptedChat::new(script));
        let model = tools().into_iter().fold(model, ToolLoopBuilder::tool).build().unwrap();
        let branch = |model: LanguageModel| {
            let prompt = ChatPromptTemplate::from_messages([("human", "{question}")]);
            LlmChain::builder().prompt(prompt.unwrap()).model(model).build().unwrap()
        };
        let memory = BufferMemory::new().with_history(history.clone(), session());
        let memory = memory.with_output_key("answer");
        let chain = ParallelChain::builder()
            .branch("answer", branch(LanguageModel::chat(model)))
            .branch("other", branch(LanguageModel::chat(ScriptedChat::new(["Hm.", "So."]))))
            .branch_concurrency(1)
            .memory(memory)
            .allow_unused("history");
        let mut stream =
            chain.build().unwrap().stream(vars! { "question" => "2 * 2?" }).await.unwrap();
        let mut from_result = 0;
        while from_result < pieces {
            let Delta::Branch(branch) = stream.next().await.unwrap().unwrap() else { panic!() };
            if from_result > 0 || matches!(branch.delta, Delta::ToolResult(_)) {
                from_result += 1;
            }
        }
        assert_eq!(stream.save_partial().await.is_ok(), !text.is_empty(), "{pieces} pieces");
        let expected = match text {
            "" => vec![],
            text => vec![Message::human("2 * 2?"), Message::ai(text)],
        };
        assert_eq!(stored(&*history, &session()).await.1, expected.into(), "{pieces} pieces");
    }
}

/// A model that does not stream, whose answers come whole.
struct Whole(ScriptedChat);

#[async_trait]
impl ChatModel for Whole {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.0.generate(request).await
    }
}

#[tokio::test]
async fn the_rounds_of_a_model_that_does_not_stream_are_kept() {
    let history = Arc::new(InMemoryHistory::new());
    let round = |id| ScriptedReply::from(calling(&[("double", json!({"x": 1}), id)]));
    let model = ScriptedChat::new([round("a"), round("b"), "Two.".into()]);
    let model = tools().into_iter().fold(ToolLoop::builder(Whole(model)), ToolLoopBuilder::tool);
    let chain = LlmChain::builder()
        .prompt(ChatPromptTemplate::from_messages([("human", "{history} {question}")]).unwrap())
        .model(LanguageModel::chat(model.build().unwrap()))
        .memory(BufferMemory::new().with_history(history.clone(), session()))
        .build()
        .unwrap();
    let mut stream = chain.stream(vars! { "question" => "2 * 2?" }).await.unwrap();
    // Up to the text of the answer.
    while !matches!(stream.next().await.unwrap().unwrap(), Delta::Text(_)) {}
    stream.save_partial().await.unwrap();
    let (turns, messages) = stored(&*history, &session()).await;
    let calls = messages.iter().filter(|message| !message.tool_calls().is_empty());
    assert_eq!((turns, messages.len(), calls.count()), (1, 6, 2));
}

/// A reader stops at a call of a tool: the tool does not run, also if the end of the answer is
/// there.
#[tokio::test]
async fn a_tool_does_not_run_when_its_call_is_stopped() {
    let (history, runs) = (Arc::new(InMemoryHistory::new()), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&runs);
    let mail = FnTool::new("mail", "Sends.", schema(), move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok("sent".into()) }
    });
    let model = ScriptedChat::new([calling(&[("mail", json!({}), "a")]), saying("Sent.")]);
    let chain = LlmChain::builder()
        .prompt(ChatPromptTemplate::from_messages([("human", "{history} {question}")]).unwrap())
        .model(LanguageModel::chat(ToolLoop::builder(model).tool(mail).build().unwrap()))
        .memory(BufferMemory::new().with_history(history.clone(), session()))
        .build()
        .unwrap();
    let mut stream = chain.stream(vars! { "question" => "Write." }).await.unwrap();
    while !matches!(stream.next().await.unwrap().unwrap(), Delta::ToolCall(_)) {}
    assert!(stream.save_partial().await.is_err());
    assert_eq!((runs.load(Ordering::Relaxed), stored(&*history, &session()).await.0), (0, 0));
}

/// A model whose answers come in given pieces.
struct InPieces(Mutex<VecDeque<(Message, Vec<Delta>)>>, ScriptedChat);

#[async_trait]
impl ChatModel for InPieces {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        self.stream(request).await?.into_reply().await
    }

    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        self.1.generate(request).await?;
        let (message, pieces) = self.0.lock().unwrap().pop_front().unwrap();
        let pieces = pieces.into_iter().chain([Reply::new(message).into()]);
        Ok(ReplyStream::from_pieces(pieces.map(Ok)))
    }
}

/// The messages that a loop has sent to its model are kept, for any pieces of its calls, with the
/// fields that only the whole answer has.
#[tokio::test]
async fn a_stream_that_is_stopped_keeps_the_rounds_as_the_loop_has_sent_them() {
    let piece = |id: Option<&str>, name: Option<&str>, arguments: &str| {
        let mut piece = ToolCallDelta::new(0);
        (piece.id, piece.name) = (id.map(str::to_owned), name.map(str::to_owned));
        piece.arguments = arguments.to_owned();
        Delta::ToolCall(piece)
    };
    let call = |args| ToolCall::new("double", args).with_id("a");
    let answer = |call: ToolCall| Message::ai("Let me look.").with_tool_calls([call]);
    let x = "{\"x\":2}";
    let cut: InvalidToolCall = serde_json::from_value(json!({
        "name": "double", "args": "{\"x\":", "id": "b", "error": "cut off",
    }))
    .unwrap();
    let table = [
        ("an id", answer(call(json!({"x": 2}))), vec![piece(Some("a"), Some("double"), x)]),
        (
            "no id",
            answer(ToolCall::new("double", json!({"x": 2}))),
            vec![piece(None, Some("double"), x)],
        ),
        (
            "a name in pieces",
            answer(call(json!({"x": 2}))),
            vec![piece(Some("a"), Some("dou"), ""), piece(None, Some("ble"), x)],
        ),
        ("null", answer(call(json!({}))), vec![piece(Some("a"), Some("double"), "null")]),
        (
            "a call that was cut off",
            answer(call(json!({"x": 2}))).with_invalid_tool_calls([cut]),
            vec![piece(Some("a"), Some("double"), x), {
                let mut piece = ToolCallDelta::new(1);
                piece.arguments = "{\"x\":".to_owned();
                Delta::ToolCall(piece)
            }],
        ),
        (
            "a signature",
            answer(call(json!({"x": 2}))).with_extra("reasoning_content", "Hm."),
            vec![piece(Some("a"), Some("double"), x)],
        ),
    ];
    let table = table.into_iter().flat_map(|row| [(row.clone(), false), (row, true)]);
    for ((name, message, calls), is_composed) in table {
        let history = Arc::new(InMemoryHistory::new());
        let text = |text: &str| Delta::Text(text.to_owned());
        let first = [text("Let me look.")].into_iter().chain(calls).collect();
        let rounds = [(message, first), (Message::ai("Part of it."), vec![text("Part of")])];
        let requests = ScriptedChat::with_handler(|_| "".into());
        let model = InPieces(Mutex::new(rounds.into()), requests.clone());
        let model = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
        let prompt = ChatPromptTemplate::from_messages((
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{question}"),
        ));
        let memory = BufferMemory::new().with_history(history.clone(), session());
        let memory = memory.with_return_messages(true);
        let chain = LlmChain::builder()
            .prompt(prompt.unwrap())
            .model(LanguageModel::chat(model.build().unwrap()));
        let inputs = vars! { "question" => "2 * 2?" };
        let mut stream = if is_composed {
            let chain = SequentialChain::builder().chain(chain.build().unwrap()).memory(memory);
            chain.build().unwrap().stream(inputs).await.unwrap()
        } else {
            chain.memory(memory).build().unwrap().stream(inputs).await.unwrap()
        };
        let is_answer = |piece: &Delta| matches!(piece, Delta::Text(text) if text == "Part of");
        while !is_answer(&stream.next().await.unwrap().unwrap()) {}
        stream.save_partial().await.unwrap();
        let mut expected = requests.requests()[1].messages.clone();
        expected.push(Message::ai("Part of"));
        assert_eq!(stored(&*history, &session()).await, (1, expected), "{name}");
    }
}
