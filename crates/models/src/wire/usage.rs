//! Reads the usage of a call, by the names that servers give its counts.

use conversant_core::Usage;

use super::tolerant::{Count, tolerant};

tolerant! {
    struct UsageIn<'de> {
        prompt_tokens: Count,
        completion_tokens: Count,
        // The Responses interface, mlx-vlm, Anthropic front ends.
        input_tokens: Count,
        output_tokens: Count,
        total_tokens: Count,
        prompt_tokens_details: DetailsIn<'de>,
        input_tokens_details: DetailsIn<'de>,
        completion_tokens_details: DetailsIn<'de>,
        output_tokens_details: DetailsIn<'de>,
        // DeepSeek, Moonshot, Anthropic front ends.
        prompt_cache_hit_tokens: Count,
        cached_tokens: Count,
        cache_read_input_tokens: Count,
        cache_creation_input_tokens: Count,
        reasoning_tokens: Count,
    }
    struct DetailsIn<'de> {
        cached_tokens: Count,
        cache_write_tokens: Count,
        cache_creation_tokens: Count,
        reasoning_tokens: Count,
    }
}

impl UsageIn<'_> {
    /// Returns the usage, or `None` if nothing of it is known.
    pub(super) fn into_usage(self) -> Option<Usage> {
        let count = |count: Option<Count>| count.map(|count| count.0);
        let input = count(self.prompt_tokens.or(self.input_tokens));
        let output = count(self.completion_tokens.or(self.output_tokens));
        let total = count(self.total_tokens);
        input.or(output).or(total)?;
        let mut usage = Usage::new(input.unwrap_or(0), output.unwrap_or(0));
        if let Some(total) = total {
            usage = usage.with_total_tokens(total);
        }
        let prompt = self.prompt_tokens_details.or(self.input_tokens_details).unwrap_or_default();
        let answer = self.completion_tokens_details.or(self.output_tokens_details);
        let top = self.prompt_cache_hit_tokens.or(self.cached_tokens);
        let top = top.or(self.cache_read_input_tokens);
        usage.cached_tokens = count(prompt.cached_tokens.or(top));
        let written = prompt.cache_write_tokens.or(prompt.cache_creation_tokens);
        usage.cache_write_tokens = count(written.or(self.cache_creation_input_tokens));
        let reasoning = answer.unwrap_or_default().reasoning_tokens.or(self.reasoning_tokens);
        usage.reasoning_tokens = count(reasoning);
        Some(usage)
    }
}

/// Takes a later report of the usage for an earlier one. Zeros at the end of a stream say nothing.
pub(super) fn update(usage: &mut Option<Usage>, later: Option<Usage>) {
    let says = |later: &Usage| later.input_tokens > 0 || later.output_tokens > 0;
    match (usage.as_mut(), later) {
        (Some(earlier), Some(mut later)) if says(&later) => {
            later.cached_tokens = later.cached_tokens.or(earlier.cached_tokens);
            later.cache_write_tokens = later.cache_write_tokens.or(earlier.cache_write_tokens);
            later.reasoning_tokens = later.reasoning_tokens.or(earlier.reasoning_tokens);
            *earlier = later;
        }
        (None, later) => *usage = later,
        _ => {}
    }
}
