//! A call dropped at any await leaves the whole turn or nothing, and frees the conversation.

use conversant_core::vars;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, poll_then_drop};

use crate::support::{TestHistory, chain};

#[tokio::test]
async fn at_every_poll() {
    let mut outcomes = Vec::new();
    for polls in 0.. {
        let history = TestHistory {
            before_load: Some(Gate::yielding()),
            before_commit: Some(Gate::yielding()),
            after_commit: Some(Gate::yielding()),
            ..TestHistory::default()
        };
        let gate = Gate::yielding();
        let model = ScriptedChat::new([
            ScriptedReply::text("one").held_by(&gate),
            ScriptedReply::text("two"),
        ]);
        let chain = chain(&model, &history);
        let done = poll_then_drop(chain.predict(vars! { "human_input" => "hi" }), polls).await;

        let left = history.transcript().await;
        assert!(
            left.is_empty() || left == "Human: hi\nAI: one",
            "half a turn after {polls} polls: {left}"
        );
        outcomes.push((done.is_some(), !left.is_empty()));
        let calls = model.requests().len();
        chain.predict(vars! { "human_input" => "again" }).await.unwrap();
        let after = history.transcript().await;
        let answer = if calls == 0 { "one" } else { "two" };
        assert!(
            after.ends_with(&format!("Human: again\nAI: {answer}")),
            "the next call works: {after}"
        );
        if done.is_some() {
            break;
        }
    }
    assert!(outcomes.contains(&(false, false)), "cancelled without a trace");
    assert!(outcomes.contains(&(false, true)), "cancelled after the commit");
    assert!(outcomes.contains(&(true, true)), "ran to its end");
    assert!(outcomes.len() > 4, "dropped at every gate: {outcomes:?}");
}

#[tokio::test]
async fn a_call_that_gives_up_waiting_leaves_the_queue() {
    let gate = Gate::new();
    let model =
        ScriptedChat::new([ScriptedReply::text("one").held_by(&gate), ScriptedReply::text("two")]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let ask = |text: &'static str| {
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => text }).await }
    };
    let first = tokio::spawn(ask("first"));
    model.received(1).await;
    assert!(poll_then_drop(ask("gave up"), 1).await.is_none());
    let third = tokio::spawn(ask("third"));
    gate.open();
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(history.transcript().await, "Human: first\nAI: one\nHuman: third\nAI: two");
}

#[tokio::test]
async fn a_panic_in_a_model_frees_the_conversation() {
    let model = ScriptedChat::new([ScriptedReply::panic("user code"), ScriptedReply::text("fine")]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let panicking = tokio::spawn({
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => "hi" }).await }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(chain.predict(vars! { "human_input" => "hi" }).await.unwrap(), "fine");
    assert_eq!(history.transcript().await, "Human: hi\nAI: fine");
}
