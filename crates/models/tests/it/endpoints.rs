//! Azure, embeddings and the list of models, and the adapters in the testkit's suites.

use std::time::Duration;

use conversant_core::{
    ChatModel, ChatRequest, CompletionModel, CompletionRequest, Embeddings, Message, ModelError,
};
use conversant_models::{OpenAi, OpenAiChat, OpenAiEmbeddings, OpenAiResponses};
use conversant_testkit::{Gate, OpenAiServer, ServerAnswer, ServerDialect, suite};
use serde_json::json;

#[tokio::test]
async fn azure_has_a_path_a_version_and_a_header_of_its_own() {
    let server = OpenAiServer::start(["chat", "text"]).unwrap();
    let resource = server.base_url().replace("/v1", "/");
    let chat = OpenAiChat::builder("gpt-5.4-mini").azure(&resource, "my chat", "2024-10-21");
    let chat = chat.api_key("sk-canary").build().unwrap();
    let text = OpenAi::builder("m").azure(&resource, "my/text", "2024-10-21");
    let text = text.header("authorization", "Bearer token").build().unwrap();
    chat.generate(&ChatRequest::new(Message::human("hi"))).await.unwrap();
    text.generate(&CompletionRequest::new("hi")).await.unwrap();
    chat.models().await.unwrap();
    let sent: Vec<_> = server
        .requests()
        .iter()
        .map(|request| {
            let header = |name| request.header(name).unwrap_or("-").to_owned();
            let query = request.query().unwrap_or("-");
            format!(
                "{} ? {query} | {} | {}",
                request.path(),
                header("api-key"),
                header("authorization")
            )
        })
        .collect();
    insta::assert_snapshot!(sent.join("\n"));
    assert!(!format!("{chat:?}").contains("canary"));
}

#[tokio::test]
async fn models_are_listed() {
    for dialect in [ServerDialect::OpenAi, ServerDialect::LlamaCpp] {
        let server = OpenAiServer::builder().dialect(dialect).models(["a", "b"]).start().unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let ids: Vec<_> = model.models().await.unwrap().into_iter().map(|model| model.id).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(
            (server.requests()[0].method(), server.requests()[0].path()),
            ("GET", "/v1/models")
        );
    }
}

#[tokio::test]
async fn texts_are_embedded_in_order_and_in_batches() {
    let shuffled = json!({"data": [
        {"index": 1, "embedding": [0.0, 1.0]}, {"index": 0, "embedding": [1.0, 0.5]},
    ]});
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::json(&shuffled))
        .reply(ServerAnswer::embeddings([vec![2.0, 2.0]]))
        .start()
        .unwrap();
    let model = OpenAiEmbeddings::builder("m").base_url(server.base_url()).dimensions(2);
    let model = model.batch_size(2).build().unwrap();
    let texts = ["a", "b", "c"].map(str::to_owned);
    let vectors = model.embed(&texts).await.unwrap();
    assert_eq!(vectors, [[1.0, 0.5], [0.0, 1.0], [2.0, 2.0]]);
    assert!(model.embed(&[]).await.unwrap().is_empty());
    let bodies: Vec<_> =
        server.requests().iter().map(|request| request.json().to_string()).collect();
    insta::assert_snapshot!(bodies.join("\n"), @r#"
    {"model":"m","dimensions":2,"input":["a","b"]}
    {"model":"m","dimensions":2,"input":["c"]}
    "#);
}

#[tokio::test]
async fn vectors_of_another_length_are_an_error() {
    let answers =
        [ServerAnswer::embeddings([vec![1.0, 2.0]]), ServerAnswer::embeddings([vec![1.0]])];
    let server = OpenAiServer::start(answers).unwrap();
    let model = OpenAiEmbeddings::builder("m").base_url(server.base_url()).batch_size(1);
    let texts = ["a", "b"].map(str::to_owned);
    let error = model.clone().build().unwrap().embed(&texts).await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot decode the model's answer: its vectors have 1 dimensions instead of 2");
    let server = OpenAiServer::start([ServerAnswer::embeddings([vec![1.0, 2.0]])]).unwrap();
    let model = model.base_url(server.base_url()).dimensions(3).build().unwrap();
    let error = model.embed(&texts[..1]).await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot decode the model's answer: its vectors have 2 dimensions instead of 3");
}

/// A vector has up to 90 KB of JSON: the default limits fit each other.
#[tokio::test]
async fn many_texts_are_embedded_with_the_default_limits() {
    let vector = (0..3072).map(|n| 1.0 / (n as f32 + 3.0)).collect::<Vec<_>>();
    let answers = [256, 4].map(|texts| ServerAnswer::embeddings(vec![vector.clone(); texts]));
    let server = OpenAiServer::start(answers).unwrap();
    let model = OpenAiEmbeddings::builder("m").base_url(server.base_url()).build().unwrap();
    let vectors = model.embed(&vec!["x".to_owned(); 260]).await.unwrap();
    assert_eq!((vectors.len(), &vectors[259]), (260, &vector));
}

#[tokio::test]
async fn an_answer_that_is_too_large_names_the_remedy() {
    let server = OpenAiServer::start(["hello"]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).max_response_bytes(9);
    let request = ChatRequest::new(Message::human("hi"));
    let error = model.build().unwrap().generate(&request).await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot read the model's answer: the body is larger than 9 bytes; set a larger `max_response_bytes`");
}

#[tokio::test]
async fn what_are_no_embeddings_is_an_error() {
    let mut shown = Vec::new();
    for body in [
        json!({"data": []}),
        json!({"data": [{"embedding": []}]}),
        json!({"data": [{"embedding": "AAAA"}]}),
        json!({}),
        json!({"error": {"message": "no", "type": "not_supported_error", "code": 501}}),
    ] {
        let server = OpenAiServer::start([ServerAnswer::json(&body)]).unwrap();
        let model = OpenAiEmbeddings::builder("m").base_url(server.base_url()).max_retries(0);
        let model = model.build().unwrap();
        shown.push(model.embed(&["x".to_owned()]).await.unwrap_err().to_string());
    }
    insta::assert_snapshot!(shown.join("\n"));
}

/// As for answers: an error in a body is retried by its kind, and says all that its response does.
#[tokio::test]
async fn errors_of_embeddings_are_those_of_their_response() {
    let texts = ["x".to_owned()];
    let error = |code: &str, message: &str| {
        let body = json!({"error": {"message": message, "code": code}});
        ServerAnswer::json(&body).with_header("x-request-id", "r-1")
    };
    let model = |server: &OpenAiServer| {
        let model = OpenAiEmbeddings::builder("m").base_url(server.base_url());
        model.backoff(Duration::ZERO, Duration::ZERO).build().unwrap()
    };
    let answers = [error("503", "wait"), ServerAnswer::embeddings([vec![1.0]])];
    let server = OpenAiServer::start(answers).unwrap();
    assert_eq!(model(&server).embed(&texts).await.unwrap(), [[1.0]]);
    assert_eq!(server.requests().len(), 2);

    let server = OpenAiServer::start([error("400", "m is not a chat model")]).unwrap();
    let failed = model(&server).embed(&texts).await.unwrap_err();
    let reported = failed.api_error().unwrap();
    assert_eq!(reported.request_id.as_deref(), Some("r-1"));
    assert!(reported.hint.is_some());

    let server = OpenAiServer::start([ServerAnswer::json(&json!({"data": []}))]).unwrap();
    let failed = model(&server).embed(&texts).await.unwrap_err();
    let ModelError::Decode(failed) = failed else { panic!("{failed:?}") };
    assert_eq!(failed.content_type.as_deref(), Some("application/json"));
}

#[tokio::test]
async fn the_adapters_keep_the_contract_of_models() {
    for dialect in [ServerDialect::OpenAi, ServerDialect::LlamaCpp] {
        let server = OpenAiServer::builder()
            .dialect(dialect)
            .reply("Hello there!")
            .repeat_last()
            .start()
            .unwrap();
        let chat = || OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let report = suite::chat_model(chat).await.unwrap();
        assert_eq!(report.skipped().collect::<Vec<_>>(), []);
        let items = || OpenAiResponses::builder("m").base_url(server.base_url()).build().unwrap();
        let report = suite::chat_model(items).await.unwrap();
        assert_eq!(report.skipped().collect::<Vec<_>>(), []);
        let text = || OpenAi::builder("m").base_url(server.base_url()).build().unwrap();
        let report = suite::completion_model(text).await.unwrap();
        assert_eq!(report.skipped().collect::<Vec<_>>(), []);
    }
}

/// The server answers nothing, or a piece and no more.
#[tokio::test]
async fn the_adapters_end_a_call_that_waits_at_its_deadline() {
    for pieces in [0, 1] {
        let answer = ServerAnswer::pieces(["Hel", "lo"]).held_after(pieces, &Gate::new());
        let server = OpenAiServer::builder().reply(answer).repeat_last().start().unwrap();
        let chat = || OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        suite::slow_chat_model(chat).await.unwrap();
        let items = || OpenAiResponses::builder("m").base_url(server.base_url()).build().unwrap();
        suite::slow_chat_model(items).await.unwrap();
        let text = || OpenAi::builder("m").base_url(server.base_url()).build().unwrap();
        suite::slow_completion_model(text).await.unwrap();
    }
}

#[tokio::test]
async fn a_context_that_is_too_long_is_recognised() {
    let error =
        json!({"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}});
    let server = OpenAiServer::start([ServerAnswer::json(&error).with_status(400)]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let error = model.generate(&ChatRequest::new(Message::human("hi"))).await.unwrap_err();
    assert!(error.is_context_length() && matches!(error, ModelError::Status { status: 400, .. }));
}

/// The portal's "Target URI", and addresses with a part of it.
#[tokio::test]
async fn an_address_of_azure_may_name_the_endpoint_already() {
    for path in [
        "/openai/deployments/my%20chat/chat/completions?api-version=2024-02-01",
        "/openai/deployments/my%20chat/",
        "/openai/",
        "/openai/responses?api-version=2025-03-01-preview",
        "",
    ] {
        let server = OpenAiServer::start(["chat"]).unwrap();
        let address = format!("{}{path}", server.base_url().replace("/v1", ""));
        let chat = OpenAiChat::builder("m").azure(address, "my chat", "2024-10-21");
        let chat = chat.build().unwrap();
        chat.generate(&ChatRequest::new(Message::human("hi"))).await.unwrap();
        let request = &server.requests()[0];
        assert_eq!(request.path(), "/openai/deployments/my%20chat/chat/completions", "{path}");
        assert_eq!(request.query(), Some("api-version=2024-10-21"), "{path}");
    }
}
