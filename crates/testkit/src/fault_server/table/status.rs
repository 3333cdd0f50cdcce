//! Rows 42 to 55: statuses, and their `Retry-After`.

use std::time::Duration;

use bytes::Bytes;

use super::entry::{fault, reply};
use crate::fault_server::{fault::Fault, step::Step, wire};

use Step::{Close, Hang, Reset, WaitForRequest};

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = vec![
        reply(42, "status_400", error(400, "invalid_request_error", None)),
        reply(
            42,
            "context_length",
            error(400, "invalid_request_error", Some("context_length_exceeded")),
        ),
        reply(42, "context_length_llama", json(400, CONTEXT_LLAMA)),
        reply(42, "status_400_empty", json(400, "")),
        reply(42, "status_400_text", html(400, "Bad request")),
        reply(43, "status_401", error(401, "invalid_request_error", Some("invalid_api_key"))),
        reply(43, "status_402", error(402, "insufficient_balance", None)),
        reply(43, "status_403", error(403, "permission_error", None)),
        reply(43, "status_404", error(404, "invalid_request_error", Some("model_not_found"))),
        reply(43, "status_418", html(418, "short and stout")),
        reply(43, "status_422", error(422, "invalid_request_error", None)),
        reply(43, "status_451", html(451, "")),
        fault(44, "key_echoed", [WaitForRequest, echo(401), Close]),
        fault(44, "key_echoed_in_html", [WaitForRequest, echo_html(401), Close]),
        fault(44, "key_echoed_in_500", [WaitForRequest, echo(500), Close]),
        reply(45, "status_408", error(408, "timeout", None)),
        reply(45, "status_408_once", error(408, "timeout", None)).then_ok(),
        reply(45, "status_409", error(409, "conflict", None)),
        reply(45, "status_409_once", error(409, "conflict", None)).then_ok(),
        reply(46, "status_413", error(413, "request_too_large", None)),
        reply(47, "status_429", busy(&[])),
        reply(47, "status_429_once", busy(&[])).then_ok(),
        reply(48, "quota", error(429, "insufficient_quota", Some("insufficient_quota"))),
        reply(48, "quota_by_type", error(429, "insufficient_quota", None)),
        reply(49, "retry_after_1", busy(&[("retry-after", "1")])).then_ok(),
        reply(49, "retry_after_1.5", busy(&[("retry-after", "1.5")])).then_ok(),
        reply(49, "retry_after_date", Step::SendFilled(BUSY_UNTIL.to_owned())).then_ok(),
        reply(50, "retry_after_ms", busy(&[("retry-after-ms", "300")])).then_ok(),
        reply(50, "retry_after_ms_wins", busy(&[("retry-after-ms", "30"), ("retry-after", "60")]))
            .then_ok(),
        reply(52, "retry_after_120.5", busy(&[("retry-after", "120.5")])),
        reply(52, "retry_after_3600", busy(&[("retry-after", "3600")])),
        reply(52, "retry_after_ms_huge", busy(&[("retry-after-ms", "3600000")])),
        reply(
            52,
            "retry_after_date_far",
            busy(&[("retry-after", "Thu, 31 Dec 2099 23:59:59 GMT")]),
        ),
        reply(53, "should_retry_false", busy(&[("x-should-retry", "false")])),
        reply(53, "should_retry_false_500", should_retry(500, "false")),
        reply(53, "should_retry_true", should_retry(400, "true")).then_ok(),
        reply(53, "should_retry_odd", should_retry(400, "maybe")),
        reply(54, "status_500", error(500, "server_error", None)),
        reply(54, "status_501", error(501, "not_supported_error", None)),
        reply(54, "status_502_html", html(502, "<html><h1>502 Bad Gateway</h1></html>")),
        reply(54, "status_503", error(503, "server_error", None)),
        reply(54, "status_503_llama", json(503, LOADING)),
        reply(54, "status_504_text", html(504, "upstream timed out")),
        reply(54, "status_529", error(529, "overloaded_error", None)),
        reply(54, "status_500_empty", html(500, "")),
        reply(54, "status_500_1_mb", html(500, &"<p>".repeat(350_000))),
        reply(54, "status_500_not_utf8", Step::response(500, &[], b"\xff\xfe\x00")),
        fault(54, "status_500_fin_mid_body", [WaitForRequest, announce(500), Close]),
        fault(54, "status_500_reset_mid_body", [WaitForRequest, announce(500), Reset]),
        fault(54, "status_500_hang_mid_body", [WaitForRequest, announce(500), Hang]),
        fault(54, "status_500_endless", [WaitForRequest, announce_for_ever(), endless()]),
        reply(55, "fails_once", error(500, "server_error", None)).then_ok(),
        reply(55, "fails_twice", error(500, "server_error", None))
            .then([WaitForRequest, error(500, "server_error", None)])
            .then_ok(),
        reply(55, "fails_twice_otherwise", busy(&[])).then([WaitForRequest, Reset]).then_ok(),
    ];
    faults.extend(
        ODD_DELAYS
            .iter()
            .map(|(name, value)| reply(51, name, busy(&[("retry-after", value)])).then_ok()),
    );
    faults
}

/// Values of `Retry-After` that must neither be obeyed nor cause an error.
const ODD_DELAYS: &[(&str, &str)] = &[
    ("retry_after_0", "0"),
    ("retry_after_negative", "-10"),
    ("retry_after_past", "Wed, 29 Sep 1999 16:26:57 GMT"),
    ("retry_after_weekday", "Zun, 29 Sep 2019 16:26:27 GMT"),
    ("retry_after_year_100000", "Thu, 31 Dec 100000 23:59:59 GMT"),
    ("retry_after_nan", "nan"),
    ("retry_after_inf", "inf"),
    ("retry_after_negative_inf", "-inf"),
    ("retry_after_empty", ""),
    ("retry_after_words", "soon"),
    ("retry_after_40_digits", "1111111111111111111111111111111111111111"),
    ("retry_after_hex", "0x10"),
    ("retry_after_two_numbers", "1, 2"),
];

const CONTEXT_LLAMA: &str = r#"{"error":{"code":400,"message":"request (18001 tokens) exceeds the available context size (2048 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":18001,"n_ctx":2048}}"#;
const LOADING: &str =
    r#"{"error":{"message":"Loading model","type":"unavailable_error","code":503}}"#;
const BUSY_UNTIL: &str =
    "HTTP/1.1 429 Status\r\nretry-after: {date+2}\r\ncontent-length: 0\r\n\r\n";
const JSON: (&str, &str) = ("content-type", "application/json");
const REQUEST_ID: (&str, &str) = ("x-request-id", "req_123");

fn json(status: u16, body: &str) -> Step {
    Step::response(status, &[JSON, REQUEST_ID], body)
}

fn html(status: u16, body: &str) -> Step {
    Step::response(status, &[("content-type", "text/html"), REQUEST_ID], body)
}

fn error(status: u16, kind: &str, code: Option<&str>) -> Step {
    json(status, &wire::error("what the server says of it", kind, code))
}

fn busy(headers: &[(&str, &str)]) -> Step {
    let error = wire::error("slow down", "rate_limit_exceeded", Some("rate_limit_exceeded"));
    Step::response(429, &[&[JSON, REQUEST_ID], headers].concat(), error)
}

fn should_retry(status: u16, value: &str) -> Step {
    let error = wire::error("as the header says", "server_error", None);
    Step::response(status, &[JSON, REQUEST_ID, ("x-should-retry", value)], error)
}

/// Sends an error that repeats the key. The end of the connection ends it, since its length depends
/// on the key.
fn echo(status: u16) -> Step {
    let error = wire::error("Incorrect API key provided: {key}.", "invalid_request_error", None);
    Step::SendFilled(format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\nx-request-id: {{key}}\r\nconnection: close\r\n\r\n{error}"
    ))
}

fn echo_html(status: u16) -> Step {
    Step::SendFilled(format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n<p>Who is {{key}}?</p>"
    ))
}

fn announce(length: usize) -> Step {
    Step::response(500, &[JSON, REQUEST_ID, ("content-length", &length.to_string())], "")
}

fn announce_for_ever() -> Step {
    Step::response(500, &[JSON, ("transfer-encoding", "chunked")], "")
}

fn endless() -> Step {
    let bytes: Bytes = wire::chunk("no ".repeat(1_000).as_bytes());
    Step::Repeat { bytes, times: None, every: Duration::ZERO }
}
