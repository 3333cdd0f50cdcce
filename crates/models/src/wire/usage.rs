//! What a call used, as servers say it: any field may be missing or of another kind.

use conversant_core::Usage;
use serde_json::Value as Json;

/// Reads a `usage` object; `None` if there is nothing to read in it.
pub(super) fn read_usage(usage: &Json) -> Option<Usage> {
    let count = |path: &str| usage.pointer(path).and_then(as_count);
    let (input, output) = (count("/prompt_tokens"), count("/completion_tokens"));
    let total = count("/total_tokens");
    if input.is_none() && output.is_none() && total.is_none() {
        return None;
    }
    let mut read = Usage::new(input.unwrap_or(0), output.unwrap_or(0));
    if let Some(total) = total {
        read = read.with_total(total);
    }
    read.cached_input = count("/prompt_tokens_details/cached_tokens");
    read.reasoning = count("/completion_tokens_details/reasoning_tokens");
    Some(read)
}

/// Some servers write counts as floats.
fn as_count(value: &Json) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        let counts = (0.0..1e15).contains(&float) && float.fract() == 0.0;
        counts.then(|| float.to_string().parse().ok()).flatten()
    })
}
