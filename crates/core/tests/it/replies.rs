//! Answers: which finish reasons say that one was cut off.

use conversant_core::FinishReason;

#[test]
fn reasons_of_servers_that_cut_an_answer_off() {
    let cut_off = [
        "length",
        "LENGTH",
        "content_filter",
        "content-filter",
        "content_filtered",
        "CONTENT_FILTER",
        "max_tokens",
        "MAX_TOKENS",
        "max_output_tokens",
        "max_output_reached",
        "model_length",
        "model_context_window_exceeded",
        "context_window",
        "SAFETY",
        "IMAGE_SAFETY",
        "RECITATION",
        "PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "LANGUAGE",
        "sensitive",
        "guardrail_intervened",
        "incomplete",
        "incomplete: a new reason",
        "max_messages",
        "steered",
        "interrupted",
        "preempted",
        "load_shed",
        "repetition",
        "repetition_truncation",
        "pause_turn",
        " length ",
        "error",
        "failed",
        "CANCELLED",
        "abort",
        "timeout",
        "insufficient_system_resource",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
    ];
    let whole = [
        "stop",
        "STOP",
        "tool_calls",
        "tool_use",
        "function_call",
        "end_turn",
        "eos",
        "eos_token",
        "stop_sequence",
        "STOP_SEQUENCE",
        "unknown",
        "other",
        "",
    ];
    let of = |reason: &&str| FinishReason::from(*reason).is_cut_off();
    assert_eq!(cut_off.iter().find(|reason| !of(reason)), None);
    assert_eq!(whole.iter().find(|reason| of(reason)), None);
}
