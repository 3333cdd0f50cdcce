//! The end of a service: running calls end within a limit, and new ones are refused.

use std::time::Duration;

use conversant_chains::{ChainError, Conversations, LlmChain};
use conversant_core::{SessionId, vars};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

use crate::support::{TestHistory, chain, chat_prompt, memory};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_running_call_may_end_and_no_other_may_begin() {
    let gate = Gate::new();
    let model =
        ScriptedChat::new([ScriptedReply::text("one").held_by(&gate), ScriptedReply::text("two")]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let ask = |text: &'static str| {
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => text }).await }
    };
    let running = tokio::spawn(ask("running"));
    model.received(1).await;
    let waiting = tokio::spawn(ask("waiting"));
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let chain = chain.clone();
        async move { chain.close(LIMIT).await }
    });
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, ChainError::Closed), "{error}");
    let error = ask("new").await.unwrap_err();
    assert!(matches!(error, ChainError::Closed), "{error}");
    gate.open();
    assert_eq!(running.await.unwrap().unwrap(), "one");
    assert_eq!(closing.await.unwrap(), 0);
    assert_eq!(history.transcript().await, "Human: running\nAI: one");
}

#[tokio::test]
async fn calls_that_outlive_the_limit_are_given_up_and_lose_no_answer() {
    let gate = Gate::new();
    let slow_save = TestHistory { before_commit: Some(gate.clone()), ..TestHistory::default() };
    let histories = [TestHistory::default(), slow_save];
    let models = [ScriptedChat::new([ScriptedReply::hang()]), ScriptedChat::new(["answer"])];
    let seen = models.clone();
    let conversations = Conversations::new(move |session: &SessionId| {
        let index = usize::from(session.as_str() == "slow save");
        let builder = LlmChain::builder().prompt(chat_prompt()).model(models[index].clone());
        builder.memory(memory(&histories[index])).build()
    })
    .unwrap();
    let mut calls = Vec::new();
    for session in ["slow model", "slow save"] {
        let chain = conversations.chain(&SessionId::new(session).unwrap()).unwrap();
        calls.push(tokio::spawn(async move {
            chain.predict(vars! { "human_input" => "hi" }).await.unwrap_err()
        }));
    }
    seen[0].received(1).await;
    gate.reached(1).await;
    assert_eq!(conversations.close(Duration::from_millis(5)).await, 2);
    let mut errors = Vec::new();
    for call in calls {
        errors.push(call.await.unwrap());
    }
    assert!(matches!(errors[0], ChainError::Closed), "{}", errors[0]);
    let not_saved = errors[1].not_saved().unwrap();
    assert_eq!(not_saved.text.as_str(), "answer");
    assert!(!errors[1].is_deadline());
    let new = conversations.chain(&SessionId::new("new").unwrap()).unwrap();
    let error = new.predict(vars! { "human_input" => "hi" }).await.unwrap_err();
    assert!(matches!(error, ChainError::Closed), "{error}");
    assert_eq!(conversations.close(Duration::ZERO).await, 0);
}

#[tokio::test]
async fn any_limit_is_ordinary() {
    for limit in [Duration::ZERO, Duration::MAX] {
        let chain = chain(&ScriptedChat::new(["one"]), &TestHistory::default());
        chain.predict(vars! { "human_input" => "hi" }).await.unwrap();
        assert_eq!(chain.close(limit).await, 0);
    }
}
