//! The requests that a memory makes to models, and those that a cache answers: observers see them,
//! and the sums of a call contain them.

use std::sync::{Arc, Mutex};

use conversant_chains::{LlmChain, Maintenance};
use conversant_core::{
    CallInfo, CallResult, Event, LanguageModel, Memory, Message, Meter, Observer, Prices, Reply,
    RequestPurpose, Usage, vars,
};
use conversant_layers::{Cached, InMemoryCache};
use conversant_memory::{
    BufferMemory, CombinedMemory, EntityMemory, KnowledgeGraphMemory, SummaryBufferMemory,
    SummaryMemory,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::{ScriptedChat, ScriptedReply};

/// Collects the calls: `(`, the purposes of their requests, and `)` or the way in which they end.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<Vec<String>>>);

impl Requests {
    fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join(" ")
    }
}

impl Observer for Requests {
    fn on_event(&self, call: &CallInfo, event: &Event<'_>) {
        let line = match event {
            Event::CallStarted { .. } => "(".to_owned(),
            Event::ModelStarted { purpose, .. } => purpose.to_string(),
            Event::ModelEnded { purpose, result, .. } => match result {
                Ok(reply) if reply.from_cache => format!("{purpose} cached."),
                Ok(_) => format!("{purpose}."),
                Err(_) => format!("{purpose} failed."),
            },
            Event::CallEnded { result: CallResult::Maintained, .. } => {
                assert_eq!(call.turn_id, None);
                "maintained)".to_owned()
            }
            Event::CallEnded { .. } => ")".to_owned(),
            _ => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

fn reply(text: &str, usage: Usage) -> ScriptedReply {
    Reply::new(Message::ai(text)).with_usage(usage).with_model("small").into()
}

/// A memory's model, whose answer is a list of one name and a text.
fn scribe() -> ScriptedChat {
    ScriptedChat::with_handler(|_| reply("Ada", Usage::new(100, 10)))
}

fn chain(
    memory: impl Memory + 'static,
    variable: &str,
    maintenance: Maintenance,
    observer: &Requests,
    meter: &Meter,
) -> LlmChain {
    let model = ScriptedChat::with_handler(|_| reply("Hello!", Usage::new(7, 2)));
    let prompt = PromptTemplate::from_template(format!("{{{variable}}}\n{{input}}")).unwrap();
    LlmChain::builder()
        .prompt(prompt)
        .model(model)
        .memory(memory)
        .maintenance(maintenance)
        .observer(observer.clone())
        .observer(meter.clone())
        .prices(Prices::per_million(1.0, 10.0))
        .allow_unused("history")
        .allow_unused("entities")
        .allow_unused("other")
        .build()
        .unwrap()
}

struct Words;

impl conversant_core::TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

fn memories() -> Vec<(&'static str, Arc<dyn Memory>)> {
    let combined = || {
        let other = BufferMemory::new().with_memory_key("other").with_input_key("input");
        let summary = SummaryMemory::new(scribe()).with_input_key("input");
        CombinedMemory::new([Arc::new(summary) as Arc<dyn Memory>, Arc::new(other)]).unwrap()
    };
    vec![
        ("buffer", Arc::new(BufferMemory::new())),
        ("summary", Arc::new(SummaryMemory::new(scribe()))),
        (
            "summary buffer",
            Arc::new(SummaryBufferMemory::new(scribe(), Words).with_max_token_limit(1)),
        ),
        ("entity", Arc::new(EntityMemory::new(scribe()))),
        ("knowledge graph", Arc::new(KnowledgeGraphMemory::new(scribe()))),
        ("combined", Arc::new(combined())),
    ]
}

/// The requests of each memory, within a call and apart from it; the totals count all of them.
#[tokio::test]
async fn the_requests_of_a_memory_are_observed_and_summed() {
    let mut shown = String::new();
    for (index, (name, _)) in memories().into_iter().enumerate() {
        for maintenance in [Maintenance::Inline, Maintenance::Deferred] {
            let (requests, meter) = (Requests::default(), Meter::new());
            let memory = memories().swap_remove(index).1;
            let chain = chain(memory, "history", maintenance, &requests, &meter);
            let outcome = chain.invoke(vars! { "input" => "I am Ada." }).await.unwrap();
            let record = outcome.record.unwrap();
            assert_eq!(record.model.as_deref(), Some("small"));
            if maintenance == Maintenance::Deferred {
                chain.maintain().await.unwrap();
            }
            let observed = requests.take();
            let made = observed.matches('.').count() as u64 - 1;
            let totals = meter.totals();
            assert_eq!(totals.calls, 1, "{name}");
            assert_eq!(totals.usage, Usage::new(7 + 100 * made, 2 + 10 * made), "{name}");
            assert_eq!(totals.cost, Prices::per_million(1.0, 10.0).cost(&totals.usage), "{name}");
            shown += &format!("{name}, {maintenance:?}: {observed}\n");
        }
    }
    insta::assert_snapshot!(shown);
}

/// A memory's request that fails costs neither the turn nor the sums.
#[tokio::test]
async fn a_request_of_a_memory_that_fails_is_observed() {
    let (requests, meter) = (Requests::default(), Meter::new());
    let broken = conversant_core::ModelError::custom("broken", false, None);
    let memory = SummaryMemory::new(ScriptedChat::new([broken]));
    let chain = chain(memory, "history", Maintenance::Inline, &requests, &meter);
    chain.predict(vars! { "input" => "hi" }).await.unwrap();
    assert_eq!(requests.take(), "( answer answer. summary summary failed. )");
    assert_eq!((meter.totals().failures, meter.totals().usage), (0, Usage::new(7, 2)));
}

/// A cache's answer was paid for once: later ones add no usage and no cost, whole and streamed.
#[tokio::test]
async fn an_answer_from_a_cache_is_not_paid_again() {
    let inner = ScriptedChat::with_handler(|_| reply("Hello!", Usage::new(7, 2)));
    let cached = Cached::new(inner.clone(), "", InMemoryCache::new(10));
    let (requests, meter) = (Requests::default(), Meter::new());
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{input}").unwrap())
        .model(LanguageModel::chat(cached))
        .observer(requests.clone())
        .observer(meter.clone())
        .prices(Prices::per_million(1.0, 10.0))
        .build()
        .unwrap();
    let input = || vars! { "input" => "hi" };
    let first = chain.invoke(input()).await.unwrap();
    let again = chain.invoke(input()).await.unwrap();
    let stream = chain.stream(input()).await.unwrap().into_outcome().await.unwrap().unwrap();
    assert_eq!(inner.requests().len(), 1);
    assert_eq!(first.record.unwrap().cache_hits, 0);
    for outcome in [again, stream] {
        let (reply, record) = (outcome.reply.unwrap(), outcome.record.unwrap());
        assert_eq!((reply.text().as_ref(), reply.from_cache), ("Hello!", true));
        assert_eq!((record.usage, record.cache_hits), (Some(Usage::default()), 1));
        assert_eq!(record.cost, Some(conversant_core::Cost::default()));
    }
    let totals = meter.totals();
    assert_eq!((totals.calls, totals.cache_hits, totals.usage), (3, 2, Usage::new(7, 2)));
    assert_eq!(
        requests.take(),
        "( answer answer. ) ( answer answer cached. ) ( answer answer cached. )"
    );
}

#[test]
fn purposes_have_names() {
    assert_eq!(RequestPurpose::default().as_str(), "answer");
    assert!(!RequestPurpose::Answer.is_memory() && RequestPurpose::Memory.is_memory());
}
