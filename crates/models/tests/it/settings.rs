//! What an adapter refuses to be built with, and what it shows of itself.

use conversant_core::{LanguageModel, ModelError};
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat};

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
    ]
    .map(|builder| builder.build().unwrap_err());
    assert!(faults.iter().all(|error| matches!(error, ModelError::Config { .. })));
    insta::assert_snapshot!(faults.map(|error| error.to_string()).join("\n"));
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
        builder.api_key("sk-canary").header("x-api-key", "canary-2").organization("canary-3")
    };
    let builder = set(OpenAiChat::builder("m"));
    let model = builder.clone().build().unwrap();
    let shown = format!("{builder:?} {builder:#?} {model:?} {model:#?}");
    assert!(!shown.contains("canary"), "{shown}");
    let _both: [LanguageModel; 2] =
        [model.into(), OpenAi::builder("m").api_key("sk-canary").build().unwrap().into()];
}
