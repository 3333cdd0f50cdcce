//! Rows 67 to 73 and 76: how streams of events end, or don't.

use super::entry::{fault, stream};
use crate::fault_server::{fault::Fault, step::Step, wire};

use Step::{Close, Hang, Reset, WaitForRequest};

pub(super) fn faults() -> Vec<Fault> {
    let he = || Step::delta("he");
    let llo = || Step::delta("llo");
    let stop = || Step::finish("stop");
    let last = Step::last_chunk;
    let first_fails = |name, step| fault(72, name, [WaitForRequest, step]).streamed().then_stream();
    vec![
        stream(67, "sse_end_after_deltas", [he(), last()]),
        stream(67, "sse_end_without_event", [last()]),
        stream(67, "sse_end_after_role", [Step::delta(""), last()]),
        stream(67, "sse_end_done_only", [Step::done(), last()]),
        stream(67, "sse_end_deltas_done", [he(), llo(), Step::done(), last()]),
        unchunked(67, "sse_fin_after_deltas", [he(), llo()]),
        stream(68, "sse_end_after_finish", [he(), llo(), stop(), last()]),
        unchunked(68, "sse_fin_after_finish", [he(), llo(), stop()]),
        stream(69, "sse_fin_between_chunks", [he(), Close]),
        stream(69, "sse_fin_in_chunk", [he(), Step::Send("fff\r\ndata: {".into()), Close]),
        stream(69, "sse_fin_in_event", [he(), Step::chunk("data: {\"choi"), Close]),
        stream(69, "sse_end_in_event", [he(), Step::chunk("data: {\"choi"), last()]),
        stream(69, "sse_fin_before_event", [Close]),
        stream(70, "sse_reset_after_delta", [he(), Reset]),
        stream(70, "sse_reset_in_event", [he(), Step::chunk("data: {\"choi"), Reset]),
        stream(70, "sse_reset_after_finish", [he(), llo(), stop(), Reset]),
        stream(71, "sse_hang_after_delta", [he(), Hang]),
        stream(71, "sse_hang_in_event", [he(), Step::chunk("data: {\"choi"), Hang]),
        stream(71, "sse_hang_after_finish", [he(), llo(), stop(), Hang]),
        first_fails("sse_500_once", Step::response(500, &[], "")),
        first_fails("sse_429_once", Step::response(429, &[], "")),
        first_fails("sse_reset_once", Reset),
        first_fails("sse_fin_once", Close),
        first_fails("sse_hang_once", Hang),
        stream(72, "sse_reset_after_head_once", [Reset]).then_stream(),
        stream(72, "sse_fin_after_head_once", [Close]).then_stream(),
        stream(72, "sse_hang_after_head_once", [Hang]).then_stream(),
        stream(72, "sse_fin_after_comment_once", [Step::chunk(": ping\n\n"), Close]).then_stream(),
        stream(
            73,
            "sse_data_after_done",
            [he(), llo(), stop(), Step::done(), Step::delta("x"), last()],
        ),
        stream(
            73,
            "sse_garbage_after_done",
            [he(), llo(), stop(), Step::done(), Step::event("{"), last()],
        ),
        stream(73, "sse_hang_after_done", [he(), llo(), stop(), Step::done(), Hang]),
        stream(73, "sse_reset_after_done", [he(), llo(), stop(), Step::done(), Reset]),
        stream(
            76,
            "sse_last_event_unended",
            [he(), llo(), stop(), Step::chunk("data: [DONE]"), last()],
        ),
        stream(
            76,
            "sse_last_event_half_ended",
            [he(), llo(), stop(), Step::chunk("data: [DONE]\n"), last()],
        ),
        stream(76, "sse_finish_unended", [he(), llo(), finish_unended(), last()]),
    ]
}

fn finish_unended() -> Step {
    Step::chunk(wire::event(&wire::finish("stop")).trim_end())
}

/// Returns the fault of a stream that ends with its connection, so that a cut looks like its end.
fn unchunked<const N: usize>(row: u16, name: &'static str, events: [Step; N]) -> Fault {
    let headers = [("content-type", "text/event-stream"), ("connection", "close")];
    let head = [wire::head(200, &headers), b"\r\n".to_vec()].concat();
    let steps = events.into_iter().map(|step| match step {
        Step::Send(chunk) => Step::Send(without_chunk(&chunk)),
        other => other,
    });
    let script = [WaitForRequest, Step::Send(head.into())].into_iter().chain(steps).chain([Close]);
    fault(row, name, script).streamed()
}

/// Takes the framing off a chunk: its size line, and the line end after it.
fn without_chunk(chunk: &[u8]) -> bytes::Bytes {
    let start = chunk.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let end = chunk.len().saturating_sub(2);
    bytes::Bytes::copy_from_slice(chunk.get(start..end).unwrap_or_default())
}
