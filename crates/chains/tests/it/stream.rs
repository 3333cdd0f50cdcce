//! Answers piece by piece, through a chain with a memory.

use std::borrow::Cow;

use conversant_chains::{Answer, Chain, ChainError, ChainStream, LlmChain, RunContext, WithMemory};
use conversant_core::{
    CallOptions, ChatHistory, ChatModel, ChatRequest, Delta, Expect, LanguageModel, ModelError,
    Range, Reply, ReplyStream, Slot, Turn, Variables, async_trait, vars,
};
use conversant_memory::Conflict;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply, poll_then_drop};

use crate::support::{TestHistory, chain, chain_of, chat_prompt, memory, session};

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
        (broken, "error: cannot call the model: cannot get an answer: broken"),
        (
            ScriptedReply::pieces(["Hel"]).cut_off(),
            "error: cannot call the model: cannot read the whole answer: the stream was cut off",
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
async fn a_partial_save_stores_the_turn_or_fails() {
    // The save failed, is slow, or is slow and then fails.
    for (fails, is_slow) in [(1, false), (2, false), (0, true), (1, true), (2, true)] {
        let gate = Gate::new();
        let before_commit = is_slow.then(|| gate.clone());
        let history = TestHistory { before_commit, ..TestHistory::default() };
        (0..fails).for_each(|_| history.fail_next("append"));
        let chain = chain(&ScriptedChat::new([ScriptedReply::pieces(["Hel", "lo"])]), &history);
        let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
        let ended = poll_then_drop(async { pieces(&mut stream).await }, 1).await;
        assert_eq!(ended.is_none(), is_slow);
        gate.open();
        let saved = stream.save_partial().await;
        assert_eq!(saved.is_ok(), fails < 2, "fails {fails}, slow {is_slow}");
        let stored = history.transcript().await;
        assert_eq!(stored, if fails < 2 { "Human: hi\nAI: Hello" } else { "" });
        if let Err(error) = saved {
            assert_eq!(error.not_saved().unwrap().text.as_str(), "Hello");
        }
    }
}

/// A turn that is saved again follows the conversation that its call has seen, or is refused: one
/// that was removed stays removed, and `Conflict::Fail` holds.
#[tokio::test]
async fn a_turn_that_is_saved_again_brings_nothing_back() {
    let before = Turn::exchange("before", "yes");
    let other = Turn::exchange("other", "first");
    let cases = [
        ("delete", Conflict::Append, ""),
        ("clear", Conflict::Append, ""),
        ("append", Conflict::Fail, "Human: before\nAI: yes\nHuman: other\nAI: first"),
    ];
    // The first save has failed, or is running.
    for (change, conflict, expected) in cases {
        for is_slow in [false, true] {
            let gate = Gate::new();
            let before_commit = is_slow.then(|| gate.clone());
            let history = TestHistory { before_commit, ..TestHistory::default() };
            history.inner.append(&session(), &before, Expect::Any).await.unwrap();
            history.fail_next("append");
            let memory = memory(&history).with_conflict(conflict);
            let builder = LlmChain::builder().prompt(chat_prompt()).memory(memory);
            let chain = builder.model(ScriptedChat::new(["Hello"])).build().unwrap();
            let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
            poll_then_drop(async { pieces(&mut stream).await }, 1).await;
            match change {
                "delete" => history.inner.delete(&session()).await.unwrap(),
                "clear" => history.inner.clear(&session()).await.unwrap(),
                _ => drop(history.inner.append(&session(), &other, Expect::Any).await.unwrap()),
            }
            gate.open();
            let error = stream.save_partial().await.unwrap_err();
            assert_eq!(error.not_saved().unwrap().text.as_str(), "Hello", "{change}");
            assert_eq!(history.transcript().await, expected, "{change}, slow {is_slow}");
        }
    }
}

/// A model whose stream fails before its first piece.
struct Silent;

#[async_trait]
impl ChatModel for Silent {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        Err(ModelError::Cancelled)
    }
    async fn stream(&self, _: &ChatRequest) -> Result<ReplyStream, ModelError> {
        Ok(ReplyStream::from_pieces([Err(ModelError::Cancelled)]))
    }
}

#[tokio::test]
async fn a_partial_save_of_nothing_is_an_error() {
    let history = TestHistory::default();
    let builder = LlmChain::builder().prompt(chat_prompt()).memory(memory(&history));
    let with = builder.model(LanguageModel::chat(Silent)).build().unwrap();
    let builder = LlmChain::builder().prompt(chat_prompt()).model(ScriptedChat::new(["Hello"]));
    let without = builder.build().unwrap();
    for (chain, reason) in [(with, "no text was received"), (without, "the chain has no memory")] {
        let inputs = match chain.memory() {
            Some(_) => vars! { "human_input" => "hi" },
            None => vars! { "human_input" => "hi", "chat_history" => Vec::new() },
        };
        let mut stream = chain.stream(inputs).await.unwrap();
        pieces(&mut stream).await;
        let error = stream.save_partial().await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot save a partial answer: {reason}"));
    }
    assert_eq!(history.transcript().await, "");
}

#[tokio::test]
async fn a_stream_that_failed_is_no_longer_in_the_way_though_it_is_held() {
    let broken =
        ScriptedReply::pieces(["Hel"]).then_error(ModelError::custom("broken", true, None));
    let history = TestHistory::default();
    let chain = chain(&ScriptedChat::new([broken, "next".into()]), &history);
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    assert_eq!(pieces(&mut stream).await.len(), 2);
    let options = CallOptions::new().with_no_wait();
    chain.predict_with(vars! { "human_input" => "ho" }, options).await.unwrap();
    stream.save_partial().await.unwrap();
    assert_eq!(history.transcript().await, "Human: ho\nAI: next\nHuman: hi\nAI: Hel");
}

#[tokio::test]
async fn an_answer_that_does_not_parse_can_be_saved_as_a_partial_one() {
    let history = TestHistory::default();
    let builder = LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::new(["no JSON"]))
        .memory(memory(&history))
        .parser(conversant_chains::JsonParser);
    let chain = builder.build().unwrap();
    let mut stream = chain.stream(vars! { "human_input" => "hi" }).await.unwrap();
    pieces(&mut stream).await;
    assert_eq!(history.transcript().await, "");
    stream.save_partial().await.unwrap();
    assert_eq!(history.transcript().await, "Human: hi\nAI: no JSON");
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
