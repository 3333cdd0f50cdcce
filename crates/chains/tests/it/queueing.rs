//! Calls of one conversation at the same time: one total order, and each prompt saw a prefix of it.

use std::time::{Duration, Instant};

use conversant_core::{CallOptions, ChatHistory, Range, vars};
use conversant_testkit::{ScriptedChat, ScriptedReply};

use crate::support::{PATIENCE, TestHistory, chain, session};

#[tokio::test]
async fn each_prompt_saw_a_prefix_of_the_one_order() {
    let model = ScriptedChat::with_handler(|request| {
        ScriptedReply::text(request.messages.len().to_string())
    });
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let chain = chain.clone();
            tokio::spawn(async move {
                for call in 0..10 {
                    chain
                        .predict(vars! { "human_input" => format!("{task}/{call}") })
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let messages = history.inner.load(&session(), Range::All).await.unwrap().messages;
    assert_eq!(messages.len(), 32 * 10 * 2);
    for (request, index) in model.requests().iter().zip(0..) {
        let seen = request.messages.len() - 1;
        assert_eq!(seen, index * 2, "call {index} waited for the one before it");
        assert!(request.messages.iter().take(seen).eq(messages.iter().take(seen)));
    }
}

#[tokio::test]
async fn different_conversations_do_not_wait_for_each_other() {
    let model = ScriptedChat::new([ScriptedReply::hang(), ScriptedReply::text("hello")]);
    let stuck = chain(&model, &TestHistory::default());
    let waiting = tokio::spawn(async move { stuck.predict(vars! { "human_input" => "hi" }).await });
    model.received(1).await;
    let other = chain(&model, &TestHistory::default());
    assert_eq!(other.predict(vars! { "human_input" => "hi" }).await.unwrap(), "hello");
    waiting.abort();
}

/// A stream that nothing reads after its deadline, and whose value is still there, is overtaken.
#[tokio::test]
async fn a_forgotten_stream_is_overtaken_after_its_deadline() {
    for time in PATIENCE {
        if overtaken_after(time).await {
            return;
        }
    }
    panic!("no stream began within {PATIENCE:?}");
}

/// Returns `false` if the deadline passed before the stream had begun.
async fn overtaken_after(time: Duration) -> bool {
    let model = ScriptedChat::new([
        ScriptedReply::pieces(["one", " piece"]),
        ScriptedReply::text("second"),
        ScriptedReply::text("third"),
    ]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let input = |text: &'static str| vars! { "human_input" => text };
    let soon = CallOptions::new().with_deadline(Instant::now() + time);
    let Ok(mut stream) = chain.stream_with(input("first"), soon).await else { return false };
    let Some(Ok(_)) = stream.next().await else { return false };
    assert_eq!(chain.predict(input("next")).await.unwrap(), "second");
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(error.is_deadline(), "{error}");
    // What it received can still be saved, after the others.
    assert_eq!(chain.predict(input("last")).await.unwrap(), "third");
    stream.save_partial().await.unwrap();
    let transcript = history.transcript().await;
    assert_eq!(
        transcript,
        "Human: next\nAI: second\nHuman: last\nAI: third\nHuman: first\nAI: one"
    );
    true
}
