//! Spans, as OpenTelemetry's exporter in memory receives them.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use conversant_chains::{LlmChain, SequentialChain};
use conversant_core::{
    CallId, CallInfo, CallOptions, ChatModel, ChatRequest, Event, EventEmitter, Message,
    ModelDescription, ModelError, Observer, Prices, Reply, SessionId, ToolCall, ToolError, TurnId,
    Usage, Variables, async_trait, observe_chat, vars,
};
use conversant_layers::{Cached, Fallback, InMemoryCache};
use conversant_memory::{BufferMemory, InMemoryHistory, SummaryMemory};
use conversant_models::OpenAiChat;
use conversant_prompts::PromptTemplate;
use conversant_testkit::{OpenAiServer, ScriptedChat, ScriptedReply, ServerAnswer};
use conversant_tools::{FnTool, ToolLoop};
use conversant_tracing::TracingObserver;
use opentelemetry::{
    KeyValue, Value,
    trace::{Status, TracerProvider as _},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::json;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

/// The exported spans of this thread.
struct Spans {
    exporter: InMemorySpanExporter,
    provider: SdkTracerProvider,
    _guard: DefaultGuard,
}

impl Spans {
    fn record() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("test"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        Self { exporter, provider, _guard: guard }
    }

    fn take(&self) -> Vec<SpanData> {
        self.provider.force_flush().unwrap();
        let mut spans = self.exporter.get_finished_spans().unwrap();
        self.exporter.reset();
        spans.sort_by_key(|span| span.start_time);
        spans
    }

    /// Returns a line for each span, indented below its parent, and its attributes and events.
    fn show(&self) -> String {
        let spans = self.take();
        let mut shown = String::new();
        for span in &spans {
            let parent =
                spans.iter().find(|other| other.span_context.span_id() == span.parent_span_id);
            let parent = parent.map_or("none", |parent| &parent.name);
            let kind = &span.span_kind;
            writeln!(shown, "{} ({kind:?}, parent: {parent})", span.name).unwrap();
            if let Status::Error { description } = &span.status {
                writeln!(shown, "  ERROR {description}").unwrap();
            }
            let mut attributes: Vec<_> = span
                .attributes
                .iter()
                .filter(|pair| !matches!(pair.key.as_str(), "target" | "level"))
                .map(|pair| (pair.key.as_str(), settled(pair.key.as_str(), &pair.value)))
                .collect();
            attributes.sort_unstable();
            for (key, value) in attributes {
                writeln!(shown, "  {key} = {value}").unwrap();
            }
            for event in &span.events.events {
                writeln!(shown, "  event: {}", event.name).unwrap();
                for pair in &event.attributes {
                    let key = pair.key.as_str();
                    if key.starts_with("conversant") || key.starts_with("error") {
                        writeln!(shown, "    {key} = {}", settled(key, &pair.value)).unwrap();
                    }
                }
            }
        }
        shown
    }
}

/// Returns a value, or a mark for those that differ at each run.
fn settled(key: &str, value: &Value) -> String {
    let varies = ["duration", "port", "time_to_first_chunk", "turn.id"];
    match value {
        _ if varies.iter().any(|name| key.ends_with(name)) => "…".to_owned(),
        Value::String(text) => format!("{:?}", text.as_str()),
        value => format!("{value:?}"),
    }
}

fn input() -> Variables {
    vars! { "question" => "a secret question" }
}

fn prompt() -> PromptTemplate {
    PromptTemplate::from_template("{history}\nHuman: {question}").unwrap()
}

fn memory() -> BufferMemory {
    BufferMemory::new().with_history(InMemoryHistory::new(), SessionId::new("user-7").unwrap())
}

fn options() -> CallOptions {
    CallOptions::new().with_turn_id(TurnId::from_u128(7)).with_stop(["Human:"])
}

fn usage() -> Usage {
    Usage::new(120, 30).with_cached_tokens(64).with_cache_write_tokens(16).with_reasoning_tokens(10)
}

#[tokio::test]
async fn a_call_over_http_has_the_conventions_names() {
    let spans = Spans::record();
    let overloaded =
        ServerAnswer::error(503, "overloaded", "try later").with_header("retry-after-ms", "1");
    let server = OpenAiServer::builder()
        .reply(overloaded)
        .reply(
            ServerAnswer::text("a secret answer")
                .with_usage(120, 30)
                .with_header("x-request-id", "req_1"),
        )
        .start()
        .unwrap();
    let model = OpenAiChat::builder("gpt-6-luna").base_url(server.base_url()).api_key("sk-x");
    let chain = LlmChain::builder()
        .prompt(prompt())
        .model(model.build().unwrap())
        .memory(memory())
        .observer(TracingObserver::new())
        .prices(Prices::per_million(1.0, 10.0))
        .build()
        .unwrap();
    chain.predict_with(input(), options()).await.unwrap();
    let shown = spans.show();
    assert!(!shown.contains("secret"), "content is recorded without being asked for:\n{shown}");
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_tool_loop_has_a_span_for_each_request_and_each_tool() {
    let spans = Spans::record();
    let calling = |name: &str| {
        let call = ToolCall::new(name, json!({"city": "a secret city"})).with_id("call_1");
        Reply::new(Message::ai("").with_tool_calls([call])).with_usage(usage())
    };
    let answer = Reply::new(Message::ai("a secret answer").with_id("chatcmpl-1"))
        .with_usage(usage())
        .with_model("gpt-6-luna-2026-05-01")
        .with_finish_reason("stop");
    let schema = json!({"type": "object"});
    let tools = ToolLoop::builder(ScriptedChat::new([calling("weather"), calling("news"), answer]))
        .tool(FnTool::new("weather", "Says the weather.", schema.clone(), |_| async {
            Ok("a secret result".into())
        }))
        .tool(FnTool::new("news", "Fails.", schema, |_| async {
            Err(ToolError::failed("a secret reason", None))
        }))
        .build()
        .unwrap();
    let chain = LlmChain::builder()
        .prompt(prompt())
        .model(conversant_core::LanguageModel::chat(tools))
        .memory(memory())
        .observer(TracingObserver::new())
        .build()
        .unwrap();
    let streamed = chain.stream_with(input(), options()).await.unwrap();
    streamed.into_outcome().await.unwrap();
    let shown = spans.show();
    assert!(!shown.contains("secret"), "content is recorded without being asked for:\n{shown}");
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn content_is_recorded_where_it_is_asked_for() {
    let spans = Spans::record();
    let call = ToolCall::new("weather", json!({"city": "Kyoto"})).with_id("call_1");
    let model = ScriptedChat::new([
        Reply::new(Message::ai("").with_tool_calls([call])),
        Reply::new(Message::ai("Rain.")).with_finish_reason("stop"),
    ]);
    let tool = FnTool::new("weather", "Says the weather.", json!({"type": "object"}), |_| async {
        Ok("rain".into())
    });
    let tools = ToolLoop::builder(model).tool(tool).build().unwrap();
    let chain = LlmChain::builder()
        .prompt(prompt())
        .model(conversant_core::LanguageModel::chat(tools))
        .memory(memory())
        .observer(TracingObserver::new().with_content(true))
        .build()
        .unwrap();
    chain.predict(input()).await.unwrap();
    let shown = spans.show();
    let of_content: Vec<_> = shown
        .lines()
        .filter(|line| {
            line.contains("messages") || line.contains("tool.call.") || !line.starts_with(' ')
        })
        .collect();
    insta::assert_snapshot!(of_content.join("\n"));
}

/// A name that the model has made up is text of its answer.
#[tokio::test]
async fn names_of_tools_that_do_not_exist_are_content() {
    for (content, expected) in [(false, "_OTHER"), (true, "my own words")] {
        let spans = Spans::record();
        let call = ToolCall::new("my own words", json!({})).with_id("my own words 1");
        let answers = [Message::ai("").with_tool_calls([call]), Message::ai("Rain.")];
        let model = ScriptedChat::new(answers.map(Reply::new));
        let tool =
            FnTool::new("weather", "", json!({"type": "object"}), |_| async { Ok("rain".into()) });
        let chain = LlmChain::builder()
            .prompt(prompt())
            .model(ToolLoop::builder(model).tool(tool).build().unwrap())
            .memory(memory())
            .observer(TracingObserver::new().with_content(content))
            .build()
            .unwrap();
        chain.predict(input()).await.unwrap();
        let shown = spans.show();
        assert!(shown.contains(&format!("execute_tool {expected}")), "{shown}");
        assert!(shown.contains(&format!("gen_ai.tool.name = {expected:?}")), "{shown}");
        assert_eq!(shown.contains("my own words"), content, "{shown}");
    }
}

/// The id that a provider's support asks for.
#[tokio::test]
async fn a_failed_request_has_its_id() {
    for (id, shown) in [("req_2", "req_2"), ("my own words", "<12 bytes>")] {
        let spans = Spans::record();
        let failure = ServerAnswer::error(400, "x", "no").with_header("x-request-id", id);
        let server = OpenAiServer::start([failure]).unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let chain = LlmChain::builder()
            .prompt(prompt())
            .model(model)
            .memory(memory())
            .observer(TracingObserver::new())
            .build()
            .unwrap();
        chain.predict(input()).await.unwrap_err();
        let lines = spans.show();
        assert!(lines.contains(&format!("conversant.request.id = {shown:?}")), "{lines}");
        assert!(!lines.contains("words"), "{lines}");
    }
}

/// Calls that do not answer: their spans end, with the class of the error.
#[tokio::test]
async fn every_span_ends() {
    let spans = Spans::record();
    let failing = || ModelError::custom("out of order", false, None);
    let model = ScriptedChat::new([
        ScriptedReply::from(failing()),
        ScriptedReply::hang(),
        ScriptedReply::pieces(["a"]).cut_off(),
    ]);
    let observer = TracingObserver::new();
    let chain = LlmChain::builder()
        .prompt(prompt())
        .model(model.clone())
        .memory(memory())
        .observer(observer.clone())
        .build()
        .unwrap();
    let mut shown = String::new();
    chain.predict(input()).await.unwrap_err();
    writeln!(shown, "# the model fails\n{}", spans.show()).unwrap();
    // On a busy machine, a deadline can pass before the model is asked.
    for millis in [5, 50, 500, 5_000, 50_000] {
        spans.take();
        let deadline = std::time::Instant::now() + Duration::from_millis(millis);
        chain.predict_with(input(), CallOptions::new().with_deadline(deadline)).await.unwrap_err();
        if model.requests().len() == 2 {
            break;
        }
    }
    writeln!(shown, "# the deadline passes\n{}", spans.show()).unwrap();
    chain.stream(input()).await.unwrap().into_outcome().await.unwrap_err();
    writeln!(shown, "# the stream is cut off\n{}", spans.show()).unwrap();
    chain.predict(vars! { "other" => "x" }).await.unwrap_err();
    writeln!(shown, "# an input is missing\n{}", spans.show()).unwrap();
    assert_eq!(format!("{observer:?}"), "TracingObserver { content: false, calls: 0 }");
    insta::assert_snapshot!(shown);
}

#[tokio::test]
async fn a_dropped_call_ends_its_spans() {
    let spans = Spans::record();
    let model = ScriptedChat::new([ScriptedReply::pieces(["a", "b"])]);
    let chain = LlmChain::builder()
        .prompt(prompt())
        .model(model)
        .memory(memory())
        .observer(TracingObserver::new())
        .build()
        .unwrap();
    let mut stream = chain.stream(input()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert_eq!(spans.take().len(), 0, "the spans are open");
    drop(stream);
    let classes: Vec<_> = spans
        .take()
        .iter()
        .map(|span| {
            let class = span.attributes.iter().find(|pair| pair.key.as_str() == "error.type");
            format!("{}: {}", span.name, class.unwrap().value)
        })
        .collect();
    assert_eq!(classes, ["invoke_workflow LLMChain: cancelled", "chat: cancelled"]);
}

#[tokio::test]
async fn a_fallback_has_a_span_for_each_model() {
    let spans = Spans::record();
    let hosted = ScriptedChat::new([ModelError::custom("out of order", true, None)]);
    let model = Fallback::new(hosted, ScriptedChat::new(["Hello!"]));
    let chain = LlmChain::builder()
        .prompt(prompt())
        .model(conversant_core::LanguageModel::chat(model))
        .memory(memory())
        .observer(TracingObserver::new())
        .build()
        .unwrap();
    let root = tracing::info_span!("request of a client");
    let entered = root.enter();
    chain.predict(input()).await.unwrap();
    drop(entered);
    drop(root);
    let taken = spans.take();
    let names: Vec<_> = taken
        .iter()
        .map(|span| {
            let is_error = matches!(span.status, Status::Error { .. });
            let parent =
                taken.iter().find(|other| other.span_context.span_id() == span.parent_span_id);
            format!("{} in {:?}, error: {is_error}", span.name, parent.map(|parent| &*parent.name))
        })
        .collect();
    assert_eq!(
        names,
        [
            "request of a client in None, error: false",
            "invoke_workflow LLMChain in Some(\"request of a client\"), error: false",
            "chat in Some(\"invoke_workflow LLMChain\"), error: true",
            "chat in Some(\"invoke_workflow LLMChain\"), error: false",
        ]
    );
}

#[tokio::test]
async fn a_step_that_is_observed_too_has_one_span() {
    let spans = Spans::record();
    let observer = TracingObserver::new();
    let step = |input: &str, output: &'static str| {
        LlmChain::builder()
            .prompt(PromptTemplate::from_template(format!("{{{input}}}")).unwrap())
            .model(ScriptedChat::new(["Hello!"]))
            .output_key(output)
            .name(output)
            .observer(observer.clone())
            .build()
            .unwrap()
    };
    let chain = SequentialChain::builder()
        .chain(step("question", "fact"))
        .chain(step("fact", "answer"))
        .observer(observer.clone())
        .build()
        .unwrap();
    chain.predict(vars! { "question" => "Why?" }).await.unwrap();
    let names: Vec<_> = spans.take().iter().map(|span| span.name.to_string()).collect();
    assert_eq!(
        names,
        [
            "invoke_workflow SequentialChain",
            "invoke_workflow fact",
            "chat",
            "invoke_workflow answer",
            "chat",
        ]
    );
}

/// The requests of a memory and the answers of a cache are spans of their chain too.
#[tokio::test]
async fn requests_of_a_memory_and_of_a_cache_are_children_of_the_chain() {
    let spans = Spans::record();
    let reply = |text: &str| Reply::new(Message::ai(text)).with_usage(Usage::new(120, 30));
    let cached = Cached::new(ScriptedChat::new([reply("Hi.")]), "", InMemoryCache::new(10));
    let summary = ScriptedChat::new([reply("A greeting."), reply("Two greetings.")]);
    let chain = LlmChain::builder()
        .prompt(PromptTemplate::from_template("{question}").unwrap())
        .model(conversant_core::LanguageModel::chat(cached))
        .memory(SummaryMemory::new(summary))
        .allow_unused("history")
        .observer(TracingObserver::new())
        .build()
        .unwrap();
    for _ in 0..2 {
        chain.predict(input()).await.unwrap();
    }
    let shown = spans.show();
    let names = ["chat", "purpose", "cache_hit", "usage.input_tokens"];
    let lines = shown.lines().filter(|line| names.iter().any(|name| line.contains(name)));
    insta::assert_snapshot!(
        lines.filter(|line| !line.contains("operation")).collect::<Vec<_>>().join("\n")
    );
}

/// A model that fails at first, and tries again once the other request of the call has started.
struct Persistent(&'static str);

#[async_trait]
impl ChatModel for Persistent {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        tokio::task::yield_now().await;
        let error = ModelError::custom(self.0, true, None);
        request.options.events.emit(&Event::retrying(1, &error, Duration::ZERO));
        let reply = Reply::new(Message::ai("")).with_usage(usage());
        let model = self.describe();
        let events = &request.options.events;
        events.emit(&Event::answer_rejected(&model, events.purpose(), &reply));
        Ok(reply)
    }

    fn describe(&self) -> ModelDescription {
        ModelDescription::new().with_name(self.0)
    }
}

#[tokio::test]
async fn a_retry_is_an_event_of_its_request() {
    let spans = Spans::record();
    let observer = Arc::new(TracingObserver::new());
    let call = CallInfo::new(CallId::random());
    let events = EventEmitter::new(call, Arc::new([observer as Arc<dyn Observer>]));
    let request =
        ChatRequest::new(Message::human("Hi")).with_options(CallOptions::new().with_events(events));
    let models = [Persistent("first"), Persistent("second")];
    let [first, second] = models.each_ref().map(|model| observe_chat(model, &request));
    let (first, second) = tokio::join!(first, second);
    first.and(second).unwrap();
    for span in spans.take() {
        let name = span.name.trim_start_matches("chat ");
        let texts: Vec<_> = span.events.events.iter().map(|event| event.name.as_ref()).collect();
        assert!(matches!(texts[..], [text] if text.contains(name)), "{name}: {texts:?}");
        let has_usage = |pair: &KeyValue| pair.key.as_str() == "gen_ai.usage.input_tokens";
        assert!(span.attributes.iter().any(has_usage), "{name}");
    }
    // The start of this one was not reported.
    models[0].generate(&request).await.unwrap();
    assert!(spans.take().is_empty());
}
