//! Answers that their servers cut off: no whole answers, and no calls that the model did not write.

use conversant_core::{ChatModel, ChatRequest, InvalidToolCall, Message, ModelError, Reply};
use conversant_models::{
    OpenAiChat,
    wire::{
        ResponsesStreamDecoder, StreamDecoder, decode_chat_response, decode_responses_response,
    },
};
use conversant_testkit::{OpenAiServer, ServerAnswer};
use serde_json::{Value as Json, json};

/// Feeds events to a decoder of a stream.
macro_rules! streamed {
    ($name:ident, $decoder:ident) => {
        fn $name(events: &[Json]) -> Result<Reply, ModelError> {
            let mut decoder = $decoder::new();
            for event in events {
                decoder.feed(format!("data: {event}\n\n").into());
                while decoder.next_delta()?.is_some() {}
            }
            decoder.finish()
        }
    };
}

streamed!(chat_stream, StreamDecoder);
streamed!(responses_stream, ResponsesStreamDecoder);

/// An answer of the chat endpoint with one call, whole and streamed.
fn chat(arguments: &str, reason: &str) -> [Reply; 2] {
    let function = json!({"name": "f", "arguments": arguments});
    let calls = json!([{"index": 0, "id": "c", "type": "function", "function": function}]);
    let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    let whole = json!({"choices": [{"message": message, "finish_reason": reason}]});
    let events = [
        json!({"choices": [{"delta": message, "finish_reason": null}]}),
        json!({"choices": [{"delta": {}, "finish_reason": reason}]}),
    ];
    [decode_chat_response(whole.to_string().as_bytes()).unwrap(), chat_stream(&events).unwrap()]
}

/// A response with one call, whole and streamed.
fn response(arguments: &str, item_status: &str, status: &str) -> [Reply; 2] {
    let item = |arguments: &str, status: &str| {
        json!({"type": "function_call", "id": "fc", "call_id": "c", "name": "f",
            "arguments": arguments, "status": status})
    };
    let whole = json!({"object": "response", "status": status,
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [item(arguments, item_status)]});
    let events = [
        json!({"type": "response.output_item.added", "output_index": 0,
            "item": item("", "in_progress")}),
        json!({"type": "response.output_item.done", "output_index": 0,
            "item": item(arguments, item_status)}),
        json!({"type": format!("response.{status}"), "response": {"status": status, "output": [],
            "incomplete_details": {"reason": "max_output_tokens"}}}),
    ];
    [
        decode_responses_response(whole.to_string().as_bytes()).unwrap(),
        responses_stream(&events).unwrap(),
    ]
}

/// A tool that would run with no arguments may do more than the model wanted.
#[test]
fn a_call_whose_arguments_did_not_come_is_invalid() {
    let cut_off = [
        chat("", "length"),
        chat(" ", "length"),
        chat("", "content_filter"),
        chat("", "MAX_TOKENS"),
        response("", "incomplete", "incomplete"),
        response("", "completed", "incomplete"),
        response("", "incomplete", "completed"),
    ];
    for reply in cut_off.iter().flatten() {
        assert_eq!(reply.message.tool_calls(), [], "{reply:?}");
        let [InvalidToolCall { id, name, error, .. }] = reply.message.invalid_tool_calls() else {
            panic!("{reply:?}");
        };
        assert_eq!((id.as_deref(), name.as_deref()), (Some("c"), Some("f")));
        assert!(error.as_deref().unwrap().contains("cut off"), "{error:?}");
    }
    // Arguments that are whole were written, and a tool without parameters has none.
    let whole = [
        chat("{\"a\": 1}", "length"),
        chat("", "tool_calls"),
        chat("", "stop"),
        response("{\"a\": 1}", "completed", "incomplete"),
        response("", "completed", "completed"),
    ];
    for reply in whole.iter().flatten() {
        assert_eq!(reply.message.tool_calls().len(), 1, "{reply:?}");
    }
}

/// Servers write its text as `""`, `null` or not at all, and a stream begins with `""`. What the
/// limit has left of the reasoning was paid for.
#[tokio::test]
async fn an_answer_that_was_cut_off_before_it_began_is_empty() {
    let empty = json!({"role": "assistant", "content": ""});
    let null = json!({"role": "assistant", "content": null, "reasoning_content": ""});
    let unsaid = json!({"role": "assistant", "content": null, "reasoning_content": "Hm"});
    let reasoned = json!({"role": "assistant", "content": "", "reasoning_content": "Hm"});
    let part = json!({"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]});
    let parts = json!({"role": "assistant", "content": [part]});
    let call = json!({"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}});
    let calls = json!({"role": "assistant", "content": "", "tool_calls": [call]});
    let function = json!({"role": "assistant", "content": "", "function_call": {"name": "f"}});
    for (message, reason, is_answer) in [
        (&empty, "length", false),
        (&empty, "content_filter", false),
        (&null, "length", false),
        (&unsaid, "length", true),
        (&reasoned, "MAX_TOKENS", true),
        (&parts, "length", true),
        (&empty, "stop", true),
        (&calls, "length", true),
        (&function, "length", true),
    ] {
        let whole = json!({"choices": [{"message": message, "finish_reason": reason}]});
        let events = [
            json!({"choices": [{"delta": message, "finish_reason": null}]}).to_string(),
            json!({"choices": [{"delta": {}, "finish_reason": reason}]}).to_string(),
        ];
        let server =
            OpenAiServer::start([ServerAnswer::json(&whole), ServerAnswer::events(events)])
                .unwrap();
        let model = OpenAiChat::builder("m").base_url(server.base_url()).build().unwrap();
        let request = ChatRequest::new(Message::human("Why?"));
        let streamed = async { model.stream(&request).await?.into_reply().await };
        for reply in [model.generate(&request).await, streamed.await] {
            match reply {
                Ok(reply) => assert!(is_answer, "{message} {reason}: {reply:?}"),
                Err(ModelError::EmptyAnswer { finish_reason: Some(found) }) if !is_answer => {
                    assert_eq!(found.as_str(), reason);
                }
                Err(error) => panic!("{message} {reason}: {error:?}"),
            }
        }
    }
}

/// By any reason, known or not.
#[test]
fn a_response_that_is_incomplete_is_cut_off() {
    let reasons = [
        ("max_output_tokens", "length"),
        ("max_tokens", "length"),
        ("content_filter", "content_filter"),
        ("max_messages", "max_messages"),
        ("steered", "steered"),
        ("safety", "safety"),
        ("a new reason", "incomplete: a new reason"),
        ("stop", "incomplete: stop"),
        ("", "incomplete"),
    ];
    for (reason, name) in reasons {
        let text = json!([{"type": "output_text", "text": "The recipe: take"}]);
        let response = json!({"object": "response", "status": "incomplete",
            "incomplete_details": {"reason": reason},
            "output": [{"type": "message", "role": "assistant", "content": text}]});
        let whole = decode_responses_response(response.to_string().as_bytes());
        let events = [json!({"type": "response.incomplete", "response": response})];
        for reply in [whole, responses_stream(&events)] {
            let reason = reply.unwrap().finish_reason.unwrap();
            assert_eq!((reason.as_str(), reason.is_cut_off()), (name, true));
        }
    }
}

/// Some servers end with another reason, and some go on after a limit.
#[test]
fn a_reason_that_the_answer_was_cut_off_stays() {
    let reason = |reason: &str| json!({"choices": [{"delta": {}, "finish_reason": reason}]});
    let text = |text: &str| json!({"choices": [{"delta": {"content": text}}]});
    for (events, expected) in [
        (vec![reason("length"), reason("stop")], "length"),
        (vec![reason("length"), reason("tool_calls")], "length"),
        (vec![reason("SAFETY"), reason("STOP")], "SAFETY"),
        (vec![reason("length"), reason("content_filter")], "content_filter"),
        (vec![reason("stop"), reason("length")], "length"),
        (vec![reason("stop"), reason("tool_calls")], "tool_calls"),
        (vec![reason("length"), text(" on"), reason("stop")], "stop"),
    ] {
        let events: Vec<_> = [text("Hel"), text("lo")].into_iter().chain(events).collect();
        let reply = chat_stream(&events).unwrap();
        assert_eq!(reply.finish_reason.unwrap().as_str(), expected, "{events:?}");
    }
    let failed = chat_stream(&[text("Hel"), reason("length"), reason("error")]);
    assert!(matches!(failed, Err(ModelError::Stream { .. })));
}
