//! The layers around adapters: the chat interface and the Responses interface, over HTTP.

use std::time::Duration;

use conversant_core::{ChatModel, ChatRequest, Message, Reply};
use conversant_layers::{Cached, ConcurrencyLimit, Fallback, InMemoryCache, RateLimit};
use conversant_models::{OpenAiChat, OpenAiResponses};
use conversant_testkit::{OpenAiServer, ServerAnswer, suite};
use serde_json::json;

use super::ask;

type Model = Box<dyn ChatModel>;

fn chat(server: &OpenAiServer) -> Model {
    let builder = OpenAiChat::builder("m").base_url(server.base_url());
    Box::new(builder.max_retries(0).build().unwrap())
}

fn responses(server: &OpenAiServer) -> Model {
    let builder = OpenAiResponses::builder("m").base_url(server.base_url());
    Box::new(builder.max_retries(0).build().unwrap())
}

const ADAPTERS: [fn(&OpenAiServer) -> Model; 2] = [chat, responses];

async fn answer(model: &impl ChatModel, request: &ChatRequest, streamed: bool) -> Reply {
    match streamed {
        true => model.stream(request).await.unwrap().into_reply().await.unwrap(),
        false => model.generate(request).await.unwrap(),
    }
}

#[tokio::test]
async fn all_layers_keep_the_contract_of_models() {
    for adapter in ADAPTERS {
        let server = OpenAiServer::builder().reply("Hello there!").repeat_last().start().unwrap();
        let make = || {
            let model = Fallback::new(adapter(&server), adapter(&server));
            let model =
                RateLimit::new(ConcurrencyLimit::new(model, 4), 1_000_000, Duration::from_secs(1));
            Cached::new(model, "", InMemoryCache::new(100))
        };
        let report = suite::chat_model(make).await.unwrap();
        assert_eq!(report.skipped().collect::<Vec<_>>(), []);
    }
}

#[tokio::test]
async fn a_cached_answer_is_the_answer() {
    for adapter in ADAPTERS {
        for streamed in [false, true] {
            let server = OpenAiServer::start(["Hello!"]).unwrap();
            let model = Cached::new(adapter(&server), "", InMemoryCache::new(10));
            let first = answer(&model, &ask("hi"), streamed).await;
            for again in [streamed, !streamed] {
                let reply = answer(&model, &ask("hi"), again).await;
                assert_eq!(
                    (reply.message, reply.finish_reason),
                    (first.message.clone(), first.finish_reason.clone())
                );
            }
            assert_eq!(server.requests().len(), 1);
        }
    }
}

/// Reasoning of a cached answer goes back as that of one that was not cached.
#[tokio::test]
async fn a_cached_answer_keeps_its_items() {
    let items = json!([
        {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "gAAA"},
        {"type": "message", "id": "msg", "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello!"}]},
    ]);
    let response = ServerAnswer::json(&json!({"status": "completed", "output": items}));
    let server = OpenAiServer::builder().reply(response).reply("Bye.").start().unwrap();
    let model = Cached::new(responses(&server), "", InMemoryCache::new(10));
    model.generate(&ask("hi")).await.unwrap();
    let cached = model.generate(&ask("hi")).await.unwrap();
    let conversation = vec![Message::human("hi"), cached.message, Message::human("bye")];
    model.generate(&ChatRequest::new(conversation)).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].json()["input"][1]["encrypted_content"], "gAAA");
}

/// A request that is too large is only too large for the first server if that says so.
#[tokio::test]
async fn a_fallback_takes_over_what_is_too_large_for_one_server() {
    let too_long = "Unable to submit request because the input token count is 1100000 but model \
        only supports up to 1048576.";
    let of_minute = "Request too large for model `m` on tokens per minute (TPM): Limit 6000, \
        Requested 8123, please reduce your message size and try again.";
    for (status, code, message, falls_back) in [
        (413, "rate_limit_exceeded", of_minute, true),
        (400, "INVALID_ARGUMENT", too_long, true),
        (413, "request_too_large", "Request exceeds the maximum size", false),
    ] {
        let first = OpenAiServer::start([ServerAnswer::error(status, code, message)]).unwrap();
        let second = OpenAiServer::start(["Hello!"]).unwrap();
        let model = Fallback::new(chat(&first), chat(&second));
        assert_eq!(model.generate(&ask("hi")).await.is_ok(), falls_back, "{message}");
        assert_eq!(first.requests().len(), 1, "{message}");
    }
}

/// The usual setting: only the whole time of the first model is limited.
#[tokio::test]
async fn a_fallback_takes_over_from_a_server_that_hangs() {
    for streamed in [false, true] {
        let frozen = OpenAiServer::builder().reply(ServerAnswer::hang()).repeat_last();
        let frozen = frozen.start().unwrap();
        let sound = OpenAiServer::start(["Hello!"]).unwrap();
        let first = OpenAiChat::builder("m").base_url(frozen.base_url());
        let first = first.timeout(Duration::from_millis(20)).build().unwrap();
        let model = Fallback::new(first, chat(&sound));
        assert_eq!(answer(&model, &ask("hi"), streamed).await.text(), "Hello!");
    }
}

#[tokio::test]
async fn a_fallback_takes_over_from_an_adapter() {
    for first in ADAPTERS {
        for second in ADAPTERS {
            for streamed in [false, true] {
                let broken = ServerAnswer::error(500, "server_error", "down");
                let broken = OpenAiServer::builder().reply(broken).repeat_last().start().unwrap();
                let sound = OpenAiServer::start(["Hello!"]).unwrap();
                let model = Fallback::new(first(&broken), second(&sound));
                assert_eq!(answer(&model, &ask("hi"), streamed).await.text(), "Hello!");
                assert_eq!((broken.requests().len(), sound.requests().len()), (1, 1));
            }
        }
    }
}
