//! The differences of servers, and the options for their caches.

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, Content, Message, Messages, Part, ToolCall,
};
use conversant_models::{Dialect, OpenAiBuilder, OpenAiChat, OpenAiResponses};
use conversant_testkit::{OpenAiServer, ServerAnswer};
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

/// OpenAI refuses keys of more than 64 characters, and the id of a session may be longer.
#[tokio::test]
async fn a_long_prompt_cache_key_is_shortened() {
    let e = "é".repeat(64);
    let table = [
        (e.clone(), e.clone()),
        (format!("{e}1"), format!("{}-0feb0380dc7979fc", "é".repeat(47))),
        (format!("{e}2"), format!("{}-0feb0680dc797f15", "é".repeat(47))),
    ];
    for (key, expected) in table {
        let options = CallOptions::new().with_prompt_cache_key(key);
        let request = ChatRequest::new(messages().slice(3..)).with_options(options);
        let body = sent(Dialect::for_host("api.openai.com"), |builder| builder, request).await;
        assert_eq!(body["prompt_cache_key"], expected);
    }
}

#[tokio::test]
async fn streams_report_their_usage_where_the_server_is_known_to_accept_it() {
    let reported = Some(json!({"include_usage": true}));
    for (host, setting, expected) in [
        ("api.openai.com", None, reported.clone()),
        ("api.openai.com", Some(false), None),
        ("contoso.openai.azure.com", None, None),
        ("contoso.openai.azure.com", Some(true), reported.clone()),
        ("api.anthropic.com", None, reported.clone()),
        ("localhost", None, None),
        ("localhost", Some(true), reported),
        ("api.z.ai", Some(true), None),
    ] {
        let set = |builder: OpenAiBuilder<_>| match setting {
            Some(report) => builder.stream_usage(report),
            None => builder,
        };
        let request = ChatRequest::new(Message::human("Hi"));
        let body = sent(Dialect::for_host(host), set, request).await;
        assert_eq!(body.get("stream_options"), expected.as_ref(), "{host}, {setting:?}");
    }
}

/// Elsewhere the schema has to be in the prompt.
#[test]
fn a_schema_is_sent_where_the_server_enforces_it() {
    for (host, enforces) in [
        ("api.openai.com", true),
        ("openrouter.ai", true),
        ("api.anthropic.com", false),
        ("api.deepseek.com", false),
        ("api.z.ai", false),
    ] {
        let builder = OpenAiChat::builder("m").base_url(format!("https://{host}/v1"));
        let model = builder.api_key("sk-x").build().unwrap();
        assert_eq!(model.enforces_schemas(), enforces, "{host}");
    }
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

/// OpenAI's mark, on both interfaces.
#[tokio::test]
async fn breakpoints_are_marked_as_the_host_knows_them() {
    let mark = |builder: OpenAiBuilder<OpenAiChat>| builder.cache_breakpoints(true);
    let request = || ChatRequest::new(messages().slice(..3));
    let body = sent(Dialect::for_host("api.openai.com"), mark, request()).await;
    let server = OpenAiServer::start(["x"]).unwrap();
    let builder = OpenAiResponses::builder("m").base_url(server.base_url());
    let model = builder.cache_breakpoints(true).build().unwrap();
    model.generate(&request()).await.unwrap();
    let input = server.requests()[0].json()["input"].clone();
    insta::assert_snapshot!(format!("{}\n{input}", body["messages"]));
}

#[tokio::test]
async fn a_breakpoint_is_at_the_last_text_of_parts() {
    let mark = |builder: OpenAiBuilder<OpenAiChat>| builder.cache_breakpoints(true);
    let parts = vec![Part::text("a"), Part::text("b"), Part::image_url("https://x.example/a.png")];
    let message = Message::human(Content::Parts(parts));
    let body = sent(Dialect::default(), mark, ChatRequest::new(Messages::from(message))).await;
    insta::assert_snapshot!(body["messages"][0]["content"].to_string(), @r#"[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}},{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]"#);
}

#[tokio::test]
async fn neighbours_of_one_role_are_merged() {
    let mut dialect = Dialect::default();
    dialect.alternating_roles = true;
    let call = ToolCall::new("clock", json!({})).with_id("c1");
    let image = Content::Parts(vec![Part::image_url("https://x.example/a.png")]);
    let messages = vec![
        Message::system("Be brief."),
        Message::system("Be kind."),
        Message::human("Hi."),
        Message::human("What time is it?"),
        Message::human(image),
        Message::ai("").with_tool_calls([call]),
        Message::tool("noon", "c1"),
        Message::tool("12:00", "c1"),
        Message::ai("It is"),
        Message::ai("noon."),
        Message::human("Thanks."),
    ];
    let body = sent(dialect, |builder| builder, ChatRequest::new(messages)).await;
    let sent = body["messages"].as_array().unwrap();
    let lines: Vec<_> = sent.iter().map(Json::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

/// A rule of a host: where it is in a request, and its value there. `None` must not be there.
struct Rule {
    host: &'static str,
    /// In the words of the server's documentation or its refusal.
    says: &'static str,
    at: &'static str,
    value: Option<Json>,
}

const fn rule(host: &'static str, says: &'static str, at: &'static str) -> Rule {
    Rule { host, says, at, value: None }
}

impl Rule {
    fn is(self, value: impl Into<Json>) -> Self {
        Self { value: Some(value.into()), ..self }
    }
}

#[rustfmt::skip]
fn rules() -> Vec<Rule> {
    vec![
        rule("api.deepseek.com", "The reasoning_content in the thinking mode must be passed back to the API.", "/messages/2/reasoning_content").is(""),
        rule("api.deepseek.com", "max_completion_tokens is ignored in silence", "/max_tokens").is(7),
        rule("api.moonshot.ai", "thinking is enabled but reasoning_content is missing in assistant tool call message", "/messages/2/reasoning_content").is(""),
        rule("api.moonshot.cn", "thinking is enabled but reasoning_content is missing in assistant tool call message", "/messages/2/reasoning_content").is(""),
        rule("api.groq.com", "property 'reasoning_content' is unsupported", "/messages/2/reasoning_content"),
        rule("api.groq.com", "the content of a message with tool calls is a text", "/messages/2/content").is(""),
        rule("api.mistral.ai", "Extra inputs are not permitted: reasoning_content", "/messages/2/reasoning_content"),
        rule("api.mistral.ai", "Tool call id was call_0123456789 but must be a-z, A-Z, 0-9, with a length of 9", "/messages/2/tool_calls/0/id").is("5e3re24uw"),
        rule("api.mistral.ai", "Tool call id was call_0123456789 but must be a-z, A-Z, 0-9, with a length of 9", "/messages/3/tool_call_id").is("5e3re24uw"),
        rule("api.mistral.ai", "only tool messages have a name", "/messages/1/name"),
        rule("api.mistral.ai", "content of a message with tool calls must not be null", "/messages/2/content").is(""),
        rule("generativelanguage.googleapis.com", "content of a message with tool calls must not be null", "/messages/2/content"),
        rule("generativelanguage.googleapis.com", "Unknown name prompt_cache_key", "/prompt_cache_key"),
        rule("api.z.ai", "stream_options is unknown", "/stream_options"),
        rule("api.z.ai", "name is unknown", "/messages/1/name"),
        rule("open.bigmodel.cn", "stream_options is unknown", "/stream_options"),
        rule("api.minimax.io", "the limit is max_completion_tokens", "/max_completion_tokens").is(7),
        rule("api.openai.com", "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "/max_completion_tokens").is(7),
        rule("api.openai.com", "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "/max_tokens"),
        rule("api.openai.com", "content is null beside tool calls", "/messages/2/content").is(Json::Null),
        rule("api.openai.com", "names are read", "/messages/1/name").is("ada"),
        rule("contoso.openai.azure.com", "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "/max_completion_tokens").is(7),
        rule("contoso.services.ai.azure.com", "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "/max_completion_tokens").is(7),
        rule("openrouter.ai", "the limit is max_tokens", "/max_tokens").is(7),
        rule("api.together.xyz", "the limit is max_tokens", "/max_tokens").is(7),
        rule("dashscope.aliyuncs.com", "reasoning is read where it came from", "/messages/2/reasoning_content"),
        rule("localhost", "the role developer is unknown to most servers", "/messages/0/role").is("system"),
        rule("localhost", "tools must not be an empty list", "/tools"),
        rule("localhost", "parallel_tool_calls is only allowed when tools are specified", "/parallel_tool_calls"),
        rule("localhost", "content is null beside tool calls, as LangChain writes it", "/messages/2/content").is(Json::Null),
    ]
}

#[tokio::test]
async fn the_rules_of_each_host_are_kept() {
    let [system, _, human, call, result] =
        <[Message; 5]>::try_from(Vec::from_iter(messages().iter().cloned())).unwrap();
    let conversation = vec![system, human.with_name("ada"), call, result];
    for rule in rules() {
        let options = CallOptions::new().with_prompt_cache_key("k");
        let request = ChatRequest::new(conversation.clone()).with_options(options);
        let set = |builder: OpenAiBuilder<OpenAiChat>| {
            builder.max_tokens(7).stream_usage(true).parallel_tool_calls(false)
        };
        let body = sent(Dialect::for_host(rule.host), set, request).await;
        assert_eq!(body.pointer(rule.at), rule.value.as_ref(), "{}: {}", rule.host, rule.says);
    }
}

/// A call that is stored as the provider sent it has the id that its result names.
#[tokio::test]
async fn ids_of_stored_raw_calls_are_those_of_their_results() {
    let call = json!({"id": "call_0123456789", "type": "function", "index": 0,
        "function": {"name": "clock", "arguments": "{}"}});
    let kwargs = json!({"tool_calls": [call]});
    let message = Message::ai("").with_extra("additional_kwargs", kwargs);
    let messages = vec![message, Message::tool("noon", "call_0123456789")];
    for (host, id) in [("api.mistral.ai", "5e3re24uw"), ("api.openai.com", "call_0123456789")] {
        let request = ChatRequest::new(messages.clone());
        let body = sent(Dialect::for_host(host), |builder| builder, request).await;
        let call = json!({"id": id, "type": "function",
            "function": {"name": "clock", "arguments": "{}"}});
        assert_eq!(body["messages"][0]["tool_calls"], json!([call]), "{host}");
        assert_eq!(body["messages"][1]["tool_call_id"], id, "{host}");
    }
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
        "Unsupported parameter: 'temperature' is not supported with this model.",
        "Unsupported value: 'presence_penalty' does not support 0.5 with this model. Only the \
         default (0) value is supported.",
        "Unsupported parameter: 'stop' is not supported with this model.",
        "Unsupported parameter: 'seed' is not supported with this model.",
    ] {
        let answer = ServerAnswer::error(400, "unsupported", message);
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

/// Some servers refuse `null`.
#[tokio::test]
async fn content_that_does_not_go_is_empty_as_the_dialect_has_it() {
    let thinking: Part =
        serde_json::from_value(json!({"type": "thinking", "thinking": "Hm."})).unwrap();
    let empty = Part::text("");
    for parts in [vec![thinking.clone()], vec![thinking, empty]] {
        let call = ToolCall::new("clock", json!({})).with_id("c");
        let message = Message::ai(Content::Parts(parts)).with_tool_calls([call]);
        for (host, expected) in [
            ("api.deepseek.com", Some(json!(""))),
            ("generativelanguage.googleapis.com", None),
            ("api.openai.com", Some(json!(null))),
        ] {
            let request = ChatRequest::new(Messages::from(message.clone()));
            let body = sent(Dialect::for_host(host), |builder| builder, request).await;
            assert_eq!(body["messages"][0].get("content"), expected.as_ref(), "{host}");
        }
    }
}

#[tokio::test]
async fn leading_system_messages_of_text_parts_are_merged() {
    let mut dialect = Dialect::default();
    dialect.merge_system_messages = true;
    let part = Content::Parts(vec![Part::text("b")]);
    let messages = [Message::system("a"), Message::system(part), Message::system("c")];
    let request = ChatRequest::new(messages.into_iter().collect::<Messages>());
    let body = sent(dialect, |builder| builder, request).await;
    assert_eq!(body["messages"], json!([{"content": "a\n\nb\n\nc", "role": "system"}]));
}
