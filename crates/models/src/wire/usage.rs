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
    pub(super) fn to_usage(&self) -> Option<Usage> {
        let input = first_nonzero(&[self.prompt_tokens, self.input_tokens]);
        let output = first_nonzero(&[self.completion_tokens, self.output_tokens]);
        let total = self.total_tokens.map(|count| count.0);
        input.or(output).or(total)?;
        let has_details =
            self.prompt_tokens_details.is_some() || self.input_tokens_details.is_some();
        let mut usage = Usage::new(input.unwrap_or(0), output.unwrap_or(0));
        let prompt = self.prompt_tokens_details.as_ref().or(self.input_tokens_details.as_ref());
        let answer =
            self.completion_tokens_details.as_ref().or(self.output_tokens_details.as_ref());
        let cached_of_prompt = prompt.and_then(|details| details.cached_tokens);
        usage.cached_tokens = first_nonzero(&[
            cached_of_prompt,
            self.prompt_cache_hit_tokens,
            self.cached_tokens,
            self.cache_read_input_tokens,
        ]);
        usage.cache_write_tokens = first_nonzero(&[
            prompt.and_then(|details| details.cache_write_tokens),
            prompt.and_then(|details| details.cache_creation_tokens),
            self.cache_creation_input_tokens,
        ]);
        let reasoning = answer.and_then(|details| details.reasoning_tokens);
        usage.reasoning_tokens = first_nonzero(&[reasoning, self.reasoning_tokens]);
        // In Anthropic's own form, the prompt is what the cache did not serve.
        let is_set = |count: Option<Count>| count.is_some_and(|count| count.0 > 0);
        let has_form_of_anthropic = !is_set(self.prompt_tokens)
            && !is_set(cached_of_prompt)
            && (is_set(self.cache_read_input_tokens) || is_set(self.cache_creation_input_tokens));
        include_parts(&mut usage, has_form_of_anthropic, total.filter(|total| *total > 0));
        // Gemini leaves reasoning out of the answer, and may report neither it nor any details. A
        // rest that comes with details of the prompt is of neither that is known.
        let sum = usage.input_tokens.saturating_add(usage.output_tokens);
        if usage.reasoning_tokens.unwrap_or(0) == 0
            && !has_details
            && usage.input_tokens > 0
            && usage.total_tokens > sum
        {
            usage.output_tokens = usage.total_tokens.saturating_sub(usage.input_tokens);
        }
        Some(usage)
    }
}

/// Adds the tokens of the cache to those of the prompt, and the tokens of reasoning to those of the
/// answer, where a server counts them apart. The counts show it, or the total.
fn include_parts(usage: &mut Usage, cache_is_apart: bool, total: Option<u64>) {
    let sum = |usage: &Usage| usage.input_tokens.saturating_add(usage.output_tokens);
    let cache = cache(usage);
    let reasoning = usage.reasoning_tokens.unwrap_or(0);
    let has_total = |parts: u64| parts > 0 && total == Some(sum(usage).saturating_add(parts));
    let has_both = has_total(cache.saturating_add(reasoning)) && cache > 0 && reasoning > 0;
    let adds_cache = cache_is_apart || cache > usage.input_tokens || has_total(cache) || has_both;
    // xAI, Gemini.
    let adds_reasoning = reasoning > usage.output_tokens || has_total(reasoning) || has_both;
    if adds_cache {
        usage.input_tokens = usage.input_tokens.saturating_add(cache);
    }
    if adds_reasoning {
        usage.output_tokens = usage.output_tokens.saturating_add(reasoning);
    }
    let known = sum(usage);
    usage.total_tokens = match total {
        Some(total) if adds_cache || adds_reasoning => total.max(known),
        Some(total) => total,
        None => known,
    };
}

/// Returns the number of tokens that were read from the cache or written to it.
fn cache(usage: &Usage) -> u64 {
    usage.cached_tokens.unwrap_or(0).saturating_add(usage.cache_write_tokens.unwrap_or(0))
}

/// Returns the first count that is not zero, or else zero if there is one: gateways with one struct
/// for all servers write zeros under the names that a server does not use.
fn first_nonzero(counts: &[Option<Count>]) -> Option<u64> {
    let mut zero = None;
    for count in counts {
        match count {
            Some(Count(0)) => zero = Some(0),
            Some(Count(count)) => return Some(*count),
            None => {}
        }
    }
    zero
}

/// Takes a later report of the usage for an earlier one. Zeros in a later report say nothing: some
/// servers report the prompt first and the answer at the end.
pub(super) fn update(usage: &mut Option<Usage>, later: Option<Usage>) {
    let says = |later: &Usage| later.input_tokens > 0 || later.output_tokens > 0;
    match (usage.as_mut(), later) {
        (Some(earlier), Some(mut later)) if says(&later) => {
            later.cached_tokens = later.cached_tokens.or(earlier.cached_tokens);
            later.cache_write_tokens = later.cache_write_tokens.or(earlier.cache_write_tokens);
            later.reasoning_tokens = later.reasoning_tokens.or(earlier.reasoning_tokens);
            // A count that leaves out its parts is not the later one of the same.
            let lacks_input = later.input_tokens == 0 || cache(&later) > later.input_tokens;
            let lacks_output = later.output_tokens == 0
                || later.reasoning_tokens.is_some_and(|count| count > later.output_tokens);
            if lacks_input {
                later.input_tokens = later.input_tokens.max(earlier.input_tokens);
            }
            if lacks_output {
                later.output_tokens = later.output_tokens.max(earlier.output_tokens);
            }
            if lacks_input || lacks_output {
                let sum = later.input_tokens.saturating_add(later.output_tokens);
                later.total_tokens = later.total_tokens.max(sum);
            }
            *earlier = later;
        }
        (None, later) => *usage = later,
        _ => {}
    }
}
