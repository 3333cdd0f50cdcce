//! Answers that call tools of the caller together with tools of the loop.

use std::sync::Arc;

use conversant_chains::LlmChain;
use conversant_core::{
    CallOptions, ChatHistory, ChatModel, ChatRequest, Delta, InvalidToolCall, LanguageModel,
    Message, Range, Reply, SessionId, ToolCall, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use conversant_testkit::ScriptedChat;
use conversant_tools::{Approval, ToolLoop, ToolLoopBuilder};
use serde_json::json;

use crate::{
    support::{calling, definition, saying, tools},
    whole_answers::Whole,
};

fn around(model: impl ChatModel + 'static) -> ToolLoop {
    let tools = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
    tools.build().unwrap()
}

fn mixed() -> Reply {
    calling(&[("mine", json!({}), "a"), ("double", json!({"x": 2}), "b"), ("fail", json!({}), "c")])
}

fn with_mine() -> CallOptions {
    CallOptions::new().with_tools([definition("mine")])
}

/// Returns the texts of the results in a reply, and the names of the calls that have none.
fn shown(reply: &Reply) -> (Vec<String>, Vec<&str>) {
    let results = reply.call_results.iter().map(|result| result.text().into_owned()).collect();
    (results, reply.open_calls().iter().map(|call| call.name.as_str()).collect())
}

/// Returns the reply of a stream, and the ids of its calls and results in order.
async fn streamed(model: &ToolLoop, request: &ChatRequest) -> (Reply, Vec<String>) {
    let mut stream = model.stream(request).await.unwrap();
    let mut pieces = Vec::new();
    loop {
        match stream.next().await.unwrap().unwrap() {
            Delta::ToolCall(call) => pieces.extend(call.id),
            Delta::ToolResult(result) => {
                pieces.push(format!("{}!", result.tool_call_id().unwrap()));
            }
            Delta::Done(reply) => {
                assert!(stream.next().await.is_none());
                return (*reply, pieces);
            }
            _ => {}
        }
    }
}

/// The calls that the caller does not know are run, and their results are with the reply.
#[tokio::test]
async fn the_other_calls_of_an_answer_are_run() {
    let request = ChatRequest::new(Message::human("q")).with_options(with_mine());
    let expected = (vec!["4".to_owned(), "error: no network".to_owned()], vec!["mine"]);
    let reply = around(ScriptedChat::new([mixed()])).generate(&request).await.unwrap();
    assert_eq!(shown(&reply), expected);
    assert_eq!(reply.message, mixed().message);
    let streaming = around(ScriptedChat::new([mixed()]));
    let whole = around(Whole(ScriptedChat::new([mixed()])));
    for model in [streaming, whole] {
        let (reply, pieces) = streamed(&model, &request).await;
        assert_eq!(shown(&reply), expected);
        assert_eq!(pieces, ["a", "b", "c", "b!", "c!"]);
    }
}

/// Each loop runs its own tools, and shows their results once.
#[tokio::test]
async fn a_loop_around_a_loop_runs_what_is_left() {
    for has_mine in [false, true] {
        let call = || {
            let mut reply = calling(&[("double", json!({"x": 2}), "b"), ("outer", json!({}), "d")]);
            if has_mine {
                let mine = ToolCall::new("mine", json!({})).with_id("a");
                let calls: Vec<_> = reply.message.tool_calls().to_vec();
                reply.message = reply.message.with_tool_calls(calls.into_iter().chain([mine]));
            }
            reply
        };
        let outer = |model: ScriptedChat| {
            let tool =
                conversant_tools::FnTool::new("outer", "", json!({"type": "object"}), |_| {
                    std::future::ready(Ok("done".into()))
                });
            ToolLoop::builder(around(model)).tool(tool).build().unwrap()
        };
        let script = || ScriptedChat::new([call(), saying("4")]);
        let request = ChatRequest::new(Message::human("q")).with_options(with_mine());
        let whole = outer(script()).generate(&request).await.unwrap();
        let (reply, pieces) = streamed(&outer(script()), &request).await;
        assert_eq!(whole, reply);
        let results = if has_mine { &reply.call_results } else { &reply.intermediate };
        let ids: Vec<_> = results.iter().filter_map(Message::tool_call_id).collect();
        assert_eq!(ids, ["b", "d"]);
        assert_eq!(reply.open_calls().len(), usize::from(has_mine));
        let calls = if has_mine { vec!["b", "d", "a"] } else { vec!["b", "d"] };
        assert_eq!(pieces, [calls, vec!["b!", "d!"]].concat());
    }
}

/// A call of the caller's tool waits although its arguments are not JSON, and a call that is denied
/// has its result.
#[tokio::test]
async fn invalid_and_denied_calls_are_those_of_their_owner() {
    let cut = |name: &str, id: &str| -> InvalidToolCall {
        serde_json::from_value(json!({"name": name, "args": "{", "id": id})).unwrap()
    };
    let message = mixed().message.with_invalid_tool_calls([cut("mine", "d"), cut("double", "e")]);
    let tools = tools()
        .into_iter()
        .fold(ToolLoop::builder(ScriptedChat::new([Reply::new(message)])), ToolLoopBuilder::tool)
        .approve_calls(|_: &ToolCall| Box::pin(async { Approval::denied("no") }));
    let request = ChatRequest::new(Message::human("q")).with_options(with_mine());
    let reply = tools.build().unwrap().generate(&request).await.unwrap();
    let (results, open) = shown(&reply);
    assert_eq!(open, ["mine"]);
    let cut: Vec<_> = reply.open_invalid_calls().iter().map(|call| call.id.clone()).collect();
    assert_eq!(cut, [Some("d".to_owned())]);
    assert_eq!(results[..2], ["error: the call was denied: no"; 2]);
    assert!(results[2].contains("not valid JSON"), "{results:?}");
}

/// A chain asks for the results of the caller's calls alone, and stores all.
#[tokio::test]
async fn a_turn_with_both_kinds_of_calls_is_resumed() {
    for is_streamed in [false, true] {
        let model = ScriptedChat::new([mixed(), saying("Four.")]);
        let history = Arc::new(InMemoryHistory::new());
        let session = SessionId::new("s").unwrap();
        let prompt = ChatPromptTemplate::from_messages((
            MessagesPlaceholder::new("history"),
            MessageTemplate::human("{question}"),
        ));
        let memory = BufferMemory::new().with_history(Arc::clone(&history), session.clone());
        let chain = LlmChain::builder()
            .prompt(prompt.unwrap())
            .model(LanguageModel::chat(around(model.clone())))
            .memory(memory.with_return_messages(true))
            .build()
            .unwrap();
        let inputs = vars! { "question" => "q" };
        let outcome = if is_streamed {
            let stream = chain.stream_with(inputs, with_mine()).await.unwrap();
            stream.into_outcome().await.unwrap().unwrap()
        } else {
            chain.invoke_with(inputs, with_mine()).await.unwrap()
        };
        let pending = outcome.pending.unwrap();
        let open: Vec<_> = pending.tool_calls().iter().map(|call| call.name.as_str()).collect();
        assert_eq!(open, ["mine"]);
        assert_eq!(history.load(&session, Range::All).await.unwrap().messages.len(), 0);
        let foreign = chain.resume(&pending, [Message::tool("x", "b")]).await;
        assert!(foreign.unwrap_err().to_string().contains("`b`"));
        let outcome = chain.resume(&pending, [Message::tool("yours", "a")]).await.unwrap();
        assert_eq!(outcome.text(), "Four.");
        let stored = history.load(&session, Range::All).await.unwrap().messages;
        let results: Vec<_> = stored.iter().filter_map(Message::tool_call_id).collect();
        assert_eq!((stored.len(), results), (6, vec!["b", "c", "a"]));
        assert_eq!(model.requests()[1].messages, stored.slice(..5));
    }
}

/// No round is the same as one.
#[tokio::test]
async fn a_loop_has_a_round() {
    let model = ScriptedChat::new([calling(&[("double", json!({"x": 2}), "a")]), saying("4")]);
    let tools = tools().into_iter().fold(ToolLoop::builder(model), ToolLoopBuilder::tool);
    let tools = tools.max_rounds(0).build().unwrap();
    let reply = tools.generate(&ChatRequest::new(Message::human("q"))).await.unwrap();
    assert_eq!(reply.text(), "4");
}
