//! The differences of servers, and the options for their caches.

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, Content, Message, Messages, Part, ToolCall,
};
use conversant_models::{Dialect, OpenAiBuilder, OpenAiChat};
use conversant_testkit::{Answer, OpenAiServer};
use serde_json::{Value as Json, json};

const HOSTS: [&str; 11] = [
    "localhost",
    "api.openai.com",
    "contoso.openai.azure.com",
    "api.deepseek.com",
    "api.moonshot.ai",
    "api.groq.com",
    "api.mistral.ai",
    "generativelanguage.googleapis.com",
    "api.z.ai",
    "api.minimax.io",
    "notdeepseek.com",
];

/// Sends a request and returns its body.
async fn sent(
    dialect: Dialect,
    set: impl FnOnce(OpenAiBuilder<OpenAiChat>) -> OpenAiBuilder<OpenAiChat>,
    request: ChatRequest,
) -> Json {
    let server = OpenAiServer::start(["x"]).unwrap();
    let builder = OpenAiChat::builder("m").base_url(server.base_url()).dialect(dialect);
    let model = set(builder).build().unwrap();
    model.stream(&request).await.unwrap().into_reply().await.unwrap();
    server.requests()[0].json().clone()
}

fn messages() -> Messages {
    let call = ToolCall::new("clock", json!({})).with_id("call_0123456789");
    [
        Message::system("Be brief."),
        Message::system("Be kind."),
        Message::human("What time is it?"),
        Message::ai("").with_tool_calls([call]),
        Message::tool("noon", "call_0123456789"),
    ]
    .into_iter()
    .collect()
}

#[tokio::test]
async fn each_host_is_spoken_to_in_its_dialect() {
    let mut lines = Vec::new();
    for host in HOSTS {
        let options = CallOptions::new().with_prompt_cache_key("k");
        let request = ChatRequest::new(messages().slice(3..)).with_options(options);
        let set = |builder: OpenAiBuilder<_>| builder.max_tokens(7).stream_usage(true);
        let body = sent(Dialect::for_host(host), set, request).await;
        lines.push(format!("{host}\n  {body}"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn leading_system_messages_are_merged() {
    let mut dialect = Dialect::default();
    dialect.merge_system_messages = true;
    let body = sent(dialect, |builder| builder, ChatRequest::new(messages())).await;
    assert_eq!(body["messages"][0]["content"], "Be brief.\n\nBe kind.");
    assert_eq!(body["messages"].as_array().unwrap().len(), 4);
    let one = messages().slice(1..);
    let body = sent(dialect, |builder| builder, ChatRequest::new(one)).await;
    assert_eq!(body["messages"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn breakpoints_are_at_the_ends_of_the_instructions_and_of_the_conversation() {
    let mark = |builder: OpenAiBuilder<OpenAiChat>| builder.cache_breakpoints(true);
    let image = Content::Parts(vec![Part::image_url("https://x.example/a.png")]);
    let mut lines = Vec::new();
    for messages in [
        messages(),
        messages().slice(..1),
        messages().slice(2..3),
        Messages::new(),
        Messages::from(Message::human(image)),
    ] {
        let body = sent(Dialect::default(), mark, ChatRequest::new(messages)).await;
        lines.push(body["messages"].to_string());
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn a_known_refusal_names_the_remedy() {
    let mut lines = Vec::new();
    for message in [
        "Function tools with reasoning_effort are not supported for gpt-6-luna in \
         /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to \
         'none'.",
        "This model is only supported in v1/responses and not in v1/chat/completions.",
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
         'max_completion_tokens' instead.",
        "Something else.",
    ] {
        let answer = Answer::error(400, "unsupported", message);
        let server = OpenAiServer::builder().reply(answer).repeat_last().start().unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let request = ChatRequest::new(messages());
        let whole = model.generate(&request).await.unwrap_err().to_string();
        let streamed = model.stream(&request).await.err().unwrap().to_string();
        assert_eq!(whole, streamed);
        lines.push(whole);
    }
    insta::assert_snapshot!(lines.join("\n"));
}
