//! Which base URLs are taken, and what becomes of their paths.
#![allow(clippy::unwrap_used)]

use super::Endpoint;

#[test]
fn base_urls_are_checked() {
    let table: Vec<_> = [
        "https://api.openai.com/v1",
        "https://api.openai.com/v1///",
        "https://api.openai.com",
        "http://127.0.0.1:8080/v1/",
        "http://127.8.7.6/v1",
        "http://[::1]:8080/v1",
        "http://localhost:11434/v1",
        "http://box.localhost/v1",
        "https://gateway.example/openai?tenant=7",
        " https://padded.example/v1\n",
        "https://api.openai.com/v1/chat/completions",
        "http://localhost:11434/v1/embeddings/",
        "https://gateway.example/openai/v1/responses?tenant=7",
        "https://gateway.example/models/v1",
        "https://x.services.ai.azure.com/models?api-version=2024-05-01-preview",
        "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview",
        "https://api.openai.com/v1/models",
        "http://10.0.0.7/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "https://sk-canary@example.com/v1",
        "https://user:sk-canary@example.com/v1",
        "https://example.com/v1#x",
        "ftp://example.com/v1",
        "file:///etc/passwd",
        "api.openai.com/v1",
        "",
    ]
    .into_iter()
    .map(|base| match Endpoint::new(base, false) {
        Ok(endpoint) => format!("{base:?} => {}", endpoint.url("chat/completions")),
        Err(error) => format!("{base:?} => {error}"),
    })
    .collect();
    insta::assert_snapshot!(table.join("\n"));
    assert!(Endpoint::new("http://10.0.0.7/v1", true).is_ok());
}
