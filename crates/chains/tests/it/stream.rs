//! Answers piece by piece, through a chain with a memory.

use std::borrow::Cow;

use conversant_chains::{Answer, Chain, ChainError, ChainStream, RunContext, WithMemory};
use conversant_core::{ChatHistory, Delta, ModelError, Range, Slot, Variables, async_trait, vars};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

use crate::fixtures::{TestHistory, chain, chain_of, memory, session};

async fn pieces(stream: &mut ChainStream) -> Vec<String> {
    let mut pieces = Vec::new();
    while let Some(delta) = stream.next().await {
        pieces.push(match delta {
            Ok(Delta::Text(text)) => text,
            Ok(Delta::Done(reply)) => format!("done: {}", reply.text()),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error: {}", chain_of(&error)),
        });
    }
    pieces
}

#[tokio::test]
async fn the_turn_is_saved_at_the_clean_end_before_done_comes() {
    let history = TestHistory::default();
    let chain = chain(&ScriptedChat::new([ScriptedReply::pieces(["Hel", "lo"])]), &history);
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Delta::Text("Hel".to_owned()));
    assert_eq!(history.transcript().await, "");
    assert_eq!(pieces(&mut stream).await, ["lo", "done: Hello"]);
    assert_eq!(history.transcript().await, "Human: hi\nAI: Hello");
    assert_eq!(stream.outcome().unwrap().text(), "Hello");
}

#[tokio::test]
async fn a_stream_that_fails_or_is_cut_saves_nothing() {
    let broken =
        ScriptedReply::pieces(["Hel"]).then_error(ModelError::custom("broken", true, None));
    for (line, expected) in [
        (broken, "error: the model did not answer: the model failed: broken"),
        (
            ScriptedReply::pieces(["Hel"]).cut_off(),
            "error: the model did not answer: the model's answer was cut off in mid-stream",
        ),
    ] {
        let history = TestHistory::default();
        let chain = chain(&ScriptedChat::new([line, ScriptedReply::text("fine")]), &history);
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        assert_eq!(pieces(&mut stream).await, ["Hel", expected]);
        drop(stream);
        assert_eq!(history.transcript().await, "");
        assert_eq!(chain.predict(vars! { "human_input" => "hi" }).await.unwrap(), "fine");
    }
}

#[tokio::test]
async fn dropping_a_stream_saves_nothing_and_frees_the_conversation() {
    let gate = Gate::new();
    let model = ScriptedChat::new([
        ScriptedReply::pieces(["Hel", "lo"]).held_after(1, &gate),
        ScriptedReply::text("fine"),
    ]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    stream.next().await;
    drop(stream);
    assert_eq!(history.transcript().await, "");
    assert_eq!(chain.predict(vars! { "human_input" => "hi" }).await.unwrap(), "fine");
}

#[tokio::test]
async fn a_partial_answer_is_kept_where_it_is_asked_for() {
    for line in [ScriptedReply::pieces(["Hel", "lo"]), ScriptedReply::pieces(["Hel"]).cut_off()] {
        let history = TestHistory::default();
        let chain = chain(&ScriptedChat::new([line]), &history);
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        stream.next().await;
        stream.save_partial().await.unwrap();
        assert_eq!(history.transcript().await, "Human: hi\nAI: Hel");
    }
}

#[tokio::test]
async fn a_save_that_fails_at_the_end_keeps_the_answer() {
    let history = TestHistory::default();
    let chain = chain(&ScriptedChat::new([ScriptedReply::text("Hello")]), &history);
    history.fail_next("append");
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    let last = loop {
        match stream.next().await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(&last, ChainError::NotSaved(not_saved) if not_saved.text.as_str() == "Hello"));
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_next_call_waits_for_the_stream() {
    let model =
        ScriptedChat::new([ScriptedReply::pieces(["Hel", "lo"]), ScriptedReply::text("second")]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let mut stream = chain.stream(vars! { "human_input" => "one" }).await.unwrap();
    stream.next().await;
    let second = tokio::spawn({
        let chain = chain.clone();
        async move { chain.predict(vars! { "human_input" => "two" }).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(model.requests().len(), 1);
    pieces(&mut stream).await;
    second.await.unwrap().unwrap();
    assert_eq!(
        history.inner.load(&session(), Range::All).await.unwrap().messages.to_string(),
        "Human: one\nAI: Hello\nHuman: two\nAI: second"
    );
}

/// A chain without a model, whose answer is there at once.
struct Twice([Slot; 2], [Cow<'static, str>; 1]);

#[async_trait]
impl Chain for Twice {
    fn name(&self) -> &str {
        "Twice"
    }
    fn slots(&self) -> &[Slot] {
        &self.0
    }
    fn outputs(&self) -> &[Cow<'static, str>] {
        &self.1
    }
    async fn run(&self, variables: &Variables, _: &RunContext) -> Result<Answer, ChainError> {
        let said = variables.get("said").unwrap().to_text().repeat(2);
        Ok(Answer::new(vars! { "twice" => said }))
    }
}

#[tokio::test]
async fn a_chain_without_pieces_streams_its_whole_answer_and_saves_it() {
    let history = TestHistory::default();
    let twice =
        Twice([Slot::text("said"), Slot::messages("chat_history").optional()], ["twice".into()]);
    let chain = WithMemory::new(twice, memory(&history)).unwrap();
    let mut stream = chain.stream(vars! { "said" => "ho" }).await.unwrap();
    assert_eq!(pieces(&mut stream).await, ["hoho", "done: hoho"]);
    assert_eq!(stream.outcome().unwrap().text(), "hoho");
    assert_eq!(history.transcript().await, "Human: ho\nAI: hoho");
}
