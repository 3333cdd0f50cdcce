//! Waits that servers ask for, deadlines, and calls that are dropped.

use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use conversant_core::{
    BoxError, CallOptions, ChatModel, Embeddings, ModelError, StatusKind, TimeoutPhase,
};
use conversant_models::{OpenAiChat, OpenAiEmbeddings, wire::decode_chat_response};
use conversant_testkit::{FaultServer, OpenAiServer, ServerAnswer, faults, poll_then_drop};
use serde_json::{Value as Json, json};
use tower_service::Service;

use crate::faults::{builder, question};

fn server(name: &str) -> FaultServer {
    let fault = faults().iter().find(|fault| fault.name() == name).unwrap();
    FaultServer::start(fault).unwrap()
}

/// A client whose first answer is that the server is busy, with headers or a body that ask for a
/// wait.
#[derive(Clone)]
struct Busy {
    headers: &'static [(&'static str, &'static str)],
    body: String,
    asked: Arc<AtomicUsize>,
}

impl Service<http::Request<Bytes>> for Busy {
    type Response = http::Response<String>;
    type Error = BoxError;
    type Future = Ready<Result<http::Response<String>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Bytes>) -> Self::Future {
        let answer = r#"{"choices":[{"message":{"content":"Hello!"}}]}"#;
        let mut response = http::Response::new(answer.to_owned());
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
            if !self.body.is_empty() {
                response.body_mut().clone_from(&self.body);
            }
            for (name, value) in self.headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
        }
        ready(Ok(response))
    }
}

fn busy(headers: &'static [(&'static str, &'static str)]) -> Busy {
    Busy { headers, body: String::new(), asked: Arc::default() }
}

/// Groq, OpenAI behind gateways that drop headers; Gemini, which sends no header.
fn busy_by_body(body: &Json) -> Busy {
    Busy { body: body.to_string(), ..busy(&[]) }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_asked_for_is_kept_to() {
    let table: [(&[_], _); 4] = [
        (&[("retry-after", "1")], 1000),
        (&[("retry-after", "1.5")], 1500),
        (&[("retry-after-ms", "300")], 300),
        (&[("retry-after-ms", "30"), ("retry-after", "60")], 30),
    ];
    for (headers, wait) in table {
        let model = builder("https://busy.example/v1").http_client(busy(headers)).build().unwrap();
        let start = tokio::time::Instant::now();
        model.generate(&question()).await.unwrap();
        let took = start.elapsed();
        // The timer is exact to the millisecond.
        let wait = Duration::from_millis(wait);
        assert!(took >= wait && took <= wait + Duration::from_millis(1), "{headers:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_error_asks_for_is_kept_to() {
    let of_message = |message: &str| json!({"error": {"message": message}});
    let of_google = |delay: &str| {
        let info =
            json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay});
        let quota = json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure"});
        json!([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota exceeded.",
            "details": [quota, info]}}])
    };
    for (body, wait) in [
        (of_message("Rate limit reached. Please try again in 1.5s. Visit the page."), Some(1500)),
        (of_message("Please try again in 20s."), Some(20_000)),
        (of_message("Please retry in 34.25s."), Some(34_250)),
        (of_message("Please retry after 6 seconds."), Some(6000)),
        (of_google("2s"), Some(2000)),
        (of_google("0.5s"), Some(500)),
        // Longer than a call waits.
        (of_message("Please try again in 6h2m."), None),
        (of_google("121s"), None),
    ] {
        let client = busy_by_body(&body);
        let model = builder("https://busy.example/v1").http_client(client.clone());
        let model = model.timeout(Duration::from_secs(300)).build().unwrap();
        let start = tokio::time::Instant::now();
        let result = model.generate(&question()).await;
        let took = start.elapsed();
        assert_eq!(client.asked.load(Ordering::Relaxed), 1 + usize::from(wait.is_some()), "{body}");
        let wait = Duration::from_millis(wait.unwrap_or(0));
        assert!(took >= wait && took <= wait + Duration::from_millis(1), "{body}: {took:?}");
        if let Err(error) = result {
            assert!(error.retry_after() > Some(Duration::from_secs(120)), "{body}");
        }
    }
    // A header wins.
    let client = Busy { headers: &[("retry-after", "1")], ..busy_by_body(&of_google("90s")) };
    let model = builder("https://busy.example/v1").http_client(client).build().unwrap();
    let start = tokio::time::Instant::now();
    model.generate(&question()).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}

/// Older llama.cpp, Ollama, LM Studio and gateways answer with 500.
#[tokio::test]
async fn a_prompt_that_is_too_long_is_sent_once() {
    for status in [500, 503] {
        let message = "the request exceeds the available context size, try again later";
        let body = json!({"error": {"message": message, "type": "server_error"}});
        let answer = ServerAnswer::json(&body).with_status(status);
        let server = OpenAiServer::start([answer.clone(), answer]).unwrap();
        let model = builder(&server.base_url()).build().unwrap();
        let error = model.generate(&question()).await.unwrap_err();
        assert!(error.is_context_length() && !error.is_retryable(), "{error:?}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn no_wait_outlasts_the_deadline() {
    let client = busy(&[("retry-after", "1")]);
    let model = builder("https://busy.example/v1").http_client(client.clone());
    let model = model.timeout(Duration::from_millis(900)).build().unwrap();
    let start = tokio::time::Instant::now();
    let error = model.generate(&question()).await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let api = error.api_error().unwrap();
    assert_eq!((api.kind, api.retry_after), (StatusKind::RateLimit, Some(Duration::from_secs(1))));
    assert_eq!(client.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_earlier_deadline_holds() {
    // How soon after the deadline a call ends depends on the machine.
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(60));
    for (own, callers) in [(short, long), (long, short)] {
        for fault in ["hang_before_headers", "hang_mid_body", "drip_body", "sse_hang_after_delta"] {
            let server = server(fault);
            let model = builder(&server.base_url()).timeout(own).header_timeout(long);
            let model = model.idle_timeout(long).build().unwrap();
            let start = Instant::now();
            let options = CallOptions::new().with_deadline(start + callers);
            let request = question().with_options(options);
            let error = match model.stream(&request).await {
                Ok(stream) => stream.into_reply().await.unwrap_err(),
                Err(error) => error,
            };
            let took = start.elapsed();
            let is_total = matches!(&error, ModelError::Timeout { phase: TimeoutPhase::Total, .. });
            assert!(is_total, "{fault}: {error:?}");
            assert!(took >= short && took < long, "{fault}: {took:?}");
        }
    }
}

#[tokio::test]
async fn a_deadline_that_is_over_sends_nothing() {
    let server = server("status_500");
    let model = builder(&server.base_url()).build().unwrap();
    let request = question().with_options(CallOptions::new().with_deadline(Instant::now()));
    let error = model.generate(&request).await.unwrap_err();
    assert!(matches!(error, ModelError::Timeout { phase: TimeoutPhase::Total, .. }), "{error:?}");
    assert_eq!(server.attempts(), 0);
}

#[tokio::test]
async fn retries_are_as_many_as_was_said() {
    for max in [0, 1, 5] {
        let server = server("status_500");
        let model = builder(&server.base_url()).max_retries(max).build().unwrap();
        model.generate(&question()).await.unwrap_err();
        assert_eq!(server.attempts(), 1 + max as usize);
    }
}

#[tokio::test]
async fn repetitions_have_a_budget_over_all_calls() {
    let server = server("status_500");
    let model = builder(&server.base_url()).retry_budget(0.2).build().unwrap();
    for _ in 0..50 {
        model.clone().generate(&question()).await.unwrap_err();
    }
    // Fifty calls, the ten retries of the start, and one for every five calls.
    assert!((68..=70).contains(&server.attempts()), "{}", server.attempts());
}

#[tokio::test]
async fn a_call_that_is_dropped_at_any_point_leaves_nothing_behind() {
    let server = OpenAiServer::builder().reply("hello").repeat_last().start().unwrap();
    let model = builder(&server.base_url()).build().unwrap();
    let mut cancelled = 0;
    while poll_then_drop(model.generate(&question()), cancelled).await.is_none() {
        cancelled += 1;
        assert_eq!(model.generate(&question()).await.unwrap().text(), "hello");
    }
    assert!(cancelled > 0);
    let mut cancelled = 0;
    let streamed = || async { model.stream(&question()).await.unwrap().into_reply().await };
    while poll_then_drop(streamed(), cancelled).await.is_none() {
        cancelled += 1;
        assert_eq!(streamed().await.unwrap().text(), "hello");
    }
    assert!(cancelled > 0);
}

#[tokio::test]
async fn a_call_that_is_dropped_closes_its_connection() {
    let server = OpenAiServer::builder().reply(ServerAnswer::hang()).reply("next").start().unwrap();
    let model = builder(&server.base_url()).build().unwrap();
    let request = question();
    tokio::select! {
        _ = model.generate(&request) => panic!("answered"),
        _ = server.received(1) => {}
    }
    server.disconnected(1).await;
    assert_eq!(model.generate(&question()).await.unwrap().text(), "next");
}

#[tokio::test]
async fn a_stream_that_is_dropped_in_a_flood_closes_its_connection() {
    for fault in ["sse_delta_then_hang", "sse_delta_then_flood"] {
        let server = server(fault);
        let model = builder(&server.base_url()).build().unwrap();
        let mut stream = model.stream(&question()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        drop(stream);
        server.disconnected(1).await;
    }
}

#[test]
fn the_wait_in_a_message_is_read() {
    for (words, millis) in [
        ("Please try again in 1.2s.", Some(1200)),
        ("Please try again in 300ms. Visit the page.", Some(300)),
        ("Please try again in 1m26.4s. Visit the page.", Some(86_400)),
        ("Please try again in 6h2m.", Some(21_720_000)),
        ("try again in 20 seconds", Some(20_000)),
        ("try again in 5 minutes", Some(300_000)),
        ("try again in 2 hours", Some(7_200_000)),
        ("try again in 5 stages", None),
        ("try again in 3", None),
        ("try again in a while", None),
        ("try again in 1.2.3s", None),
        ("try again later", None),
    ] {
        let body = json!({"error": {"message": words, "code": "rate_limit_exceeded"}});
        let error = decode_chat_response(body.to_string().as_bytes()).unwrap_err();
        let wait = error.api_error().unwrap().retry_after;
        assert_eq!(wait, millis.map(Duration::from_millis), "{words}");
    }
}

/// A client that takes a while for each of its answers.
#[derive(Clone)]
pub(crate) struct Slow {
    takes: Duration,
    answers: Arc<Vec<String>>,
    pub(crate) asked: Arc<AtomicUsize>,
}

impl Slow {
    pub(crate) fn new(takes: u64, answers: impl IntoIterator<Item = String>) -> Self {
        let answers = Arc::new(answers.into_iter().collect());
        Self { takes: Duration::from_millis(takes), answers, asked: Arc::default() }
    }
}

impl Service<http::Request<Bytes>> for Slow {
    type Response = http::Response<String>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<String>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Bytes>) -> Self::Future {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let (takes, body) = (self.takes, self.answers[asked].clone());
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let mut response = http::Response::new(body);
            let is_stream = response.body().starts_with(':');
            let kind = if is_stream { "text/event-stream" } else { "application/json" };
            response.headers_mut().insert("content-type", kind.parse().unwrap());
            Ok(response)
        })
    }
}

/// However many texts there are.
#[tokio::test(start_paused = true)]
async fn each_request_for_embeddings_has_the_whole_time() {
    let answer = json!({"data": [{"index": 0, "embedding": [0.0, 1.0]}]}).to_string();
    let client = Slow::new(400, vec![answer; 5]);
    let model = OpenAiEmbeddings::builder("m").base_url("https://slow.example/v1").api_key("k");
    let model = model.batch_size(1).timeout(Duration::from_secs(1)).http_client(client.clone());
    let texts = vec!["x".to_owned(); 5];
    assert_eq!(model.build().unwrap().embed(&texts).await.unwrap().len(), 5);
    assert_eq!(client.asked.load(Ordering::Relaxed), 5);
}

/// A server that does not stream sends the head with the answer, and a model that reasons sends
/// nothing until it has reasoned. A second request would be paid for too.
#[tokio::test(start_paused = true)]
async fn an_answer_may_take_the_whole_time_of_a_call() {
    const MINUTE: u64 = 60_000;
    let answer = r#"{"choices":[{"message":{"content":"Hello!"}}]}"#;
    let stream = ": HI\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hello!\"}}]}\n\n\
        data: [DONE]\n\n";
    for body in [answer, stream] {
        for (takes, limit, is_answered) in
            [(9, None, true), (11, None, false), (29, Some(30), true), (31, Some(30), false)]
        {
            let client = Slow::new(takes * MINUTE, [body.to_owned()]);
            let model = OpenAiChat::builder("m").base_url("https://slow.example/v1").api_key("k");
            let model = match limit {
                Some(limit) => model.timeout(Duration::from_millis(limit * MINUTE)),
                None => model,
            };
            let model = model.http_client(client.clone()).build().unwrap();
            let reply = match body == stream {
                true => match model.stream(&question()).await {
                    Ok(stream) => stream.into_reply().await,
                    Err(error) => Err(error),
                },
                false => model.generate(&question()).await,
            };
            assert_eq!(reply.is_ok(), is_answered, "{takes}, {limit:?}: {reply:?}");
            assert_eq!(client.asked.load(Ordering::Relaxed), 1, "{takes}, {limit:?}");
        }
    }
}

/// A client whose answer has pauses before its pieces, in minutes.
#[derive(Clone)]
struct Pausing {
    pieces: &'static [(u64, &'static str)],
    asked: Arc<AtomicUsize>,
}

impl Service<http::Request<Bytes>> for Pausing {
    type Response = http::Response<PausingBody>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Bytes>) -> Self::Future {
        self.asked.fetch_add(1, Ordering::Relaxed);
        ready(Ok(http::Response::new(PausingBody { pieces: self.pieces, pause: None })))
    }
}

struct PausingBody {
    pieces: &'static [(u64, &'static str)],
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl http_body::Body for PausingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        // It does not end by itself.
        let Some(((minutes, piece), rest)) = self.pieces.split_first() else {
            return Poll::Pending;
        };
        let limit = Duration::from_secs(60 * minutes);
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        std::task::ready!(pause.as_mut().poll(context));
        self.pieces = rest;
        self.pause = None;
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(piece.as_bytes())))))
    }
}

/// The time of the whole call is that of the answer's beginning. Then silence is an end: of a call
/// that fails, or of an answer that has a finish reason.
#[tokio::test(start_paused = true)]
async fn pauses_are_longer_before_an_answer_than_in_it() {
    const ROLE: &str = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello!\"}}]}\n\n";
    const ALL: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello!\"},\
        \"finish_reason\":\"stop\"}]}\n\n";
    const DONE: &str = "data: [DONE]\n\n";
    let table: [(&[_], _, _); 5] = [
        (&[(0, ROLE), (6, TEXT), (3, DONE)], None, true),
        (&[(0, ROLE), (1, TEXT), (6, DONE)], None, false),
        (&[(0, ROLE), (1, TEXT), (6, DONE)], Some(7), true),
        (&[(4, ALL)], None, true),
        (&[(0, ROLE), (11, TEXT), (0, DONE)], None, false),
    ];
    for (index, (pieces, idle, is_answered)) in table.into_iter().enumerate() {
        let client = Pausing { pieces, asked: Arc::default() };
        let model = OpenAiChat::builder("m").base_url("https://slow.example/v1").api_key("k");
        let model = match idle {
            Some(minutes) => model.idle_timeout(Duration::from_secs(60 * minutes)),
            None => model,
        };
        let model = model.http_client(client.clone()).build().unwrap();
        let reply = match model.stream(&question()).await {
            Ok(stream) => stream.into_reply().await,
            Err(error) => Err(error),
        };
        assert_eq!(reply.is_ok(), is_answered, "{index}: {reply:?}");
        assert_eq!(client.asked.load(Ordering::Relaxed), 1, "{index}");
    }
}

/// Nothing was answered, so that the call is repeated as one with an error status is.
#[tokio::test(start_paused = true)]
async fn errors_with_status_200_are_retried_by_their_kind() {
    let answer = r#"{"choices":[{"message":{"content":"Hello!"}}]}"#;
    let stream =
        ": HI\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hello!\"}}]}\n\ndata: [DONE]\n\n";
    let role = "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let error = |code: u16| format!(r#"{{"error":{{"code":{code},"message":"no"}}}}"#);
    let event = |code: u16| format!(": OPENROUTER PROCESSING\n\ndata: {}\n\n", error(code));
    for (first, second, retried) in [
        (error(429), answer, true),
        (error(503), answer, true),
        (error(400), answer, false),
        (event(429), stream, true),
        (event(502), stream, true),
        (event(401), stream, false),
        // Most servers send the role before they do anything.
        (format!(": HI\n\n{role}data: {}\n\n", error(502)), stream, true),
        (format!(": HI\n\n{role}{role}data: {}\n\n", error(400)), stream, false),
        (format!(": HI\n\n{role}{stream}"), stream, false),
    ] {
        let is_stream = first.starts_with(':');
        let is_answer = first.ends_with(stream);
        let client = Slow::new(0, [first.clone(), second.to_owned()]);
        let model = builder("https://busy.example/v1").http_client(client.clone()).max_retries(1);
        let model = model.build().unwrap();
        let reply = match is_stream {
            true => match model.stream(&question()).await {
                Ok(stream) => stream.into_reply().await,
                Err(error) => Err(error),
            },
            false => model.generate(&question()).await,
        };
        assert_eq!(client.asked.load(Ordering::Relaxed), 1 + usize::from(retried), "{first}");
        assert_eq!(reply.is_ok(), retried || is_answer, "{first}: {reply:?}");
    }
    // What came after a piece is not.
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n";
    let client = Slow::new(0, [format!(": HI\n\n{begun}data: {}\n\n", error(503))]);
    let model = builder("https://busy.example/v1").http_client(client.clone()).build().unwrap();
    let stream = model.stream(&question()).await.unwrap();
    assert!(stream.into_reply().await.unwrap_err().is_retryable());
    assert_eq!(client.asked.load(Ordering::Relaxed), 1);
}
