//! Settings that are refused, and what an adapter shows in `Debug`.

use std::{process::Command, time::Duration};

use conversant_core::{
    ChatModel, ChatRequest, LanguageModel, Message, Messages, ModelError, ToolChoice,
    ToolDefinition,
};
use conversant_models::{
    Dialect, OpenAi, OpenAiBuilder, OpenAiChat, OpenAiEmbeddings, OpenAiResponses,
};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::json;

#[test]
fn faults_are_told_when_it_is_built() {
    let builder = || OpenAiChat::builder("m").api_key("sk-canary");
    let faults = [
        OpenAiChat::builder("m"),
        OpenAiChat::builder("m").api_key("  "),
        OpenAiChat::builder(" ").api_key("sk-canary"),
        builder().api_key("sk\ncanary"),
        builder().base_url("http://example.com/v1"),
        builder().base_url("https://sk-canary@example.com/v1"),
        builder().base_url("example.com/v1"),
        builder().temperature(f64::NAN),
        builder().extra("messages", "x"),
        builder().extra("stream", true),
        builder().header("a b", "c"),
        builder().header("a", "c\r\nd"),
        builder().retry_budget(f64::NAN),
        builder().retry_budget(f64::INFINITY),
        builder().retry_budget(-0.1),
        builder().max_response_bytes(0),
        builder().temperature(-1.0),
        builder().top_p(2.0),
        builder().stop(["END", ""]),
    ]
    .map(|builder| builder.build().unwrap_err());
    assert!(faults.iter().all(|error| matches!(error, ModelError::Config { .. })));
    insta::assert_snapshot!(faults.map(|error| error.to_string()).join("\n"));
}

#[test]
fn headers_that_the_http_client_sets_are_refused() {
    for name in ["content-length", "Transfer-Encoding", "host", "CONNECTION", "expect", "te"] {
        let error = OpenAiChat::builder("m").api_key("k").header(name, "5").build().unwrap_err();
        let name = name.to_lowercase();
        let expected = format!("cannot set the header `{name}`; the HTTP client sets it");
        assert_eq!(error.to_string(), expected);
    }
    for name in ["content-type", "accept", "user-agent", "accept-encoding", "x-host"] {
        assert!(OpenAiChat::builder("m").api_key("k").header(name, "5").build().is_ok());
    }
}

#[test]
fn a_server_on_this_machine_needs_no_key() {
    for base_url in ["http://localhost:11434/v1", "http://127.0.0.1:8080/v1/", "http://[::1]/v1"] {
        assert!(OpenAiChat::builder("m").base_url(base_url).build().is_ok());
    }
    assert!(OpenAiChat::builder("m").header("authorization", "Basic abc").build().is_ok());
    assert!(OpenAi::builder("m").api_key("k").build().is_ok());
}

#[test]
fn nothing_shows_a_key() {
    let set = |builder: OpenAiBuilder<OpenAiChat>| {
        let source = json!({"authentication": {"type": "api_key", "key": "canary-6"}});
        let builder = builder.extra("data_sources", json!([source]));
        builder.api_key("sk-canary").header("x-api-key", "canary-2").organization("canary-3")
    };
    let builder = set(OpenAiChat::builder("m"));
    let model = builder.clone().build().unwrap();
    let tenant = set(OpenAiChat::builder("m")).base_url("https://x.example/v1?key=canary-4");
    let tenant = tenant.build().unwrap();
    let wrong = OpenAiChat::builder("m").base_url("https://me:canary-5@x.example/v1");
    let shown = format!("{builder:?} {builder:#?} {model:?} {model:#?} {tenant:?} {wrong:?}");
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains("data_sources"), "{shown}");
    let _both: [LanguageModel; 2] =
        [model.into(), OpenAi::builder("m").api_key("sk-canary").build().unwrap().into()];
}

/// Some gateways take their key as a part of the path. Reasoning goes back to where it came from.
#[tokio::test]
async fn a_key_in_the_path_is_not_stored() {
    let message = json!({"role": "assistant", "content": "Hello!", "reasoning_content": "Hm."});
    let answer = ServerAnswer::json(&json!({"choices": [{"message": message}]}));
    let server = OpenAiServer::builder().reply(answer).repeat_last().start().unwrap();
    let model = |key: &str| {
        let base_url = server.base_url().replace("/v1", &format!("/{key}/v1"));
        OpenAiChat::builder("m").base_url(base_url).build().unwrap()
    };
    let (key, other) = ("canary-0123456789", "canary-9876543210");
    let question = Message::human("hi");
    let reply = model(key).generate(&ChatRequest::new(question.clone())).await.unwrap();
    let stored = serde_json::to_string(&reply.message).unwrap();
    assert!(stored.contains("base_url") && !stored.contains("canary"), "{stored}");
    let conversation: Messages = [question.clone(), reply.message, question].into_iter().collect();
    for (key, goes_back) in [(key, true), (other, false)] {
        model(key).generate(&ChatRequest::new(conversation.clone())).await.unwrap();
        let sent = server.requests().pop().unwrap().json().clone();
        let reasoning = sent["messages"][1].get("reasoning_content");
        assert_eq!(reasoning.is_some(), goes_back, "{sent}");
    }
}

/// The environment is per process, so this test runs itself again in one with the variables.
#[test]
fn the_environment_is_read_and_no_proxy_is_used_on_this_machine() {
    const CHILD: &str = "CONVERSANT_TEST_ENVIRONMENT";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let model = OpenAiChat::from_env("m").build().unwrap();
        let request = ChatRequest::new(Message::human("hi"));
        assert_eq!(runtime.block_on(model.generate(&request)).unwrap().text(), "Hello!");
        return;
    }
    let server = OpenAiServer::start(["Hello!"]).unwrap();
    let proxy = OpenAiServer::start(["from the proxy"]).unwrap();
    let proxy_url = proxy.base_url().replace("/v1", "");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "settings::the_environment_is_read_and_no_proxy_is_used_on_this_machine"])
        .env(CHILD, "1")
        .env("OPENAI_API_KEY", "sk-canary ")
        .env("OPENAI_BASE_URL", server.base_url())
        .env("OPENAI_ORG_ID", "org-1")
        .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, &proxy_url)))
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    let request = &server.requests()[0];
    assert_eq!(request.header("authorization"), Some("Bearer sk-canary"));
    assert_eq!(request.header("openai-organization"), Some("org-1"));
    assert_eq!(proxy.connections(), 0);
}

/// A variable that cannot be read is not passed over: the call would go to another server.
#[cfg(unix)]
#[test]
fn an_unreadable_variable_is_an_error() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    const CHILD: &str = "CONVERSANT_TEST_UNREADABLE";
    if std::env::var_os(CHILD).is_some() {
        let error = OpenAiChat::from_env("m").build().unwrap_err();
        assert!(
            error.to_string().ends_with(
                "cannot read `OPENAI_BASE_URL`, `OPENAI_ORG_ID` of the environment: not UTF-8; \
                 set it again"
            ),
            "{error}"
        );
        let set = OpenAiChat::from_env("m").base_url("https://h/v1").organization("o");
        assert!(set.build().is_ok());
        return;
    }
    let unreadable = OsStr::from_bytes(b"https://\xff/v1");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "settings::an_unreadable_variable_is_an_error"])
        .env(CHILD, "1")
        .env("OPENAI_API_KEY", "sk-canary")
        .env("OPENAI_BASE_URL", unreadable)
        .env("OPENAI_ORG_ID", unreadable)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

/// As by a tool loop, before a call is paid for.
#[test]
fn wrong_wiring_of_tools_and_numbers_is_told_when_it_is_built() {
    let tool = |name: &str| ToolDefinition::new(name, json!({"type": "object", "properties": {}}));
    let builder = || OpenAiChat::builder("m").api_key("k");
    let weather = || builder().tools([tool("weather"), tool("time")]);
    let faults = [
        weather().tool_choice(ToolChoice::Tool("weathr".into())),
        builder().tools([tool("weather"), tool("weather")]),
        builder().tools([tool(" ")]),
        builder().n(0),
        builder().timeout(Duration::ZERO),
        builder().idle_timeout(Duration::ZERO),
    ]
    .map(|builder| builder.build().unwrap_err().to_string());
    insta::assert_snapshot!(faults.join("\n"), @r"
    `tool_choice` names `weathr`, which is none of the tools (nearest: `weather`)
    two tools are named `weather`
    tool 1 of 1 has no name
    `n` must be at least 1
    a timeout of zero: no call could succeed
    a timeout of zero: no call could succeed
    ");
    let vectors = OpenAiEmbeddings::builder("m").api_key("k").dimensions(0);
    assert!(matches!(vectors.build().unwrap_err(), ModelError::Config { .. }));
    // The tools may be those of the calls.
    assert!(builder().tool_choice(ToolChoice::Tool("f".into())).build().is_ok());
    assert!(weather().tool_choice(ToolChoice::Tool("time".into())).build().is_ok());
}

#[test]
fn an_endpoint_of_azure_that_is_not_one_is_told_when_it_is_built() {
    for (endpoint, deployment, version, told) in [
        ("https://h/openai/v1/", "gpt", "v", "set it with `base_url`"),
        ("https://h/openai/deployments/other?api-version=v", "gpt", "v", "another deployment"),
        ("https://h", "", "v", "missing deployment"),
        ("https://h", "gpt", " ", "missing API version"),
    ] {
        let builder = OpenAiChat::builder("m").azure(endpoint, deployment, version).api_key("k");
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains(told), "{endpoint}: {error}");
    }
}

/// The user mends them at once.
#[test]
fn all_faults_are_told() {
    let tool = |name: &str| ToolDefinition::new(name, json!({"type": "null"}));
    let builder = OpenAiChat::builder(" ")
        .temperature(-1.0)
        .n(0)
        .tools([tool("a"), tool(""), tool("a")])
        .timeout(Duration::ZERO)
        .max_response_bytes(0)
        .retry_budget(-1.0);
    let faults = builder.build().unwrap_err().to_string();
    insta::assert_snapshot!(faults.replace("; ", "\n"), @r#"
    missing model name
    `temperature` must be at least 0
    `n` must be at least 1
    tool 2 of 3 has no name
    two tools are named `a`
    the schema of tool `a` allows no object
    start with `{"type": "object"}`
    the schema of tool `` allows no object
    start with `{"type": "object"}`
    the schema of tool `a` allows no object
    start with `{"type": "object"}`
    `retry_budget` must be finite and not negative
    a timeout of zero: no call could succeed
    `max_response_bytes` must be at least 1: no call could succeed
    missing API key
    set `OPENAI_API_KEY` and use `from_env`, or set it with `api_key` (only a server on this machine needs none)
    "#);
    let builder = OpenAiResponses::builder("m").seed(1).n(2).stop(["x"]).max_output_tokens(0);
    let faults = builder.base_url("ftp://x").build().unwrap_err().to_string();
    insta::assert_snapshot!(faults.replace("; ", "\n"), @r"
    `max_output_tokens` must be at least 1
    cannot send `seed` to the Responses interface
    use `OpenAiChat`
    cannot send `n` to the Responses interface
    make several calls
    cannot send `stop` to the Responses interface
    cut the answer yourself, or use `OpenAiChat`
    invalid base URL: it is neither http nor https
    ");
}

/// Parts of a call would be sent twice, or name another model than observers see.
#[test]
fn parts_of_a_call_are_not_extra_parameters() {
    for (name, instead) in [
        ("messages", "it is part of each call"),
        ("prompt", "it is part of each call"),
        ("input", "it is part of each call"),
        ("stream", "it is part of each call"),
        ("model", "it is the name that `builder` takes"),
        ("stream_options", "use `stream_usage`"),
        ("tools", "use its own setting"),
    ] {
        let error = OpenAiChat::builder("m").api_key("k").extra(name, 1).build().unwrap_err();
        let expected = format!("cannot set `{name}` as an extra parameter; {instead}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn limits_that_no_call_could_keep_are_refused() {
    let builder = || OpenAiChat::builder("m").api_key("k");
    let responses = || OpenAiResponses::builder("m").api_key("k");
    let text = || OpenAi::builder("m").api_key("k");
    for (error, told) in [
        (
            builder().connect_timeout(Duration::ZERO).build().err(),
            "a timeout of zero: no call could succeed",
        ),
        (builder().max_tokens(0).build().err(), "`max_tokens` must be at least 1"),
        (
            builder().max_completion_tokens(0).build().err(),
            "`max_completion_tokens` must be at least 1",
        ),
        (responses().max_output_tokens(0).build().err(), "`max_output_tokens` must be at least 1"),
        (text().max_tokens(0).build().err(), "`max_tokens` must be at least 1"),
        (
            builder().max_tokens(5).max_completion_tokens(9).build().err(),
            "`max_tokens` and `max_completion_tokens` are one limit of this server; set one of \
             them",
        ),
    ] {
        assert_eq!(error.unwrap().to_string(), told);
    }
    // The probabilities of the prompt alone.
    assert!(text().max_tokens(0).extra("echo", true).build().is_ok());
    // A server that is not known may have both.
    let other = builder().base_url("https://models.example/v1");
    assert!(other.max_tokens(5).max_completion_tokens(9).build().is_ok());
}

/// Companies have addresses of their own in front of Azure.
#[test]
fn a_deployment_of_azure_is_one_at_any_address() {
    let builder = || {
        let builder = OpenAiChat::builder("m").api_key("k");
        builder.azure("https://gateway.example", "my chat", "2024-10-21")
    };
    let provider = |model: OpenAiChat| model.describe().provider;
    assert_eq!(provider(builder().build().unwrap()).as_deref(), Some("azure.ai.openai"));
    assert!(builder().max_tokens(5).max_completion_tokens(9).build().is_err());
    let other = builder().dialect(Dialect::default());
    assert!(other.max_tokens(5).max_completion_tokens(9).build().is_ok());
    for host in ["cognitiveservices.azure.com", "openai.azure.us", "openai.azure.cn"] {
        let builder = OpenAiChat::builder("m").api_key("k");
        let model = builder.base_url(format!("https://my.{host}/openai/v1")).build().unwrap();
        assert_eq!(provider(model).as_deref(), Some("azure.ai.openai"), "{host}");
        assert_eq!(Dialect::for_host(host), Dialect::for_host("openai.azure.com"));
    }
    let responses = OpenAiResponses::builder("m").api_key("k");
    let error = responses.azure("https://h.openai.azure.com", "d", "v").build().unwrap_err();
    insta::assert_snapshot!(error, @r#"the Responses interface of Azure has no deployments in its path; set `base_url("https://NAME.openai.azure.com/openai/v1")`, and the deployment as the model"#);
}
