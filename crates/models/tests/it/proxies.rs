//! Proxies that are set on the builder. Those of the environment are in `connecting`.

use std::net::Ipv4Addr;

use conversant_core::{ChatModel, ModelError, Report};
use conversant_models::{OpenAiBuilder, OpenAiChat};
use conversant_testkit::{Fault, FaultServer, Step};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::faults::{builder, question};

const ANSWER: &str = r#"{"choices":[{"message":{"content":"Hello!"}}]}"#;

/// Returns a builder for a server that only the proxy can resolve, in plain HTTP.
fn plain() -> OpenAiBuilder<OpenAiChat> {
    builder("http://model.invalid/v1").allow_plain_http(true)
}

#[test]
fn a_proxy_that_cannot_be_used_is_an_error() {
    let mut lines = Vec::new();
    for url in [
        "ftp://127.0.0.1:1",
        "http://[not-an-address",
        "://",
        "http://proxy.example:99999",
        "99999:99999",
        "socks4://me:sk-canary@proxy.example",
        "quic://sk-canary@proxy.example",
        "",
        "http://",
        "proxy.example:3128",
        "socks5h://me:secret@[::1]:1080",
        "https://proxy.example",
    ] {
        let built = builder("https://api.example/v1").proxy(url).build();
        let line = built.map_or_else(|error| error.to_string(), |_| "built".to_owned());
        assert!(!line.contains("canary"), "{line}");
        lines.push(format!("{url:?} => {line}"));
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let mut lines = Vec::new();
    for base_url in ["https://api.example/v1", "http://model.invalid/v1"] {
        for status in [407, 403] {
            let refuse = Step::response(status, &[], "no");
            let steps = [Step::WaitForHead, refuse, Step::Close];
            let server = FaultServer::start(&Fault::new("proxy", steps)).unwrap();
            let address = server.base_url().replace("http://", "").replace("/v1", "");
            let proxy = format!("http://me:canary@{address}");
            let model = builder(base_url).allow_plain_http(true).proxy(proxy).build().unwrap();
            let error = model.generate(&question()).await.unwrap_err();
            let report = Report::new(&error).to_string();
            assert!(!report.contains("canary"), "{report}");
            assert_eq!(server.attempts(), 1);
            lines.push(format!("{base_url}, {status}: {}", report.replace(&address, "ADDRESS")));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn plain_http_is_sent_on_by_the_proxy() {
    let fault = Fault::new("proxy", [Step::WaitForRequest, Step::json(ANSWER)]);
    let server = FaultServer::start(&fault).unwrap();
    let proxy = server.base_url().replace("http://", "http://me:secret@").replace("/v1", "");
    let model = plain().proxy(proxy).build().unwrap();
    assert_eq!(model.generate(&question()).await.unwrap().text(), "Hello!");
    let sent = String::from_utf8(server.requests().concat()).unwrap().to_lowercase();
    assert!(sent.starts_with("post http://model.invalid/v1/chat/completions http/1.1\r\n"));
    assert!(sent.contains("proxy-authorization: basic bwu6c2vjcmv0\r\n"), "{sent}");
    assert!(sent.contains("host: model.invalid\r\n"));
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named_and_tried_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    for scheme in ["http", "socks5"] {
        let model = builder("https://api.example/v1").proxy(format!("{scheme}://{address}"));
        let error = model.build().unwrap().generate(&question()).await.unwrap_err();
        let report = Report::new(&error).to_string();
        let expected = format!("cannot connect through the proxy `{scheme}://{address}`");
        assert!(report.contains(&expected), "{report}");
        assert!(matches!(error, ModelError::Connect { .. }));
    }
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_name() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).await.unwrap();
        stream.write_all(&[5, 0]).await.unwrap();
        let mut request = vec![0; 5];
        stream.read_exact(&mut request).await.unwrap();
        let mut name = vec![0; usize::from(request[4]) + 2];
        stream.read_exact(&mut name).await.unwrap();
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER.len());
        stream.write_all((head + ANSWER).as_bytes()).await.unwrap();
        String::from_utf8(name[..name.len() - 2].to_vec()).unwrap()
    });
    let model = plain().proxy(format!("socks5://{address}")).build().unwrap();
    assert_eq!(model.generate(&question()).await.unwrap().text(), "Hello!");
    assert_eq!(proxy.await.unwrap(), "model.invalid");
}
