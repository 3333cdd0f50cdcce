//! The layers, around scripted models and with a paused clock.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod adapters;
mod deadlines;
mod nested_fallbacks;
mod runtimes;
mod unpolled;
mod windows;

use std::{sync::Arc, time::Duration};

use conversant_core::{
    ApiError, CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta,
    FinishReason, Message, ModelError, Reply, StatusKind, TimeoutPhase, ToolDefinition,
};
use conversant_layers::{
    CacheKey, Cached, ConcurrencyLimit, Fallback, InMemoryCache, RateLimit, ReplyCache,
};
use conversant_testkit::{Gate, ScriptedChat, ScriptedCompletion, ScriptedReply, block_on, suite};
use serde_json::json;
use tokio::time::Instant;

fn ask(text: &str) -> ChatRequest {
    ChatRequest::new(Message::human(text))
}

fn parrot() -> ScriptedChat {
    ScriptedChat::with_handler(|request| ScriptedReply::text(request.messages.to_string()))
}

fn status(kind: StatusKind) -> ModelError {
    ModelError::Status { status: 500, error: Box::new(ApiError::new(kind)) }
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_starts_calls_at_the_end_of_each_window() {
    let model = RateLimit::new(parrot(), 3, Duration::from_secs(30));
    let start = Instant::now();
    let mut seconds = Vec::new();
    for _ in 0..6 {
        model.generate(&ask("hi")).await.unwrap();
        seconds.push(start.elapsed().as_secs());
    }
    assert_eq!(seconds, [0, 0, 0, 30, 30, 30]);
    tokio::time::advance(Duration::from_secs(600)).await;
    let start = Instant::now();
    for _ in 0..4 {
        model.clone().stream(&ask("hi")).await.unwrap();
    }
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_too_long_takes_no_place() {
    let model = RateLimit::new(parrot(), 1, Duration::from_secs(10));
    model.generate(&ask("hi")).await.unwrap();
    let soon = std::time::Instant::now() + Duration::from_secs(5);
    let hurried = ask("hi").with_options(CallOptions::new().with_deadline(soon));
    let start = Instant::now();
    for _ in 0..3 {
        let error = model.generate(&hurried).await.unwrap_err();
        assert!(matches!(&error, ModelError::Custom { retryable: true, .. }), "{error}");
        assert!(error.to_string().contains("rate limit"), "{error}");
    }
    model.generate(&ask("hi")).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn calls_that_gave_up_waiting_delay_no_other_call() {
    let model = RateLimit::new(parrot(), 1, Duration::from_secs(10));
    model.generate(&ask("hi")).await.unwrap();
    let start = Instant::now();
    let request = ask("hi");
    let mut waiting: Vec<_> = (0..50).map(|_| model.generate(&request)).collect();
    for call in &mut waiting {
        let second = Duration::from_millis(20);
        tokio::time::timeout(second, call).await.unwrap_err();
    }
    drop(waiting);
    let limit = std::time::Instant::now() + Duration::from_secs(11);
    let options = CallOptions::new().with_deadline(limit);
    model.generate(&ask("hi").with_options(options)).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn windows_and_deadlines_of_any_length_are_ordinary() {
    let now = std::time::Instant::now();
    let hour = now + Duration::from_secs(3600);
    for (calls, window) in [(1, Duration::MAX), (2, Duration::MAX), (0, Duration::MAX)] {
        let model = RateLimit::new(parrot(), calls, window);
        for _ in 0..calls.max(1) {
            model.generate(&ask("hi")).await.unwrap();
        }
        let options = CallOptions::new().with_deadline(hour);
        model.generate(&ask("hi").with_options(options)).await.unwrap_err();
        let patient = ask("hi");
        let patient = model.generate(&patient);
        tokio::time::timeout(Duration::from_secs(86_400 * 365), patient).await.unwrap_err();
    }
    for calls in [0, 1, u32::MAX] {
        let model = RateLimit::new(parrot(), calls, Duration::ZERO);
        for deadline in [now - Duration::from_secs(1), now, hour] {
            let options = CallOptions::new().with_deadline(deadline);
            model.generate(&ask("hi").with_options(options)).await.unwrap();
        }
    }
    for calls in [0, usize::MAX] {
        let model = ConcurrencyLimit::new(parrot(), calls);
        model.generate(&ask("hi")).await.unwrap();
    }
    for capacity in [0, 1, usize::MAX] {
        let model = Cached::new(parrot(), "", InMemoryCache::new(capacity));
        model.generate(&ask("hi")).await.unwrap();
    }
}

#[test]
fn a_wait_outside_of_a_runtime_is_an_error() {
    let model = RateLimit::new(parrot(), 1, Duration::from_secs(60));
    block_on(model.generate(&ask("hi"))).unwrap();
    let error = block_on(model.generate(&ask("hi"))).unwrap_err();
    assert!(matches!(error, ModelError::Config { .. }), "{error}");
    let model = ConcurrencyLimit::new(parrot(), 1);
    let stream = block_on(model.stream(&ask("hi"))).unwrap();
    let soon = std::time::Instant::now() + Duration::from_secs(1);
    let hurried = ask("hi").with_options(CallOptions::new().with_deadline(soon));
    let error = block_on(model.generate(&hurried)).unwrap_err();
    assert!(matches!(error, ModelError::Config { .. }), "{error}");
    drop(stream);
    block_on(model.generate(&hurried)).unwrap();
}

#[tokio::test]
async fn a_full_cache_evicts_the_least_recently_used_answer_only() {
    let inner = parrot();
    let model = Cached::new(inner.clone(), "", InMemoryCache::new(3));
    let asked = async |texts: &[&str]| {
        let before = inner.requests().len();
        for text in texts {
            model.generate(&ask(text)).await.unwrap();
        }
        inner.requests().len() - before
    };
    assert_eq!(asked(&["a", "b", "c", "a", "d"]).await, 4);
    assert_eq!(asked(&["a", "c", "d"]).await, 0);
    assert_eq!(asked(&["b"]).await, 1);
}

/// The keys count: in a chat, each has the whole conversation.
#[tokio::test]
async fn a_cache_is_limited_in_bytes_and_can_be_emptied() {
    let inner = ScriptedChat::with_handler(|_| ScriptedReply::text("y".repeat(1_000)));
    let max = 64 * 1024;
    let cache = Arc::new(InMemoryCache::new(1_000).with_max_bytes(max));
    let model = Cached::new(inner.clone(), "", Arc::clone(&cache));
    let mut conversation = Vec::new();
    for turn in 0..40 {
        conversation.push(Message::human(format!("{turn} {}", "x".repeat(1_000))));
        model.generate(&ChatRequest::new(conversation.clone())).await.unwrap();
        assert!((1..=max).contains(&cache.bytes()), "{}", cache.bytes());
    }
    // A request of 40,000 bytes leaves no room for a second one of nearly that size.
    assert_eq!(cache.len(), 1);
    let last = ChatRequest::new(conversation.clone());
    model.generate(&last).await.unwrap();
    assert_eq!(inner.requests().len(), 40);
    // What is too large by itself evicts nothing.
    model.generate(&ask(&"x".repeat(max))).await.unwrap();
    model.generate(&last).await.unwrap();
    assert_eq!((inner.requests().len(), cache.len()), (41, 1));
    cache.clear();
    assert_eq!((cache.len(), cache.bytes(), cache.is_empty()), (0, 0, true));
    model.generate(&last).await.unwrap();
    assert_eq!((inner.requests().len(), cache.len()), (42, 1));
}

/// An answer that is stored again counts once.
#[tokio::test]
async fn a_cached_answer_that_is_replaced_counts_once() {
    let gate = Gate::new();
    let held = gate.clone();
    let inner = ScriptedChat::with_handler(move |_| ScriptedReply::text("ok").held_by(&held));
    let cache = Arc::new(InMemoryCache::new(9));
    let model = Cached::new(inner.clone(), "", Arc::clone(&cache));
    let open = async {
        gate.reached(2).await;
        gate.open();
    };
    let (request, other) = (ask("hi"), ask("hi"));
    let (one, two, ()) = tokio::join!(model.generate(&request), model.generate(&other), open);
    assert_eq!((one.unwrap().text(), two.unwrap().text()), ("ok".into(), "ok".into()));
    let twice = cache.bytes();
    cache.clear();
    model.generate(&request).await.unwrap();
    assert_eq!((cache.len(), cache.bytes()), (1, twice));
}

#[tokio::test]
async fn no_more_calls_than_said_are_made_at_a_time() {
    let gate = Gate::new();
    let held = gate.clone();
    let inner = ScriptedChat::with_handler(move |_| ScriptedReply::text("ok").held_by(&held));
    let model = ConcurrencyLimit::new(inner.clone(), 2);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let model = model.clone();
        running.spawn(async move { model.generate(&ask("hi")).await.unwrap() });
    }
    inner.received(2).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(inner.requests().len(), 2);
    gate.open();
    running.join_all().await;
    assert_eq!(inner.requests().len(), 5);
}

#[tokio::test]
async fn a_stream_holds_its_place_until_it_ends_or_is_dropped() {
    let model = ConcurrencyLimit::new(parrot(), 1);
    let soon = || {
        let soon = std::time::Instant::now() + Duration::from_millis(20);
        ask("hi").with_options(CallOptions::new().with_deadline(soon))
    };
    let stream = model.stream(&ask("hi")).await.unwrap();
    let error = model.generate(&soon()).await.unwrap_err();
    assert!(error.to_string().contains("concurrent calls"), "{error}");
    drop(stream);
    let mut stream = model.stream(&ask("hi")).await.unwrap();
    while let Some(delta) = stream.next().await {
        delta.unwrap();
    }
    model.generate(&soon()).await.unwrap();
}

#[tokio::test]
async fn the_same_request_is_asked_once() {
    let inner = parrot();
    let cache = Arc::new(InMemoryCache::new(2));
    let model = Cached::new(inner.clone(), "a", Arc::clone(&cache));
    let other = Cached::new(inner.clone(), "b", cache);
    for _ in 0..2 {
        assert_eq!(model.generate(&ask("one")).await.unwrap().text(), "Human: one");
        let streamed = model.stream(&ask("one")).await.unwrap().into_reply().await.unwrap();
        assert_eq!(streamed.text(), "Human: one");
    }
    assert_eq!(inner.requests().len(), 1);
    let tool = ToolDefinition::new("f", serde_json::json!({}));
    for options in [CallOptions::new().with_stop(["x"]), CallOptions::new().with_tools([tool])] {
        model.generate(&ask("one").with_options(options)).await.unwrap();
    }
    assert_eq!(inner.requests().len(), 3);
    // The two calls above have evicted the answer. A deadline is not part of the key.
    model.generate(&ask("one")).await.unwrap();
    assert_eq!(inner.requests().len(), 4);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let options = CallOptions::new().with_deadline(deadline);
    model.generate(&ask("one").with_options(options)).await.unwrap();
    assert_eq!(inner.requests().len(), 4);
    other.generate(&ask("one")).await.unwrap();
    assert_eq!(inner.requests().len(), 5);
}

#[tokio::test]
async fn a_streamed_answer_is_remembered_at_its_end_and_only_then() {
    let inner = ScriptedChat::new([
        ScriptedReply::pieces(["a", "b"]),
        ScriptedReply::pieces(["a"]).cut_off(),
        ScriptedReply::pieces(["a", "b"]),
        "never".into(),
    ]);
    let model = Cached::new(inner.clone(), "", InMemoryCache::new(9));
    let mut dropped = model.stream(&ask("x")).await.unwrap();
    assert_eq!(dropped.next().await.unwrap().unwrap(), Delta::Text("a".into()));
    drop(dropped);
    model.stream(&ask("x")).await.unwrap().into_reply().await.unwrap_err();
    for _ in 0..2 {
        let reply = model.stream(&ask("x")).await.unwrap().into_reply().await.unwrap();
        assert_eq!(reply.text(), "ab");
    }
    assert_eq!(inner.requests().len(), 3);
}

#[tokio::test]
async fn errors_and_cut_answers_are_not_remembered() {
    let cut = Reply::new(Message::ai("cut")).with_finish_reason(FinishReason::Length);
    let inner = ScriptedChat::new([
        ScriptedReply::from(status(StatusKind::Server)),
        cut.into(),
        "ok".into(),
    ]);
    let model = Cached::new(inner, "", InMemoryCache::new(9));
    model.generate(&ask("x")).await.unwrap_err();
    for expected in ["cut", "ok", "ok"] {
        assert_eq!(model.generate(&ask("x")).await.unwrap().text(), expected);
    }
}

/// Servers have names of their own for the end of an answer.
#[tokio::test]
async fn answers_are_remembered_unless_their_reason_cuts_them_off() {
    for (reason, requests) in [
        ("stop", 1),
        ("tool_calls", 1),
        ("end_turn", 1),
        ("eos", 1),
        ("STOP", 1),
        ("max_tokens", 2),
        ("SAFETY", 2),
    ] {
        for is_streamed in [false, true] {
            let reply = || Reply::new(Message::ai("a")).with_finish_reason(reason);
            let inner = ScriptedChat::new([reply(), reply()]);
            let model = Cached::new(inner.clone(), "", InMemoryCache::new(9));
            for _ in 0..2 {
                match is_streamed {
                    false => model.generate(&ask("x")).await.unwrap(),
                    true => model.stream(&ask("x")).await.unwrap().into_reply().await.unwrap(),
                };
            }
            assert_eq!(inner.requests().len(), requests, "{reason}");
        }
    }
}

/// An answer that no caller can use is asked for again.
#[tokio::test]
async fn empty_answers_and_invalid_calls_are_not_remembered() {
    let call = json!({"name": "double", "args": "{\"x\":", "id": "a"});
    let invalid = || serde_json::from_value(call.clone()).unwrap();
    for broken in [Message::ai(""), Message::ai("").with_invalid_tool_calls([invalid()])] {
        let replies = [Reply::new(broken), Reply::new(Message::ai("a"))];
        let inner = ScriptedChat::new(replies.map(|reply| reply.with_finish_reason("stop")));
        let model = Cached::new(inner.clone(), "", InMemoryCache::new(9));
        for expected in ["", "a", "a"] {
            assert_eq!(model.generate(&ask("x")).await.unwrap().text(), expected);
        }
        assert_eq!(inner.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_custom_cache_sees_keys_that_debug_withholds() {
    struct Mine(std::sync::Mutex<Vec<CacheKey>>);
    #[conversant_core::async_trait]
    impl ReplyCache for Mine {
        async fn get(&self, key: &CacheKey) -> Option<Reply> {
            self.0.lock().unwrap().push(key.clone());
            None
        }
        async fn put(&self, _: CacheKey, _: Reply) {}
    }
    let mine = Arc::new(Mine(std::sync::Mutex::default()));
    let inner = ScriptedCompletion::new(["x"]);
    let model = Cached::new(inner, "m", Arc::clone(&mine));
    model.generate(&CompletionRequest::new("secret")).await.unwrap();
    let keys = mine.0.lock().unwrap();
    assert!(!format!("{keys:?}").contains("secret"));
    insta::assert_snapshot!(keys[0].as_str());
}

#[tokio::test]
async fn another_model_is_asked_after_failures_that_it_may_not_share() {
    let context = || {
        let mut error = ApiError::new(StatusKind::BadRequest);
        error.code = Some("context_length_exceeded".into());
        ModelError::Status { status: 400, error: Box::new(error) }
    };
    let total = ModelError::Timeout { phase: TimeoutPhase::Total, after: Duration::ZERO };
    let headers = ModelError::Timeout { phase: TimeoutPhase::Headers, after: Duration::ZERO };
    for (error, falls_back) in [
        (status(StatusKind::Server), true),
        (status(StatusKind::Auth), true),
        (status(StatusKind::QuotaExhausted), true),
        (status(StatusKind::BadRequest), false),
        (context(), true),
        (headers, true),
        (total, true),
        (ModelError::config("no"), false),
        (ModelError::Refused { text: "no".into() }, false),
        (ModelError::EmptyAnswer { finish_reason: None }, true),
    ] {
        let shown = format!("{error}");
        let model = Fallback::new(ScriptedChat::new([error]), parrot());
        assert_eq!(model.generate(&ask("hi")).await.is_ok(), falls_back, "{shown}");
    }
    let never = Fallback::new(ScriptedChat::new([status(StatusKind::Server)]), parrot());
    never.when(|_| false).generate(&ask("hi")).await.unwrap_err();
    // A rule can have settings of its own.
    for (class, falls_back) in [("500", true), ("429", false)] {
        let classes = [class];
        let model = Fallback::new(ScriptedChat::new([status(StatusKind::Server)]), parrot());
        let model = model.when(move |error| classes.contains(&error.class()));
        assert_eq!(model.generate(&ask("hi")).await.is_ok(), falls_back, "{class}");
    }
}

#[tokio::test]
async fn layers_keep_the_contract_of_models() {
    let answer = |request: &ChatRequest| ScriptedReply::text("Yes.").within(&request.options);
    let yes = || ScriptedChat::with_handler(answer);
    let make = || {
        let model = Fallback::new(yes(), yes());
        let model =
            RateLimit::new(ConcurrencyLimit::new(model, 4), 1_000_000, Duration::from_secs(1));
        Cached::new(model, "", InMemoryCache::new(100))
    };
    suite::chat_model(make).await.unwrap();
}

/// The payload of a panic, whose drop panics with another one.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new(Self));
    }
}

/// A cache whose methods hang or panic.
struct Broken {
    gets: bool,
    panics: bool,
}

impl Broken {
    async fn fail<T>(&self) -> T {
        if self.panics {
            // Other than `panic!`, it calls no hook, which would be that of all tests.
            std::panic::resume_unwind(Box::new(Twice));
        }
        std::future::pending().await
    }
}

#[conversant_core::async_trait]
impl ReplyCache for Broken {
    async fn get(&self, _key: &CacheKey) -> Option<Reply> {
        if self.gets { None } else { self.fail().await }
    }

    async fn put(&self, _key: CacheKey, _reply: Reply) {
        self.fail::<()>().await;
    }
}

/// An answer that was paid for is returned although the cache fails, and before the deadline.
#[tokio::test(start_paused = true)]
async fn a_broken_cache_costs_no_answer() {
    for (gets, panics) in [(false, false), (true, false), (false, true), (true, true)] {
        let model = Cached::new(parrot(), "parrot", Broken { gets, panics });
        let model = model.with_timeout(Duration::from_millis(20));
        let soon = std::time::Instant::now() + Duration::from_secs(3600);
        let limited = CallOptions::new().with_deadline(soon);
        for options in [CallOptions::new(), limited] {
            let start = Instant::now();
            let ask = ask("hi").with_options(options);
            assert_eq!(model.generate(&ask).await.unwrap().text(), "Human: hi");
            let reply = model.stream(&ask).await.unwrap().into_reply().await.unwrap();
            assert_eq!(reply.text(), "Human: hi");
            assert!(start.elapsed() < Duration::from_secs(1));
        }
    }
    // A deadline is shared with the rest of the call.
    let model = Cached::new(parrot(), "parrot", Broken { gets: true, panics: false });
    let start = Instant::now();
    let now = std::time::Instant::now();
    let hurried = ask("hi").with_options(CallOptions::new().with_deadline(now));
    assert_eq!(model.generate(&hurried).await.unwrap().text(), "Human: hi");
    assert!(start.elapsed() < Duration::from_millis(10));
}
