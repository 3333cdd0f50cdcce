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
        prompt_tokens_details: Box<DetailsIn<'de>>,
        input_tokens_details: Box<DetailsIn<'de>>,
        completion_tokens_details: Box<DetailsIn<'de>>,
        output_tokens_details: Box<DetailsIn<'de>>,
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
        let input = first_nonzero([self.prompt_tokens, self.input_tokens]);
        let output = first_nonzero([self.completion_tokens, self.output_tokens]);
        let total = self.total_tokens.map(|count| count.0);
        input.or(output).or(total)?;
        let mut usage = Usage::new(input.unwrap_or(0), output.unwrap_or(0));
        if let Some(total) = total {
            usage = usage.with_total_tokens(total);
        }
        let prompt = self.prompt_tokens_details.or(self.input_tokens_details).unwrap_or_default();
        let answer = self.completion_tokens_details.or(self.output_tokens_details);
        usage.cached_tokens = first_nonzero([
            prompt.cached_tokens,
            self.prompt_cache_hit_tokens,
            self.cached_tokens,
            self.cache_read_input_tokens,
        ]);
        usage.cache_write_tokens = first_nonzero([
            prompt.cache_write_tokens,
            prompt.cache_creation_tokens,
            self.cache_creation_input_tokens,
        ]);
        let reasoning = answer.unwrap_or_default().reasoning_tokens;
        usage.reasoning_tokens = first_nonzero([reasoning, self.reasoning_tokens]);
        Some(usage)
    }
}

/// Returns the first count that is not zero, or else zero if there is one: gateways with one struct
/// for all servers write zeros under the names that a server does not use.
fn first_nonzero<const N: usize>(counts: [Option<Count>; N]) -> Option<u64> {
    let mut counts = counts.into_iter().flatten().map(|count| count.0);
    let first = counts.next()?;
    Some(if first > 0 { first } else { counts.find(|count| *count > 0).unwrap_or(0) })
}

/// Takes a later report of the usage for an earlier one. Zeros in a later report say nothing: some
/// servers report the prompt first and the answer at the end.
pub(super) fn update(usage: &mut Option<Usage>, later: Option<Usage>) {
    let says = |later: &Usage| later.input_tokens > 0 || later.output_tokens > 0;
    match (usage.as_mut(), later) {
        (Some(earlier), Some(mut later)) if says(&later) => {
            let is_part = later.input_tokens == 0 || later.output_tokens == 0;
            if later.input_tokens == 0 {
                later.input_tokens = earlier.input_tokens;
            }
            if later.output_tokens == 0 {
                later.output_tokens = earlier.output_tokens;
            }
            if is_part {
                let sum = later.input_tokens.saturating_add(later.output_tokens);
                later.total_tokens = later.total_tokens.max(sum);
            }
            later.cached_tokens = later.cached_tokens.or(earlier.cached_tokens);
            later.cache_write_tokens = later.cache_write_tokens.or(earlier.cache_write_tokens);
            later.reasoning_tokens = later.reasoning_tokens.or(earlier.reasoning_tokens);
            *earlier = later;
        }
        (None, later) => *usage = later,
        _ => {}
    }
}
