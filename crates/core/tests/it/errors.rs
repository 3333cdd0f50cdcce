//! Every error's words, and what hangs behind it.

use std::{error::Error, time::Duration};

use conversant_core::{
    ApiError, DecodeError, FinishReason, HistoryError, MemoryError, Message, MissingVariable,
    ModelError, ParseError, PartialReply, PromptError, SessionIdError, Slot, StatusKind,
    StoredMessageError, TextFault, TimeoutPhase, TransportPhase, TurnId, TurnIdError, TurnKeyError,
    ValueKind, VectorStoreError, Version, Warning, vars,
};

fn cause() -> Box<dyn Error + Send + Sync> {
    "the cause".into()
}

/// An error and all that is behind it, a line each.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(&format!("\n  caused by: {error}"));
        next = error.source();
    }
    text
}

fn snapshot(name: &str, errors: &[Box<dyn Error>]) {
    for error in errors {
        let text = error.to_string();
        assert!(!text.ends_with('.'), "{text}");
        assert!(!text.starts_with(|first: char| first.is_uppercase()), "{text}");
        assert!(!text.contains("the cause"), "{text}: a cause stands in `source` only");
    }
    let text: Vec<_> = errors.iter().map(|error| chain(&**error)).collect();
    insta::assert_snapshot!(name, text.join("\n"));
}

#[test]
fn model_errors() {
    let api = |kind, code: Option<&str>| {
        let mut error = ApiError::new(kind);
        error.code = code.map(str::to_owned);
        Box::new(error)
    };
    let mut full = ApiError::new(StatusKind::RateLimit);
    full.error_type = Some("requests".into());
    full.retry_after = Some(Duration::from_millis(1500));
    full.request_id = Some("req_1".into());
    let status = |status, kind| ModelError::Status { status, error: api(kind, None) };
    snapshot(
        "model_errors",
        &[
            Box::new(ModelError::config("set `OPENAI_API_KEY`")),
            Box::new(ModelError::Connect { server: server(), source: cause() }),
            Box::new(ModelError::Dns { server: server(), source: cause() }),
            Box::new(ModelError::Tls { server: server(), source: cause() }),
            Box::new(ModelError::Timeout {
                phase: TimeoutPhase::Connect,
                after: Duration::from_secs(5),
            }),
            Box::new(ModelError::Timeout {
                phase: TimeoutPhase::Headers,
                after: Duration::from_millis(1500),
            }),
            Box::new(ModelError::Timeout {
                phase: TimeoutPhase::Idle,
                after: Duration::from_secs(60),
            }),
            Box::new(ModelError::Timeout {
                phase: TimeoutPhase::Total,
                after: Duration::from_secs(120),
            }),
            Box::new(ModelError::Transport { phase: TransportPhase::Send, source: cause() }),
            Box::new(ModelError::Transport { phase: TransportPhase::Headers, source: cause() }),
            Box::new(ModelError::Transport { phase: TransportPhase::Body, source: cause() }),
            Box::new(ModelError::Redirect { status: 307, origin: "https://example.com".into() }),
            Box::new(status(400, StatusKind::BadRequest)),
            Box::new(status(401, StatusKind::Auth)),
            Box::new(status(403, StatusKind::Permission)),
            Box::new(status(404, StatusKind::NotFound)),
            Box::new(status(408, StatusKind::RequestTimeout)),
            Box::new(status(409, StatusKind::Conflict)),
            Box::new(status(413, StatusKind::TooLarge)),
            Box::new(status(422, StatusKind::Unprocessable)),
            Box::new(ModelError::Status { status: 429, error: Box::new(full) }),
            Box::new(ModelError::Status {
                status: 429,
                error: api(StatusKind::QuotaExhausted, Some("insufficient_quota")),
            }),
            Box::new(status(500, StatusKind::Server)),
            Box::new(status(503, StatusKind::Overloaded)),
            Box::new(status(418, StatusKind::Other)),
            Box::new(ModelError::ApiErrorInBody { error: api(StatusKind::Other, Some("odd")) }),
            Box::new(ModelError::from(DecodeError::new("expected `choices`"))),
            Box::new(ModelError::EmptyAnswer { finish_reason: None }),
            Box::new(ModelError::EmptyAnswer { finish_reason: Some(FinishReason::Length) }),
            Box::new(ModelError::Incomplete {
                finish_reason: FinishReason::Length,
                partial: PartialReply::new("half"),
            }),
            Box::new(ModelError::Refused { text: "no".into() }),
            Box::new(ModelError::BodyTooLarge { what: "an event", limit: 4_194_304, hint: None }),
            Box::new(ModelError::BodyTooLarge {
                what: "the body",
                limit: 1,
                hint: Some("ask for less"),
            }),
            Box::new(ModelError::PromptTooLong { tokens: 18_001, limit: 2048 }),
            Box::new(ModelError::truncated(PartialReply::new("half"))),
            Box::new(ModelError::StreamTruncated {
                partial: PartialReply::default(),
                source: Some(cause()),
            }),
            Box::new(ModelError::Stream {
                error: api(StatusKind::Server, None),
                partial: PartialReply::new("half"),
            }),
            Box::new(ModelError::AfterTools {
                rounds: 2,
                messages: vec![Message::ai("x"), Message::tool("y", "call_1")].into(),
                source: Box::new(status(503, StatusKind::Overloaded)),
            }),
            Box::new(ModelError::Cancelled),
            Box::new(ModelError::custom("the weights are missing", false, cause())),
            Box::new(ModelError::custom("the queue is full", true, None)),
        ],
    );
}

fn server() -> String {
    "api.example:443".to_owned()
}

#[test]
fn what_a_caller_can_do_about_a_model_error() {
    let status = |kind| ModelError::Status { status: 400, error: Box::new(ApiError::new(kind)) };
    let retryable = [
        ModelError::Connect { server: server(), source: cause() },
        ModelError::Dns { server: server(), source: cause() },
        ModelError::Timeout { phase: TimeoutPhase::Idle, after: Duration::ZERO },
        ModelError::Transport { phase: TransportPhase::Body, source: cause() },
        ModelError::truncated(PartialReply::default()),
        status(StatusKind::RateLimit),
        status(StatusKind::Overloaded),
        status(StatusKind::Server),
        status(StatusKind::Conflict),
        status(StatusKind::RequestTimeout),
        ModelError::custom("x", true, None),
    ];
    assert!(retryable.iter().all(ModelError::is_retryable));
    let not = [
        ModelError::config("x"),
        ModelError::Tls { server: server(), source: cause() },
        ModelError::Redirect { status: 302, origin: String::new() },
        ModelError::Cancelled,
        ModelError::EmptyAnswer { finish_reason: None },
        ModelError::Refused { text: "no".into() },
        status(StatusKind::Auth),
        status(StatusKind::QuotaExhausted),
        status(StatusKind::BadRequest),
        ModelError::custom("x", false, None),
    ];
    assert!(!not.iter().any(ModelError::is_retryable));
    // The error of a stream counts by its kind, if that is known.
    for (kind, retryable) in [
        (StatusKind::Server, true),
        (StatusKind::Overloaded, true),
        (StatusKind::RateLimit, true),
        (StatusKind::Other, true),
        (StatusKind::Auth, false),
        (StatusKind::QuotaExhausted, false),
        (StatusKind::NotFound, false),
        (StatusKind::BadRequest, false),
    ] {
        let stream = |error| {
            let error = Box::new(error);
            ModelError::Stream { error, partial: PartialReply::default() }
        };
        assert_eq!(stream(ApiError::new(kind)).is_retryable(), retryable, "{kind:?}");
        // A prompt that is too long stays so.
        let mut too_long = ApiError::new(kind);
        too_long.context_length = true;
        let error = Box::new(too_long.clone());
        assert!(!stream(too_long).is_retryable(), "{kind:?}");
        assert!(!ModelError::Status { status: 500, error }.is_retryable(), "{kind:?}");
    }

    let mut api = ApiError::new(StatusKind::BadRequest);
    api.code = Some("context_length_exceeded".into());
    assert!(ModelError::Status { status: 400, error: Box::new(api) }.is_context_length());
    let mut api = ApiError::new(StatusKind::BadRequest);
    api.error_type = Some("exceed_context_size_error".into());
    assert!(ModelError::ApiErrorInBody { error: Box::new(api) }.is_context_length());
    assert!(!status(StatusKind::BadRequest).is_context_length());
    assert!(!ModelError::Cancelled.is_context_length());
}

#[test]
fn history_errors() {
    let (expected, current) = (Version::new(0, 2), Version::new(1, 0));
    snapshot(
        "history_errors",
        &[
            Box::new(HistoryError::Stale { expected, current }),
            Box::new(HistoryError::Stale {
                expected: current.with_tip(1),
                current: current.with_tip(2),
            }),
            Box::new(HistoryError::Busy),
            Box::new(HistoryError::TooLarge { what: "message", bytes: 20, limit: 16 }),
            Box::new(HistoryError::Full { source: cause() }),
            Box::new(HistoryError::ReadOnly { source: None }),
            Box::new(HistoryError::ReadOnly { source: Some(cause()) }),
            Box::new(HistoryError::Corrupt {
                what: "message 3 of `s`".into(),
                source: Some(cause()),
            }),
            Box::new(HistoryError::SchemaTooNew { found: 3, known: 2 }),
            Box::new(HistoryError::InvalidText {
                what: "title",
                fault: TextFault::Control { offset: 3 },
            }),
            Box::new(HistoryError::InvalidText {
                what: "text to search for",
                fault: TextFault::Words { max: 64 },
            }),
            Box::new(HistoryError::InvalidText {
                what: "text to search for",
                fault: TextFault::PassedOver,
            }),
            Box::new(HistoryError::TurnIdInUse { turn: TurnId::from_u128(7), incomplete: false }),
            Box::new(HistoryError::TurnIdInUse { turn: TurnId::from_u128(7), incomplete: true }),
            Box::new(HistoryError::TooManyLabels { limit: 32 }),
            Box::new(HistoryError::EmptyFilter),
            Box::new(HistoryError::Unsupported { what: "notes" }),
            Box::new(HistoryError::Backend { source: cause() }),
        ],
    );
}

#[test]
fn the_class_of_a_status_is_the_status() {
    let class = |status| {
        let error = ApiError::new(StatusKind::Other).into();
        ModelError::Status { status, error }.class()
    };
    for status in 100..=999 {
        assert_eq!(class(status), status.to_string());
    }
    for status in [0, 99, 1000, u16::MAX] {
        assert_eq!(class(status), "invalid");
    }
}

#[test]
fn what_a_service_answers_to_an_error_of_a_store() {
    let (expected, current) = (Version::new(0, 2), Version::new(1, 0));
    let limit = Duration::from_secs(5);
    for (error, class, status, retryable) in [
        (HistoryError::Stale { expected, current }, "stale", 409, false),
        (HistoryError::Busy, "busy", 409, true),
        (HistoryError::TooLarge { what: "message", bytes: 20, limit: 16 }, "too_large", 413, false),
        (HistoryError::Full { source: cause() }, "full", 507, true),
        (HistoryError::ReadOnly { source: None }, "read_only", 500, false),
        (HistoryError::UnknownTurn { turn: TurnId::from_u128(7) }, "unknown_turn", 404, false),
        (
            HistoryError::TurnIdInUse { turn: TurnId::from_u128(7), incomplete: true },
            "turn_id",
            409,
            false,
        ),
        (HistoryError::EmptyFilter, "empty_filter", 400, false),
        (HistoryError::Unsupported { what: "notes" }, "unsupported", 500, false),
        (HistoryError::TimedOut { limit }, "timeout", 504, true),
        (HistoryError::Backend { source: cause() }, "backend", 503, true),
    ] {
        assert_eq!((error.class(), error.http_status()), (class, status));
        assert_eq!(error.is_retryable(), retryable, "{class}");
        let error = MemoryError::from(error);
        assert_eq!((error.http_status(), error.is_retryable()), (status, retryable), "{class}");
        assert_eq!(error.class(), class);
    }
    let key = TurnKeyError::AmbiguousInput { candidates: vec!["a".into()] };
    for (error, class, status, retryable) in [
        (ModelError::custom("overloaded", true, None).into(), "custom", 503, true),
        (ModelError::Cancelled.into(), "cancelled", 502, false),
        (MemoryError::from(key), "keys", 500, false),
        (MemoryError::OverBudget { size: 20, budget: 12 }, "over_budget", 413, false),
        (MemoryError::Interrupted { reason: "the deadline passed" }, "interrupted", 504, true),
        (MemoryError::Unsupported { what: "clearing" }, "unsupported", 500, false),
        (MemoryError::Custom(cause()), "custom", 500, false),
    ] {
        assert_eq!((error.class(), error.http_status()), (class, status));
        assert_eq!(error.is_retryable(), retryable, "{class}");
    }
}

#[test]
fn a_vector_stores_error_is_classed_as_that_of_a_history_and_in_a_memory_too() {
    let (what, limit) = ("damaged".to_owned(), Duration::from_secs(1));
    let pairs = [
        (VectorStoreError::Busy, HistoryError::Busy),
        (VectorStoreError::Full { source: cause() }, HistoryError::Full { source: cause() }),
        (VectorStoreError::ReadOnly { source: None }, HistoryError::ReadOnly { source: None }),
        (
            VectorStoreError::Corrupt { what: what.clone(), source: None },
            HistoryError::Corrupt { what, source: None },
        ),
        (VectorStoreError::TimedOut { limit }, HistoryError::TimedOut { limit }),
        (VectorStoreError::Backend { source: cause() }, HistoryError::Backend { source: cause() }),
        (
            VectorStoreError::Unsupported { what: "lists" },
            HistoryError::Unsupported { what: "lists" },
        ),
    ];
    for (of_vectors, of_history) in pairs {
        let expected = (of_history.class(), of_history.is_retryable(), of_history.http_status());
        let found = (of_vectors.class(), of_vectors.is_retryable(), of_vectors.http_status());
        assert_eq!(found, expected);
        let error = MemoryError::Custom(of_vectors.into());
        assert_eq!((error.class(), error.is_retryable(), error.http_status()), expected);
    }
    let error = VectorStoreError::from(ModelError::custom("overloaded", true, None));
    assert_eq!((error.is_retryable(), error.http_status()), (true, 503));
    assert!(!VectorStoreError::Dimension { expected: 3, found: 2 }.is_retryable());
}

#[test]
fn memory_errors() {
    snapshot(
        "memory_errors",
        &[
            Box::new(MemoryError::from(HistoryError::Busy)),
            Box::new(MemoryError::from(TurnKeyError::AmbiguousInput {
                candidates: vec!["a".into()],
            })),
            Box::new(MemoryError::from(ModelError::Cancelled)),
            Box::new(MemoryError::OverBudget { size: 20, budget: 12 }),
            Box::new(MemoryError::Unsupported { what: "clearing" }),
            Box::new(MemoryError::Custom(cause())),
            Box::new(Warning::new("the summary was not written", cause())),
            Box::new(Warning::new("the summary was not written", None)),
            Box::new(VectorStoreError::from(ModelError::Cancelled)),
            Box::new(VectorStoreError::InvalidVectors { reason: "0 vectors for 1 texts".into() }),
            Box::new(VectorStoreError::Dimension { expected: 3, found: 2 }),
            Box::new(VectorStoreError::Unsupported { what: "a list of documents" }),
            Box::new(VectorStoreError::Busy),
            Box::new(VectorStoreError::Full { source: cause() }),
            Box::new(VectorStoreError::ReadOnly { source: Some(cause()) }),
            Box::new(VectorStoreError::Corrupt {
                what: "cannot decode a document".into(),
                source: None,
            }),
            Box::new(VectorStoreError::TimedOut { limit: Duration::from_secs(30) }),
            Box::new(VectorStoreError::Backend { source: cause() }),
        ],
    );
}

#[test]
fn prompt_errors() {
    let slots =
        [Slot::text("human_input"), Slot::messages("chat_history"), Slot::text("a").optional()];
    let given = vars! { "humaninput" => "hi", "x" => 1 };
    snapshot(
        "prompt_errors",
        &[
            Box::new(PromptError::check_missing(&slots, &given).unwrap_err()),
            Box::new(PromptError::check_missing(&slots[..1], &vars! {}).unwrap_err()),
            Box::new(PromptError::NotMessages { name: "h".into(), found: ValueKind::Integer }),
            Box::new(PromptError::Value { name: "n".into(), source: cause() }),
            Box::new(PromptError::Custom(cause())),
            Box::new(ParseError::new("many", "no number", "the cause")),
            Box::new(ParseError::without_source("many", "no number")),
        ],
    );
    let full = vars! { "human_input" => "hi", "chat_history" => "text is looked at later" };
    assert!(PromptError::check_missing(&slots, &full).is_ok());
    let missing = MissingVariable::new("nam", ["name", "x"]);
    assert_eq!((missing.name.as_str(), missing.nearest.as_deref()), ("nam", Some("name")));
}

#[test]
fn errors_of_plain_data() {
    snapshot(
        "errors_of_plain_data",
        &[
            Box::new(SessionIdError::Length { bytes: 0 }),
            Box::new(SessionIdError::Nul { offset: 3 }),
            Box::new(SessionIdError::Reserved),
            Box::new("x".parse::<TurnId>().unwrap_err()),
            Box::new(StoredMessageError::Shape),
            Box::new(StoredMessageError::UnknownType { name: "pickle".into() }),
            Box::new(StoredMessageError::MissingField {
                message_type: "tool",
                field: "tool_call_id",
            }),
            Box::new(StoredMessageError::Field {
                message_type: "ai",
                field: "id",
                reason: "invalid type".into(),
            }),
        ],
    );
    let _: TurnIdError = "x".parse::<TurnId>().unwrap_err();
}
