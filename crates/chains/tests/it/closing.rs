//! The end of a service: running calls end within a limit, and new ones are refused.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use conversant_chains::{ChainError, Conversations, LlmChain};
use conversant_core::{
    ChatModel, ChatRequest, LanguageModel, Message, ModelError, Reply, SessionId, async_trait, vars,
};
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

#[tokio::test]
async fn a_second_close_does_not_take_back_the_first() {
    let model = ScriptedChat::new([ScriptedReply::hang()]);
    let chain = chain(&model, &TestHistory::default());
    let running = tokio::spawn({
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => "hi" }).await }
    });
    model.received(1).await;
    assert_eq!(chain.close(Duration::ZERO).await, 1);
    // The call that was given up ends at its next poll, so that nothing is left to wait for.
    assert_eq!(chain.close(LIMIT).await, 0);
    let error = running.await.unwrap().unwrap_err();
    assert!(matches!(error, ChainError::Closed), "{error}");
}

/// A model that closes its own conversation.
#[derive(Clone, Default)]
struct Closer(Arc<OnceLock<LlmChain>>);

#[async_trait]
impl ChatModel for Closer {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        let given_up = self.0.get().unwrap().close(Duration::MAX).await;
        Ok(Reply::new(Message::ai(format!("{given_up} given up"))))
    }
}

#[tokio::test]
async fn a_call_that_closes_its_own_conversation_is_not_waited_for_and_ends() {
    let (model, history) = (Closer::default(), TestHistory::default());
    let builder = LlmChain::builder().prompt(chat_prompt());
    let builder = builder.model(LanguageModel::chat(model.clone()));
    let chain = builder.memory(memory(&history)).build().unwrap();
    assert!(model.0.set(chain.clone()).is_ok());
    let question = || vars! { "human_input" => "hi" };
    assert_eq!(chain.predict(question()).await.unwrap(), "0 given up");
    assert_eq!(history.transcript().await, "Human: hi\nAI: 0 given up");
    let error = chain.predict(question()).await.unwrap_err();
    assert!(matches!(error, ChainError::Closed), "{error}");
}

/// A stream whose answer broke off gave its place back, and its part is saved during a close.
#[tokio::test]
async fn a_part_is_saved_while_its_conversation_is_closed() {
    let gate = Gate::new();
    let broken = || ScriptedReply::pieces(["Hel"]).cut_off();
    let held = ScriptedReply::text("held").held_by(&gate);
    let history = TestHistory::default();
    let model = ScriptedChat::new([broken(), broken(), held]);
    let chain = chain(&model, &history);
    let mut streams = Vec::new();
    for text in ["one", "two"] {
        let mut stream = chain.stream(vars! { "human_input" => text }).await.unwrap();
        while stream.next().await.is_some() {}
        streams.push(stream);
    }
    let call = tokio::spawn({
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => "three" }).await }
    });
    model.received(3).await;
    // One save waits before the close, and one is asked for during it.
    let first = tokio::spawn(streams.remove(0).save_partial());
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let chain = chain.clone();
        async move { chain.close(LIMIT).await }
    });
    tokio::task::yield_now().await;
    let second = tokio::spawn(streams.remove(0).save_partial());
    tokio::task::yield_now().await;
    gate.open();
    assert_eq!(call.await.unwrap().unwrap(), "held");
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(closing.await.unwrap(), 0);
    let expected = "Human: three\nAI: held\nHuman: one\nAI: Hel\nHuman: two\nAI: Hel";
    assert_eq!(history.transcript().await, expected);
}

#[tokio::test]
async fn a_part_is_not_saved_after_the_limit_of_a_close() {
    let model =
        ScriptedChat::new([ScriptedReply::pieces(["Hel"]).cut_off(), ScriptedReply::hang()]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    while stream.next().await.is_some() {}
    let hanging = tokio::spawn({
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => "ho" }).await }
    });
    model.received(2).await;
    assert_eq!(chain.close(Duration::ZERO).await, 1);
    assert!(matches!(stream.save_partial().await.unwrap_err(), ChainError::Closed));
    assert!(matches!(hanging.await.unwrap().unwrap_err(), ChainError::Closed));
    assert_eq!(history.transcript().await, "");
}
