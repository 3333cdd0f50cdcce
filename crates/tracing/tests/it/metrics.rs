//! Metrics, as a recorder of the facade receives them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use ::metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use conversant_chains::{LlmChain, Maintenance, SequentialChain};
use conversant_core::{LanguageModel, Message, Reply, ToolCall, Usage, vars};
use conversant_layers::{Cached, InMemoryCache};
use conversant_memory::SummaryMemory;
use conversant_models::OpenAiChat;
use conversant_prompts::PromptTemplate;
use conversant_testkit::{OpenAiServer, ScriptedChat, ServerAnswer};
use conversant_tools::{FnTool, ToolLoop};
use conversant_tracing::MetricsObserver;
use serde_json::json;

/// A recorder of the values of each metric.
#[derive(Default)]
struct Recorded(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

/// One metric of a recorder.
struct Metric {
    name: String,
    recorded: Arc<Mutex<BTreeMap<String, Vec<f64>>>>,
}

impl Metric {
    fn add(&self, value: f64) {
        self.recorded.lock().unwrap().entry(self.name.clone()).or_default().push(value);
    }
}

impl CounterFn for Metric {
    fn increment(&self, value: u64) {
        self.add(u32::try_from(value).unwrap().into());
    }

    fn absolute(&self, _: u64) {}
}

impl HistogramFn for Metric {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl Recorded {
    fn metric(&self, key: &Key) -> Arc<Metric> {
        let labels: Vec<_> = key
            .labels()
            .filter(|label| label.key() != "server.port")
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{} {{{}}}", key.name(), labels.join(", "));
        Arc::new(Metric { name, recorded: Arc::clone(&self.0) })
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }
}

impl Recorded {
    /// Records what a chain of calls does, and returns a line for each metric.
    fn record(run: impl AsyncFnOnce()) -> String {
        let recorder = Self::default();
        ::metrics::with_local_recorder(&recorder, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(run());
        });
        let recorded = recorder.0.lock().unwrap();
        let lines = recorded.iter().map(|(name, values)| {
            match name.contains("duration") || name.contains("time_to") {
                true => format!("{name}: {} times", values.len()),
                false => format!("{name}: {values:?}"),
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn calls_requests_retries_and_tokens_are_measured() {
    let lines = Recorded::record(async || {
        let overloaded =
            ServerAnswer::error(503, "overloaded", "try later").with_header("retry-after-ms", "1");
        let server = OpenAiServer::builder()
            .reply(overloaded)
            .reply(ServerAnswer::text("Hello!").with_usage(120, 30))
            .reply(ServerAnswer::pieces(["Hel", "lo"]).with_usage(8, 2))
            .reply(ServerAnswer::error(401, "invalid_api_key", "wrong key"))
            .start()
            .unwrap();
        let model = OpenAiChat::builder("gpt-6-luna").base_url(server.base_url());
        let model = model.api_key("sk-x").stream_usage(true).build().unwrap();
        let chain = LlmChain::builder()
            .prompt(PromptTemplate::from_template("Say {word}.").unwrap())
            .model(model)
            .observer(MetricsObserver::new())
            .build()
            .unwrap();
        let input = || vars! { "word" => "hi" };
        chain.predict(input()).await.unwrap();
        chain.stream(input()).await.unwrap().into_outcome().await.unwrap();
        chain.predict(input()).await.unwrap_err();
    });
    insta::assert_snapshot!(lines);
}

/// All observers have the same recorder.
#[test]
fn a_step_that_is_observed_too_is_measured_once() {
    let lines = Recorded::record(async || {
        let reply = Reply::new(Message::ai("Hello!")).with_usage(Usage::new(120, 30));
        let step = LlmChain::builder()
            .prompt(PromptTemplate::from_template("Say {word}.").unwrap())
            .model(ScriptedChat::new([reply]))
            .observer(MetricsObserver::new())
            .build()
            .unwrap();
        let chain = SequentialChain::builder().chain(step).observer(MetricsObserver::new());
        chain.build().unwrap().predict(vars! { "word" => "hi" }).await.unwrap();
    });
    assert_eq!(lines.matches("[120.0]").count(), 1, "{lines}");
    assert_eq!(lines.matches(": 1 times").count(), 3, "{lines}");
    assert!(!lines.contains("2 times"), "{lines}");
}

/// The requests of a memory have a label of their own. An answer from a cache is not a request.
#[test]
fn requests_of_a_memory_and_of_a_cache_are_distinguished() {
    let reply = |text: &str| Reply::new(Message::ai(text)).with_usage(Usage::new(120, 30));
    let lines = Recorded::record(async || {
        let cached = Cached::new(ScriptedChat::new([reply("Hi.")]), "", InMemoryCache::new(10));
        let summary = ScriptedChat::new([reply("One."), reply("Two."), reply("Three.")]);
        let chain = LlmChain::builder()
            .prompt(PromptTemplate::from_template("Say {word}.").unwrap())
            .model(LanguageModel::chat(cached))
            .memory(SummaryMemory::new(summary))
            .maintenance(Maintenance::Deferred)
            .allow_unused("history")
            .observer(MetricsObserver::new())
            .build()
            .unwrap();
        for _ in 0..2 {
            chain.predict(vars! { "word" => "hi" }).await.unwrap();
            chain.maintain().await.unwrap();
        }
    });
    insta::assert_snapshot!(lines);
}

/// A name that a model has made up makes no series of its own.
#[test]
fn only_names_of_tools_are_labels() {
    let lines = Recorded::record(async || {
        let names = ["weather", "wheather", "made_up", "x"];
        let calls = names.map(|name| ToolCall::new(name, json!({})).with_id(name));
        let answers = [Message::ai("").with_tool_calls(calls), Message::ai("Rain.")];
        let tool =
            FnTool::new("weather", "", json!({"type": "object"}), |_| async { Ok("rain".into()) });
        let model = ScriptedChat::new(answers.map(Reply::new));
        let chain = LlmChain::builder()
            .prompt(PromptTemplate::from_template("{question}").unwrap())
            .model(ToolLoop::builder(model).tool(tool).build().unwrap())
            .observer(MetricsObserver::new())
            .build()
            .unwrap();
        chain.predict(vars! { "question" => "?" }).await.unwrap();
    });
    let tools: Vec<_> = lines.lines().filter(|line| line.contains("execute_tool")).collect();
    insta::assert_snapshot!(tools.join("\n"));
}

/// Servers make no series without a bound, however many models they say they are.
#[test]
fn models_that_servers_name_are_bounded() {
    let long = "x".repeat(129);
    let names = (0..300).map(|number| format!("model-{number}"));
    let names = names.chain([long.clone(), "model-0".to_owned()]);
    let replies: Vec<_> =
        names.map(|name| Reply::new(Message::ai("Hi.")).with_model(name)).collect();
    let observer = MetricsObserver::new();
    let lines = Recorded::record(async || {
        for reply in replies {
            let chain = LlmChain::builder()
                .prompt(PromptTemplate::from_template("{question}").unwrap())
                .model(ScriptedChat::new([reply]))
                .observer(observer.clone())
                .build()
                .unwrap();
            chain.predict(vars! { "question" => "?" }).await.unwrap();
        }
    });
    let lines: Vec<_> = lines.lines().filter(|line| line.contains("operation.duration")).collect();
    assert_eq!(lines.len(), 101);
    let times = |model: &str| {
        let label = format!("gen_ai.response.model={model}}}: ");
        lines.iter().find_map(|line| Some(line.split_once(&label)?.1))
    };
    assert_eq!(times("model-0"), Some("2 times"));
    assert_eq!(times("model-99"), Some("1 times"));
    assert_eq!(times("_OTHER"), Some("201 times"));
    assert_eq!((times("model-100"), times(&long)), (None, None));
}
