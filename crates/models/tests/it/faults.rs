//! Every fault that a server can cause, through the public API: the result and the attempts.
//!
//! The snapshots are the table: a line for each fault of `conversant-testkit`, with its row in the
//! fault matrix.

use std::{
    error::Error,
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use conversant_core::{ChatModel, ChatRequest, Embeddings, Message, ModelError, Reply};
use conversant_models::{OpenAiBuilder, OpenAiChat, OpenAiEmbeddings, OpenAiResponses};
use conversant_testkit::{Fault, FaultServer, faults};
use tokio::{sync::Semaphore, task::JoinSet};

pub(crate) const KEY: &str = "sk-canary-5b1f0c6d9e";
/// The limit of a phase, and of a whole call.
const PHASE: Duration = Duration::from_millis(1500);
const TOTAL: Duration = Duration::from_secs(10);
/// A limit of time that no call reaches.
const NEVER: Duration = Duration::MAX;
/// The adapter's default limit of a response, in bytes.
const MAX_BYTES: usize = 32 << 20;
/// The longest time of a call, in ticks of 10 ms. On a busy machine they are longer, as is all that
/// a call waits for.
const LONGEST: usize = 4200;
/// The number of faults that are tried at a time.
const AT_ONCE: usize = 24;

/// The limit that a call meets, if it meets one. The others are out of reach, so that the outcome
/// does not depend on the speed of the machine.
enum Limit {
    /// The server stops in the middle of an answer.
    Phase,
    /// The server goes on and on, too slowly or to no purpose.
    Total(Duration),
    /// The bytes of the answer, or none.
    Bytes(usize),
}

impl Limit {
    fn of(fault: &Fault) -> Self {
        match (fault.row(), fault.name()) {
            (16, "drip" | "drip_body") => Self::Total(TOTAL / 4),
            (60, "sse_comments_for_ever" | "sse_comments_after_delta" | "sse_comments_flood") => {
                Self::Total(PHASE / 2)
            }
            (80, "sse_delta_then_flood") => Self::Total(PHASE * 2),
            (8 | 9 | 12 | 71 | 72 | 80, name) if name.contains("hang") => Self::Phase,
            (_, "sse_event_of_20_mb") => Self::Bytes(MAX_BYTES),
            (78, _) => Self::Bytes(64 << 10),
            _ => Self::Bytes(4 << 20),
        }
    }
}

fn limits<M>(builder: OpenAiBuilder<M>, fault: &Fault, base_url: &str) -> OpenAiBuilder<M> {
    let builder = usual_limits(builder.base_url(base_url).api_key(KEY));
    let (total, phase, bytes) = match Limit::of(fault) {
        Limit::Phase => (NEVER, PHASE, MAX_BYTES),
        Limit::Total(total) => (total, NEVER, MAX_BYTES),
        Limit::Bytes(bytes) => (NEVER, NEVER, bytes),
    };
    let builder = builder.timeout(total).header_timeout(phase).idle_timeout(phase);
    builder.max_response_bytes(bytes)
}

/// Returns the model for a fault.
fn chat(fault: &Fault, base_url: &str) -> Box<dyn ChatModel> {
    Box::new(limits(OpenAiChat::builder("m"), fault, base_url).build().unwrap())
}

fn responses(fault: &Fault, base_url: &str) -> Box<dyn ChatModel> {
    Box::new(limits(OpenAiResponses::builder("m"), fault, base_url).build().unwrap())
}

type MakeModel = fn(&Fault, &str) -> Box<dyn ChatModel>;

fn usual_limits<M>(builder: OpenAiBuilder<M>) -> OpenAiBuilder<M> {
    builder
        .timeout(TOTAL)
        .header_timeout(PHASE)
        .idle_timeout(PHASE)
        .backoff(Duration::from_millis(2), Duration::from_millis(4))
        .max_response_bytes(4 << 20)
}

pub(crate) fn builder(base_url: &str) -> OpenAiBuilder<OpenAiChat> {
    usual_limits(OpenAiChat::builder("m").base_url(base_url).api_key(KEY))
}

pub(crate) fn question() -> ChatRequest {
    ChatRequest::new(Message::human("hi"))
}

async fn ask(model: &dyn ChatModel, streamed: bool) -> Result<Reply, ModelError> {
    match streamed {
        true => model.stream(&question()).await?.into_reply().await,
        false => model.generate(&question()).await,
    }
}

/// Describes the result of a call in a few words.
pub(crate) fn outcome(result: &Result<Reply, ModelError>) -> String {
    let error = match result {
        Ok(reply) => {
            let mut said = format!("Ok {:?}", reply.text());
            if !reply.message.tool_calls().is_empty() {
                said.push_str(" and a tool call");
            }
            match &reply.finish_reason {
                Some(reason) if reason.as_str() != "stop" => write!(said, " ({reason})").unwrap(),
                Some(_) => {}
                None => said.push_str(" (no reason)"),
            }
            if !reply.done_marker_seen {
                said.push_str(" without [DONE]");
            }
            return said;
        }
        Err(error) => error,
    };
    let api = |error: &conversant_core::ApiError| {
        let code = error.code.as_deref().or(error.error_type.as_deref()).unwrap_or("-");
        let context = if error.is_context_length() { ", context length" } else { "" };
        format!("{:?}, {code}{context}", error.kind)
    };
    let partial = |partial: &conversant_core::PartialReply| match partial.text.len() {
        0..100 => format!("{:?}", partial.text.as_str()),
        length => format!("{length} bytes"),
    };
    match error {
        ModelError::Timeout { phase, .. } => format!("Timeout {{ {phase:?} }}"),
        ModelError::Transport { phase, .. } => format!("Transport {{ {phase:?} }}"),
        ModelError::Redirect { origin, .. } => {
            let place = if origin.starts_with("http") { "http" } else { origin };
            format!("Redirect {{ {place} }}")
        }
        ModelError::Status { status, error } => format!("Status {status} {{ {} }}", api(error)),
        ModelError::ApiErrorInBody { error } => format!("ApiErrorInBody {{ {} }}", api(error)),
        ModelError::Decode(error) => {
            let content_type = error.content_type.as_deref().unwrap_or("-");
            format!("Decode {{ {content_type}: {error} }}")
        }
        ModelError::EmptyAnswer { finish_reason } => format!("EmptyAnswer {{ {finish_reason:?} }}"),
        ModelError::Refused { .. } => "Refused".to_owned(),
        ModelError::BodyTooLarge { what, limit, .. } => {
            format!("BodyTooLarge {{ {what}, {limit} }}")
        }
        ModelError::StreamTruncated { partial: said, source } => {
            let source = if source.is_some() { ", by a fault" } else { "" };
            format!("StreamTruncated {{ {}{source} }}", partial(said))
        }
        ModelError::Stream { error, partial: said } => {
            format!("Stream {{ {}, {} }}", api(error), partial(said))
        }
        other => format!("{other:?}"),
    }
}

/// Returns all texts that an error shows or holds.
fn all_of(error: &ModelError) -> String {
    let mut all = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(all, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    if let Some(api) = error.api_error() {
        let id = api.request_id.as_deref();
        write!(all, " {} {} {id:?}", api.message.as_str(), api.body.as_str()).unwrap();
    }
    if let ModelError::Decode(error) = error {
        write!(all, " {}", error.body.as_str()).unwrap();
    }
    all
}

/// Waits for a number of turns of the runtime, each at least 10 ms long.
async fn ticks(count: usize) {
    for _ in 0..count {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn line(fault: &'static Fault, make: MakeModel, streamed: bool) -> String {
    let server = FaultServer::start(fault).unwrap();
    let model = make(fault, &server.base_url());
    let start = Instant::now();
    let result = tokio::select! {
        result = ask(&*model, streamed) => result,
        () = ticks(LONGEST) => panic!("{}: no end", fault.name()),
    };
    let took = start.elapsed();
    assert!(took < TOTAL * 4 + Duration::from_secs(2), "{}: took {took:?}", fault.name());
    if let Err(error) = &result {
        let all = all_of(error);
        assert!(!all.contains("canary"), "{}: {all}", fault.name());
    }
    assert_eq!(server.bystander_connections(), 0, "{}", fault.name());
    let mut line = format!(
        "{:>3} {:<30} {} × {}",
        fault.row(),
        fault.name(),
        server.attempts(),
        outcome(&result)
    );
    if fault.row() == 7 {
        let again = ask(&*model, streamed).await;
        write!(line, ", then {} × {}", server.attempts(), outcome(&again)).unwrap();
    }
    line
}

/// Everything that was logged, at every level.
static LOGGED: Mutex<String> = Mutex::new(String::new());

struct Log;

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        writeln!(LOGGED.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
    }

    fn flush(&self) {}
}

async fn table(make: MakeModel, streamed: bool) -> String {
    // The other test may have set it already.
    if log::set_logger(&Log).is_ok() {
        log::set_max_level(log::LevelFilter::Trace);
    }
    let wanted = faults().iter().filter(|fault| streamed || !fault.is_streamed());
    // Bytes take time on a busy machine, which calls with a limit of time do not have. What only
    // waits is with the latter.
    let is_of_bytes = |fault: &&Fault| {
        let waits = ["hang", "retry_after"].iter().any(|word| fault.name().contains(word));
        matches!(Limit::of(fault), Limit::Bytes(_)) && !waits
    };
    let (of_bytes, of_time): (Vec<_>, Vec<_>) = wanted.partition(is_of_bytes);
    let mut lines = all(of_bytes, make, streamed).await;
    lines.extend(all(of_time, make, streamed).await);
    let logged = LOGGED.lock().unwrap();
    assert!(logged.contains("hyper_util") && !logged.contains("canary"), "{logged}");
    let place = |name: &str| faults().iter().position(|fault| fault.name() == name);
    lines.sort_by_key(|(name, _)| place(name));
    lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
}

/// Tries faults, many at a time. Returns a line for each, with its name.
async fn all(
    faults: Vec<&'static Fault>,
    make: MakeModel,
    streamed: bool,
) -> Vec<(&'static str, String)> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    for fault in faults {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let _place = places.acquire().await.unwrap();
            (fault.name(), line(fault, make, streamed).await)
        });
    }
    running.join_all().await
}

#[tokio::test]
async fn of_an_answer_that_is_asked_for_whole() {
    insta::assert_snapshot!(table(chat, false).await);
}

#[tokio::test]
async fn of_an_answer_that_is_streamed() {
    insta::assert_snapshot!(table(chat, true).await);
}

#[tokio::test]
async fn of_a_response_that_is_asked_for_whole() {
    insta::assert_snapshot!(table(responses, false).await);
}

#[tokio::test]
async fn of_a_response_that_is_streamed() {
    insta::assert_snapshot!(table(responses, true).await);
}

#[tokio::test]
async fn a_body_without_end_is_given_up_at_32_mib() {
    for name in ["endless_chunked", "length_10_gb", "gzip_bomb"] {
        let fault = faults().iter().find(|fault| fault.name() == name).unwrap();
        let server = FaultServer::start(fault).unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let error = model.generate(&question()).await.unwrap_err();
        assert!(matches!(&error, ModelError::BodyTooLarge { limit: 33_554_432, .. }), "{error:?}");
        assert_eq!(server.attempts(), 1);
    }
}

/// An outage of one server does not take the repetitions of another.
#[tokio::test]
async fn each_adapter_has_a_budget_of_its_own() {
    let fault = faults().iter().find(|fault| fault.name() == "status_500").unwrap();
    let server = FaultServer::start(fault).unwrap();
    let prepared = OpenAiChat::builder("m").base_url(server.base_url()).max_retries(20);
    let prepared = prepared.backoff(Duration::ZERO, Duration::ZERO).retry_budget(0.0);
    for adapters in 1..3 {
        prepared.clone().build().unwrap().generate(&question()).await.unwrap_err();
        assert_eq!(server.attempts(), adapters * 11);
    }
}

/// The limit grows with the texts of a request, unless it is set.
#[tokio::test]
async fn embeddings_that_are_too_large_name_the_remedy() {
    let fault = faults().iter().find(|fault| fault.name() == "length_10_gb").unwrap();
    let server = FaultServer::start(fault).unwrap();
    let builder = || OpenAiEmbeddings::builder("m").base_url(server.base_url());
    for (model, limit) in [
        (builder(), 32 << 20),
        (builder().batch_size(2048), 256 << 20),
        (builder().batch_size(2048).max_response_bytes(1000), 1000),
    ] {
        let error = model.build().unwrap().embed(&["x".to_owned()]).await.unwrap_err();
        let expected = format!(
            "cannot read the model's answer: the body is larger than {limit} bytes; set a smaller \
             `batch_size`, or a larger `max_response_bytes`"
        );
        assert_eq!(error.to_string(), expected);
    }
}
