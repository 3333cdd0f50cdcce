//! Rows 57 to 66, 74, 75 and 77 to 79: the content and the encoding of streams of events.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::entry::{fault, stream};
use crate::fault_server::{fault::Fault, step::Step, wire};

use Step::{Close, Hang, WaitForRequest};

pub(super) fn faults() -> Vec<Fault> {
    let well = || [he(), llo(), stop(), DONE.to_owned()].map(|data| wire::event(&data)).concat();
    let data = |data: &str| wire::event(data);
    vec![
        raw(57, "sse_utf8_invalid", &with_bytes(b"he\xff\xfello")),
        raw(57, "sse_utf8_cut", &with_bytes(b"hello \xf0\x9f\x98")),
        raw(
            57,
            "sse_utf8_invalid_comment",
            &[b": \xff\n\n".as_slice(), well().as_bytes()].concat(),
        ),
        raw(58, "sse_json_invalid", &around(&data("{nope}"))),
        raw(58, "sse_json_truncated", &around(&data(r#"{"choices":[{"delta":{"con"#))),
        raw(58, "sse_json_null", &around(&data("null"))),
        raw(58, "sse_json_array", &around(&data("[]"))),
        raw(59, "sse_data_empty", &around("data:\n\n")),
        raw(59, "sse_data_empty_space", &around("data: \n\ndata\n\n")),
        stream(60, "sse_comments_for_ever", [for_ever(": ping\n\n", 5)]),
        stream(60, "sse_comments_after_delta", [Step::delta("he"), for_ever(":\n\n", 5)]),
        stream(60, "sse_comments_flood", [for_ever(": ping\n\n", 0)]),
        raw(60, "sse_comments", &[b": ping\n\n:\n\n".to_vec(), around(": ping\n\n")].concat()),
        raw(61, "sse_lf", well().as_bytes()),
        raw(61, "sse_crlf", well().replace('\n', "\r\n").as_bytes()),
        raw(61, "sse_cr", well().replace('\n', "\r").as_bytes()),
        raw(61, "sse_mixed", mixed(&well()).as_bytes()),
        stream(61, "sse_crlf_split", split_at_cr(&well().replace('\n', "\r\n"))),
        raw(62, "sse_bom", format!("\u{feff}{}", well()).as_bytes()),
        stream(62, "sse_bom_split", bom_split(&well())),
        raw(63, "sse_no_space", well().replace("data: ", "data:").as_bytes()),
        raw(63, "sse_multi_line", multi_line().as_bytes()),
        raw(63, "sse_unknown_fields", unknown_fields(&well()).as_bytes()),
        raw(63, "sse_event_named", well().replace("data: ", "event: message\ndata: ").as_bytes()),
        slowly(64, "sse_byte_by_byte", 1, &well()),
        slowly(64, "sse_emoji_split", 1, &emoji())
            .says("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{e9}"),
        slowly(64, "sse_7_bytes", 7, &well()),
        raw(65, "sse_error", &mid_error(&wire::error("boom", "server_error", None))),
        raw(65, "sse_error_text", &mid_error(r#"{"error":"boom"}"#)),
        raw(65, "sse_error_number", &mid_error(r#"{"error":{"code":500,"message":"boom"}}"#)),
        raw(65, "sse_error_first", data(&wire::error("boom", "server_error", None)).as_bytes()),
        raw(65, "sse_error_overloaded", &mid_error(&wire::error("busy", "overloaded_error", None))),
        raw(66, "sse_event_error", &event_error(r#"{"message":"boom"}"#)),
        raw(66, "sse_event_error_text", &event_error("boom")),
        raw(66, "sse_event_error_object", &event_error(r#"{"error":{"message":"boom"}}"#)),
        raw(74, "sse_done_x", format!("{}data: [DONE]x\n\n", said()).as_bytes()),
        raw(74, "sse_done_space", format!("{}data:  [DONE]\n\n", said()).as_bytes()),
        raw(74, "sse_done_lower", format!("{}data: [done]\n\n", said()).as_bytes()),
        raw(74, "sse_done_said", &said_done()).says(DONE),
        raw(75, "sse_usage", &with_usage()),
        raw(
            75,
            "sse_usage_null",
            well().replace("\"choices\"", "\"usage\":null,\"choices\"").as_bytes(),
        ),
        raw(75, "sse_filter_first", format!("{}{}", data(FILTER), well()).as_bytes()),
        raw(75, "sse_content_null", format!("{}{}", data(&content_null()), well()).as_bytes()),
        answered(77, "sse_answered_json", Step::ok("hello")),
        answered(77, "sse_answered_html", typed("text/html", "<h1>Welcome</h1>")),
        answered(77, "sse_answered_error", Step::json(&wire::error("boom", "server_error", None))),
        answered(77, "sse_answered_nothing", Step::response(204, &[], "")),
        answered(77, "sse_as_text", typed("text/plain", &well())),
        answered(77, "sse_without_type", Step::response(200, &[], well())),
        raw(78, "sse_event_of_20_mb", data(&wire::delta(&"a".repeat(20 << 20))).as_bytes()),
        stream(78, "sse_line_endless", [Step::chunk("data: "), for_ever("aaaaaaaaaaaaaaaa", 0)]),
        stream(78, "sse_event_endless", [for_ever("data: aaaaaaaaaaaaaaa\n", 0)]),
        stream(78, "sse_answer_endless", [for_ever(&data(&wire::delta("aaaaaaaaaaaaaaaa")), 0)]),
        raw(79, "sse_choice_index_huge", &around(&data(&indexed("1000000000")))),
        raw(79, "sse_choice_index_negative", &around(&data(&indexed("-1")))),
        raw(79, "sse_choice_index_text", &around(&data(&indexed("\"0\"")))),
        raw(79, "sse_tool_index_huge", &around(&data(&tool_indexed("4294967295")))),
        raw(79, "sse_tool_index_negative", &around(&data(&tool_indexed("-1")))),
        stream(80, "sse_delta_then_hang", [Step::delta("he"), Hang]),
        stream(
            80,
            "sse_delta_then_flood",
            [Step::delta("he"), for_ever(&data(&wire::delta("l")), 0)],
        ),
    ]
}

const DONE: &str = "[DONE]";
const FILTER: &str =
    r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#;

fn he() -> String {
    wire::delta("he")
}

fn llo() -> String {
    wire::delta("llo")
}

fn stop() -> String {
    wire::finish("stop")
}

/// Returns the fault of a stream of these bytes, sent as one chunk and ended regularly.
fn raw(row: u16, name: &'static str, bytes: &[u8]) -> Fault {
    stream(row, name, [Step::chunk(bytes), Step::last_chunk()])
}

/// Returns the fault of a response that is not the requested stream.
fn answered(row: u16, name: &'static str, response: Step) -> Fault {
    fault(row, name, [WaitForRequest, response]).streamed()
}

fn typed(content_type: &str, body: &str) -> Step {
    Step::response(200, &[("content-type", content_type)], body)
}

/// Returns the fault of a stream in small packets. It has no chunks: the end of the connection ends
/// it.
fn slowly(row: u16, name: &'static str, chunk: usize, events: &str) -> Fault {
    let headers = [("content-type", "text/event-stream"), ("connection", "close")];
    let head = [wire::head(200, &headers), b"\r\n".to_vec()].concat();
    let bytes = Bytes::copy_from_slice(events.as_bytes());
    let send = Step::SendSlowly { bytes, chunk, every: Duration::ZERO };
    fault(row, name, [WaitForRequest, Step::Send(head.into()), send, Close]).streamed()
}

/// Sends a piece of the body again and again, chunked.
fn for_ever(text: &str, every_ms: u64) -> Step {
    let bytes = wire::chunk(text.as_bytes());
    Step::Repeat { bytes, times: None, every: Duration::from_millis(every_ms) }
}

/// Returns `he`, then `events`, then the rest of a valid answer.
fn around(events: &str) -> Vec<u8> {
    let rest = [llo(), stop(), DONE.to_owned()].map(|data| wire::event(&data)).concat();
    format!("{}{events}{rest}", wire::event(&he())).into_bytes()
}

/// Returns a valid answer without `[DONE]`.
fn said() -> String {
    [he(), llo(), stop()].map(|data| wire::event(&data)).concat()
}

fn said_done() -> Vec<u8> {
    let data = [wire::delta(DONE), stop(), DONE.to_owned()];
    data.map(|data| wire::event(&data)).concat().into_bytes()
}

/// Returns an answer that is valid except for the bytes of its text.
fn with_bytes(content: &[u8]) -> Vec<u8> {
    let (before, after) = (
        br#"data: {"choices":[{"index":0,"delta":{"content":""#.as_slice(),
        b"\"},\"finish_reason\":null}]}\n\n".as_slice(),
    );
    let end = [stop(), DONE.to_owned()].map(|data| wire::event(&data)).concat();
    [before, content, after, end.as_bytes()].concat()
}

/// Ends the lines in turn with LF, CR and CRLF. In this order no CR comes before an empty line that
/// ends with LF, which would make one CRLF of two ends.
fn mixed(events: &str) -> String {
    let ends = ["\n", "\r", "\r\n"].into_iter().cycle();
    events.split_terminator('\n').zip(ends).flat_map(|(line, end)| [line, end]).collect()
}

/// Sends a chunk up to each CR, so that its LF comes with the next.
fn split_at_cr(events: &str) -> Vec<Step> {
    let chunks = events.split_inclusive('\r').map(Step::chunk);
    chunks.chain([Step::last_chunk()]).collect()
}

fn bom_split(events: &str) -> Vec<Step> {
    let rest = [b"\xbf".as_slice(), events.as_bytes()].concat();
    vec![Step::chunk(b"\xef\xbb"), Step::chunk(rest), Step::last_chunk()]
}

/// Returns an event whose JSON is spread over several `data` lines.
fn multi_line() -> String {
    let spread = |data: String| {
        data.replace(",\"choices\"", ",\ndata: \"choices\"").replacen('{', "{\ndata: ", 1)
    };
    [spread(he()), spread(llo()), spread(stop()), DONE.to_owned()]
        .map(|data| wire::event(&data))
        .concat()
}

fn unknown_fields(events: &str) -> String {
    events.replace("data: ", "id: 7\nretry: 10\nretry: soon\nfoo: bar\nfoo\n: note\ndata: ")
}

/// Returns a text of characters of two, three and four bytes, unescaped.
fn emoji() -> String {
    let data = [
        wire::delta("\u{1f468}\u{200d}\u{1f469}"),
        wire::delta("\u{200d}\u{1f467}\u{e9}"),
        stop(),
        DONE.to_owned(),
    ];
    data.map(|data| wire::event(&data)).concat()
}

fn mid_error(payload: &str) -> Vec<u8> {
    format!("{}{}", wire::event(&he()), wire::event(payload)).into_bytes()
}

fn event_error(payload: &str) -> Vec<u8> {
    format!("{}event: error\n{}", wire::event(&he()), wire::event(payload)).into_bytes()
}

fn with_usage() -> Vec<u8> {
    let usage = json!({
        "id": "chatcmpl-1",
        "choices": [],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    });
    let data = [he(), llo(), stop(), usage.to_string(), DONE.to_owned()];
    data.map(|data| wire::event(&data)).concat().into_bytes()
}

fn content_null() -> String {
    let delta = json!({"role": "assistant", "content": null});
    wire::payload(&json!([{"index": 0, "delta": delta, "finish_reason": null}]))
}

fn indexed(index: &str) -> String {
    format!(r#"{{"choices":[{{"index":{index},"delta":{{"content":"x"}},"finish_reason":null}}]}}"#)
}

fn tool_indexed(index: &str) -> String {
    let call =
        format!(r#"{{"index":{index},"id":"call_1","function":{{"name":"f","arguments":""}}}}"#);
    format!(
        r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{call}]}},"finish_reason":null}}]}}"#
    )
}
