//! Rows 5 to 16, 81 and 84: connections and HTTP's framing.

use std::time::Duration;

use bytes::Bytes;

use super::entry::{fault, reply};
use crate::fault_server::{fault::Fault, step::Step, wire};

use Step::{Close, Hang, Reset, WaitForHead, WaitForRequest};

/// The pause between bytes: below any idle limit, but too long for a whole answer within a
/// deadline.
const DRIP: Duration = Duration::from_millis(20);

pub(super) fn faults() -> Vec<Fault> {
    let part = || send(HALF_HEAD);
    vec![
        fault(5, "reset_before_headers", [WaitForRequest, Reset]),
        fault(5, "reset_before_headers_once", [WaitForRequest, Reset]).then_ok(),
        fault(6, "fin_before_headers", [WaitForRequest, Close]),
        fault(6, "fin_before_headers_once", [WaitForRequest, Close]).then_ok(),
        // Shows in the second call of a client that keeps its connection.
        fault(7, "fin_on_reused_connection", [WaitForRequest, Step::ok("hello")])
            .then([WaitForRequest, Close])
            .then_ok(),
        fault(7, "fin_after_answer", [WaitForRequest, Step::ok("hello"), Close]),
        fault(8, "hang_before_headers", [WaitForRequest, Hang]),
        fault(8, "hang_before_headers_once", [WaitForRequest, Hang]).then_ok(),
        fault(9, "hang_mid_status_line", [WaitForRequest, send(b"HTTP/1.1 2"), Hang]),
        fault(9, "hang_mid_headers", [WaitForRequest, part(), Hang]),
        fault(
            10,
            "status_line_garbage",
            [WaitForRequest, send(b"\x16\x03\x01\x02\r\n\r\n"), Close],
        ),
        fault(10, "status_line_version", [WaitForRequest, send(b"HTTP/9.9 200 OK\r\n\r\n"), Close]),
        fault(10, "status_line_no_number", [WaitForRequest, send(b"HTTP/1.1 OK\r\n\r\n"), Close]),
        fault(10, "status_line_none", [WaitForRequest, send(b"{\"choices\":[]}"), Close]),
        fault(10, "fin_mid_headers", [WaitForRequest, part(), Close]),
        fault(10, "reset_mid_headers", [WaitForRequest, part(), Reset]),
        fault(10, "header_without_colon", [WaitForRequest, send(BAD_HEADER), Close]),
        reply(11, "header_of_1_mb", header_of(1 << 20)),
        reply(11, "headers_of_1_mb", many_headers(1 << 16)),
        fault(
            11,
            "header_endless",
            [WaitForRequest, send(b"HTTP/1.1 200 OK\r\na: "), for_ever(b"a")],
        ),
        fault(12, "hang_before_body", [WaitForRequest, announce(500), Hang]),
        fault(12, "hang_mid_body", [WaitForRequest, announce(500), half(), Hang]),
        fault(12, "hang_mid_chunked_body", [WaitForRequest, chunked(), half_chunk(), Hang]),
        fault(12, "hang_mid_body_once", [WaitForRequest, announce(500), half(), Hang]).then_ok(),
        fault(13, "reset_mid_body", [WaitForRequest, announce(500), half(), Reset]),
        fault(13, "reset_mid_chunked_body", [WaitForRequest, chunked(), half_chunk(), Reset]),
        fault(13, "reset_mid_body_once", [WaitForRequest, announce(500), half(), Reset]).then_ok(),
        fault(14, "fin_mid_body", [WaitForRequest, announce(500), half(), Close]),
        fault(14, "fin_before_body", [WaitForRequest, announce(500), Close]),
        fault(14, "fin_mid_body_once", [WaitForRequest, announce(500), half(), Close]).then_ok(),
        fault(15, "chunked_without_end", [WaitForRequest, chunked(), whole_chunk(), Close]),
        fault(15, "fin_mid_chunk", [WaitForRequest, chunked(), send(b"fff\r\n{\"id\""), Close]),
        fault(15, "chunk_size_garbage", [WaitForRequest, chunked(), send(b"zz\r\n{}\r\n"), Close]),
        fault(15, "chunk_size_overflow", [WaitForRequest, chunked(), send(HUGE_CHUNK), Close]),
        reply(16, "drip", slowly(1, DRIP)),
        reply(16, "drip_in_time", slowly(64, Duration::from_millis(1))),
        fault(16, "drip_body", [WaitForRequest, announce(500), drip_for_ever(b" ")]),
        fault(81, "answer_before_request", [too_large(), Close]),
        fault(81, "answer_before_request_body", [WaitForHead, too_large(), Close]),
        fault(81, "ok_before_request_body", [WaitForHead, Step::ok("hello"), Close]),
        fault(84, "length_and_chunked", [WaitForRequest, length_and_chunked(), Close]),
        fault(84, "two_lengths", [WaitForRequest, lengths("12", "300"), Close]),
        fault(84, "length_negative", [WaitForRequest, lengths("-1", "-1"), Close]),
        fault(84, "length_overflow", [WaitForRequest, lengths(OVERFLOW, OVERFLOW), Close]),
    ]
}

const HALF_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/js";
const BAD_HEADER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type application/json\r\n\r\n{}";
const HUGE_CHUNK: &[u8] = b"fffffffffffffffff\r\n{}\r\n";
const OVERFLOW: &str = "99999999999999999999999999";
const JSON: (&str, &str) = ("content-type", "application/json");

fn send(bytes: &'static [u8]) -> Step {
    Step::Send(Bytes::from_static(bytes))
}

fn for_ever(bytes: &'static [u8]) -> Step {
    Step::Repeat { bytes: Bytes::from_static(bytes), times: None, every: Duration::ZERO }
}

fn drip_for_ever(bytes: &'static [u8]) -> Step {
    Step::Repeat { bytes: Bytes::from_static(bytes), times: None, every: DRIP }
}

/// Sends a head that announces a body of this length.
fn announce(length: usize) -> Step {
    Step::response(200, &[JSON, ("content-length", &length.to_string())], "")
}

/// Sends the head of a chunked body.
fn chunked() -> Step {
    Step::response(200, &[JSON, ("transfer-encoding", "chunked")], "")
}

/// Sends the first half of an answer.
fn half() -> Step {
    let body = wire::completion("hello");
    Step::Send(body.chars().take(body.len() / 2).collect::<String>().into())
}

fn half_chunk() -> Step {
    let body = wire::completion("hello");
    Step::chunk(body.chars().take(body.len() / 2).collect::<String>())
}

fn whole_chunk() -> Step {
    Step::chunk(wire::completion("hello"))
}

fn slowly(chunk: usize, every: Duration) -> Step {
    let bytes = wire::response(200, &[JSON], wire::completion("hello").as_bytes());
    Step::SendSlowly { bytes, chunk, every }
}

fn header_of(size: usize) -> Step {
    Step::response(200, &[JSON, ("x-pad", &"a".repeat(size))], wire::completion("hello"))
}

fn many_headers(count: usize) -> Step {
    let names: Vec<String> = (0..count).map(|number| format!("x-pad-{number}")).collect();
    let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).collect();
    Step::response(200, &headers, wire::completion("hello"))
}

fn too_large() -> Step {
    let error = wire::error("the request is too large", "invalid_request_error", None);
    Step::response(413, &[JSON, ("connection", "close")], error)
}

fn length_and_chunked() -> Step {
    let headers = [JSON, ("content-length", "5"), ("transfer-encoding", "chunked")];
    Step::response(200, &headers, wire::chunk(wire::completion("hello").as_bytes()))
}

fn lengths(one: &str, other: &str) -> Step {
    let headers = [JSON, ("content-length", one), ("content-length", other)];
    Step::response(200, &headers, wire::completion("hello"))
}
