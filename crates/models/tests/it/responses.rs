//! The Responses interface: what goes out, what comes in, and what goes back.

use conversant_core::{
    CallOptions, ChatModel, ChatRequest, Content, Delta, Message, Messages, ModelError, Part,
    ResponseFormat, ToolChoice, ToolDefinition,
};
use conversant_models::{
    OpenAiBuilder, OpenAiChat, OpenAiResponses,
    wire::{ResponsesStreamDecoder, decode_responses_response},
};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::{Value as Json, json};

fn model(server: &OpenAiServer) -> OpenAiBuilder<OpenAiResponses> {
    OpenAiResponses::builder("m").base_url(server.base_url()).max_retries(0)
}

fn ask(text: &str) -> ChatRequest {
    ChatRequest::new(Message::human(text))
}

fn weather() -> ToolDefinition {
    ToolDefinition::new("weather", json!({"type": "object", "properties": {}}))
}

/// A response with encrypted reasoning, a message in two phases, and a call.
fn reasoned() -> Json {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "m-1",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Sun?"}],
                "encrypted_content": "gAAA", "status": null},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "phase": "commentary",
                "content": [{"type": "output_text", "text": "Let me look.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather",
                "arguments": "{\"city\": \"Paris\"}", "status": "completed"},
        ],
        "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "output_tokens_details": {"reasoning_tokens": 2}},
    })
}

#[tokio::test]
async fn a_request_is_stateless_and_holds_what_is_set() {
    let server = OpenAiServer::start(["Hello!"]).unwrap();
    let model = model(&server)
        .temperature(0.0)
        .max_output_tokens(64)
        .reasoning_effort("low")
        .reasoning_summary("auto")
        .verbosity("low")
        .tools([weather().with_description("The weather.").with_strict(true)])
        .tool_choice(ToolChoice::Tool("weather".into()))
        .response_format(ResponseFormat::json_schema("verdict", json!({"type": "object"})))
        .build()
        .unwrap();
    let parts = vec![
        Part::text("what is this?"),
        Part::image_url("https://example.com/a.png").with_detail("low"),
        Part::file_data("a.pdf", "data:application/pdf;base64,AA=="),
    ];
    let request = ChatRequest::new(vec![
        Message::system("Be brief."),
        Message::human(Content::from(parts)),
        Message::ai("A river."),
        Message::human("And where?"),
    ]);
    let reply = model.generate(&request).await.unwrap();
    assert_eq!(reply.text(), "Hello!");
    assert_eq!(server.requests()[0].path(), "/v1/responses");
    insta::assert_json_snapshot!(server.requests()[0].json());
}

#[tokio::test]
async fn the_items_of_an_answer_go_back_as_they_came() {
    let answers = [
        ServerAnswer::json(&reasoned()),
        ServerAnswer::from("Sunny."),
        ServerAnswer::from("elsewhere"),
    ];
    let server = OpenAiServer::start(answers).unwrap();
    let model = model(&server).build().unwrap();
    let reply = model.generate(&ask("Weather in Paris?")).await.unwrap();
    assert_eq!(reply.text(), "Let me look.");
    assert_eq!(reply.reasoning().as_deref(), Some("Sun?"));
    let usage = reply.usage.unwrap();
    assert_eq!((usage.cached_tokens, usage.cache_write_tokens), (Some(4), Some(3)));
    // As it comes back from a history.
    let stored = serde_json::to_string(&reply.message).unwrap();
    let message: Message = serde_json::from_str(&stored).unwrap();
    let result = vec![Part::text("sunny"), Part::image_url("data:image/png;base64,AA==")];
    let conversation = vec![
        Message::human("Weather in Paris?"),
        message,
        Message::tool(Content::from(result), "call_1"),
    ];
    model.generate(&ChatRequest::new(conversation.clone())).await.unwrap();
    insta::assert_json_snapshot!(server.requests()[1].json()["input"]);
    // Another model gets no encrypted reasoning.
    let other = OpenAiResponses::builder("other").base_url(server.base_url()).build().unwrap();
    other.generate(&ChatRequest::new(conversation.clone())).await.unwrap();
    assert!(!server.requests()[2].json().to_string().contains("gAAA"));
    // Another server gets text and calls alone.
    let elsewhere = OpenAiServer::start(["ok", "ok"]).unwrap();
    let model = OpenAiResponses::builder("m").base_url(elsewhere.base_url()).build().unwrap();
    model.generate(&ChatRequest::new(conversation.clone())).await.unwrap();
    insta::assert_json_snapshot!(elsewhere.requests()[0].json()["input"]);
    let chat = OpenAiChat::builder("m").base_url(elsewhere.base_url()).build().unwrap();
    chat.generate(&ChatRequest::new(conversation)).await.unwrap();
    let sent = elsewhere.requests()[1].json().to_string();
    assert!(!sent.contains("gAAA") && !sent.contains("phase"), "{sent}");
}

#[tokio::test]
async fn reasoning_that_is_refused_is_left_out_once() {
    let refusal = || {
        ServerAnswer::json(
            &json!({"error": {"message": "bad", "code": "invalid_encrypted_content"}}),
        )
        .with_status(400)
    };
    for streamed in [false, true] {
        let answers = [
            ServerAnswer::json(&reasoned()),
            refusal(),
            ServerAnswer::from("ok"),
            refusal(),
            refusal(),
        ];
        let server = OpenAiServer::start(answers).unwrap();
        let model = model(&server).build().unwrap();
        let first = model.generate(&ask("?")).await.unwrap();
        let conversation =
            vec![Message::human("?"), first.message, Message::tool("sunny", "call_1")];
        let request = ChatRequest::new(conversation);
        let again = async || match streamed {
            true => model.stream(&request).await?.into_reply().await,
            false => model.generate(&request).await,
        };
        assert_eq!(again().await.unwrap().text(), "ok");
        let sent = |index: usize| server.requests()[index].json()["input"].to_string();
        assert!(sent(1).contains("gAAA") && !sent(2).contains("reasoning"), "{}", sent(2));
        assert!(sent(2).contains("function_call_output"));
        let error = again().await.unwrap_err();
        assert_eq!(error.api_error().unwrap().code.as_deref(), Some("invalid_encrypted_content"));
        assert_eq!(server.requests().len(), 5);
    }
}

#[tokio::test]
async fn an_answer_is_streamed() {
    let answer = ServerAnswer::pieces(["Hel", "lo"]).with_tool_call("c1", "weather", "{\"a\": 1}");
    let server = OpenAiServer::start([answer]).unwrap();
    let model = model(&server).build().unwrap();
    let mut stream = model.stream(&ask("hi")).await.unwrap();
    let mut shown = Vec::new();
    while let Some(delta) = stream.next().await {
        shown.push(match delta.unwrap() {
            Delta::Text(text) => text,
            Delta::ToolCall(call) => {
                format!("{:?} {:?} {}", call.id, call.name, call.arguments).trim_end().to_owned()
            }
            Delta::Done(reply) => {
                format!("done: {} {} calls", reply.text(), reply.message.tool_calls().len())
            }
            other => format!("{other:?}"),
        });
    }
    insta::assert_snapshot!(shown.join("\n"), @r#"
    Hel
    lo
    Some("c1") Some("weather")
    None None {"a": 1}
    done: Hello 1 calls
    "#);
    assert_eq!(server.requests()[0].json()["stream"], true);
}

#[tokio::test]
async fn what_the_interface_does_not_have_is_an_error() {
    let builder = || OpenAiResponses::builder("m").base_url("http://localhost/v1");
    let model = builder().build().unwrap();
    let options = CallOptions::new().with_stop(["\nHuman:"]);
    let errors = [
        builder().stop(["x"]).build().unwrap_err(),
        builder().seed(1).build().unwrap_err(),
        builder().n(2).build().unwrap_err(),
        builder().max_tokens(9).build().unwrap_err(),
        builder().presence_penalty(0.5).build().unwrap_err(),
        model.generate(&ask("hi").with_options(options.clone())).await.unwrap_err(),
        model.stream(&ask("hi").with_options(options)).await.unwrap_err(),
    ];
    insta::assert_snapshot!(errors.map(|error| error.to_string()).join("\n"));
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let response = |fields: Json| ServerAnswer::json(&fields);
    let mut shown = Vec::new();
    for answer in [
        response(json!({"status": "failed", "error": {"code": "server_error", "message": "x"}})),
        response(json!({"status": "in_progress", "output": []})),
        response(json!({"status": "cancelled", "output": []})),
        response(json!({"status": "completed", "output": []})),
        response(json!({"status": "completed"})),
        response(json!({"choices": [{"message": {"content": "chat"}}]})),
        response(json!({"detail": "no such route"})),
        response(json!({"status": "completed", "output": [{"type": "message",
            "content": [{"type": "refusal", "refusal": "I can't."}]}]})),
        response(
            json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"},
            "output": []}),
        ),
    ] {
        let server = OpenAiServer::start([answer]).unwrap();
        let model = model(&server).build().unwrap();
        shown.push(model.generate(&ask("hi")).await.unwrap_err().to_string());
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[tokio::test]
async fn an_incomplete_answer_is_cut_and_its_reasoning_is_not_sent_back() {
    let mut incomplete = reasoned();
    incomplete["status"] = "incomplete".into();
    incomplete["incomplete_details"] = json!({"reason": "max_output_tokens"});
    let server =
        OpenAiServer::start([ServerAnswer::json(&incomplete), ServerAnswer::from("ok")]).unwrap();
    let model = model(&server).build().unwrap();
    let reply = model.generate(&ask("?")).await.unwrap();
    assert_eq!(reply.finish_reason.as_ref().unwrap().as_str(), "length");
    assert_eq!(reply.reasoning().as_deref(), Some("Sun?"));
    model.generate(&ChatRequest::new(reply.message)).await.unwrap();
    let sent = server.requests()[1].json()["input"].to_string();
    assert!(!sent.contains("reasoning") && sent.contains("Let me look."), "{sent}");
    let strict = OpenAiServer::start([ServerAnswer::json(&incomplete)]).unwrap();
    let model =
        OpenAiResponses::builder("m").base_url(strict.base_url()).require_complete(true).build();
    let error = model.unwrap().generate(&ask("?")).await.unwrap_err();
    assert!(matches!(error, ModelError::Incomplete { .. }), "{error:?}");
}

/// A server may say that a response is complete although an item of it was cut off.
#[tokio::test]
async fn an_item_that_was_cut_off_is_no_whole_answer() {
    let mut cut = reasoned();
    cut["status"] = "completed".into();
    let items = cut["output"].as_array_mut().unwrap();
    let message = items.iter_mut().find(|item| item["type"] == "message").unwrap();
    message["status"] = "incomplete".into();
    let server = OpenAiServer::start([ServerAnswer::json(&cut), ServerAnswer::json(&cut)]).unwrap();
    let reply = model(&server).build().unwrap().generate(&ask("?")).await.unwrap();
    assert_eq!(reply.finish_reason.unwrap().as_str(), "incomplete");
    let strict = model(&server).require_complete(true).build().unwrap();
    let error = strict.generate(&ask("?")).await.unwrap_err();
    assert!(matches!(error, ModelError::Incomplete { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_has_the_limit_of_the_adapter() {
    let long = || ServerAnswer::pieces(["x".repeat(600), "y".repeat(600)]);
    let server = OpenAiServer::start([long(), long()]).unwrap();
    let ask = async |bytes: usize| {
        let model = model(&server).max_response_bytes(bytes).build().unwrap();
        model.stream(&ask("?")).await.unwrap().into_reply().await
    };
    assert_eq!(ask(10_000).await.unwrap().text().len(), 1200);
    assert!(matches!(ask(1000).await, Err(ModelError::BodyTooLarge { .. })));
}

/// Some servers send the encrypted reasoning with the item alone, and not at the end.
#[test]
fn encrypted_reasoning_of_an_item_is_that_of_its_id() {
    let item = |id: &str| json!({"type": "reasoning", "id": id, "summary": []});
    let streamed = |index: u32, id: &str, encrypted: &str| {
        let mut item = item(id);
        item["encrypted_content"] = encrypted.into();
        json!({"type": "response.output_item.done", "output_index": index, "item": item})
    };
    let answer = json!({"type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi."}]});
    let completed = json!({"type": "response.completed", "response": {"status": "completed",
        "output": [item("rs_2"), item("rs_1"), answer]}});
    let mut decoder = ResponsesStreamDecoder::with_limit(1 << 20);
    for event in [streamed(0, "rs_1", "gAAA"), streamed(1, "rs_2", "gBBB"), completed] {
        decoder.feed(format!("data: {event}\n\n").into());
        while decoder.next_delta().unwrap().is_some() {}
    }
    let message = serde_json::to_string(&decoder.finish().unwrap().message).unwrap();
    let places = ["rs_2", "gBBB", "rs_1", "gAAA"].map(|text| message.find(text).unwrap());
    assert!(places.is_sorted(), "{message}");
}

/// Some servers answer before they are finished; what they have is in the error.
#[test]
fn a_response_that_is_not_finished_is_no_answer() {
    for status in ["queued", "in_progress"] {
        let mut response = reasoned();
        response["status"] = status.into();
        let error = decode_responses_response(response.to_string().as_bytes()).unwrap_err();
        let ModelError::StreamTruncated { partial, source } = error else { panic!("{error:?}") };
        assert_eq!(partial.text.as_str(), "Let me look.");
        assert!(source.unwrap().to_string().contains("before it was finished"));
    }
}

/// Some servers repeat the question in the output.
#[test]
fn a_question_in_the_output_is_not_the_answer() {
    let message = |role: &str, text: &str| {
        let kind = if role == "assistant" { "output_text" } else { "input_text" };
        json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
    };
    let output =
        [message("system", "Be brief."), message("user", "hi"), message("assistant", "Hello.")];
    let response = json!({"status": "completed", "output": output});
    let whole = decode_responses_response(response.to_string().as_bytes()).unwrap();
    let mut decoder = ResponsesStreamDecoder::new();
    let items = output.iter().enumerate().map(|(index, item)| {
        json!({"type": "response.output_item.done", "output_index": index, "item": item})
    });
    let end = json!({"type": "response.completed", "response": response});
    let mut pieces = Vec::new();
    for event in items.chain([end]) {
        decoder.feed(format!("data: {event}\n\n").into());
        pieces.extend(std::iter::from_fn(|| decoder.next_delta().unwrap()));
    }
    assert_eq!(pieces, [Delta::Text("Hello.".into())]);
    for reply in [whole, decoder.finish().unwrap()] {
        assert_eq!(reply.text(), "Hello.");
        assert!(!serde_json::to_string(&reply.message).unwrap().contains("brief"));
    }
}

/// Requests need no type for a message, and some servers answer so.
#[test]
fn an_item_without_a_type_is_what_its_fields_say() {
    let read = |output: Json| {
        let body = json!({"status": "completed", "output": output});
        let event = json!({"type": "response.completed", "response": body});
        let mut decoder = ResponsesStreamDecoder::new();
        decoder.feed(format!("data: {event}\n\n").into());
        while decoder.next_delta().unwrap().is_some() {}
        let whole = decode_responses_response(body.to_string().as_bytes()).unwrap();
        assert_eq!(decoder.finish().unwrap().message, whole.message);
        whole
    };
    let part = json!([{"type": "output_text", "text": "hi"}]);
    for item in [
        json!({"role": "assistant", "content": part}),
        json!({"type": null, "role": "assistant", "content": "hi"}),
        json!({"content": part}),
    ] {
        assert_eq!(read(json!([item])).text(), "hi", "{item}");
    }
    let call = json!({"call_id": "c", "name": "f", "arguments": "{}"});
    assert_eq!(read(json!([call])).message.tool_calls()[0].name, "f");
}

/// A server refuses the result of a function for a call of another kind.
#[tokio::test]
async fn a_result_has_the_form_of_its_call() {
    let exit = |code: u8| json!({"type": "exit", "exit_code": code});
    for (item, result, expected) in [
        (
            json!({"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "raw"}),
            "done",
            json!({"type": "custom_tool_call_output", "call_id": "c", "output": "done"}),
        ),
        (
            json!({"type": "apply_patch_call", "call_id": "c", "operation": {"a": 1}}),
            "error: no",
            json!({"type": "apply_patch_call_output", "call_id": "c", "status": "failed",
                "output": "error: no"}),
        ),
        (
            json!({"type": "shell_call", "call_id": "c", "action": {"a": 1}}),
            "error: no",
            json!({"type": "shell_call_output", "call_id": "c",
                "output": [{"stdout": "", "stderr": "error: no", "outcome": exit(1)}]}),
        ),
        (
            json!({"type": "shell_call", "call_id": "c", "action": {"a": 1}}),
            "errors.log",
            json!({"type": "shell_call_output", "call_id": "c",
                "output": [{"stdout": "errors.log", "stderr": "", "outcome": exit(0)}]}),
        ),
        (
            json!({"type": "local_shell_call", "call_id": "c", "action": {"a": 1}}),
            "x",
            json!({"type": "local_shell_call_output", "call_id": "c", "output": "x"}),
        ),
        (
            json!({"type": "mcp_approval_request", "id": "c", "name": "f", "arguments": "{}"}),
            "no",
            json!({"type": "mcp_approval_response", "approval_request_id": "c",
                "approve": false, "reason": "no"}),
        ),
    ] {
        let body = json!({"object": "response", "status": "completed", "output": [item]});
        let answers =
            [ServerAnswer::json(&body), ServerAnswer::from("ok"), ServerAnswer::from("ok")];
        let server = OpenAiServer::start(answers).unwrap();
        let model = model(&server).build().unwrap();
        let mut conversation = Messages::from(Message::human("?"));
        let first = model.generate(&ChatRequest::new(conversation.clone())).await.unwrap();
        conversation.push(first.message);
        conversation.push(Message::tool(result, "c"));
        for turn in 1..=2 {
            let request = ChatRequest::new(conversation.clone());
            let reply = model.generate(&request).await.unwrap();
            let input = server.requests()[turn].json()["input"].clone();
            assert_eq!((&input[1], &input[2]), (&item, &expected));
            conversation.push(reply.message);
            conversation.push(Message::human("and now?"));
        }
        // Another server gets a call of a function, and its result.
        let elsewhere = OpenAiServer::start(["ok"]).unwrap();
        let other = OpenAiResponses::builder("m").base_url(elsewhere.base_url()).build().unwrap();
        other.generate(&ChatRequest::new(conversation)).await.unwrap();
        let input = elsewhere.requests()[0].json()["input"].clone();
        assert_eq!(input[1]["type"], "function_call");
        assert_eq!(
            input[2],
            json!({"type": "function_call_output", "call_id": "c",
            "output": result})
        );
    }
}

/// A turn with an unanswered call is not whole.
#[test]
fn calls_of_other_kinds_are_calls_that_cannot_be_made() {
    for (item, name, input) in [
        (
            json!({"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "raw"}),
            "f",
            "raw",
        ),
        (
            json!({"type": "mcp_approval_request", "id": "c", "name": "f", "arguments": "{}"}),
            "f",
            "{}",
        ),
        (
            json!({"type": "computer_call", "call_id": "c", "action": {"type": "wait"}}),
            "computer_call",
            r#"{"type":"wait"}"#,
        ),
        (
            json!({"type": "local_shell_call", "call_id": "c", "action": {"a": 1}}),
            "local_shell_call",
            r#"{"a":1}"#,
        ),
    ] {
        let body = json!({"status": "completed", "output": [item]});
        let reply = decode_responses_response(body.to_string().as_bytes()).unwrap();
        let call = &reply.message.invalid_tool_calls()[0];
        let found = (call.id.as_deref(), call.name.as_deref(), call.args.as_deref());
        assert_eq!(found, (Some("c"), Some(name), Some(input)));
    }
    // The server has run it.
    let output = json!([
        {"type": "shell_call", "call_id": "c", "action": {}},
        {"type": "shell_call_output", "call_id": "c", "output": []},
    ]);
    let body = json!({"status": "completed", "output": output});
    let reply = decode_responses_response(body.to_string().as_bytes()).unwrap();
    assert!(reply.message.invalid_tool_calls().is_empty());
}
