//! Requests: bodies and headers.

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Message, Messages,
    Part, ToolCall,
};
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat};
use conversant_testkit::{OpenAiServer, RecordedRequest};
use serde_json::json;

async fn sent(
    set: impl FnOnce(OpenAiBuilder<OpenAiChat>) -> OpenAiBuilder<OpenAiChat>,
    request: ChatRequest,
) -> RecordedRequest {
    let server = OpenAiServer::start(["ok"]).unwrap();
    let model = set(OpenAiChat::builder("m").base_url(server.base_url())).build().unwrap();
    model.generate(&request).await.unwrap();
    server.requests().remove(0)
}

fn body(request: &RecordedRequest) -> String {
    String::from_utf8(request.bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn nothing_is_sent_that_was_not_set() {
    let request = sent(|builder| builder, ChatRequest::new(Message::human("hi"))).await;
    insta::assert_snapshot!(body(&request), @r#"{"model":"m","messages":[{"content":"hi","role":"user"}]}"#);
    let headers: Vec<_> = request.headers().map(|(name, _)| name).collect();
    insta::assert_snapshot!(headers.join(" "), @"content-type accept user-agent host content-length");
}

#[tokio::test]
async fn every_parameter_goes_out_by_its_name() {
    let set = |builder: OpenAiBuilder<OpenAiChat>| {
        builder
            .temperature(0.5)
            .max_tokens(16)
            .top_p(0.9)
            .n(2)
            .stop(["a", "b"])
            .presence_penalty(0.25)
            .frequency_penalty(-1.0)
            .seed(-7)
            .logit_bias([(50256, -100), (1, 2)])
            .user("u-1")
            .extra("top_k", 20)
            .extra("guided", json!({"z": 1, "a": [true]}))
            .max_completion_tokens(99)
    };
    let request = sent(set, ChatRequest::new(Message::human("hi"))).await;
    insta::assert_snapshot!(body(&request).replace(",\"", ",\n\""));
}

#[tokio::test]
async fn a_call_can_stop_elsewhere() {
    let options = CallOptions::new().with_stop(["\nHuman:"]);
    let request = ChatRequest::new(Message::human("hi")).with_options(options);
    let request = sent(|builder| builder.stop(["never"]), request).await;
    assert_eq!(request.json()["stop"], json!(["\nHuman:"]));
}

#[tokio::test]
async fn messages_go_out_as_the_reference_sends_them() {
    let stored = |json| Message::from_stored(json).unwrap();
    let messages = Messages::from_iter([
        Message::system("be brief"),
        Message::human("hi \u{1F642} \u{0} \"\\"),
        Message::human("named").with_name("ann"),
        Message::human("unnamed").with_name(""),
        stored(
            json!({"type": "human", "data": {"content": "x", "additional_kwargs": {"name": "bob"}}}),
        ),
        Message::ai("").with_tool_calls([
            ToolCall::new("f", json!({"city": "café", "n": 1.0, "e": 1e-5, "big": 1e16}))
                .with_id("c1"),
            ToolCall::new("g", json!({})),
        ]),
        Message::tool("21 °C", "c1").with_name("f"),
        stored(json!({"type": "ai", "data": {"content": "broken", "invalid_tool_calls": [
            {"name": "f", "args": "{\"a\": ", "id": "c2", "error": "no JSON"}]}})),
        stored(json!({"type": "ai", "data": {"content": "", "additional_kwargs": {"tool_calls": [
            {"id": "c3", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{ }"}}]}}})),
        stored(json!({"type": "ai", "data": {"content": "", "additional_kwargs": {"function_call":
            {"name": "f", "arguments": "{}"}}}})),
        Message::function("done", "f"),
        Message::chat("critic", "meh"),
        Message::ai("").with_name("bot"),
        Message::human(vec![Part::text("just text")]),
        Message::human(vec![Part::text("a"), Part::text("b")]),
        Message::human(vec![
            Part::text("what is this?"),
            Part::image_url("https://x.example/a.png").with_detail("low"),
        ]),
        Message::human(vec![Part::input_audio("AAAA", "wav"), Part::file_id("file-1")]),
    ]);
    let request = sent(|builder| builder, ChatRequest::new(messages.clone())).await;
    let lines: Vec<_> =
        request.json()["messages"].as_array().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));

    let request = sent(|builder| builder.developer_role(true), ChatRequest::new(messages)).await;
    assert_eq!(request.json()["messages"][0]["role"], "developer");
}

#[tokio::test]
async fn a_long_conversation_is_sent_whole_and_with_its_length() {
    let messages: Messages =
        (0..2000).map(|n| Message::human(format!("{n} {}", "word ".repeat(60)))).collect();
    let server = OpenAiServer::start(["one", "two"]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let request = ChatRequest::new(messages.clone());
    for expected in ["one", "two"] {
        assert_eq!(model.generate(&request).await.unwrap().text(), expected);
    }
    for request in server.requests() {
        let length = request.header("content-length").unwrap().parse::<usize>().unwrap();
        assert_eq!(length, request.bytes().len());
        let texts: Vec<_> = request.json()["messages"].as_array().unwrap().iter().collect();
        assert_eq!(texts.len(), 2000);
        for (message, sent) in messages.iter().zip(texts) {
            assert_eq!(sent["content"], *message.text());
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_completion_sends_its_prompt_as_a_list_and_a_limit() {
    let server = OpenAiServer::builder().reply("ok").repeat_last().start().unwrap();
    let of = |builder: OpenAiBuilder<OpenAi>| builder.base_url(server.base_url()).build().unwrap();
    let request = CompletionRequest::new("Once \"upon\"\n");
    of(OpenAi::builder("m")).generate(&request).await.unwrap();
    of(OpenAi::builder("m").max_tokens(7)).generate(&request).await.unwrap();
    of(OpenAi::builder("m").max_tokens(None)).generate(&request).await.unwrap();
    let bodies: Vec<_> = server.requests().iter().map(body).collect();
    insta::assert_snapshot!(bodies.join("\n"));
}

#[tokio::test]
async fn key_organisation_project_and_headers_go_out() {
    let set = |builder: OpenAiBuilder<OpenAiChat>| {
        builder
            .api_key(" sk-canary\n")
            .organization("org-1")
            .project("proj-1")
            .header("X-Tenant", "seven")
    };
    let request = sent(set, ChatRequest::new(Message::human("hi"))).await;
    for (name, value) in [
        ("authorization", "Bearer sk-canary"),
        ("openai-organization", "org-1"),
        ("openai-project", "proj-1"),
        ("x-tenant", "seven"),
    ] {
        assert_eq!(request.header(name), Some(value));
    }
}
