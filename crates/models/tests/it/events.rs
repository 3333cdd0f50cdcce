//! Events of an adapter: the model, and the attempts that are repeated.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use conversant_core::{
    CallId, CallInfo, CallOptions, ChatModel, ChatRequest, Event, EventEmitter, Message, Observer,
    Prices, ToolChoice, Usage, observe_chat, observe_chat_stream,
};
use conversant_models::{OpenAiBuilder, OpenAiChat, OpenAiResponses};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::{Value as Json, json};

use crate::{faults::KEY, waiting::Slow};

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        let line = match event {
            Event::ModelStarted { model, .. } => {
                let server = model.server_address.as_deref().unwrap_or_default();
                let provider = model.provider.as_deref().unwrap_or_default();
                format!("{} of {provider} at {server}", model.name.as_deref().unwrap_or_default())
            }
            Event::Retrying { attempt, error, wait, .. } => {
                let wait = wait.as_millis();
                format!(
                    "attempt {attempt} failed with {}, wait {wait} ms: {error:?}",
                    error.class()
                )
            }
            Event::ModelEnded { result, first_token, .. } => {
                let result = result.map(|reply| reply.text().into_owned());
                format!("ended: {result:?}, first token: {}", first_token.is_some())
            }
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}

fn build<M>(builder: OpenAiBuilder<M>, server: &OpenAiServer) -> OpenAiBuilder<M> {
    let builder = builder.base_url(server.base_url()).api_key(KEY);
    builder.backoff(Duration::ZERO, Duration::ZERO)
}

#[tokio::test]
async fn retries_reach_the_observers_of_the_call() {
    let mut shown = String::new();
    for name in ["chat", "chat, streamed", "responses"] {
        let failure = ServerAnswer::error(503, "overloaded", &format!("key {KEY} must wait"));
        let limited = ServerAnswer::error(429, "rate_limit_exceeded", "slow down");
        let server = OpenAiServer::builder()
            .reply(failure)
            .reply(limited.with_header("retry-after-ms", "2"))
            .reply(ServerAnswer::text("Hello!"))
            .start()
            .unwrap();
        let log = Arc::new(Log::default());
        let observers = Arc::new([Arc::clone(&log) as Arc<dyn Observer>]);
        let events = EventEmitter::new(CallInfo::new(CallId::from_u64(7)), observers);
        let options = CallOptions::new().with_events(events.clone());
        let request = ChatRequest::new(Message::human("Hi")).with_options(options);
        let chat = build(OpenAiChat::builder("gpt-6-luna"), &server).build().unwrap();
        match name {
            "chat" => drop(observe_chat(&chat, &request).await.unwrap()),
            "responses" => {
                let builder = build(OpenAiResponses::builder("gpt-6-luna"), &server);
                let model = builder.build().unwrap();
                // The server speaks chat completions only: the last attempt cannot be decoded.
                let _ = observe_chat(&model, &request).await;
            }
            _ => {
                let stream = observe_chat_stream(&chat, &request).await.unwrap();
                stream.into_reply().await.unwrap();
            }
        }
        assert_eq!(events.progress().retries, 2, "{name}");
        let lines = log.0.lock().unwrap().join("\n");
        assert!(!lines.contains(KEY), "{name}: {lines}");
        shown.push_str(&format!("# {name}\n{lines}\n\n"));
    }
    insta::assert_snapshot!(shown);
}

const REFUSAL: &str = r#"{"error":{"message":"no","code":"invalid_encrypted_content"}}"#;

/// A server refuses the reasoning of earlier answers: the request without it is of the same call,
/// with its retries.
#[tokio::test]
async fn a_request_without_refused_reasoning_is_of_its_call() {
    let busy = || ServerAnswer::error(503, "overloaded", "wait");
    let refused = || ServerAnswer::status(400).with_body("application/json", REFUSAL);
    for streamed in [false, true] {
        for (answers, is_answered, retries) in [
            (vec![refused(), ServerAnswer::text("Hello!")], true, 1),
            (vec![busy(), refused(), ServerAnswer::text("Hello!")], true, 2),
            (vec![busy(), refused(), busy(), ServerAnswer::text("Hello!")], false, 2),
        ] {
            let server = OpenAiServer::start(answers).unwrap();
            let model = build(OpenAiResponses::builder("m"), &server).max_retries(1);
            let model = model.build().unwrap();
            let log = Arc::new(Log::default());
            let observers = Arc::new([Arc::clone(&log) as Arc<dyn Observer>]);
            let events = EventEmitter::new(CallInfo::new(CallId::from_u64(7)), observers);
            let options = CallOptions::new().with_events(events.clone());
            let request = ChatRequest::new(Message::human("Hi")).with_options(options);
            let reply = match streamed {
                true => match model.stream(&request).await {
                    Ok(stream) => stream.into_reply().await,
                    Err(error) => Err(error),
                },
                false => model.generate(&request).await,
            };
            assert_eq!(reply.is_ok(), is_answered, "{reply:?}");
            assert_eq!(events.progress().retries, retries);
            let lines = log.0.lock().unwrap().join("\n");
            assert!(lines.contains(&format!("attempt {retries} failed with 400, wait 0 ms")));
        }
    }
}

/// And within its time.
#[tokio::test(start_paused = true)]
async fn a_call_whose_reasoning_is_refused_ends_in_its_time() {
    for streamed in [false, true] {
        for (takes, is_answered) in [(400, true), (600, false)] {
            let answer = json!({"status": "completed", "output": [{"type": "message",
                "role": "assistant", "content": [{"type": "output_text", "text": "Hello!"}]}]});
            let client = Slow::new(takes, [REFUSAL.to_owned(), answer.to_string()]);
            let model = OpenAiResponses::builder("m").base_url("https://slow.example/v1");
            let model = model.api_key("k").timeout(Duration::from_secs(1));
            let model = model.http_client(client.clone()).build().unwrap();
            let request = ChatRequest::new(Message::human("Hi"));
            let reply = match streamed {
                true => match model.stream(&request).await {
                    Ok(stream) => stream.into_reply().await,
                    Err(error) => Err(error),
                },
                false => model.generate(&request).await,
            };
            assert_eq!(reply.is_ok(), is_answered, "{reply:?}");
            assert_eq!(client.asked.load(Ordering::Relaxed), 2);
        }
    }
}

#[test]
fn a_model_is_described_by_its_name_provider_and_server() {
    let table = [
        ("https://api.openai.com/v1", "openai", 443),
        ("https://my.openai.azure.com/openai/v1", "azure.ai.openai", 443),
        ("https://api.groq.com/openai/v1", "groq", 443),
        ("https://api.mistral.ai/v1", "mistral_ai", 443),
        ("https://api.x.ai/v1", "x_ai", 443),
        ("http://localhost:8080/v1", "openai", 8080),
    ];
    for (base_url, provider, port) in table {
        let model = OpenAiChat::builder("m").base_url(base_url).api_key("sk-x").build().unwrap();
        let description = model.describe();
        assert_eq!(description.name.as_deref(), Some("m"), "{base_url}");
        assert_eq!(description.provider.as_deref(), Some(provider), "{base_url}");
        assert_eq!(description.server_port, Some(port), "{base_url}");
        assert!(base_url.contains(description.server_address.as_deref().unwrap()));
        assert!(!description.forces_tools);
    }
    // A tool loop lifts a choice of the model's own settings.
    let table = [
        (ToolChoice::Auto, false),
        (ToolChoice::None, false),
        (ToolChoice::Required, true),
        (ToolChoice::Tool("weather".to_owned()), true),
    ];
    for (choice, is_forced) in table {
        let chat = OpenAiChat::builder("m").tool_choice(choice.clone()).api_key("sk-x").build();
        let responses = OpenAiResponses::builder("m").tool_choice(choice).api_key("sk-x").build();
        let described = [chat.unwrap().describe(), responses.unwrap().describe()];
        assert_eq!(described.map(|description| description.forces_tools), [is_forced; 2]);
    }
}

/// An answer that is not accepted was paid for: its usage is part of the call's sums.
#[tokio::test]
async fn rejected_answers_are_counted() {
    let answer = |message: Json, reason: &str| {
        json!({
            "model": "gpt-6-luna-2026-05-01",
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        })
    };
    let table = [
        (answer(json!({"content": "Part of"}), "length"), "incomplete"),
        (answer(json!({"content": null, "refusal": "No."}), "stop"), "refused"),
        (answer(json!({"content": null}), "stop"), "empty_answer"),
        (answer(json!({"content": ""}), "stop"), "empty_answer"),
        (answer(json!({"content": "Hello!"}), "stop"), ""),
    ];
    for (answer, class) in table {
        for streamed in [false, true] {
            // A stream that is a whole answer is checked as a stream's end is.
            let server = OpenAiServer::start([ServerAnswer::json(&answer)]).unwrap();
            let builder = OpenAiChat::builder("m").base_url(server.base_url());
            let chat = builder.require_complete(true).refuse_empty(true).build().unwrap();
            let events = EventEmitter::inside(
                &EventEmitter::disabled(),
                CallInfo::new(CallId::from_u64(7)),
                Arc::new([]),
                Some(Arc::new(Prices::per_million(1.0, 10.0).into())),
            );
            let options = CallOptions::new().with_events(events.clone());
            let request = ChatRequest::new(Message::human("Hi")).with_options(options);
            let result = if streamed {
                match observe_chat_stream(&chat, &request).await {
                    Ok(stream) => stream.into_reply().await,
                    Err(error) => Err(error),
                }
            } else {
                observe_chat(&chat, &request).await
            };
            assert_eq!(result.as_ref().err().map_or("", |error| error.class()), class);
            let sums = events.progress();
            assert_eq!(sums.usage, Some(Usage::new(100, 10)), "{class}");
            assert_eq!(sums.cost.unwrap().to_string(), "0.0002", "{class}");
            assert_eq!(sums.model.as_deref(), Some("gpt-6-luna-2026-05-01"), "{class}");
        }
    }
}
