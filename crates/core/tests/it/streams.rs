//! An answer that comes piece by piece, and the one rule for everyone's streams.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use conversant_core::{
    Delta, InvalidToolCall, Message, ModelError, Reply, ReplyStream, ToolCall, ToolCallDelta,
};
use futures_core::Stream;
use serde_json::json;

/// A stream of scripted items that records when it is dropped.
struct Script(VecDeque<Result<Delta, ModelError>>, Arc<AtomicBool>);

impl Stream for Script {
    type Item = Result<Delta, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.1.store(true, Ordering::Relaxed);
    }
}

fn script(
    deltas: impl IntoIterator<Item = Result<Delta, ModelError>>,
) -> (ReplyStream, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let stream = Script(deltas.into_iter().collect(), Arc::clone(&dropped));
    (ReplyStream::new(stream), dropped)
}

fn text(piece: &str) -> Result<Delta, ModelError> {
    Ok(Delta::Text(piece.into()))
}

fn done(answer: &str) -> Result<Delta, ModelError> {
    Ok(Reply::new(Message::ai(answer)).into())
}

#[tokio::test]
async fn a_stream_that_ends_without_done_is_truncated() {
    let (mut stream, dropped) =
        script([text("he"), Ok(Delta::Reasoning("hm".into())), text("llo")]);
    for _ in 0..3 {
        stream.next().await.unwrap().unwrap();
    }
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, ModelError::StreamTruncated { .. }), "{error}");
    assert_eq!(error.partial().unwrap().text.as_str(), "hello");
    assert!(error.is_retryable());
    assert!(dropped.load(Ordering::Relaxed), "the model's stream is dropped at its end");
    for _ in 0..3 {
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test]
async fn nothing_comes_after_done_or_an_error() {
    let (mut stream, dropped) = script([done("a"), text("more"), done("again")]);
    assert!(matches!(stream.next().await, Some(Ok(Delta::Done(_)))));
    assert!(dropped.load(Ordering::Relaxed));
    assert!(stream.next().await.is_none());

    let (mut stream, _) = script([text("a"), Err(ModelError::Cancelled), done("a")]);
    assert!(stream.next().await.unwrap().is_ok());
    assert!(matches!(stream.next().await, Some(Err(ModelError::Cancelled))));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn an_empty_stream_is_truncated() {
    let (stream, _) = script([]);
    let error = stream.into_reply().await.unwrap_err();
    assert!(matches!(error, ModelError::StreamTruncated { .. }));
}

#[tokio::test]
async fn into_reply_reads_to_the_end() {
    let call = Ok(Delta::ToolCall(ToolCallDelta::new(0)));
    let (stream, _) = script([text("a"), call, Ok(Delta::Refusal("no".into())), done("answer")]);
    assert_eq!(stream.into_reply().await.unwrap().text(), "answer");
    let (stream, _) = script([text("a"), Err(ModelError::Cancelled)]);
    assert!(matches!(stream.into_reply().await, Err(ModelError::Cancelled)));
    let (stream, _) = script([text("a")]);
    assert!(matches!(stream.into_reply().await, Err(ModelError::StreamTruncated { .. })));
}

#[tokio::test]
async fn a_whole_answer_is_one_piece_and_no_piece_is_empty() {
    for (answer, pieces) in [("hello", 2), ("", 1)] {
        let mut stream = ReplyStream::whole(Reply::new(Message::ai(answer)));
        let mut count = 0;
        while let Some(delta) = stream.next().await {
            match delta.unwrap() {
                Delta::Text(piece) => assert!(!piece.is_empty()),
                Delta::Done(reply) => assert_eq!(reply.text(), answer),
                other => panic!("{other:?}"),
            }
            count += 1;
        }
        assert_eq!(count, pieces);
    }
}

/// A reader of pieces misses nothing of a loop, and each call has an id for its result.
#[tokio::test]
async fn a_whole_answer_has_the_rounds_and_the_calls_of_its_reply() {
    let call = |name: &str| ToolCall::new(name, json!({"x": 1}));
    let invalid: InvalidToolCall =
        serde_json::from_value(json!({"name": "cut", "args": "{\"x\":"})).unwrap();
    let round = [call("one").with_id("a"), call("two").with_id("b")];
    let round = Message::ai("Let me see.").with_tool_calls(round);
    let exchange = vec![round.clone(), Message::tool("1", "a"), Message::tool("2", "b")];
    let answer = Message::ai("And you?").with_tool_calls([call("run").with_id("c"), call("yours")]);
    let answer = answer.with_invalid_tool_calls([invalid]);
    let answer = answer.with_extra("additional_kwargs", json!({"reasoning_content": "Hm."}));
    let reply = Reply::new(answer).with_intermediate(exchange);
    let ran = Message::tool("3", "c").with_name("run");
    let mut stream = ReplyStream::whole(reply.clone().with_call_results(vec![ran]));
    let (mut shown, mut ids) = (Vec::new(), Vec::new());
    while let Some(piece) = stream.next().await {
        shown.push(match piece.unwrap() {
            Delta::Text(text) => text,
            Delta::Reasoning(text) => format!("({text})"),
            Delta::ToolCall(call) => {
                ids.push(call.id.unwrap());
                format!("call {} of {}: {}", call.index, call.name.unwrap(), call.arguments)
            }
            Delta::ToolResult(result) => {
                let calls = result.answer.as_ref().map(|answer| answer.tool_calls().len());
                format!("result {} of {:?} calls", result.text(), calls)
            }
            Delta::Done(done) => {
                let open = done.open_calls().into_iter().map(|call| &call.id);
                let cut = done.open_invalid_calls().into_iter().map(|call| &call.id);
                let open: Vec<_> = open.chain(cut).flatten().cloned().collect();
                assert_eq!(open, ids[3..]);
                assert_eq!(done.intermediate, reply.intermediate);
                "done".to_owned()
            }
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        shown,
        [
            "call 0 of one: {\"x\":1}",
            "call 1 of two: {\"x\":1}",
            "result 1 of Some(2) calls",
            "result 2 of None calls",
            "(Hm.)",
            "And you?",
            "call 0 of run: {\"x\":1}",
            "call 1 of yours: {\"x\":1}",
            "call 2 of cut: {\"x\":",
            "result 3 of Some(2) calls",
            "done",
        ]
    );
}

#[test]
fn dropping_a_stream_drops_the_models() {
    let (stream, dropped) = script([text("a")]);
    drop(stream);
    assert!(dropped.load(Ordering::Relaxed));
}
