//! The ends of connections and of the program: what runs is answered, and nothing runs for ever.

use std::time::Duration;

use conversant_testkit::{Gate, OpenAiServer, ServerAnswer};
use serde_json::json;
use service::{connections_for_calls, listener::ConnectionLimits};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Running, leave};

const SECONDS_60: Duration = Duration::from_secs(60);

/// A request of a client that keeps its connection.
fn kept_alive(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

async fn rest_of(mut socket: TcpStream) -> String {
    let mut rest = String::new();
    timeout(SECONDS_60, socket.read_to_string(&mut rest)).await.unwrap().unwrap();
    rest
}

/// A proxy keeps its connections for ever: the request that runs when one has had its time is
/// answered.
#[tokio::test]
async fn a_connection_ends_with_its_lifetime_after_the_answer() {
    let gate = Gate::new();
    let answer = ServerAnswer::text("Hi Ada!").held_by(&gate);
    let server = OpenAiServer::builder().reply(answer).start().unwrap();
    let lifetime = Duration::from_millis(300);
    let limits = ConnectionLimits { lifetime, ..connections_for_calls(SECONDS_60) };
    let service = Running::with_limits(&server, SECONDS_60, limits).await;
    let question = json!({"message": "I am Ada."}).to_string();
    let client = service.send_part(&kept_alive("POST", "/sessions/a/turns", &question)).await;
    gate.reached(1).await;
    // When a later connection has had its time, this one has too.
    rest_of(service.send_part(&kept_alive("GET", "/metrics", "")).await).await;
    gate.open();
    let response = rest_of(client).await;
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(response.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{response}");
    assert!(response.contains("Hi Ada!"), "{response}");
}

/// It does not wait for ever.
#[tokio::test]
async fn a_last_response_has_its_limit() {
    let gate = Gate::new();
    let answer = ServerAnswer::text("Hi Ada!").held_by(&gate);
    let server = OpenAiServer::builder().reply(answer).start().unwrap();
    let time = Duration::from_millis(50);
    let limits = connections_for_calls(SECONDS_60);
    let limits = ConnectionLimits { lifetime: time, last_response: time, ..limits };
    let service = Running::with_limits(&server, SECONDS_60, limits).await;
    let question = json!({"message": "I am Ada."});
    let mut client = service.post_unread("/sessions/ada/turns", question).await;
    let mut received = Vec::new();
    // It may have ended before the request came, which the system reports as an error.
    let _ = timeout(SECONDS_60, client.read_to_end(&mut received)).await.unwrap();
    assert!(received.is_empty());
    gate.open();
}

/// All steps of the end share one time.
#[tokio::test]
async fn calls_that_do_not_end_are_given_up_in_time() {
    let server = OpenAiServer::builder().reply(ServerAnswer::hang()).start().unwrap();
    let service = Running::with_limit(&server, Duration::from_secs(600)).await;
    let question = json!({"message": "I am Ada."});
    let client = service.post_unread("/sessions/ada/turns", question).await;
    server.received(1).await;
    leave(client).await;
    service.shut_down();
    let ended = service.ended_within(Duration::from_millis(50));
    assert_eq!(timeout(SECONDS_60, ended).await.unwrap(), 1);
}

/// A person who does not want to wait for the calls that run asks twice.
#[cfg(unix)]
#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    use std::process::Stdio;

    use tokio::process::Command;

    let server = OpenAiServer::builder().reply(ServerAnswer::hang()).start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_service"))
        .args(["--listen", "127.0.0.1:0", "--limit", "600", "--store", "c.db"])
        .env("OPENAI_BASE_URL", server.base_url())
        .env("OPENAI_API_KEY", "k")
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stderr.take().unwrap()).lines();
    let mut told = async || lines.next_line().await.unwrap().unwrap();
    let line = told().await;
    let (_, address) = line.split_once("http://").unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    let question = json!({"message": "I am Ada."}).to_string();
    client.write_all(kept_alive("POST", "/sessions/a/turns", &question).as_bytes()).await.unwrap();
    server.received(1).await;
    let id = program.id().unwrap().to_string();
    let signal = async || {
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    };
    signal().await;
    let line = told().await;
    assert!(line.contains("ends within 610 seconds"), "{line}");
    signal().await;
    let status = timeout(SECONDS_60, program.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
}
