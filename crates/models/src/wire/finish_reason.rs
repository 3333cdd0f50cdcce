//! The finish reasons that are errors.

use conversant_core::FinishReason;

/// Parts of the finish reasons of an answer that broke off.
const FAILURES: &[&str] = &[
    // OpenRouter, Zhipu and others.
    "error",
    "fail",
    // vLLM, SGLang.
    "abort",
    "cancel",
    "timeout",
    // DeepSeek.
    "insufficient_system_resource",
    // Gemini: a call that it could not write, or of no tool of the request.
    "malformed_function_call",
    "unexpected_tool_call",
];

/// Returns whether a finish reason says that the answer failed.
pub(super) fn is_failure(reason: &FinishReason) -> bool {
    // The known reasons are not errors.
    let FinishReason::Other(reason) = reason else { return false };
    let lower = reason.to_ascii_lowercase();
    FAILURES.iter().any(|word| lower.contains(word))
}
