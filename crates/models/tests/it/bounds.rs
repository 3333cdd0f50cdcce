//! Answers of a great many values are refused early, so that their memory stays bounded.

use bytes::Bytes;
use conversant_core::ModelError;
use conversant_models::wire::{
    ResponsesStreamDecoder, StreamDecoder, decode_chat_response, decode_responses_response,
};

/// The size of a body, in bytes. A call reads up to eight times that.
const SIZE: usize = 4 << 20;

fn many(item: &str) -> String {
    vec![item; SIZE / (item.len() + 1)].join(",")
}

#[test]
fn lists_without_end_are_errors() {
    let parts = many(r#"{"type":"text","text":""}"#);
    let calls = many(r#"{"function":{"name":"f"}}"#);
    let choices = many(r#"{"message":{"content":""}}"#);
    let details = many(r#"{"type":"reasoning.text"}"#);
    let numbers = many("1");
    let list = "a list has more than 1024 items";
    let field = "a field holds more than 262144 values";
    // The column is where reading stopped.
    let bodies = [
        (format!(r#"{{"choices":[{{"message":{{"content":[{parts}]}}}}]}}"#), list, 26685),
        (format!(r#"{{"choices":[{{"message":{{"content":[{}]}}}}]}}"#, many("\"\"")), list, 3110),
        (format!(r#"{{"choices":[{{"message":{{"tool_calls":[{calls}]}}}}]}}"#), list, 26688),
        (format!(r#"{{"choices":[{choices}]}}"#), list, 27687),
        (
            format!(r#"{{"choices":[{{"message":{{"reasoning_details":[{details}]}}}}]}}"#),
            field,
            3_407_917,
        ),
        (
            format!(r#"{{"choices":[{{"message":{{"extra_content":{{"a":[{numbers}]}}}}}}]}}"#),
            field,
            524_332,
        ),
        (format!(r#"{{"error":[{numbers}]}}"#), field, 524_298),
    ];
    for (body, fault, column) in bodies {
        let error = decode_chat_response(body.as_bytes()).unwrap_err();
        assert!(matches!(error, ModelError::Decode(_)), "{error:?}");
        let place = format!("line 1, column {column}");
        let expected = format!("cannot decode the model's answer: {fault} ({place})");
        assert_eq!(error.to_string(), expected);
    }
    let items = many(r#"{"type":"message"}"#);
    let body = format!(r#"{{"status":"completed","output":[{items}]}}"#);
    let error = decode_responses_response(body.as_bytes()).unwrap_err();
    assert!(matches!(error, ModelError::Decode(_)), "{error:?}");
}

#[test]
fn a_field_that_nobody_needs_may_be_as_large_as_it_likes() {
    let logprobs = many(r#"{"token":"a","logprob":-0.5}"#);
    let body = format!(
        r#"{{"choices":[{{"message":{{"content":"hi"}},"logprobs":{{"content":[{logprobs}]}}}}]}}"#
    );
    assert_eq!(decode_chat_response(body.as_bytes()).unwrap().text(), "hi");
}

#[test]
fn streams_without_end_are_errors() {
    let endless = [
        r#"{"choices":[{"delta":{"tool_calls":[{"id":"@","function":{"name":"f"}}]}}]}"#,
        r#"{"choices":[{"delta":{"reasoning_details":[{"type":"t","id":"@"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"x@"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":"@"}}]}"#,
    ];
    for event in endless {
        let mut decoder = StreamDecoder::with_limits(1, 64 << 10);
        let error = (0..1_000_000).find_map(|number: u32| {
            let event = event.replace('@', &number.to_string());
            decoder.feed(Bytes::from(format!("data: {event}\n\n")));
            std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
        });
        assert!(error.is_some(), "{event}");
    }
    let mut decoder = ResponsesStreamDecoder::with_limit(64 << 10);
    let error = (0..1_000_000).find_map(|number: u32| {
        let event = format!(
            r#"{{"type":"response.output_item.added","output_index":{number},"item":{{"type":"x"}}}}"#
        );
        decoder.feed(Bytes::from(format!("data: {event}\n\n")));
        std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
    });
    assert!(error.is_some());
}

#[test]
fn the_limit_counts_the_bytes_of_pieces() {
    let piece = "x".repeat(600);
    let deltas = [
        ("text", format!(r#"{{"content":"{piece}"}}"#)),
        ("reasoning", format!(r#"{{"reasoning_content":"{piece}"}}"#)),
        ("refusal", format!(r#"{{"refusal":"{piece}"}}"#)),
        (
            "arguments",
            format!(r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{piece}"}}}}]}}"#),
        ),
    ];
    for (name, delta) in deltas {
        let event = format!("data: {{\"choices\":[{{\"delta\":{delta}}}]}}\n\n");
        let mut decoder = StreamDecoder::with_limits(1, 1000);
        let mut read = || {
            decoder.feed(Bytes::from(event.clone()));
            std::iter::from_fn(|| decoder.next_delta().transpose()).find_map(Result::err)
        };
        assert!(read().is_none(), "{name}");
        assert!(matches!(read(), Some(ModelError::BodyTooLarge { .. })), "{name}");
    }
}
