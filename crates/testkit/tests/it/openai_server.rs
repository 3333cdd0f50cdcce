//! The loopback server: what it sends, what it records, what it notices.

mod wire;

use conversant_testkit::{Gate, OpenAiServer, ServerAnswer, block_on};
use serde_json::{Value, json};

use crate::client::Client;

const CHAT: &str = "/v1/chat/completions";

fn chat(text: &str) -> Value {
    json!({"model": "gpt-6-luna", "messages": [{"role": "user", "content": text}]})
}

fn streamed(text: &str) -> Value {
    let mut request = chat(text);
    request["stream"] = true.into();
    request
}

fn content(answer: &Value) -> &str {
    answer["choices"][0]["message"]["content"].as_str().unwrap()
}

#[test]
fn answers_come_in_the_order_of_the_script_over_one_connection() {
    let server = OpenAiServer::start(["one", "two"]).unwrap();
    let mut client = Client::new(&server.base_url());
    for expected in ["one", "two"] {
        assert_eq!(content(&client.post(CHAT, &chat("hi")).json()), expected);
    }
    let connections: Vec<_> = server.requests().iter().map(|r| r.connection()).collect();
    assert_eq!((server.connections(), connections), (1, vec![1, 1]));
}

#[test]
fn a_used_up_script_says_so_and_asks_not_to_be_retried() {
    let server = OpenAiServer::start(["only"]).unwrap();
    let mut client = Client::new(&server.base_url());
    client.post(CHAT, &chat("hi"));
    let received = client.post(CHAT, &chat("hi"));
    assert_eq!((received.status, received.header("x-should-retry")), (500, Some("false")));
    insta::assert_snapshot!(received.text(), @r#"{"error":{"message":"script exhausted after 1 reply","type":"server_error","param":null,"code":"script_exhausted"}}"#);
}

#[test]
fn the_last_answer_can_be_repeated() {
    let server = OpenAiServer::builder().replies(["one", "more"]).repeat_last().start().unwrap();
    let mut client = Client::new(&server.base_url());
    let answers: Vec<_> =
        (0..4).map(|_| content(&client.post(CHAT, &chat("hi")).json()).to_owned()).collect();
    assert_eq!(answers, ["one", "more", "more", "more"]);
}

#[test]
fn a_handler_sees_the_request() {
    let server = OpenAiServer::with_handler(|request| {
        ServerAnswer::text(format!("you said {}", request.json()["messages"][0]["content"]))
    })
    .unwrap();
    let received = Client::new(&server.base_url()).post(CHAT, &chat("hi"));
    assert_eq!(content(&received.json()), r#"you said "hi""#);
}

#[test]
fn requests_are_recorded_as_they_came_and_shown_without_keys() {
    let server = OpenAiServer::start(["hi"]).unwrap();
    let mut client = Client::new(&server.base_url());
    let headers = "Authorization: Bearer sk-canary\r\nX-Api-Key: canary-2\r\nX-Trace: t1\r\n";
    client.send("POST", "/v1/completions?version=1", headers, r#"{"prompt": "Hi\u0021"}"#);
    client.receive();
    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(request.header("Authorization"), Some("Bearer sk-canary"));
    assert_eq!(request.json()["prompt"], "Hi!");
    assert_eq!(request.bytes().as_ref(), br#"{"prompt": "Hi\u0021"}"#);
    insta::assert_debug_snapshot!(request, @r#"
    RecordedRequest {
        connection: 1,
        method: "POST",
        path: "/v1/completions",
        query: Some(
            "version=1",
        ),
        headers: {
            "host": "localhost",
            "authorization": "[redacted]",
            "x-api-key": "[redacted]",
            "x-trace": "t1",
            "content-length": "22",
        },
        bytes: b"{\"prompt\": \"Hi\\u0021\"}",
        ..
    }
    "#);
    let shown = format!("{:?}", OpenAiServer::builder().require_key("sk-canary"));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn a_client_that_hangs_up_in_mid_stream_is_noticed() {
    let gate = Gate::new();
    let answer = ServerAnswer::pieces(["Hel", "lo"]).held_after(2, &gate);
    let server = OpenAiServer::builder().reply(answer).reply("next").start().unwrap();
    let mut client = Client::new(&server.base_url());
    client.send("POST", CHAT, "", &streamed("hi").to_string());
    client.receive_head();
    assert!(client.receive_chunk().unwrap().contains(r#""role":"assistant""#));
    assert!(client.receive_chunk().unwrap().contains(r#"{"content":"Hel"}"#));
    block_on(gate.reached(1));
    assert_eq!(server.disconnects(), 0);
    drop(client);
    block_on(server.disconnected(1));
    let mut next = Client::new(&server.base_url());
    assert_eq!(content(&next.post(CHAT, &chat("hi")).json()), "next");
    assert_eq!((server.connections(), server.disconnects()), (2, 1));
}

#[test]
fn a_client_that_hangs_up_before_the_answer_is_noticed() {
    let server = OpenAiServer::start([ServerAnswer::hang()]).unwrap();
    let mut client = Client::new(&server.base_url());
    client.send("POST", CHAT, "", &chat("hi").to_string());
    assert_eq!(block_on(server.received(1))[0].path(), CHAT);
    drop(client);
    block_on(server.disconnected(1));
}

#[test]
fn answers_that_were_read_to_the_end_are_no_disconnects() {
    let answers =
        [ServerAnswer::text("Hello there"), ServerAnswer::status(204), ServerAnswer::status(500)];
    let server = OpenAiServer::builder()
        .replies(answers)
        .reply("x")
        .reply(ServerAnswer::hang())
        .start()
        .unwrap();
    for body in [chat("a"), chat("b"), chat("c"), streamed("d")] {
        Client::new(&server.base_url()).post(CHAT, &body);
    }
    // The one that is broken off is counted last: by then the others would have been.
    let mut client = Client::new(&server.base_url());
    client.send("POST", CHAT, "", "{}");
    block_on(server.received(5));
    drop(client);
    block_on(server.disconnected(1));
    assert_eq!((server.connections(), server.disconnects()), (5, 1));
}

#[test]
fn an_answer_waits_at_its_gate() {
    let gate = Gate::new();
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::text("slow").held_by(&gate))
        .reply("fast")
        .start()
        .unwrap();
    let mut first = Client::new(&server.base_url());
    first.send("POST", CHAT, "", &chat("first").to_string());
    block_on(gate.reached(1));
    let second = Client::new(&server.base_url()).post(CHAT, &chat("second"));
    assert_eq!(content(&second.json()), "fast");
    gate.open();
    assert_eq!(content(&first.receive().json()), "slow");
}

#[test]
fn a_stream_is_sent_piece_by_piece() {
    let server =
        OpenAiServer::start([ServerAnswer::chunks(["data: a\n\n", "", "data: b\n\n"])]).unwrap();
    let received = Client::new(&server.base_url()).post(CHAT, &streamed("hi"));
    assert_eq!(received.chunks, ["data: a\n\n", "data: b\n\n"]);
}

#[tokio::test]
async fn the_server_works_inside_a_runtime_and_ends_with_its_handle() {
    let server = OpenAiServer::start(["hi"]).unwrap();
    let base_url = server.base_url();
    Client::new(&base_url).post(CHAT, &chat("hi"));
    assert_eq!(server.received(1).await.len(), 1);
    drop(server);
    let address = base_url.replace("http://", "").replace("/v1", "");
    assert!(std::net::TcpStream::connect(address).is_err());
}
