//! Settings of the Responses interface that differ from those of the chat endpoint.

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, Message, Messages, ResponseFormat, ToolCall,
};
use conversant_models::{Dialect, OpenAiBuilder, OpenAiResponses, SendBack};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::{Value as Json, json};

type Builder = OpenAiBuilder<OpenAiResponses>;

/// Sends a request and returns its body.
async fn sent(model: &str, set: impl FnOnce(Builder) -> Builder, request: ChatRequest) -> Json {
    let server = OpenAiServer::start(["x"]).unwrap();
    let model = set(OpenAiResponses::builder(model).base_url(server.base_url())).build().unwrap();
    model.generate(&request).await.unwrap();
    server.requests()[0].json().clone()
}

fn ask() -> ChatRequest {
    ChatRequest::new(Message::human("hi"))
}

/// OpenAI refuses the request of a model that does not reason.
#[tokio::test]
async fn encrypted_reasoning_is_asked_of_models_that_reason() {
    let encrypted = json!(["reasoning.encrypted_content"]);
    for (model, effort, is_asked) in [
        ("gpt-6-luna", None, true),
        ("openai/gpt-5-mini", None, true),
        ("o3", None, true),
        ("gpt-6-luna", Some("none"), false),
        ("gpt-6-luna", Some("low"), true),
        ("my-deployment", Some("low"), true),
        ("my-deployment", None, false),
        ("gpt-5-chat-latest", None, false),
        ("gpt-4o", None, false),
        ("gpt-35-turbo", None, false),
        ("gpt-oss-120b", None, false),
        ("olmo", None, false),
    ] {
        let set = |builder: Builder| match effort {
            Some(effort) => builder.reasoning_effort(effort),
            None => builder,
        };
        let body = sent(model, set, ask()).await;
        let include = body.get("include");
        assert_eq!(include, is_asked.then_some(&encrypted), "{model} {effort:?}");
    }
    let set = |builder: Builder| builder.extra("include", json!([]));
    assert_eq!(sent("gpt-6-luna", set, ask()).await["include"], json!([]));
}

#[tokio::test]
async fn what_is_set_of_text_goes_out_with_the_format() {
    let format = ResponseFormat::json_schema("verdict", json!({"type": "object"}));
    let options = CallOptions::new().with_response_format(format);
    let set = |builder: Builder| {
        let text = json!({"verbosity": "high", "more": 1, "format": {"type": "text"}});
        builder.extra("text", text).verbosity("low")
    };
    let body = sent("m", set, ask().with_options(options)).await;
    assert_eq!(
        body["text"],
        json!({
            "format": {"type": "json_schema", "name": "verdict", "schema": {"type": "object"},
                "strict": true},
            "verbosity": "low",
            "more": 1,
        })
    );
    let body = sent("m", set, ask()).await;
    assert_eq!(body["text"]["format"], json!({"type": "text"}));
    let builder = OpenAiResponses::builder("m").base_url("http://localhost/v1").extra("text", "x");
    insta::assert_snapshot!(builder.build().unwrap_err(), @"`text` must be an object");
}

#[tokio::test]
async fn a_dialect_holds_on_this_interface_too() {
    let mut dialect = Dialect::default();
    dialect.json_schema = false;
    let builder = || OpenAiResponses::builder("m").base_url("http://localhost/v1");
    assert!(builder().build().unwrap().enforces_schemas());
    assert!(!builder().dialect(dialect).build().unwrap().enforces_schemas());

    dialect.reasoning = SendBack::Never;
    for (dialect, goes_back) in [(Dialect::default(), true), (dialect, false)] {
        let output = json!([
            {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
            {"type": "message", "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello!"}]},
        ]);
        let answer = json!({"status": "completed", "output": output});
        let server = OpenAiServer::start([ServerAnswer::json(&answer), "ok".into()]).unwrap();
        let builder = OpenAiResponses::builder("m").base_url(server.base_url()).dialect(dialect);
        let model = builder.build().unwrap();
        let reply = model.generate(&ask()).await.unwrap();
        let conversation = vec![Message::human("hi"), reply.message, Message::human("?")];
        model.generate(&ChatRequest::new(conversation)).await.unwrap();
        let input = server.requests()[1].json()["input"].to_string();
        assert_eq!(input.contains("gAAA"), goes_back, "{input}");
        assert!(input.contains("Hello!"), "{input}");
    }
}

/// langchain-core stored calls so before it had `tool_calls`.
#[tokio::test]
async fn calls_that_are_stored_as_they_were_sent_go_out() {
    let call = |id: &str| {
        json!({"id": id, "type": "function", "index": 0,
            "function": {"name": "clock", "arguments": "{\"zone\": \"UTC\"}"}})
    };
    let kwargs = json!({"tool_calls": [call("call_1"), {"broken": true}, call("call_2")]});
    let message = Message::ai("").with_extra("additional_kwargs", kwargs);
    let results = ["call_1", "call_2"].map(|id| Message::tool("noon", id));
    let conversation: Messages = [message].into_iter().chain(results).collect();
    let body = sent("m", |builder| builder, ChatRequest::new(conversation)).await;
    let call = |id: &str| {
        let arguments = "{\"zone\": \"UTC\"}";
        json!({"type": "function_call", "call_id": id, "name": "clock", "arguments": arguments})
    };
    let result =
        |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "noon"});
    let expected = [call("call_1"), call("call_2"), result("call_1"), result("call_2")];
    assert_eq!(body["input"], json!(expected));

    // Once they are among the calls, those count.
    let own = ToolCall::new("clock", json!({})).with_id("call_3");
    let kwargs = json!({"tool_calls": [{"id": "call_3", "function": {"name": "clock"}}]});
    let message = Message::ai("").with_tool_calls([own]).with_extra("additional_kwargs", kwargs);
    let body = sent("m", |builder| builder, ChatRequest::new(Messages::from(message))).await;
    assert_eq!(body["input"].as_array().unwrap().len(), 1);
}
