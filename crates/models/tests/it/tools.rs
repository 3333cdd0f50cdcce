//! Tools, answer formats, and the fields that accompany them.

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, CompletionModel, CompletionRequest, Delta, Message,
    ModelError, ResponseFormat, ToolChoice, ToolDefinition,
};
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::{Value as Json, json};

fn weather() -> ToolDefinition {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    ToolDefinition::new("weather", schema).with_description("The weather in a city.")
}

async fn sent(
    set: impl FnOnce(OpenAiBuilder<OpenAiChat>) -> OpenAiBuilder<OpenAiChat>,
    options: CallOptions,
) -> Json {
    let server = OpenAiServer::start(["ok"]).unwrap();
    let model = set(OpenAiChat::builder("m").base_url(server.base_url())).build().unwrap();
    let request = ChatRequest::new(Message::human("hi")).with_options(options);
    model.generate(&request).await.unwrap();
    let mut body = server.requests().remove(0).json().clone();
    body.as_object_mut().unwrap().retain(|name, _| name != "messages" && name != "model");
    body
}

#[tokio::test]
async fn tools_go_out_from_the_adapter_or_the_call() {
    let set = |builder: OpenAiBuilder<OpenAiChat>| {
        builder.tools([weather()]).tool_choice(ToolChoice::Auto).parallel_tool_calls(true)
    };
    let clock = ToolDefinition::new("clock", json!({"type": "object"})).with_strict(true);
    let call = CallOptions::new()
        .with_tools([clock])
        .with_tool_choice(ToolChoice::Tool("clock".into()))
        .with_parallel_tool_calls(false);
    let bodies = [
        sent(|builder| builder, CallOptions::new()).await,
        sent(set, CallOptions::new()).await,
        sent(set, call).await,
        sent(set, CallOptions::new().with_tool_choice(ToolChoice::None)).await,
        sent(|builder| builder.tool_choice(ToolChoice::Required), CallOptions::new()).await,
    ];
    insta::assert_snapshot!(bodies.map(|body| body.to_string()).join("\n"));
}

#[tokio::test]
async fn forms_of_answers_go_out() {
    let of = |format| CallOptions::new().with_response_format(format);
    let schema = json!({"type": "object", "properties": {"yes": {"type": "boolean"}}});
    let json_object =
        |builder: OpenAiBuilder<OpenAiChat>| builder.response_format(ResponseFormat::JsonObject);
    let bodies = [
        sent(json_object, CallOptions::new()).await,
        sent(json_object, of(ResponseFormat::Text)).await,
        sent(json_object, of(ResponseFormat::json_schema("verdict", schema))).await,
        sent(|builder| builder.reasoning_effort("low"), CallOptions::new()).await,
    ];
    insta::assert_snapshot!(bodies.map(|body| body.to_string()).join("\n"));
}

#[tokio::test]
async fn a_turn_with_tools_goes_there_and_back() {
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::tool_call("call_1", "weather", r#"{"city": "Kyoto"}"#).with_tool_call(
            "call_2",
            "weather",
            r#"{"city": "Oslo"}"#,
        ))
        .reply("Rain in Kyoto, snow in Oslo.")
        .start()
        .unwrap();
    let model =
        OpenAiChat::builder("m").base_url(server.base_url()).tools([weather()]).build().unwrap();
    let mut request = ChatRequest::new(Message::human("Kyoto and Oslo?"));
    let reply = model.generate(&request).await.unwrap();
    request.messages.push(reply.message.clone());
    for (call, result) in reply.message.tool_calls().iter().zip(["rain", "snow"]) {
        request.messages.push(Message::tool(result, call.id.clone().unwrap()));
    }
    let reply = model.generate(&request).await.unwrap();
    assert_eq!(reply.text(), "Rain in Kyoto, snow in Oslo.");
    let messages = server.requests()[1].json()["messages"].as_array().unwrap().clone();
    let lines: Vec<_> = messages.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn streamed_tool_calls_come_in_pieces_and_whole() {
    let answer = ServerAnswer::tool_call("call_1", "weather", r#"{"city": "Kyoto"}"#);
    let server = OpenAiServer::start([answer]).unwrap();
    let model =
        OpenAiChat::builder("m").base_url(server.base_url()).stream_usage(true).build().unwrap();
    let mut stream = model.stream(&ChatRequest::new(Message::human("?"))).await.unwrap();
    let (mut arguments, mut done) = (String::new(), None);
    while let Some(delta) = stream.next().await {
        match delta.unwrap() {
            Delta::ToolCall(piece) => arguments.push_str(&piece.arguments),
            Delta::Done(reply) => done = Some(reply),
            other => panic!("{other:?}"),
        }
    }
    let done = done.unwrap();
    assert_eq!(arguments, r#"{"city": "Kyoto"}"#);
    assert_eq!(done.message.tool_calls()[0].args, json!({"city": "Kyoto"}));
    assert!(done.usage.is_some());
    assert_eq!(server.requests()[0].json()["stream_options"], json!({"include_usage": true}));
}

#[tokio::test]
async fn a_streamed_refusal_is_told_in_pieces_and_is_an_error() {
    let server = OpenAiServer::start([ServerAnswer::refusal("I can't.")]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let mut stream = model.stream(&ChatRequest::new(Message::human("?"))).await.unwrap();
    let mut said = String::new();
    let error = loop {
        match stream.next().await.unwrap() {
            Ok(Delta::Refusal(piece)) => said.push_str(&piece),
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(said, "I can't.");
    assert!(matches!(&error, ModelError::Refused { text } if text.as_str() == "I can't."));
    assert!(!format!("{error} {error:?}").contains("can't."));
}

#[tokio::test]
async fn reasoning_goes_back_to_the_endpoint_it_came_from() {
    let body = json!({"choices": [{"message": {
        "content": "42", "reasoning_content": "6 times 7",
    }, "finish_reason": "stop"}], "usage": {
        "prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12,
        "completion_tokens_details": {"reasoning_tokens": 7},
        "prompt_tokens_details": {"cached_tokens": 2},
    }});
    let events = [
        r#"{"choices":[{"delta":{"reasoning_content":"6 times"}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":" 7"}}]}"#,
        r#"{"choices":[{"delta":{"content":"42"},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ];
    let server = OpenAiServer::builder()
        .reply(ServerAnswer::json(&body))
        .reply(ServerAnswer::events(events))
        .reply("ok")
        .start()
        .unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let request = ChatRequest::new(Message::human("?"));
    let whole = model.generate(&request).await.unwrap();
    let usage = whole.usage.unwrap();
    assert_eq!((usage.reasoning_tokens, usage.cached_tokens), (Some(7), Some(2)));
    let streamed = model.stream(&request).await.unwrap().into_reply().await.unwrap();
    for reply in [&whole, &streamed] {
        let kept = &reply.message.extra()["additional_kwargs"]["reasoning_content"];
        assert_eq!(kept, "6 times 7");
    }
    model.generate(&ChatRequest::new(streamed.message.clone())).await.unwrap();
    insta::assert_snapshot!(server.requests()[2].json()["messages"], @r#"[{"content":"42","role":"assistant","reasoning_content":"6 times 7"}]"#);
    let elsewhere = OpenAiServer::start(["ok"]).unwrap();
    let model = OpenAiChat::builder("m").base_url(elsewhere.base_url()).build().unwrap();
    model.generate(&ChatRequest::new(streamed.message)).await.unwrap();
    insta::assert_snapshot!(elsewhere.requests()[0].json()["messages"], @r#"[{"content":"42","role":"assistant"}]"#);
}

#[tokio::test]
async fn the_completion_endpoint_has_no_tools() {
    let model = OpenAi::builder("m").base_url("http://localhost/v1").build().unwrap();
    let options = CallOptions::new().with_tools([weather()]);
    let request = CompletionRequest::new("x").with_options(options);
    let error = model.generate(&request).await.unwrap_err();
    insta::assert_snapshot!(error, @"cannot send tools or a response format to the completion endpoint; use the chat endpoint");
}

mod schema {
    use std::collections::BTreeMap;

    use conversant_core::schema::{generate, response_format, tool};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;

    /// A place.
    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Place {
        /// Its name.
        name: String,
        height: Option<u32>,
        kind: Kind,
        tags: Vec<String>,
        near: Option<Box<Self>>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    #[serde(tag = "is")]
    enum Kind {
        City { people: u64 },
        Hill,
    }

    #[derive(JsonSchema)]
    struct Nothing {}

    #[derive(JsonSchema)]
    struct Default {
        #[schemars(rename = "default")]
        _default: bool,
        _map: BTreeMap<String, f64>,
    }

    #[test]
    fn schemas_are_strict() {
        insta::assert_json_snapshot!([
            serde_json::to_value(tool::<Place>("place", "Finds a place.")).unwrap(),
            serde_json::to_value(tool::<Nothing>("nothing", "Does nothing.")).unwrap(),
            serde_json::to_value(response_format::<Vec<Default>>()).unwrap(),
        ]);
    }

    #[tokio::test]
    async fn an_answer_is_of_its_type_or_an_error() {
        let place = r#"{"name":"Oslo","height":null,"kind":{"is":"City","people":700000},"tags":[],"near":null}"#;
        let server = OpenAiServer::start([place, r#"{"name": 7, "secret": 1}"#, "no"]).unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let request = || ChatRequest::new(Message::human("?"));
        let place: Place = generate(&model, request()).await.unwrap();
        assert_eq!((place.name.as_str(), place.kind), ("Oslo", Kind::City { people: 700_000 }));
        for _ in 0..2 {
            let error = generate::<Place>(&model, request()).await.unwrap_err();
            assert!(matches!(&error, ModelError::Decode(_)), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        let format = server.requests()[0].json()["response_format"].clone();
        assert_eq!(format["json_schema"]["name"], "Place");
        assert_eq!(format["json_schema"]["strict"], true);
    }
}

/// OpenRouter and LiteLLM send the images that a model made in a field of their own.
#[tokio::test]
async fn images_that_a_model_made_are_kept_and_go_back() {
    let image = |name: &str| {
        let url = format!("data:image/png;base64,{name}");
        json!({"type": "image_url", "index": 0, "image_url": {"url": url}})
    };
    let [a, b] = [image("AA=="), image("BB==")];
    let whole = |content: Json| {
        let message = json!({"role": "assistant", "content": content, "images": [a, b]});
        ServerAnswer::json(&json!({"choices": [{"message": message, "finish_reason": "stop"}]}))
    };
    let delta = |delta: Json| json!({"choices": [{"delta": delta}]});
    let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
    let pieces = |text: &str, again: Json| {
        let events = [
            delta(json!({"role": "assistant", "content": text})),
            delta(json!({"content": "", "images": [a]})),
            delta(json!({"images": again})),
            end.clone(),
            // The whole message once more.
            json!({"choices": [{"message": {"content": text, "images": [a, b]}}]}),
        ];
        ServerAnswer::events(events.map(|event| event.to_string()))
    };
    for (answer, streamed, text) in [
        (whole(json!("")), false, ""),
        (whole(Json::Null), false, ""),
        (whole(json!("Two.")), false, "Two."),
        (pieces("", json!([b])), true, ""),
        (pieces("Two.", json!([a, b])), true, "Two."),
    ] {
        let server = OpenAiServer::start([answer, ServerAnswer::from("ok")]).unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).refuse_empty(true);
        let model = model.build().unwrap();
        let request = ChatRequest::new(Message::human("draw"));
        let reply = match streamed {
            true => model.stream(&request).await.unwrap().into_reply().await.unwrap(),
            false => model.generate(&request).await.unwrap(),
        };
        assert_eq!(reply.text(), text);
        let kept = &reply.message.extra()["additional_kwargs"]["images"];
        assert_eq!(*kept, json!([a, b]));
        let request = vec![Message::human("draw"), reply.message, Message::human("bluer")];
        model.generate(&ChatRequest::new(request)).await.unwrap();
        assert_eq!(server.requests()[1].json()["messages"][1]["images"], json!([a, b]));
    }
    // An empty list is not an answer.
    let message = json!({"role": "assistant", "content": null, "images": []});
    let answer = ServerAnswer::json(&json!({"choices": [{"message": message}]}));
    let server = OpenAiServer::start([answer]).unwrap();
    let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
    let error = model.generate(&ChatRequest::new(Message::human("draw"))).await.unwrap_err();
    assert!(matches!(error, ModelError::EmptyAnswer { .. }), "{error:?}");
}
