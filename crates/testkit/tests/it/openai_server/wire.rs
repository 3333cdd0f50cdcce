//! Snapshots of the server's bytes for each kind of answer and request.

use std::fmt::Write;

use conversant_testkit::{OpenAiServer, ServerAnswer, ServerDialect};
use serde_json::{Value, json};

use crate::client::Client;

/// Sends `request` and snapshots it with what came back.
#[track_caller]
fn check(name: &str, dialect: ServerDialect, path: &str, request: &Value, answer: ServerAnswer) {
    let server = OpenAiServer::builder().dialect(dialect).reply(answer).start().unwrap();
    let received = Client::new(&server.base_url()).post(path, request);
    let mut shown = format!("POST {path}\n{request}\n\n{}\n", received.status);
    for (header, value) in received.headers.iter().filter(|(header, _)| header != "date") {
        writeln!(shown, "{header}: {value}").unwrap();
    }
    write!(shown, "\n{}", received.text()).unwrap();
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, shown);
    });
}

#[test]
fn openai() {
    let chat = json!({"model": "gpt-6-luna", "messages": [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]},
    ]});
    let text = json!({"model": "smollm2-135m-instruct", "prompt": ["The capital of France is"]});
    let with = |base: &Value, fields: Value| {
        let mut request = base.clone();
        request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        request
    };
    let stream = json!({"stream": true});
    let usage = json!({"stream": true, "stream_options": {"include_usage": true}});
    let paris = || ServerAnswer::text("The capital is Paris.");
    let weather = || ServerAnswer::tool_call("call_1", "weather", r#"{"city":"Paris"}"#);
    let (chats, texts, vectors) = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings");
    let hello = json!({"model": "text-embedding-3-small", "input": "hello"});
    let gone = || ServerAnswer::status(429).with_header("retry-after", "1");
    let cases: &[(&str, &str, Value, ServerAnswer)] = &[
        ("chat", chats, chat.clone(), paris()),
        ("chat_stream", chats, with(&chat, stream.clone()), paris()),
        ("chat_stream_usage", chats, with(&chat, usage.clone()), paris().with_usage(9, 5)),
        ("chat_n2", chats, with(&chat, json!({"n": 2})), ServerAnswer::choices(["Paris", "Lyon?"])),
        ("chat_length", chats, chat.clone(), paris().with_finish_reason("length")),
        ("chat_tools", chats, chat.clone(), weather()),
        ("chat_tools_stream", chats, with(&chat, stream.clone()), weather()),
        ("chat_refusal", chats, chat.clone(), ServerAnswer::refusal("I can't.")),
        (
            "chat_refusal_stream",
            chats,
            with(&chat, stream.clone()),
            ServerAnswer::refusal("I can't."),
        ),
        ("text", texts, text.clone(), paris()),
        ("text_n2", texts, with(&text, json!({"n": 2})), paris()),
        ("text_stream", texts, with(&text, stream.clone()), paris()),
        ("text_stream_usage", texts, with(&text, usage), paris()),
        ("text_tools", texts, text.clone(), weather()),
        ("json", texts, text.clone(), ServerAnswer::json(&json!({"odd": [1, null]}))),
        (
            "error",
            chats,
            chat.clone(),
            ServerAnswer::error(429, "insufficient_quota", "no money left"),
        ),
        ("status", chats, chat.clone(), gone().with_body("text/html", "<h1>Busy</h1>")),
        ("events", chats, with(&chat, stream), ServerAnswer::events(["{}", "[DONE]"])),
        ("invalid_header", chats, chat.clone(), gone().with_header("a b", "1")),
        ("vectors", vectors, hello.clone(), ServerAnswer::embeddings([vec![0.5, -1.0]])),
        (
            "vectors_base64",
            vectors,
            with(&hello, json!({"encoding_format": "base64"})),
            ServerAnswer::embeddings([vec![0.5, -1.0], vec![]]),
        ),
        ("prefix", "/openai/deployments/d/chat/completions", chat.clone(), paris()),
        ("unknown_path", "/v1/chat", chat, paris()),
        ("no_json", texts, json!("text"), paris()),
    ];
    for (name, path, request, answer) in cases {
        check(&format!("openai_{name}"), ServerDialect::OpenAi, path, request, answer.clone());
    }
}

#[test]
fn llama_cpp() {
    let chat = json!({"model": "m", "messages": [{"role": "user", "content": "Capital?"}]});
    let stream = json!({"model": "m", "messages": [], "stream": true});
    let usage = json!({"messages": [], "stream": true, "stream_options": {"include_usage": true}});
    let texts = json!({"prompt": "Once", "n": 2, "stream": true});
    let paris = || ServerAnswer::pieces(["Par", "is."]);
    let cases: &[(&str, &str, Value, ServerAnswer)] = &[
        ("chat", "/v1/chat/completions", chat.clone(), paris()),
        ("chat_stream", "/v1/chat/completions", stream, paris()),
        ("chat_stream_usage", "/v1/chat/completions", usage, paris()),
        ("text", "/v1/completions", json!({"prompt": "Once"}), paris()),
        ("text_stream_n2", "/v1/completions", texts, ServerAnswer::choices(["a b", "c"])),
        ("unknown_path", "/v1/nope", chat, paris()),
    ];
    for (name, path, request, answer) in cases {
        check(&format!("llama_cpp_{name}"), ServerDialect::LlamaCpp, path, request, answer.clone());
    }
}

#[test]
fn models_are_listed_beside_the_script() {
    let server = OpenAiServer::builder().models(["tiny"]).reply("hi").start().unwrap();
    let mut client = Client::new(&server.base_url());
    client.send("GET", "/v1/models", "", "");
    insta::assert_snapshot!(client.receive().text(), @r#"{"object":"list","data":[{"id":"tiny","object":"model","created":1700000000,"owned_by":"system"}]}"#);
    client.send("POST", "/v1/models", "", "{}");
    let received = client.receive();
    assert_eq!(received.status, 405);
    insta::assert_snapshot!(received.text(), @r#"{"error":{"message":"Not allowed to POST on /v1/models","type":"invalid_request_error","param":null,"code":null}}"#);
    assert_eq!(client.post("/v1/completions", &json!({})).status, 200);
}

#[test]
fn a_key_can_be_required() {
    let server = OpenAiServer::builder().require_key("sk-right").reply("hi").start().unwrap();
    let mut client = Client::new(&server.base_url());
    let mut ask = |headers: &str| {
        client.send("POST", "/v1/completions", headers, "{}");
        let received = client.receive();
        (received.status, received.json()["error"]["message"].as_str().map(str::to_owned))
    };
    let told = |text: &str| (401, Some(text.to_owned()));
    assert_eq!(ask(""), told("You didn't provide an API key."));
    let wrong = ask("Authorization: Bearer sk-wrong\r\n");
    assert_eq!(wrong, told("Incorrect API key provided: sk-wrong."));
    assert_eq!(ask("Authorization: Bearer sk-right\r\n"), (200, None));
}
