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

use conversant_core::{ChatModel, ChatRequest, Message, ModelError, Reply};
use conversant_models::{OpenAiBuilder, OpenAiChat, OpenAiResponses};
use conversant_testkit::{Fault, FaultServer, faults};
use tokio::{sync::Semaphore, task::JoinSet};

pub(crate) const KEY: &str = "sk-canary-5b1f0c6d9e";
/// The limit of a phase, and of a whole call.
const PHASE: Duration = Duration::from_millis(1500);
const TOTAL: Duration = Duration::from_secs(10);
/// The number of faults that are tried at a time.
const AT_ONCE: usize = 24;

/// Returns a builder with the limits of a fault. Faults that always reach the limit of a call have
/// a lower one.
fn limits<M>(builder: OpenAiBuilder<M>, fault: &Fault, base_url: &str) -> OpenAiBuilder<M> {
    let builder = builder.base_url(base_url).api_key(KEY);
    if fault.name() == "sse_event_of_20_mb" {
        return builder;
    }
    let builder = usual_limits(builder);
    match fault.row() {
        16 => builder.header_timeout(TOTAL).timeout(TOTAL / 4),
        // A large page, which takes longer than a phase on a busy machine.
        54 if fault.name() == "status_500_1_mb" => builder.header_timeout(TOTAL).timeout(TOTAL * 4),
        60 => builder.timeout(PHASE / 2),
        78 => builder.max_response_bytes(64 << 10).timeout(TOTAL * 4),
        80 => builder.timeout(PHASE * 2),
        _ => builder,
    }
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
        ModelError::BodyTooLarge { what, limit } => format!("BodyTooLarge {{ {what}, {limit} }}"),
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

async fn line(fault: &'static Fault, make: MakeModel, streamed: bool) -> String {
    let server = FaultServer::start(fault).unwrap();
    let model = make(fault, &server.base_url());
    let start = Instant::now();
    let result = ask(&*model, streamed).await;
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
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut running = JoinSet::new();
    let wanted = faults().iter().filter(|fault| streamed || !fault.is_streamed());
    for (index, fault) in wanted.enumerate() {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let _place = places.acquire().await.unwrap();
            (index, line(fault, make, streamed).await)
        });
    }
    let mut lines = running.join_all().await;
    let logged = LOGGED.lock().unwrap();
    assert!(logged.contains("hyper_util") && !logged.contains("canary"), "{logged}");
    lines.sort();
    lines.into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n")
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
