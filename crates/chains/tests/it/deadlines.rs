//! A call's deadline covers each of its waits, and a call that ends by it harms no other.

use std::time::{Duration, Instant};

use conversant_chains::{CallPhase, ChainError, LlmChain, Maintenance};
use conversant_core::{
    CallInfo, CallOptions, Event, LoadContext, Loaded, Memory, MemoryError, Messages, Observer,
    Saved, Slot, Ticket, Turn, async_trait, vars,
};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

use crate::support::{PATIENCE, TestHistory, chain, chat_prompt, text_prompt};

/// Options with a deadline that passes soon.
fn soon() -> CallOptions {
    CallOptions::new().with_deadline(Instant::now() + Duration::from_millis(20))
}

#[tokio::test]
async fn a_call_waits_for_others_until_its_deadline_or_not_at_all() {
    let gate = Gate::new();
    let model = ScriptedChat::new([
        ScriptedReply::text("one").held_by(&gate),
        ScriptedReply::text("two"),
        ScriptedReply::text("three"),
    ]);
    let history = TestHistory::default();
    let chain = chain(&model, &history);
    let ask = |text: &'static str, options: CallOptions| {
        let chain = chain.clone();
        async move { chain.predict_with(vars! { "human_input" => text }, options).await }
    };
    let first = tokio::spawn(ask("first", CallOptions::new()));
    model.received(1).await;
    let later = tokio::spawn(ask("later", CallOptions::new()));
    let error = ask("hurried", soon()).await.unwrap_err();
    assert!(matches!(error, ChainError::DeadlineExceeded { phase: CallPhase::Queue }), "{error}");
    assert!(error.is_deadline() && error.is_retryable());
    let past = CallOptions::new().with_deadline(Instant::now() - Duration::from_secs(1));
    ask("past", past).await.unwrap_err();
    let error = ask("busy", CallOptions::new().with_no_wait()).await.unwrap_err();
    assert!(matches!(error, ChainError::Busy), "{error}");
    let error = chain.maintain_with(CallOptions::new().with_no_wait()).await.unwrap_err();
    assert!(matches!(error, ChainError::Busy), "{error}");
    gate.open();
    first.await.unwrap().unwrap();
    later.await.unwrap().unwrap();
    ask("last", CallOptions::new().with_no_wait()).await.unwrap();
    assert_eq!(
        history.transcript().await,
        "Human: first\nAI: one\nHuman: later\nAI: two\nHuman: last\nAI: three"
    );
}

#[tokio::test]
async fn deadlines_of_any_length_are_ordinary() {
    let chain =
        chain(&ScriptedChat::with_handler(|_| ScriptedReply::text("ok")), &TestHistory::default());
    let far = Instant::now().checked_add(Duration::from_secs(u64::from(u32::MAX))).unwrap();
    for deadline in [Instant::now(), far] {
        let options = CallOptions::new().with_deadline(deadline);
        // Nothing waits, so even a deadline that has passed is kept.
        chain.predict_with(vars! { "human_input" => "hi" }, options).await.unwrap();
    }
}

/// Where a call waits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    Load,
    Model,
    Save,
    AfterSave,
}

#[tokio::test]
async fn each_wait_ends_by_the_deadline() {
    for (wait, expected) in [
        (Wait::Load, "cannot finish the call: its deadline passed while the memory was loading"),
        (Wait::Model, "cannot finish the call: its deadline passed while the chain was running"),
        (Wait::Save, "cannot save the turn; the error contains the model's answer"),
        (Wait::AfterSave, "cannot save the turn; the error contains the model's answer"),
    ] {
        // On a busy machine, a deadline can pass before the call waits.
        let tries = [false, true].map(|streamed| PATIENCE.map(|time| (streamed, time)));
        let mut was_reached = None;
        for (streamed, time) in tries.into_iter().flatten() {
            if was_reached == Some(streamed) {
                continue;
            }
            let soon = || CallOptions::new().with_deadline(Instant::now() + time);
            let gate = Gate::new();
            let at = |place| (place == wait).then(|| gate.clone());
            let history = TestHistory {
                before_load: at(Wait::Load),
                before_commit: at(Wait::Save),
                after_commit: at(Wait::AfterSave),
                ..TestHistory::default()
            };
            let line = ScriptedReply::text("answer");
            let line = if wait == Wait::Model { line.held_by(&gate) } else { line };
            let chain = chain(&ScriptedChat::new([line, "next".into()]), &history);
            let inputs = vars! { "human_input" => "hi" };
            let error = if streamed {
                match chain.stream_with(inputs, soon()).await {
                    Ok(stream) => stream.into_outcome().await.unwrap_err(),
                    Err(error) => error,
                }
            } else {
                chain.predict_with(inputs, soon()).await.unwrap_err()
            };
            assert!(error.is_deadline(), "{wait:?}");
            if gate.arrivals() == 0 {
                continue;
            }
            was_reached = Some(streamed);
            assert_eq!(error.to_string(), expected, "{wait:?}");
            gate.open();
            if let Some(not_saved) = error.not_saved() {
                assert_eq!(not_saved.text.as_str(), "answer");
                let memory = chain.memory().unwrap();
                memory.save(&not_saved.turn, Ticket::default()).await.unwrap();
                assert_eq!(history.transcript().await, "Human: hi\nAI: answer", "{wait:?}");
            } else {
                assert_eq!(history.transcript().await, "", "{wait:?}");
            }
            let options = CallOptions::new().with_no_wait();
            let next = chain.predict_with(vars! { "human_input" => "again" }, options).await;
            assert!(next.is_ok(), "{wait:?}: the place is free");
        }
        assert_eq!(was_reached, Some(true), "{wait:?}");
    }
}

#[tokio::test]
async fn a_stream_that_never_pauses_ends_by_the_deadline_too() {
    for time in PATIENCE {
        let pieces = std::iter::repeat_n("word ", 2_000_000);
        let history = TestHistory::default();
        let chain = chain(&ScriptedChat::new([ScriptedReply::pieces(pieces)]), &history);
        let soon = CallOptions::new().with_deadline(Instant::now() + time);
        let stream = chain.stream_with(vars! { "human_input" => "hi" }, soon).await;
        // On a busy machine, the deadline can pass before the stream begins.
        let Ok(stream) = stream else { continue };
        let error = stream.into_outcome().await.unwrap_err();
        assert!(matches!(error, ChainError::DeadlineExceeded { phase: CallPhase::Run }), "{error}");
        assert_eq!(history.transcript().await, "");
        return;
    }
    panic!("no stream began within {PATIENCE:?}");
}

/// A memory whose maintenance does not end, and whose release of a load waits.
struct Slow {
    slots: [Slot; 1],
    gate: Gate,
}

impl Slow {
    fn new() -> Self {
        Self { slots: [Slot::text("chat_history")], gate: Gate::new() }
    }
}

#[async_trait]
impl Memory for Slow {
    fn variables(&self) -> &[Slot] {
        &self.slots
    }
    async fn load(&self, _: LoadContext<'_>) -> Result<Loaded, MemoryError> {
        Ok(Loaded::new(vars! { "chat_history" => "" }))
    }
    fn check(&self, messages: &Messages) -> Result<(), MemoryError> {
        match messages.to_string().contains("too much") {
            true => Err(MemoryError::Unsupported { what: "so much" }),
            false => Ok(()),
        }
    }
    async fn save(&self, _: &Turn, _: Ticket) -> Result<Saved, MemoryError> {
        Ok(Saved::default())
    }
    async fn abandon(&self, _: Ticket) {
        self.gate.pass().await;
    }
    async fn maintain(&self) -> Result<Saved, MemoryError> {
        self.gate.pass().await;
        Ok(Saved::default())
    }
    async fn clear(&self) -> Result<(), MemoryError> {
        Ok(())
    }
}

#[tokio::test]
async fn maintenance_and_release_end_by_the_deadline_and_cost_nothing() {
    let builder = LlmChain::builder().prompt(text_prompt()).model(ScriptedChat::new([
        ScriptedReply::text("answer"),
        ScriptedReply::hang(),
        "next".into(),
    ]));
    let inline = builder.clone().memory(Slow::new()).build().unwrap();
    let input = || vars! { "human_input" => "hi" };
    assert_eq!(inline.predict_with(input(), soon()).await.unwrap(), "answer");
    let error = inline.maintain_with(soon()).await.unwrap_err();
    assert!(matches!(error, ChainError::DeadlineExceeded { phase: CallPhase::Maintain }));
    let error = inline.predict_with(input(), soon()).await.unwrap_err();
    assert!(matches!(error, ChainError::DeadlineExceeded { phase: CallPhase::Run }), "{error}");
    let deferred = builder.memory(Slow::new()).maintenance(Maintenance::Deferred);
    assert_eq!(deferred.build().unwrap().predict(input()).await.unwrap(), "next");
}

#[tokio::test]
async fn a_question_that_the_memory_refuses_is_not_sent_to_the_model() {
    let model = ScriptedChat::new(["answer"]);
    let memory = Slow::new();
    memory.gate.open();
    let builder = LlmChain::builder().prompt(text_prompt()).model(model.clone());
    let chain = builder.memory(memory).build().unwrap();
    let error = chain.predict(vars! { "human_input" => "too much" }).await.unwrap_err();
    assert!(matches!(error, ChainError::RefusedInput(_)), "{error}");
    chain.stream(vars! { "human_input" => "too much" }).await.unwrap_err();
    assert_eq!(model.requests().len(), 0);
    chain.predict(vars! { "human_input" => "hi" }).await.unwrap();
}

#[tokio::test]
async fn a_panic_of_an_observer_costs_neither_the_answer_nor_the_turn() {
    struct Panicking;
    impl Observer for Panicking {
        fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
            panic!("an observer fails at {event:?}");
        }
    }
    struct PanickingTwice;
    impl Observer for PanickingTwice {
        fn on_event(&self, _: &CallInfo, _: &Event<'_>) {
            std::panic::panic_any(Payload);
        }
    }
    /// The payload of a panic, whose drop panics with another one.
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }
    let history = TestHistory::default();
    let chain = LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::new(["one", "two"]))
        .memory(crate::support::memory(&history))
        .observer(Panicking)
        .observer(PanickingTwice)
        .build()
        .unwrap();
    assert_eq!(chain.predict(vars! { "human_input" => "hi" }).await.unwrap(), "one");
    let stream = chain.stream(vars! { "human_input" => "ho" }).await.unwrap();
    stream.into_outcome().await.unwrap();
    assert_eq!(history.transcript().await, "Human: hi\nAI: one\nHuman: ho\nAI: two");
}
