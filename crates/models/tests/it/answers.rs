//! Answers and errors of servers.

use std::collections::BTreeSet;

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Message, ModelError, Reply,
    StatusKind,
};
use conversant_models::{OpenAi, OpenAiChat};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::json;

const KEY: &str = "sk-canary-0123456789";

async fn ask(answer: ServerAnswer) -> (Result<Reply, ModelError>, usize) {
    let server = OpenAiServer::start([answer]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).api_key(KEY).max_retries(0);
    let model = model.build().unwrap();
    let reply = model.generate(&ChatRequest::new(Message::human("hi"))).await;
    (reply, server.requests().len())
}

#[tokio::test]
async fn an_answer_is_read_with_all_that_it_says() {
    let answer =
        ServerAnswer::choices(["one", "two"]).with_usage(5, 7).with_header("x-request-id", "r-1");
    let server = OpenAiServer::start([answer]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).n(2).build().unwrap();
    let reply = model.generate(&ChatRequest::new(Message::human("hi"))).await.unwrap();
    insta::assert_json_snapshot!(reply);
}

#[tokio::test]
async fn a_completion_is_read() {
    let server = OpenAiServer::start(["  upon a time"]).unwrap();
    let model = OpenAi::builder("m").base_url(server.base_url()).build().unwrap();
    let reply = model.generate(&CompletionRequest::new("Once")).await.unwrap();
    assert_eq!(reply.text(), "  upon a time");
}

#[tokio::test]
async fn tool_calls_are_read() {
    let answer = ServerAnswer::tool_call("c1", "f", "{\"a\": \"tab\t\"}")
        .with_tool_call("c2", "g", "{\"a\": ");
    let reply = ask(answer).await.0.unwrap();
    assert_eq!(reply.message.tool_calls()[0].args, json!({"a": "tab\t"}));
    assert_eq!(reply.message.invalid_tool_calls()[0].args.as_deref(), Some("{\"a\": "));
}

/// Results have to name their calls, those that cannot be run and those of other choices too.
#[tokio::test]
async fn calls_without_ids_get_some() {
    let call = |arguments: &str| json!({"function": {"name": "f", "arguments": arguments}});
    let message = json!({"content": null, "tool_calls": [call("{}"), call("{\"a\": ")]});
    let choices = [0, 1].map(|index| json!({"index": index, "message": message}));
    let server = OpenAiServer::start([ServerAnswer::json(&json!({"choices": choices}))]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).n(2).build().unwrap();
    let reply = model.generate(&ChatRequest::new(Message::human("hi"))).await.unwrap();
    let mut ids = BTreeSet::new();
    for message in [&reply.message, &reply.alternatives[0].message] {
        ids.insert(message.tool_calls()[0].id.clone().unwrap());
        ids.insert(message.invalid_tool_calls()[0].id.clone().unwrap());
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let message = |message| {
        ServerAnswer::json(&json!({"choices": [{"message": message, "finish_reason": "stop"}]}))
    };
    let echo = format!("Incorrect API key provided: {KEY}");
    let mut shown = Vec::new();
    for answer in [
        message(json!({"content": null})),
        message(json!({"content": null, "refusal": "no"})),
        message(json!({"content": 7})),
        message(json!({"content": {"a": 1}})),
        ServerAnswer::json(&json!({"choices": []})),
        ServerAnswer::json(&json!({"choices": null})),
        ServerAnswer::json(&json!({"choices": 1})),
        ServerAnswer::json(&json!({"choices": [1]})),
        ServerAnswer::json(&json!({})),
        ServerAnswer::json(&json!(null)),
        ServerAnswer::json(&json!([])),
        ServerAnswer::json(&json!("x")),
        ServerAnswer::json(&json!({"error": {"message": echo, "code": "invalid_api_key"}})),
        ServerAnswer::status(200),
        ServerAnswer::status(204),
        ServerAnswer::status(200).with_body("text/html", "<html>"),
        ServerAnswer::status(200).with_body("application/json", "{\"choices\": [{"),
        ServerAnswer::status(200).with_body("application/json", "{\"choices\": x}"),
        ServerAnswer::status(200).with_body("application/json", &b"{\"choices\": \"\xff\"}"[..]),
        ServerAnswer::status(200).with_body("application/json", "[".repeat(200_000)),
        ServerAnswer::error(400, "context_length_exceeded", "too long"),
        ServerAnswer::error(401, "invalid_api_key", &echo),
        ServerAnswer::error(403, "forbidden", "no"),
        ServerAnswer::error(404, "model_not_found", "no"),
        ServerAnswer::error(413, "too_large", "no"),
        ServerAnswer::error(422, "unprocessable", "no"),
        ServerAnswer::error(429, "rate_limit_exceeded", "slow").with_header("retry-after", "7"),
        ServerAnswer::error(429, "insufficient_quota", "pay"),
        ServerAnswer::error(503, "overloaded", "later")
            .with_header("x-request-id", format!("r-{KEY}")),
        ServerAnswer::status(502).with_body("text/html", "<h1>Bad gateway</h1>"),
        ServerAnswer::status(418),
        ServerAnswer::status(307).with_header("location", "https://elsewhere.example/v1?key=1"),
    ] {
        let (result, attempts) = ask(answer).await;
        let error = result.unwrap_err();
        assert_eq!(attempts, 1);
        let debug = format!("{error:?}");
        let kept = error.api_error().map(|e| format!("{} {}", e.message.as_str(), e.body.as_str()));
        assert!(!format!("{error} {debug} {kept:?}").contains(KEY), "{debug}");
        shown.push(error.to_string());
    }
    insta::assert_snapshot!(shown.join("\n"));
}

/// Servers escape what they quote, each in its own way, and some have the key in their URL.
#[tokio::test]
async fn a_key_that_a_server_quotes_is_masked_however_it_is_escaped() {
    let (key, in_url) = ("tok/abc+def0123456789xyz==", "AIza/0123456789");
    let quotes = [
        r"tok\/abc+def0123456789xyz==",
        r"tok/abc\u002bdef0123456789xyz\u003d\u003d",
        "tok%2Fabc%2Bdef0123456789xyz%3D%3D",
        "tok&#x2F;abc&#43;def0123456789xyz&#61;&#61;",
        "AIza/0123456789",
        "/v1/chat/completions?api-version=1&key=AIza%2F0123456789",
    ];
    for quote in quotes {
        let body = format!(r#"{{"error":{{"message":"wrong key: {quote}","param":"{quote}"}}}}"#);
        for status in [401, 200] {
            let answer = ServerAnswer::status(status).with_body("application/json", body.clone());
            let server = OpenAiServer::start([answer]).unwrap();
            let url = format!("{}?api-version=1&key=AIza%2F0123456789", server.base_url());
            let model = OpenAiChat::builder("m").base_url(url).api_key(key).max_retries(0);
            let model = model.build().unwrap();
            let request = ChatRequest::new(Message::human("hi"));
            let error = model.generate(&request).await.unwrap_err();
            let api = error.api_error().unwrap();
            let shown = format!("{error:?} {} {}", api.message.as_str(), api.body.as_str());
            for word in ["abc", "xyz", in_url, "0123456789"] {
                assert!(!shown.contains(word), "{quote}: {shown}");
            }
            assert!(api.body.as_str().contains("wrong key: "), "{shown}");
        }
    }
}

/// Money that is used up, as several servers say it.
#[tokio::test]
async fn used_up_money_is_not_retried() {
    let error = |error: serde_json::Value| json!({"error": error});
    for (status, body) in [
        // DeepSeek, OpenRouter, Moonshot, OpenAI.
        (402, error(json!({"message": "Insufficient Balance", "code": "invalid_request_error"}))),
        (402, error(json!({"message": "Insufficient credits", "code": 402}))),
        (402, json!({})),
        (429, error(json!({"message": "pay", "type": "exceeded_current_quota_error"}))),
        (429, error(json!({"message": "pay", "code": "billing_hard_limit_reached"}))),
    ] {
        let server = OpenAiServer::start([ServerAnswer::json(&body).with_status(status)]).unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let request = ChatRequest::new(Message::human("hi"));
        let error = model.generate(&request).await.unwrap_err();
        assert_eq!(error.api_error().unwrap().kind, StatusKind::QuotaExhausted, "{body}");
        assert!(!error.is_retryable());
        assert_eq!(server.requests().len(), 1);
    }
}

/// Some gateways compress without being asked.
#[cfg(feature = "gzip")]
#[tokio::test]
async fn errors_that_are_compressed_are_read() {
    use std::io::Write;

    let zip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let of = |status: u16, body: Vec<u8>| {
        ServerAnswer::status(status)
            .with_body("application/json", body)
            .with_header("content-encoding", "gzip")
    };
    let quota = r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#;
    let too_long = r#"{"error":{"message":"no","code":"context_length_exceeded"}}"#;
    let cut = |text: &str| {
        let mut zipped = zip(text);
        zipped.truncate(zipped.len() - 12);
        zipped
    };
    // A body of 16 MiB, of which 8 KiB are read.
    let bomb = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(16 << 20));
    for (answer, kind, code, length) in [
        (of(429, zip(quota)), StatusKind::QuotaExhausted, Some("insufficient_quota"), quota.len()),
        (of(400, zip(too_long)), StatusKind::BadRequest, Some("context_length_exceeded"), 59),
        (of(400, cut(&quota.repeat(40))), StatusKind::BadRequest, Some("insufficient_quota"), 0),
        (of(500, zip(&bomb)), StatusKind::Server, None, 8 << 10),
        // Not compressed, although the header says so; and compressed by another method.
        (
            of(429, quota.into()),
            StatusKind::QuotaExhausted,
            Some("insufficient_quota"),
            quota.len(),
        ),
        (of(500, b"\x28\xb5\x2f\xfd".to_vec()), StatusKind::Server, None, 0),
    ] {
        let error = ask(answer).await.0.unwrap_err();
        assert_eq!(error.is_context_length(), code == Some("context_length_exceeded"));
        let error = error.api_error().unwrap();
        assert_eq!((error.kind, error.code.as_deref()), (kind, code));
        assert!(error.body.as_str().len() >= length, "{} {length}", error.body.as_str().len());
        assert!(error.body.as_str().len() <= 8 << 10);
    }
}

#[tokio::test]
async fn oddities_of_answers_are_taken() {
    for (body, text) in [
        (&b"\xef\xbb\xbf{\"choices\": [{\"message\": {\"content\": \"bom\"}}]}"[..], "bom"),
        (br#"{"choices": [], "choices": [{"message": {"content": "a", "content": "last"}}]}"#, "last"),
        (br#"{"choices": [{"message": {"content": "\u0000"}, "finish_reason": "eos_token"}]}"#, "\0"),
        (br#"{"choices": [{"message": {"role": "wizard", "content": ""}, "finish_reason": ""}]}"#, ""),
        (br#"{"choices": [{"message": {"content": [{"type": "text", "text": "parts"}]}}]}"#, "parts"),
        // As in a stream.
        (br#"{"choices": [{"message": {"content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]}}]}"#, "a b"),
        (br#"{"choices": [{"message": {"content": "u"}}], "usage": "none", "model": null}"#, "u"),
    ] {
        let reply = ask(ServerAnswer::status(200).with_body("text/plain", body.to_vec())).await.0.unwrap();
        assert_eq!(reply.text(), text);
    }
}

#[tokio::test]
async fn what_can_not_be_read_is_at_hand_in_the_error() {
    let page = format!("<html>\u{7}\n{}", "x".repeat(9000));
    let json = format!(r#"{{"choices": 7, "pad": "{}"}}"#, "y".repeat(9000));
    for (body, start, length) in
        [(page, "<html>\\u{7}\\nxxx", 200 + 5), (json, r#"{"choices": 7"#, 8192)]
    {
        let error =
            ask(ServerAnswer::status(200).with_body("text/html", body)).await.0.unwrap_err();
        let ModelError::Decode(error) = error else { panic!("{error:?}") };
        assert!(error.body.as_str().starts_with(start), "{}", error.body.as_str());
        assert_eq!(error.body.chars().count(), length);
        assert_eq!(error.content_type.as_deref(), Some("text/html"));
        assert!(!format!("{error:?}").contains("xxx"));
    }
}
