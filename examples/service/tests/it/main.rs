//! The service over HTTP, with a scripted model server and a SQLite file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod ending;
mod support;

use std::{sync::Arc, time::Duration};

use conversant_core::{
    CallRecord, ChatHistory, Expect, HistoryError, Message, SessionId, Turn, Usage, Version,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, OpenAiServer, ServerAnswer,
};
use serde_json::json;
use service::{connections_for_calls, is_postgres_url, listener::ConnectionLimits};
use support::{Running, leave};
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_session_is_remembered_and_counted() {
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::text("Hi Ada!").with_usage(20, 3))
        .reply(ServerAnswer::text("Your name is Ada.").with_usage(30, 5))
        .start()
        .unwrap();
    let service = Running::start(&server).await;
    let first = service.post("/sessions/ada/turns", json!({"message": "I am Ada."})).await;
    assert_eq!((first.status, &first.json()["answer"]), (200, &json!("Hi Ada!")));
    let second = service.post("/sessions/ada/turns", json!({"message": "Who am I?"})).await;
    assert_eq!(second.json()["usage"]["total_tokens"], 35);

    let session = service.get("/sessions/ada").await.json();
    let texts: Vec<_> =
        session["messages"].as_array().unwrap().iter().map(|m| &m["text"]).collect();
    assert_eq!(texts, ["I am Ada.", "Hi Ada!", "Who am I?", "Your name is Ada."]);
    assert_eq!(session["usage"]["total_tokens"], 58);
    assert_eq!(session["cost"], 0.00013);
    assert_eq!(service.get("/sessions/bob").await.json()["messages"], json!([]));
    insta::assert_snapshot!(service.get("/metrics").await.body, @r"
    calls_total 2
    failures_total 0
    cancelled_total 0
    retries_total 0
    input_tokens_total 50
    output_tokens_total 8
    cost_total 0.00013
    ");
}

#[tokio::test]
async fn what_a_session_used_is_known_after_a_restart() {
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::text("Hi Ada!").with_usage(20, 3))
        .start()
        .unwrap();
    let service = Running::start(&server).await;
    service.post("/sessions/ada/turns", json!({"message": "I am Ada."})).await;
    let service = service.restarted(&server).await;
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["usage"]["input_tokens"], 20);
    assert!(service.get("/metrics").await.body.starts_with("calls_total 0"));
}

/// The page has the last turns alone, and what all of them have used.
#[tokio::test]
async fn all_turns_of_a_session_are_counted() {
    let server = OpenAiServer::start([ServerAnswer::text("unused")]).unwrap();
    let record = CallRecord::new().with_usage(Usage::new(10, 5));
    let history = InMemoryHistory::new();
    let session = SessionId::new("ada").unwrap();
    for _ in 0..130 {
        let answer = Message::ai("Hello!").with_call_record(&record);
        let turn = Turn::new(vec![Message::human("Hi"), answer]);
        history.append(&session, &turn, Expect::Any).await.unwrap();
    }
    let limit = Duration::from_secs(30);
    let limits = connections_for_calls(limit);
    let folder = tempfile::tempdir().unwrap();
    let service = Running::over_history(Arc::new(history), folder, &server, limit, limits).await;
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["messages"].as_array().unwrap().len(), 200);
    assert_eq!(session["usage"]["total_tokens"], 1950);
}

#[tokio::test]
async fn a_stream_is_server_sent_events() {
    let server =
        OpenAiServer::builder().reply(ServerAnswer::pieces(["Hi ", "Ada!"])).start().unwrap();
    let service = Running::start(&server).await;
    let response = service.post("/sessions/ada/stream", json!({"message": "I am Ada."})).await;
    insta::assert_snapshot!(response.body.trim(), @r#"
    event: text
    data: "Hi "

    event: text
    data: "Ada!"

    event: done
    data: {"usage":null}
    "#);
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["messages"].as_array().unwrap().len(), 2);
}

const TURN: &str = "0199d0c5-6a30-7c4d-89ef-f4361551531c";

/// A request that is repeated with its turn's id gets the answer that was paid for.
#[tokio::test]
async fn a_repeated_request_is_answered_once() {
    let server = OpenAiServer::builder().reply(ServerAnswer::text("Hi Ada!")).start().unwrap();
    let service = Running::start(&server).await;
    let question = json!({"message": "I am Ada.", "turn": TURN});
    for _ in 0..2 {
        let response = service.post("/sessions/ada/turns", question.clone()).await;
        let told = response.json();
        assert_eq!((&told["turn"], &told["answer"]), (&json!(TURN), &json!("Hi Ada!")));
    }
    let stream = service.post("/sessions/ada/stream", question).await;
    assert!(stream.body.contains("data: \"Hi Ada!\""), "{}", stream.body);
    assert_eq!(server.requests().len(), 1);
    let other = json!({"message": "I am Bob.", "turn": TURN});
    let response = service.post("/sessions/ada/turns", other).await;
    assert_eq!((response.status, response.retry_after), (409, None));
    let odd = json!({"message": "I am Bob.", "turn": "7"});
    assert_eq!(service.post("/sessions/ada/turns", odd).await.status, 422);
}

/// Also if its client left before the answer came.
#[tokio::test]
async fn an_answer_whose_client_leaves_is_paid_once() {
    let gate = Gate::new();
    let answer = ServerAnswer::text("Hi Ada!").held_by(&gate);
    let server = OpenAiServer::builder().reply(answer).start().unwrap();
    let service = Running::start(&server).await;
    let question = json!({"message": "I am Ada.", "turn": TURN});
    let client = service.post_unread("/sessions/ada/turns", question.clone()).await;
    gate.reached(1).await;
    leave(client).await;
    let repeated = service.post("/sessions/ada/turns", question);
    let (response, ()) = tokio::join!(repeated, async { gate.open() });
    assert_eq!(response.json()["answer"], "Hi Ada!");
    assert_eq!(server.requests().len(), 1);
}

/// The words of a panic may be those of a user: neither the client nor the log has them.
#[tokio::test]
async fn a_call_that_panics_is_a_short_text() {
    let server = OpenAiServer::builder().reply("Hi Ada!").start().unwrap();
    let history = FailingHistory::new(InMemoryHistory::new());
    let history = history.always(HistoryCall::Load, FailureMode::panic());
    let service = Running::with_history(&server, history).await;
    let response = service.post("/sessions/ada/turns", json!({"message": "I am Ada."})).await;
    assert_eq!(response.status, 500);
    let line = "cannot answer: the service failed; try again";
    assert_eq!(response.json(), json!({"error": line, "answer": null}));
}

/// The end of the service waits for it.
#[tokio::test]
async fn an_answer_whose_client_leaves_survives_the_shutdown() {
    let gate = Gate::new();
    let answer = ServerAnswer::text("Hi Ada!").held_by(&gate);
    let server = OpenAiServer::builder().reply(answer).start().unwrap();
    let service = Running::start(&server).await;
    let question = json!({"message": "I am Ada."});
    let client = service.post_unread("/sessions/ada/turns", question).await;
    gate.reached(1).await;
    leave(client).await;
    let (service, ()) = tokio::join!(service.restarted(&server), async { gate.open() });
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["messages"][1]["text"], "Hi Ada!");
}

type Fails = fn() -> HistoryError;

#[tokio::test]
async fn errors_of_the_store_say_what_to_do() {
    let stale =
        || HistoryError::Stale { expected: Version::default(), current: Version::default() };
    let unreachable = || HistoryError::Backend { source: "refused".into() };
    let cases: [(Fails, u16, bool); 5] = [
        (|| HistoryError::Busy, 409, true),
        (stale, 409, false),
        (|| HistoryError::TooLarge { what: "message", bytes: 2, limit: 1 }, 413, false),
        (unreachable, 503, true),
        (|| HistoryError::Corrupt { what: "a line".to_owned(), source: None }, 500, false),
    ];
    for (error, status, is_retried) in cases {
        let server = OpenAiServer::builder().start().unwrap();
        let history = FailingHistory::new(InMemoryHistory::new())
            .always(HistoryCall::Turns, FailureMode::fail(error))
            .always(HistoryCall::Load, FailureMode::fail(error));
        let service = Running::with_history(&server, history).await;
        let responses = [
            service.get("/sessions/ada").await,
            service.post("/sessions/ada/turns", json!({"message": "hi"})).await,
        ];
        for response in responses {
            let found = (response.status, response.retry_after.is_some());
            assert_eq!(found, (status, is_retried), "{}", response.body);
        }
    }
}

#[test]
fn a_file_may_have_the_name_of_a_database() {
    for (store, is_url) in [
        ("postgres://u@h/d", true),
        ("postgresql://h/d", true),
        ("postgres.db", false),
        ("postgresql", false),
    ] {
        assert_eq!(is_postgres_url(store), is_url, "{store}");
    }
}

/// A client that leaves in the middle of an answer finds the part that it saw in its session.
#[tokio::test]
async fn a_client_that_leaves_keeps_the_part() {
    let gate = Gate::new();
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::pieces(["Once upon ", "a time"]).held_after(2, &gate))
        .reply(ServerAnswer::text("The end."))
        .start()
        .unwrap();
    let service = Running::start(&server).await;
    let question = json!({"message": "A story."});
    drop(service.stall_after("/sessions/ada/stream", question, "Once upon").await);
    // The session's next call waits until the part is stored.
    let next = service.post("/sessions/ada/turns", json!({"message": "Go on."})).await;
    assert_eq!(next.json()["answer"], "The end.");
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["messages"][1]["text"], "Once upon ");
    gate.open();
}

#[tokio::test]
async fn failures_have_their_status() {
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::error(400, "context_length_exceeded", "too long"))
        .reply(ServerAnswer::hang())
        .start()
        .unwrap();
    // Only the model that hangs meets a limit.
    let (patient, hasty) = (Duration::from_secs(60), Duration::from_millis(300));
    let question = json!({"message": "hi"});
    let table = [
        (patient, vec![(json!({"text": "hi"}), 422), (question.clone(), 400)]),
        (hasty, vec![(question, 504)]),
    ];
    for (limit, questions) in table {
        let service = Running::with_limit(&server, limit).await;
        for (question, status) in questions {
            assert_eq!(service.post("/sessions/a/turns", question).await.status, status);
        }
        assert_eq!(service.get("/sessions/a").await.json()["messages"], json!([]));
        assert!(service.get("/metrics").await.body.contains("failures_total 1"));
    }
}

/// Which bodies are refused: one that is too large, and one that is not framed as HTTP says.
#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let server = OpenAiServer::builder().start().unwrap();
    let service = Running::start(&server).await;
    let head = "POST /sessions/a/turns HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\n";
    let size = (2 << 20) + 1;
    let table = [
        (format!("{head}content-length: {size}\r\n\r\n{}", " ".repeat(size)), 413),
        (format!("{head}transfer-encoding: chunked\r\n\r\nno number\r\n"), 400),
    ];
    for (request, status) in table {
        let mut response = String::new();
        service.send_part(&request).await.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
    }
}

#[tokio::test]
async fn sessions_run_at_once_and_are_kept_apart() {
    let server = OpenAiServer::builder().reply("hello").repeat_last().start().unwrap();
    let service = Running::start(&server).await;
    let calls = (0..50).map(|user| {
        let path = format!("/sessions/user-{user}/turns");
        let service = &service;
        async move { service.post(&path, json!({"message": format!("I am {user}")})).await.status }
    });
    let statuses = futures_util::future::join_all(calls).await;
    assert!(statuses.iter().all(|&status| status == 200), "{statuses:?}");
    for user in 0..50 {
        let session = service.get(&format!("/sessions/user-{user}")).await.json();
        assert_eq!(session["messages"][0]["text"], format!("I am {user}"));
    }
}

/// Shutting down waits for a running answer, and it is stored.
#[tokio::test]
async fn a_running_answer_survives_the_shutdown() {
    let gate = Gate::new();
    let answer = ServerAnswer::text("still here").held_by(&gate);
    let server = OpenAiServer::builder().reply(answer).start().unwrap();
    let service = Running::start(&server).await;
    let call = service.post("/sessions/ada/turns", json!({"message": "hi"}));
    let shutdown = async {
        gate.reached(1).await;
        service.shut_down();
        gate.open();
    };
    let (response, ()) = tokio::join!(call, shutdown);
    assert_eq!(response.json()["answer"], "still here");
    assert_eq!(service.ended().await, 0);
}

/// A part of a request: a question of 100 bytes of which few have come.
const STALLED: &str = "POST /sessions/a/turns HTTP/1.1\r\nhost: localhost\r\n\
    content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"messa";

#[tokio::test]
async fn a_request_that_does_not_come_is_given_up() {
    let server = OpenAiServer::builder().start().unwrap();
    let limit = Duration::from_millis(50);
    let long = Duration::from_secs(60);
    for (part, head_timeout, status) in
        [(STALLED, long, "HTTP/1.1 408 "), ("GET /metrics HTTP/1.1\r\nhost: ", limit, "")]
    {
        let limits = ConnectionLimits { head_timeout, ..connections_for_calls(limit) };
        let service = Running::with_limits(&server, limit, limits).await;
        let mut response = String::new();
        service.send_part(part).await.read_to_string(&mut response).await.unwrap();
        assert!(response.starts_with(status), "{response}");
        assert_eq!(response.is_empty(), status.is_empty(), "{response}");
    }
}

/// Neither a request that does not come nor an answer that is not read keeps the service running,
/// and what was received of the answer is stored.
#[tokio::test]
async fn clients_that_stall_do_not_hold_up_the_end() {
    let gate = Gate::new();
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::pieces(["Once upon ", "a time"]).held_after(2, &gate))
        .start()
        .unwrap();
    let (limit, end_timeout) = (Duration::from_secs(60), Duration::from_millis(50));
    let limits = ConnectionLimits { end_timeout, ..connections_for_calls(limit) };
    let service = Running::with_limits(&server, limit, limits).await;
    let question = json!({"message": "A story."});
    let reader = service.stall_after("/sessions/ada/stream", question, "Once upon").await;
    let writer = service.send_part(STALLED).await;
    let service = service.restarted(&server).await;
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["messages"][1]["text"], "Once upon ");
    drop((reader, writer));
    gate.open();
}

/// An answer that is larger than what a connection holds ends at the call's deadline.
#[tokio::test]
async fn an_answer_that_is_not_read_ends_at_its_deadline() {
    let pieces = vec!["x".repeat(16 << 10); 450];
    let server = OpenAiServer::builder().reply(ServerAnswer::pieces(pieces)).start().unwrap();
    let service = Running::with_limit(&server, Duration::from_secs(5)).await;
    let question = json!({"message": "A story."});
    let reader = service.post_unread("/sessions/ada/stream", question).await;
    let saved = async {
        loop {
            let session = service.get("/sessions/ada").await.json();
            if let Some(text) = session["messages"][1]["text"].as_str() {
                break text.len();
            }
        }
    };
    let length = tokio::time::timeout(Duration::from_secs(60), saved).await.unwrap();
    assert!((1..450 << 14).contains(&length), "{length}");
    drop(reader);
    service.shut_down();
    assert_eq!(service.ended().await, 0);
}
