//! A custom HTTP client.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::Bytes;
use conversant_core::{BoxError, ChatModel, ModelError};
use tower_service::Service;

use crate::faults::{builder, question};

/// A client with one answer for all requests.
#[derive(Clone)]
struct Canned(Result<&'static str, &'static str>);

impl Service<http::Request<Bytes>> for Canned {
    type Response = http::Response<String>;
    type Error = BoxError;
    type Future = Ready<Result<http::Response<String>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        assert_eq!(request.uri(), "https://api.example/v1/chat/completions?tenant=canary");
        assert!(request.headers()["authorization"].is_sensitive());
        assert!(request.body().starts_with(b"{\"model\":\"m\""));
        ready(self.0.map(|body| http::Response::new(body.to_owned())).map_err(Into::into))
    }
}

#[tokio::test]
async fn a_service_of_http_requests_is_a_client() {
    let base_url = "https://api.example/v1?tenant=canary";
    let answer = r#"{"choices":[{"message":{"content":"Hello!"}}]}"#;
    let model = builder(base_url).http_client(Canned(Ok(answer))).build().unwrap();
    assert_eq!(model.generate(&question()).await.unwrap().text(), "Hello!");
    assert_eq!(
        model.stream(&question()).await.unwrap().into_reply().await.unwrap().text(),
        "Hello!"
    );

    // Its errors may quote the URL, which may hold a key.
    let failing = Canned(Err("cannot connect to https://api.example/v1?tenant=canary"));
    let model = builder(base_url).http_client(failing).build().unwrap();
    let error = model.generate(&question()).await.unwrap_err();
    assert!(matches!(error, ModelError::Transport { .. }));
    insta::assert_snapshot!(format!("{error:?}"), @"cannot get an answer: the connection to the model's server failed while waiting for the answer: cannot use the HTTP client");
}
