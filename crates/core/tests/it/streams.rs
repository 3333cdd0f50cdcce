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

use conversant_core::{Delta, Message, ModelError, Reply, ReplyStream, ToolCallDelta};
use futures_core::Stream;

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

#[test]
fn dropping_a_stream_drops_the_models() {
    let (stream, dropped) = script([text("a")]);
    drop(stream);
    assert!(dropped.load(Ordering::Relaxed));
}
