//! Facts of a call that observers, outcomes and stored turns have: identity, times, usage, cost.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use conversant_chains::{
    Answer, Chain, ChainError, LlmChain, LlmChainBuilder, RunContext, SequentialChain, Verbose,
};
use conversant_core::{
    CallInfo, CallOptions, CallRecord, CallResult, ChatHistory, Event, FinishReason, Message,
    Observer, PriceList, Prices, Range, Reply, SessionId, Slot, ToolCall, Totals, Turn, TurnId,
    Usage, Variables, async_trait, vars,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};
use serde_json::json;

use crate::support::{Log, text_prompt};

/// A call, the way in which it ended, and its record.
type End = (CallInfo, &'static str, CallRecord);

/// Collects the calls at their ends.
#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<End>>>);

impl Ended {
    fn take(&self) -> Vec<End> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Observer for Ended {
    fn on_event(&self, call: &CallInfo, event: &Event<'_>) {
        let Event::CallEnded { result, record, .. } = event else { return };
        let result = match result {
            CallResult::Answered => "answered",
            CallResult::ToolCalls => "tool calls",
            CallResult::Failed { .. } => "failed",
            _ => "cancelled",
        };
        self.0.lock().unwrap().push((call.clone(), result, (*record).clone()));
    }
}

/// Sums the calls, as a service does.
#[derive(Clone, Default)]
struct Meter(Arc<Mutex<Totals>>);

impl Observer for Meter {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        self.0.lock().unwrap().add_event(event);
    }
}

fn reply(text: &str, input: u64, output: u64) -> Reply {
    Reply::new(Message::ai(text))
        .with_usage(Usage::new(input, output))
        .with_model("gpt-6-luna-2026-05-01")
        .with_finish_reason(FinishReason::Stop)
}

fn session() -> SessionId {
    SessionId::new("user-7").unwrap()
}

fn builder(model: &ScriptedChat, history: &InMemoryHistory) -> LlmChainBuilder {
    let memory = BufferMemory::new()
        .with_memory_key("chat_history")
        .with_history(history.clone(), session());
    LlmChain::builder().prompt(text_prompt()).model(model.clone()).memory(memory)
}

fn input() -> Variables {
    vars! { "human_input" => "hi" }
}

fn prices() -> PriceList {
    PriceList::new().with_model("gpt-6-luna", Prices::per_million(1.0, 10.0))
}

#[tokio::test]
async fn a_call_is_known_by_its_session_turn_usage_and_cost() {
    let (ended, history) = (Ended::default(), InMemoryHistory::new());
    let model = ScriptedChat::new([reply("one", 100, 20)]);
    let chain = builder(&model, &history).observer(ended.clone()).prices(prices()).build().unwrap();
    let options = CallOptions::new().with_turn_id(TurnId::from_u128(7));
    let outcome = chain.invoke_with(input(), options).await.unwrap();

    let [(call, result, record)] = ended.take().try_into().unwrap();
    assert_eq!(result, "answered");
    assert_eq!((call.session, call.turn_id), (Some(session()), Some(TurnId::from_u128(7))));
    assert_eq!((call.chain.as_deref(), call.parent), (Some("LLMChain"), None));
    assert_eq!(record.model.as_deref(), Some("gpt-6-luna-2026-05-01"));
    assert_eq!(record.finish_reason, Some(FinishReason::Stop));
    assert_eq!(record.usage, Some(Usage::new(100, 20)));
    assert_eq!(record.cost.unwrap().to_string(), "0.0003");
    assert_eq!(outcome.record.as_deref(), Some(&record));
    let timings = record.timings;
    let parts = [timings.queue, timings.load, timings.model, timings.save].map(Option::unwrap);
    assert!(parts.into_iter().sum::<Duration>() <= timings.total.unwrap());
    assert_eq!(timings.first_token, None, "the answer was not streamed");
    let stored = history.turns(&session(), Range::All).await.unwrap();
    assert_eq!(stored[0].call_record(), None, "records are stored on demand only");
}

#[tokio::test]
async fn a_stored_record_is_read_from_the_history() {
    let history = InMemoryHistory::new();
    let model = ScriptedChat::new([reply("one", 100, 20), reply("two", 200, 30)]);
    let builder = builder(&model, &history).prices(prices()).store_records(true);
    let chain = builder.build().unwrap();
    let outcome = chain.invoke(input()).await.unwrap();
    let stream = chain.stream(input()).await.unwrap();
    stream.into_outcome().await.unwrap();

    let stored = history.turns(&session(), Range::All).await.unwrap();
    let records: Vec<_> = stored.iter().filter_map(Turn::call_record).collect();
    assert_eq!(records[0].usage, outcome.record.unwrap().usage);
    assert_eq!(records[1].finish_reason, Some(FinishReason::Stop));
    assert!(records.iter().all(|record| record.started_at.is_some()));
    let totals = Totals::of_turns(&stored);
    assert_eq!((totals.usage, totals.cost.to_string()), (Usage::new(300, 50), "0.0008".to_owned()));
    // The model and the prompt do not see the records.
    let requests = model.requests();
    assert_eq!(requests[1].messages.to_string(), "Human: Human: hi\nAI: one\nHuman: hi\nChatbot:");
}

#[tokio::test]
async fn every_way_to_end_is_counted_once() {
    let (meter, ended) = (Meter::default(), Ended::default());
    let history = InMemoryHistory::new();
    let gate = Gate::new();
    let error = conversant_core::ModelError::custom("out of order", false, None);
    let model = ScriptedChat::new([
        reply("one", 10, 1).into(),
        ScriptedReply::from(error),
        ScriptedReply::hang(),
        ScriptedReply::pieces(["a", "b"]).held_after(1, &gate),
        reply("two", 10, 1).into(),
    ]);
    let builder = builder(&model, &history).observer(meter.clone()).observer(ended.clone());
    let chain = builder.build().unwrap();
    chain.predict(input()).await.unwrap();
    chain.predict(input()).await.unwrap_err();
    {
        let mut call = pin!(chain.predict(input()));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    let mut stream = chain.stream(input()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    // An input that the memory provides is refused before the chain starts.
    chain.predict(vars! { "human_input" => "hi", "chat_history" => "x" }).await.unwrap_err();
    chain.stream(input()).await.unwrap().into_outcome().await.unwrap();

    let ended: Vec<_> = ended.take().into_iter().map(|(_, result, _)| result).collect();
    assert_eq!(ended, ["answered", "failed", "cancelled", "cancelled", "failed", "answered"]);
    let totals = *meter.0.lock().unwrap();
    assert_eq!((totals.calls, totals.failures, totals.cancelled), (6, 2, 2));
    assert_eq!(totals.usage, Usage::new(20, 2));
}

/// A deadline that has passed ends the first part of a call that waits, whichever that is.
#[tokio::test]
async fn a_test_reaches_a_deadline_without_waiting() {
    let (ended, history) = (Ended::default(), InMemoryHistory::new());
    let model = ScriptedChat::new([reply("one", 10, 1).into(), ScriptedReply::hang()]);
    let chain = builder(&model, &history).observer(ended.clone()).build().unwrap();
    let options = || CallOptions::new().with_timeout(Duration::ZERO);
    chain.predict_with(input(), options()).await.unwrap();
    let error = chain.predict_with(input(), options()).await.unwrap_err();
    assert!(error.is_deadline());
    assert_eq!((error.class(), error.http_status()), ("deadline", 504));
    assert_eq!(ended.take().len(), 2);
}

#[tokio::test]
async fn the_events_of_a_stream_are_those_of_a_call() {
    let log = Log::default();
    let model = ScriptedChat::new([
        ScriptedReply::pieces(["He", "llo"]),
        ScriptedReply::pieces(["He"]).cut_off(),
    ]);
    let history = InMemoryHistory::new();
    let chain = builder(&model, &history).observer(log.clone()).build().unwrap();
    chain.stream(input()).await.unwrap().into_outcome().await.unwrap();
    chain.stream(input()).await.unwrap().into_outcome().await.unwrap_err();
    insta::assert_snapshot!(log.take());
}

#[tokio::test]
async fn a_streamed_answer_has_a_time_to_its_first_token() {
    let history = InMemoryHistory::new();
    let model = ScriptedChat::new([ScriptedReply::pieces(["He", "llo"])]);
    let chain = builder(&model, &history).store_records(true).build().unwrap();
    let outcome = chain.stream(input()).await.unwrap().into_outcome().await.unwrap().unwrap();
    let timings = outcome.record.unwrap().timings;
    assert!(timings.first_token.unwrap() <= timings.total.unwrap());
}

#[tokio::test]
async fn the_record_of_a_resumed_turn_is_that_of_all_its_calls() {
    let history = InMemoryHistory::new();
    let call = ToolCall::new("weather", json!({})).with_id("a");
    let calling = Reply::new(Message::ai("").with_tool_calls([call]))
        .with_usage(Usage::new(10, 5))
        .with_model("gpt-6-luna");
    let model = ScriptedChat::new([calling, reply("Rain.", 30, 7)]);
    let ended = Ended::default();
    let builder = builder(&model, &history).prices(prices()).store_records(true);
    let chain = builder.observer(ended.clone()).build().unwrap();
    let pending = chain.invoke(input()).await.unwrap().pending.unwrap();
    chain.resume(&pending, [Message::tool("rain", "a")]).await.unwrap();

    let stored = history.turns(&session(), Range::All).await.unwrap();
    let record = stored[0].call_record().unwrap();
    assert_eq!((stored.len(), record.usage), (1, Some(Usage::new(40, 12))));
    assert_eq!(record.cost.unwrap().to_string(), "0.00016");
    let ended: Vec<_> =
        ended.take().into_iter().map(|(_, result, record)| (result, record.usage)).collect();
    let expected = [("tool calls", Usage::new(10, 5)), ("answered", Usage::new(30, 7))];
    assert_eq!(ended, expected.map(|(result, usage)| (result, Some(usage))));
}

/// A chain that calls another one.
struct Outer(LlmChain, [Slot; 1]);

#[async_trait]
impl Chain for Outer {
    fn name(&self) -> &str {
        "Outer"
    }

    fn slots(&self) -> &[Slot] {
        &self.1
    }

    fn outputs(&self) -> &[std::borrow::Cow<'static, str>] {
        &[std::borrow::Cow::Borrowed("text")]
    }

    async fn run(&self, variables: &Variables, context: &RunContext) -> Result<Answer, ChainError> {
        let input = vars! { "human_input" => variables.get("human_input").unwrap().clone() };
        let outcome = self.0.invoke_with(input, context.options().clone()).await?;
        Ok(Answer::new(vars! { "text" => outcome.text() }))
    }
}

/// Counts the events of each kind.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<&'static str, u32>>);

impl Observer for Counts {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        let kind = match event {
            Event::CallStarted { .. } => "calls",
            Event::ModelEnded { .. } => "requests",
            Event::CallEnded { .. } => "ends",
            _ => return,
        };
        *self.0.lock().unwrap().entry(kind).or_default() += 1;
    }
}

/// The natural way to write a service: a chain with its observers is used alone and as a step.
#[tokio::test]
async fn an_observer_of_a_chain_and_of_its_steps_receives_each_event_once() {
    let (counts, meter) = (Arc::new(Counts::default()), conversant_core::Meter::new());
    let (verbose, transcript) = Verbose::buffer();
    let verbose = Arc::new(verbose.without_color());
    let step = |input: &str, output: &'static str, reply: Reply| {
        LlmChain::builder()
            .prompt(PromptTemplate::from_template(format!("{{{input}}}")).unwrap())
            .model(ScriptedChat::new([reply.clone(), reply]))
            .output_key(output)
            .observer(meter.clone())
            .observer(counts.clone())
            .observer(verbose.clone())
            .prices(prices())
            .build()
            .unwrap()
    };
    let first = step("question", "fact", reply("one", 10, 1));
    let sequence = SequentialChain::builder()
        .chain(first.clone())
        .chain(step("fact", "answer", reply("two", 100, 1)))
        .observer(counts.clone())
        .observer(meter.clone())
        .build()
        .unwrap();
    let outer = SequentialChain::builder().chain(sequence).observer(meter.clone());
    let outer = outer.observer(counts.clone()).build().unwrap();
    let outcome = outer.invoke(vars! { "question" => "why?" }).await.unwrap();
    assert_eq!(outcome.record.unwrap().usage, Some(Usage::new(110, 2)));
    let totals = meter.totals();
    assert_eq!((totals.calls, totals.usage), (1, Usage::new(110, 2)));
    assert_eq!(totals.cost.to_string(), "0.00013", "by the prices of the steps");
    let expected = [("calls", 4), ("ends", 4), ("requests", 2)];
    assert_eq!(*counts.0.lock().unwrap(), expected.into());
    assert_eq!(transcript.take().matches("Entering").count(), 2, "each step has its own");
    // Alone, the chain is a call of its own.
    first.invoke(vars! { "question" => "why?" }).await.unwrap();
    assert_eq!((meter.totals().calls, meter.totals().usage), (2, Usage::new(120, 3)));
}

#[tokio::test]
async fn a_chain_inside_another_reports_to_both() {
    let (outer, inner) = (Ended::default(), Ended::default());
    let (verbose, transcript) = Verbose::buffer();
    let history = InMemoryHistory::new();
    let model = ScriptedChat::new([reply("one", 10, 1)]);
    let step = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{human_input}").unwrap())
        .model(model.clone())
        .observer(inner.clone())
        .build()
        .unwrap();
    let memory = BufferMemory::new().with_history(history, session());
    let chain =
        conversant_chains::WithMemory::builder(Outer(step, [Slot::text("human_input")]), memory)
            .observer(outer.clone())
            .observer(verbose.without_color())
            .allow_unused("history")
            .prices(prices())
            .build()
            .unwrap();
    let outcome = chain.invoke(input()).await.unwrap();
    assert_eq!(outcome.record.unwrap().cost.unwrap().to_string(), "0.00002");
    let [(own, ..)] = inner.take().try_into().unwrap();
    let [(nested, ..), (whole, _, record)] = outer.take().try_into().unwrap();
    assert_eq!((&nested, nested.parent), (&own, Some(whole.id)));
    assert_eq!(record.usage, Some(Usage::new(10, 1)));
    assert_eq!(
        transcript.take(),
        "\n\n> Entering new Outer chain...\n\n> Finished chain.\n",
        "an outer transcript does not have the steps' own"
    );
}
