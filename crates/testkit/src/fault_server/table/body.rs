//! Rows 17 to 41: bodies with status 200 that are not an answer, or an unusual one.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::entry::{fault, reply};
use crate::fault_server::{fault::Fault, step::Step, wire};

use Step::{Close, Hang, WaitForRequest};

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = vec![
        reply(17, "json_truncated", body(&half(&wire::completion("hello")))),
        reply(17, "json_cut_in_string", body(r#"{"choices":[{"message":{"content":"hel"#)),
        reply(17, "json_then_more", body(&format!("{}garbage", wire::completion("hello")))),
        reply(17, "json_twice", body(&wire::completion("hello").repeat(2))),
        reply(
            18,
            "html",
            typed("text/html", "<html><body>\u{7}Welcome to the proxy</body></html>"),
        ),
        reply(18, "html_as_json", body("<!doctype html><h1>Gateway</h1>")),
        reply(19, "empty", body("")),
        reply(19, "blank", body(" \r\n\r\n")),
        reply(20, "no_content", Step::response(204, &[], "")),
        reply(20, "accepted_empty", Step::response(202, &[JSON], "")),
        reply(21, "json_null", body("null")),
        reply(21, "json_array", body("[]")),
        reply(21, "json_string", body("\"x\"")),
        reply(21, "json_number", body("42")),
        reply(21, "json_true", body("true")),
        reply(21, "json_empty_object", body("{}")),
        reply(22, "error_in_200", body(&wire::error("boom", "server_error", None))),
        reply(22, "error_in_200_quota", body(&quota())),
        reply(22, "error_in_200_text", body(r#"{"error":"boom"}"#)),
        reply(
            22,
            "error_in_200_number",
            body(r#"{"error":{"code":503,"message":"Loading model"}}"#),
        ),
        reply(
            22,
            "error_in_200_with_choices",
            body(r#"{"choices":[],"error":{"message":"boom"}}"#),
        ),
        reply(23, "choices_empty", body(&wire::choices(&json!([])))),
        reply(23, "choices_null", body(&wire::choices(&json!(null)))),
        reply(23, "choices_missing", body(r#"{"id":"chatcmpl-1","object":"chat.completion"}"#)),
        reply(23, "choices_object", body(&wire::choices(&json!({"0": {}})))),
        reply(23, "choices_of_null", body(&wire::choices(&json!([null])))),
        reply(23, "message_missing", body(&wire::choices(&json!([{"index": 0}])))),
        reply(23, "message_null", body(&wire::choices(&json!([{"index": 0, "message": null}])))),
        reply(24, "content_null", message(r#"{"role":"assistant","content":null}"#, "stop")),
        reply(24, "content_missing", message(r#"{"role":"assistant"}"#, "stop")),
        reply(
            24,
            "content_null_length",
            message(r#"{"role":"assistant","content":null}"#, "length"),
        ),
        reply(24, "content_null_no_calls", message(r#"{"content":null,"tool_calls":[]}"#, "stop")),
        reply(25, "content_null_tool_calls", message(TOOL_CALLS, "tool_calls")).says(""),
        reply(26, "refusal", message(r#"{"content":null,"refusal":"I can't."}"#, "stop")),
        reply(27, "content_empty", message(r#"{"role":"assistant","content":""}"#, "stop"))
            .says(""),
        reply(28, "content_number", message(r#"{"role":"assistant","content":7}"#, "stop")),
        reply(28, "content_object", message(r#"{"content":{"text":"hello"}}"#, "stop")),
        reply(28, "content_true", message(r#"{"role":"assistant","content":true}"#, "stop")),
        reply(29, "finish_length", message(HELLO, "length")),
        reply(29, "finish_content_filter", message(HELLO, "content_filter")),
        reply(29, "finish_unknown", message(HELLO, "eos_token")),
        reply(29, "finish_empty", message(HELLO, "")),
        reply(
            29,
            "finish_null",
            body(&choice(r#"{"message":{"content":"hello"},"finish_reason":null}"#)),
        ),
        reply(29, "finish_missing", body(&choice(r#"{"message":{"content":"hello"}}"#))),
        reply(30, "type_text", typed("text/plain; charset=utf-8", &wire::completion("hello"))),
        reply(30, "type_octets", typed("application/octet-stream", &wire::completion("hello"))),
        reply(30, "type_html", typed("text/html", &wire::completion("hello"))),
        reply(30, "type_none", Step::response(200, &[], wire::completion("hello"))),
        reply(31, "unknown_fields", body(UNKNOWN_FIELDS)),
        reply(31, "duplicate_keys", body(DUPLICATE_KEYS)),
        reply(31, "number_huge", body(HUGE_NUMBER)),
        reply(31, "usage_odd", body(ODD_USAGE)),
        reply(32, "utf8_invalid", bytes(b"he\xff\xfello")),
        reply(32, "utf8_overlong", bytes(b"he\xc0\xafllo")),
        reply(32, "utf8_cut", bytes(b"hello \xf0\x9f\x98")),
        reply(32, "utf8_surrogate", bytes(b"he\xed\xa0\x80llo")),
        reply(33, "surrogate_high", bytes(br"he\ud800llo")),
        reply(33, "surrogate_low", bytes(br"he\udc00llo")),
        reply(33, "surrogate_reversed", bytes(br"he\udc00\ud800llo")),
        reply(33, "surrogate_pair", bytes(br"\ud83d\ude00")).says("\u{1f600}"),
        reply(34, "nul", bytes(br"he\u0000llo")).says("he\0llo"),
        reply(35, "bom", body(&format!("\u{feff}{}", wire::completion("hello")))),
        reply(35, "bom_twice", body(&format!("\u{feff}\u{feff}{}", wire::completion("hello")))),
        reply(36, "nested", body(&"[".repeat(200_000))),
        reply(36, "nested_in_field", body(&nested_in_field())),
        reply(37, "gzip_garbage", encoded("gzip", wire::completion("hello").as_bytes())),
        reply(37, "gzip_cut", encoded("gzip", GZIP_HEAD)),
        fault(38, "gzip_bomb", gzip_bomb()),
        reply(39, "encoding_unknown", encoded("x-none", wire::completion("hello").as_bytes())),
        reply(39, "encoding_identity", encoded("identity", wire::completion("hello").as_bytes())),
        fault(40, "endless_chunked", [WaitForRequest, chunked(), for_ever(&endless_chunk())]),
        fault(40, "endless_to_close", [WaitForRequest, to_close(), for_ever(b"                ")]),
        fault(40, "length_10_gb_hang", [WaitForRequest, length_10_gb(), Hang]),
        fault(40, "length_10_gb", [WaitForRequest, length_10_gb(), for_ever(b"                ")]),
        fault(40, "length_10_gb_close", [WaitForRequest, length_10_gb(), Close]),
        fault(41, "informational", [WaitForRequest, informational(), Step::ok("hello")]),
        fault(41, "informational_many", [WaitForRequest, many(50), Step::ok("hello")]),
    ];
    // Without a length, the end of the connection ends the body.
    let hello = || Step::Send(wire::completion("hello").into());
    faults.push(fault(30, "body_to_close", [WaitForRequest, to_close(), hello(), Close]));
    faults
}

const JSON: (&str, &str) = ("content-type", "application/json");
const HELLO: &str = r#"{"role":"assistant","content":"hello"}"#;
const TOOL_CALLS: &str = r#"{"content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":"{}"}}]}"#;
const UNKNOWN_FIELDS: &str = r#"{"id":"1","new":{"a":[1]},"choices":[{"index":0,"odd":{},"message":{"role":"assistant","content":"hello","reasoning":[]},"finish_reason":"stop"}],"service_tier":"on_demand"}"#;
const DUPLICATE_KEYS: &str = r#"{"id":"1","id":"2","choices":[],"choices":[{"index":0,"message":{"content":"no","content":"hello"},"finish_reason":"length","finish_reason":"stop"}]}"#;
const HUGE_NUMBER: &str =
    r#"{"created":1e400,"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}"#;
const ODD_USAGE: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-1,"completion_tokens":null,"total_tokens":"10"}}"#;

/// A gzip header and the first block's first bytes.
const GZIP_HEAD: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\xaa\x56\x4a";

fn body(json: &str) -> Step {
    Step::json(json)
}

fn typed(content_type: &str, body: &str) -> Step {
    Step::response(200, &[("content-type", content_type)], body)
}

fn encoded(encoding: &str, body: &[u8]) -> Step {
    Step::response(200, &[JSON, ("content-encoding", encoding)], body)
}

/// Answers with a message that is JSON text.
fn message(message: &str, reason: &str) -> Step {
    body(&choice(&format!(r#"{{"index":0,"message":{message},"finish_reason":"{reason}"}}"#)))
}

fn choice(choice: &str) -> String {
    format!(r#"{{"id":"chatcmpl-1","object":"chat.completion","choices":[{choice}]}}"#)
}

/// Answers with content of raw bytes.
fn bytes(content: &[u8]) -> Step {
    let (before, after) = (
        br#"{"choices":[{"index":0,"message":{"role":"assistant","content":""#.as_slice(),
        br#""},"finish_reason":"stop"}]}"#.as_slice(),
    );
    Step::response(200, &[JSON], [before, content, after].concat())
}

fn half(body: &str) -> String {
    body.chars().take(body.len() / 2).collect()
}

fn quota() -> String {
    wire::error("no money left", "insufficient_quota", Some("insufficient_quota"))
}

fn nested_in_field() -> String {
    let (open, close) = ("[".repeat(200_000), "]".repeat(200_000));
    format!(r#"{{"odd":{open}{close},"choices":[{{"message":{{"content":"hello"}}}}]}}"#)
}

/// Returns 200 MB of spaces in 1.3 MB: one literal, then repetitions of 258 bytes at distance 1. A
/// repetition has 13 bits in deflate's fixed code, so eight of them are a pattern of 13 bytes.
fn gzip_bomb() -> [Step; 5] {
    let mut bits: Vec<bool> = Vec::new();
    // Deflate packs from the lowest bit up, and Huffman codes from their highest bit down.
    for _ in 0..8 {
        bits.extend([true, true, false, false, false, true, false, true]); // length 258
        bits.extend([false; 5]); // distance 1
    }
    // The block's head (not the last, fixed code) and the literal space (0x30 + 0x20) are 11 bits,
    // so the pattern begins at bit 3 of a byte.
    let head = [false, true, false, false, true, false, true, false, false, false, false];
    let pack = |bits: &[bool]| -> Vec<u8> {
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0_u8, |byte, bit| (byte << 1) | u8::from(*bit));
        bits.chunks(8).map(byte).collect()
    };
    let start: Vec<bool> = head.iter().chain(bits.iter()).copied().take(16).collect();
    let rest: Vec<bool> = bits.iter().skip(5).chain(bits.iter().take(5)).copied().collect();
    let gzip: Vec<u8> = GZIP_HEAD.iter().take(10).copied().chain(pack(&start)).collect();
    let headers = [JSON, ("content-encoding", "gzip"), ("connection", "close")];
    let head = [wire::head(200, &headers), b"\r\n".to_vec()].concat();
    [
        WaitForRequest,
        Step::Send(head.into()),
        Step::Send(gzip.into()),
        Step::Repeat { bytes: pack(&rest).into(), times: Some(100_000), every: Duration::ZERO },
        Close,
    ]
}

fn for_ever(bytes: &[u8]) -> Step {
    Step::Repeat { bytes: Bytes::copy_from_slice(bytes), times: None, every: Duration::ZERO }
}

fn chunked() -> Step {
    Step::response(200, &[JSON, ("transfer-encoding", "chunked")], "")
}

fn endless_chunk() -> Bytes {
    wire::chunk(" ".repeat(4096).as_bytes())
}

fn to_close() -> Step {
    let head = wire::head(200, &[JSON, ("connection", "close")]);
    Step::Send([head, b"\r\n".to_vec()].concat().into())
}

fn length_10_gb() -> Step {
    Step::response(200, &[JSON, ("content-length", "10737418240")], "")
}

fn informational() -> Step {
    let hints = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    Step::Send(Bytes::from_static(hints))
}

fn many(times: u64) -> Step {
    let hint = Bytes::from_static(b"HTTP/1.1 102 Processing\r\n\r\n");
    Step::Repeat { bytes: hint, times: Some(times), every: Duration::ZERO }
}
