//! Keys, prompts and words of servers in errors.

use conversant_core::{ChatModel, ChatRequest, Message, ModelError, StatusKind};
use conversant_models::{OpenAiBuilder, OpenAiChat};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::json;

type Builder = OpenAiBuilder<OpenAiChat>;

async fn fails(answer: ServerAnswer, set: impl FnOnce(Builder) -> Builder) -> ModelError {
    let server = OpenAiServer::start([answer]).unwrap();
    let builder = OpenAiChat::builder("m").base_url(server.base_url()).max_retries(0);
    let model = set(builder).build().unwrap();
    let request = ChatRequest::new(Message::human("hi"));
    match model.stream(&request).await {
        Ok(stream) => stream.into_reply().await.unwrap_err(),
        Err(error) => error,
    }
}

/// Returns all that an error has.
fn all(error: &ModelError) -> String {
    let api = error.api_error();
    let kept = api.map(|api| format!("{} {}", api.message.as_str(), api.body.as_str()));
    format!("{error} {error:?} {kept:?}")
}

/// Of a body, 8 KiB are kept, and a key may be in between.
#[tokio::test]
async fn a_key_is_masked_where_the_body_is_cut() {
    let key = "canary-0123456789/abcdef";
    for quoted in [key, "canary-0123456789\\/abcdef"] {
        for kept in 8..quoted.len() {
            let body = format!("{}{quoted} and more", "x".repeat(8192 - kept));
            let answer = ServerAnswer::status(400).with_body("text/plain", body);
            let error = fails(answer, |builder| builder.api_key(key)).await;
            let api = error.api_error().unwrap();
            assert!(api.message.ends_with("x[key]") && api.body.ends_with("x[key]"), "{kept}");
        }
    }
}

/// Azure's `data_sources` have the keys of other services, and refusals quote the request.
#[tokio::test]
async fn keys_in_extra_parameters_are_masked() {
    let (key, token) = ("canary-of-search/1", "canary-of-team-2");
    let source = json!({"type": "azure_search", "parameters": {
        "index_name": "an-index", "authentication": {"type": "api_key", "key": key},
    }});
    let body = json!({"error": {"message": format!("cannot use {source} {token} an-index")}});
    let answer = ServerAnswer::json(&body).with_status(400);
    let set = |builder: Builder| {
        let builder = builder.extra("data_sources", json!([source])).extra("Team_Token", token);
        builder.extra("key", "short")
    };
    let error = fails(answer, set).await;
    assert!(!all(&error).contains("canary"), "{}", all(&error));
    let message = &error.api_error().unwrap().message;
    assert!(message.contains("an-index") && message.contains("api_key"), "{}", message.as_str());
}

/// The documented way to send a token of Entra ID.
#[tokio::test]
async fn a_token_is_masked_without_its_scheme() {
    let answer = ServerAnswer::error(401, "invalid", "unknown token canary/0123456789");
    let set = |builder: Builder| builder.header("authorization", "Bearer canary/0123456789");
    let error = fails(answer, set).await;
    assert!(!all(&error).contains("canary"), "{}", all(&error));
}

/// A text that a model repeats is masked in one pass, within the stack of a thread.
#[tokio::test]
async fn a_long_answer_that_breaks_off_is_masked() {
    for piece in ["\\", "&amp;", "amp;"] {
        let text = format!("&{}", piece.repeat((1 << 19) / piece.len()));
        let event = json!({"choices": [{"delta": {"content": text}}]}).to_string();
        let chunk = format!("data: {event}\n\n");
        let answer = ServerAnswer::chunks([chunk]).with_header("content-type", "text/event-stream");
        let set = |builder: Builder| builder.header("authorization", "Bearer a/b c+d");
        let error = fails(answer, set).await;
        assert!(matches!(error, ModelError::StreamTruncated { .. }), "{error:?}");
        assert_eq!(error.partial().unwrap().text.as_str(), text);
    }
}

/// Servers put any text into the places of codes, and into headers.
#[tokio::test]
async fn a_code_that_is_no_word_is_a_message() {
    let prompt = "the prompt 'canary' is not allowed\nERROR x";
    let long = "a".repeat(1000);
    for (fields, shown, message) in [
        (json!({"message": "no", "code": prompt}), "", "no"),
        (json!({"code": prompt}), "", prompt),
        (
            json!({"code": prompt, "type": "invalid_request_error"}),
            " (`invalid_request_error`)",
            prompt,
        ),
        (json!({"message": "no", "code": prompt, "status": "refused"}), " (`refused`)", "no"),
        (json!({"message": "no", "code": long}), "", "no"),
        (json!({"message": "no", "exception": "ValueError: canary"}), " (`ValueError`)", "no"),
        (
            json!({"message": "no", "__type": "com.example#Throttled"}),
            " (`com.example#Throttled`)",
            "no",
        ),
        (json!({"message": "no", "code": 7, "type": "x"}), " (`x`)", "no"),
    ] {
        for is_nested in [true, false] {
            if !is_nested && fields.get("message").is_none() {
                continue;
            }
            let body = if is_nested { json!({"error": fields}) } else { fields.clone() };
            let answer = ServerAnswer::json(&body).with_status(400);
            let error = fails(answer.with_header("x-request-id", "my canary"), |it| it).await;
            let expected = format!(
                "cannot get an answer: the model's server answered with status 400: the request is \
                 invalid{shown}, request id `<9 bytes>`"
            );
            assert_eq!(error.to_string(), expected, "{body}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
            let api = error.api_error().unwrap();
            assert_eq!((api.kind, &*api.message), (StatusKind::BadRequest, message), "{body}");
            assert_eq!(api.request_id.as_deref(), Some("my canary"));
        }
    }
}

#[tokio::test]
async fn a_long_message_is_cut_as_its_body_is() {
    let event = json!({"error": {"message": "é".repeat(1 << 19), "code": "x"}}).to_string();
    let error = fails(ServerAnswer::events([event]), |builder| builder).await;
    assert_eq!(error.api_error().unwrap().message.len(), 8192);
}

#[tokio::test]
async fn a_finish_reason_that_is_no_word_is_not_shown() {
    let answer = |reason: &str| {
        let message = json!({"content": null});
        ServerAnswer::json(&json!({"choices": [{"message": message, "finish_reason": reason}]}))
    };
    for (reason, shown) in [("my own\nwords", "<12 bytes>"), ("SAFETY", "SAFETY")] {
        let error = fails(answer(reason), |builder| builder).await;
        let expected =
            format!("cannot use the model's answer: it is empty (it ended with `{shown}`)");
        assert_eq!(error.to_string(), expected);
    }
}
