//! The service over HTTP, with a scripted model server and a SQLite file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod support;

use std::time::Duration;

use conversant_testkit::{Answer, Gate, OpenAiServer};
use serde_json::json;
use support::Running;

#[tokio::test]
async fn a_session_is_remembered_and_counted() {
    let server = OpenAiServer::builder()
        .reply(Answer::text("Hi Ada!").with_usage(20, 3))
        .reply(Answer::text("Your name is Ada.").with_usage(30, 5))
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
    let server =
        OpenAiServer::builder().reply(Answer::text("Hi Ada!").with_usage(20, 3)).start().unwrap();
    let service = Running::start(&server).await;
    service.post("/sessions/ada/turns", json!({"message": "I am Ada."})).await;
    let service = service.restarted(&server).await;
    let session = service.get("/sessions/ada").await.json();
    assert_eq!(session["usage"]["input_tokens"], 20);
    assert!(service.get("/metrics").await.body.starts_with("calls_total 0"));
}

#[tokio::test]
async fn a_stream_is_server_sent_events() {
    let server = OpenAiServer::builder().reply(Answer::pieces(["Hi ", "Ada!"])).start().unwrap();
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

/// A client that leaves in the middle of an answer finds the part that it saw in its session.
#[tokio::test]
async fn a_client_that_leaves_keeps_the_part() {
    let gate = Gate::new();
    let server = OpenAiServer::builder()
        .reply(Answer::pieces(["Once upon ", "a time"]).held_after(2, &gate))
        .reply(Answer::text("The end."))
        .start()
        .unwrap();
    let service = Running::start(&server).await;
    service.leave_after("/sessions/ada/stream", json!({"message": "A story."}), "Once upon").await;
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
        .reply(Answer::error(400, "context_length_exceeded", "too long"))
        .reply(Answer::hang())
        .start()
        .unwrap();
    let service = Running::with_limit(&server, Duration::from_millis(300)).await;
    let question = || json!({"message": "hi"});
    let mut statuses = vec![service.post("/sessions/a/turns", json!({"text": "hi"})).await.status];
    for _ in 0..2 {
        statuses.push(service.post("/sessions/a/turns", question()).await.status);
    }
    assert_eq!(statuses, [422, 400, 504]);
    assert_eq!(service.get("/sessions/a").await.json()["messages"], json!([]));
    assert!(service.get("/metrics").await.body.contains("failures_total 2"));
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
    let answer = Answer::text("still here").held_by(&gate);
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
