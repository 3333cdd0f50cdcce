//! Any JSON at any place of a good answer that is not the answer itself: the answer stays as it is,
//! or there is an error. Streams are the same byte by byte.
//!
//! For a long run: `PROPTEST_CASES=1000000 cargo test -p conversant-models --release odd_values`.

use bytes::Bytes;
use conversant_core::{Message, ModelError, Reply};
use conversant_models::wire::{
    ResponsesStreamDecoder, StreamDecoder, decode_chat_response, decode_completion_response,
    decode_responses_response,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::fuzz::json;

type Decode = fn(&[Json]) -> Result<Reply, ModelError>;

/// An answer: how it is decoded, its events or its body, and the places that are the answer itself.
struct Sample {
    decode: Decode,
    events: Vec<Json>,
    said: &'static [&'static str],
}

fn samples() -> Vec<Sample> {
    let usage = json!({
        "prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cached_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1},
    });
    let call = json!({
        "index": 0, "id": "t1", "type": "function", "extra_content": null, "custom": null,
        "function": {"name": "f", "arguments": "{\"a\": 1}"},
    });
    let message = json!({
        "role": "assistant", "content": "Look.", "refusal": null, "reasoning_content": "Hm.",
        "reasoning": null, "reasoning_details": [], "annotations": [], "audio": null,
        "function_call": null, "extra_content": null, "usage": null, "error": null, "name": null,
    });
    let with = |object: &Json, name: &str, value: Json| {
        let mut object = object.clone();
        object[name] = value;
        object
    };
    let head = json!({
        "id": "c1", "object": "chat.completion", "created": 1, "model": "m", "error": null,
        "errors": null, "system_fingerprint": null, "x_groq": {"usage": null}, "base_resp": null,
    });
    let choice = |name: &str, message: Json, finish: Json| {
        let mut choice =
            json!({"logprobs": null, "finish_reason": finish, "usage": null, "error": null});
        choice[name] = message;
        with(&head, "choices", json!([choice]))
    };
    let whole = choice("message", with(&message, "tool_calls", json!([call])), "stop".into());
    let first = choice("delta", message, Json::Null);
    let second = choice("delta", json!({"content": " Here.", "tool_calls": [call]}), Json::Null);
    let third = choice("delta", json!({}), "tool_calls".into());
    let text = json!({
        "id": "r", "choices": [{"index": 0, "text": "Once", "logprobs": null, "finish_reason": "stop"}],
        "usage": usage, "error": null,
    });
    let output = json!([
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "x"},
        {"type": "message", "id": "msg", "status": "completed", "role": "assistant", "phase": null,
         "content": [{"type": "output_text", "text": "Look.", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "id": "fc", "status": "completed", "call_id": "t1", "name": "f", "arguments": "{\"a\": 1}"},
    ]);
    let response = json!({
        "id": "resp", "object": "response", "created_at": 1, "status": "completed", "error": null,
        "incomplete_details": null, "model": "m", "output": output, "usage": {"input_tokens": 3,
        "output_tokens": 2, "input_tokens_details": {"cached_tokens": 0}}, "tools": [], "metadata": null,
    });
    let event = |kind: &str, index: usize, name: &str, value: Json| {
        json!({"type": kind, "sequence_number": 1, "output_index": index, "item_id": null, "content_index": 0,
               "logprobs": [], "obfuscation": "x", "error": null, name: value})
    };
    let stream = vec![
        json!({"type": "response.created", "response": {"id": "resp", "status": "in_progress", "output": []}}),
        event(
            "response.output_item.added",
            0,
            "item",
            json!({"type": "message", "id": "msg", "content": []}),
        ),
        event("response.output_text.delta", 0, "delta", "Look.".into()),
        event("response.output_item.done", 1, "item", output[2].clone()),
        json!({"type": "response.completed", "sequence_number": 9, "response": with(&response, "output", json!([]))}),
    ];
    vec![
        Sample {
            decode: |body| decode_chat_response(body[0].to_string().as_bytes()),
            events: vec![with(&whole, "usage", usage.clone())],
            said: &[
                "choices",
                "message",
                "content",
                "tool_calls",
                "id",
                "function",
                "name",
                "arguments",
                "custom",
            ],
        },
        Sample {
            decode: |body| decode_completion_response(body[0].to_string().as_bytes()),
            events: vec![text],
            said: &["choices", "index", "text"],
        },
        Sample {
            decode: chat_stream,
            events: vec![first, second, with(&third, "usage", usage)],
            said: &[
                "choices",
                "delta",
                "content",
                "tool_calls",
                "index",
                "id",
                "function",
                "name",
                "arguments",
                "custom",
            ],
        },
        Sample {
            decode: |body| decode_responses_response(body[0].to_string().as_bytes()),
            events: vec![response],
            said: &["output", "type", "content", "text", "call_id", "name", "arguments"],
        },
        Sample {
            decode: responses_stream,
            events: stream,
            said: &[
                "type",
                "output_index",
                "item_id",
                "id",
                "content_index",
                "content",
                "text",
                "delta",
                "item",
                "call_id",
                "name",
                "arguments",
                "output",
            ],
        },
    ]
}

/// Feeds events whole and byte by byte, with the same result.
macro_rules! streamed {
    ($name:ident, $decoder:ident) => {
        fn $name(events: &[Json]) -> Result<Reply, ModelError> {
            let sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
            let decode = |chunks: Vec<Bytes>| {
                let mut decoder = $decoder::new();
                for chunk in chunks {
                    decoder.feed(chunk);
                    while decoder.next_delta()?.is_some() {}
                }
                decoder.finish()
            };
            let bytewise = decode(sse.bytes().map(|byte| Bytes::from(vec![byte])).collect());
            let whole = decode(vec![Bytes::from(sse)]);
            assert_eq!(shown(&whole), shown(&bytewise));
            whole
        }
    };
}

streamed!(chat_stream, StreamDecoder);
streamed!(responses_stream, ResponsesStreamDecoder);

fn shown(result: &Result<Reply, ModelError>) -> String {
    match result {
        Ok(reply) => serde_json::to_string(reply).unwrap(),
        Err(error) => error.to_string(),
    }
}

/// Returns what a message says: its text and its calls.
fn said(message: &Message) -> (String, Vec<String>) {
    let calls =
        message.tool_calls().iter().map(|call| format!("{:?}{}{}", call.id, call.name, call.args));
    let invalid =
        message.invalid_tool_calls().iter().map(|call| format!("{:?}{:?}", call.name, call.args));
    (message.text().into_owned(), calls.chain(invalid).collect())
}

/// Returns the places of a value that are not the answer itself.
fn places(value: &Json, said: &[&str], at: &str, places: &mut Vec<String>) {
    let mut visit = |name: &str, value: &Json| {
        let at = format!("{at}/{name}");
        if !said.contains(&name) && name.parse::<usize>().is_err() {
            places.push(at.clone());
        }
        self::places(value, said, &at, places);
    };
    match value {
        Json::Object(fields) => fields.iter().for_each(|(name, value)| visit(name, value)),
        Json::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| visit(&index.to_string(), value));
        }
        _ => {}
    }
}

fn odd() -> impl Strategy<Value = Json> {
    let usual = [
        json!(null),
        json!(false),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(""),
        json!("x"),
        json!("null"),
        json!("stop"),
        json!([]),
        json!([null]),
        json!(["x"]),
        json!({}),
        json!({"message": "x"}),
        json!([{"text": "x"}]),
        json!({"content": "x"}),
    ];
    prop_oneof![3 => proptest::sample::select(usual.to_vec()), 1 => json()]
}

proptest! {
    #[test]
    fn a_good_answer_stays_or_is_an_error(place in any::<prop::sample::Index>(), value in odd()) {
        for sample in samples() {
            let good = said(&(sample.decode)(&sample.events).unwrap().message);
            let mut all = Vec::new();
            places(&Json::from(sample.events.clone()), sample.said, "", &mut all);
            let at = place.get(&all);
            let mut events = Json::from(sample.events);
            *events.pointer_mut(at).unwrap() = value.clone();
            let events = events.as_array().unwrap();
            if let Ok(reply) = (sample.decode)(events) {
                prop_assert_eq!(said(&reply.message), good, "{} = {}", at, value);
            }
        }
    }

    /// At any place, the answer included: no panic, and the same byte by byte.
    #[test]
    fn any_value_at_any_place_is_an_answer_or_an_error(place in any::<prop::sample::Index>(), value in odd()) {
        for sample in samples() {
            let mut all = Vec::new();
            places(&Json::from(sample.events.clone()), &[], "", &mut all);
            let mut events = Json::from(sample.events);
            let at: &String = place.get(&all);
            *events.pointer_mut(at).unwrap() = value.clone();
            let _ = (sample.decode)(events.as_array().unwrap());
        }
    }
}
