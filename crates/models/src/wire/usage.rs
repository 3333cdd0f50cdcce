//! What a call used, as servers say it: any field may be missing or of another kind.

use std::fmt;

use conversant_core::Usage;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::lenient::Text;

/// A `usage` object, one of the objects in it, or a number: whatever stands there is read for what may be known of it.
#[derive(Debug, Default)]
pub(super) struct UsageIn {
    /// The number, if it is one.
    number: Option<u64>,
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    /// Of the prompt's tokens, those from the cache, as its details say; `of_cached` is this object's own field.
    cached: Option<u64>,
    of_cached: Option<u64>,
    /// Likewise of the answer's tokens.
    reasoning: Option<u64>,
    of_reasoning: Option<u64>,
}

impl UsageIn {
    /// Returns what is in it; `None` if there is nothing.
    pub(super) fn into_usage(self) -> Option<Usage> {
        if self.prompt.is_none() && self.completion.is_none() && self.total.is_none() {
            return None;
        }
        let mut usage = Usage::new(self.prompt.unwrap_or(0), self.completion.unwrap_or(0));
        if let Some(total) = self.total {
            usage = usage.with_total(total);
        }
        (usage.cached_input, usage.reasoning) = (self.cached, self.reasoning);
        Some(usage)
    }
}

impl<'de> Deserialize<'de> for UsageIn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UsageVisitor;
        impl<'de> Visitor<'de> for UsageVisitor {
            type Value = UsageIn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("usage")
            }
            fn visit_u64<E>(self, number: u64) -> Result<UsageIn, E> {
                Ok(UsageIn { number: Some(number), ..UsageIn::default() })
            }
            fn visit_i64<E>(self, _: i64) -> Result<UsageIn, E> {
                Ok(UsageIn::default())
            }
            /// Some servers write counts as floats.
            fn visit_f64<E>(self, number: f64) -> Result<UsageIn, E> {
                let counts = (0.0..1e15).contains(&number) && number.fract() == 0.0;
                let number = counts.then(|| number.to_string().parse().ok()).flatten();
                Ok(UsageIn { number, ..UsageIn::default() })
            }
            fn visit_bool<E>(self, _: bool) -> Result<UsageIn, E> {
                Ok(UsageIn::default())
            }
            fn visit_str<E>(self, _: &str) -> Result<UsageIn, E> {
                Ok(UsageIn::default())
            }
            fn visit_unit<E>(self) -> Result<UsageIn, E> {
                Ok(UsageIn::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<UsageIn, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(UsageIn::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UsageIn, A::Error> {
                let mut usage = UsageIn::default();
                while let Some(key) = map.next_key::<Text<'_>>()? {
                    match &*key.0 {
                        "prompt_tokens" => usage.prompt = map.next_value::<UsageIn>()?.number,
                        "completion_tokens" => {
                            usage.completion = map.next_value::<UsageIn>()?.number;
                        }
                        "total_tokens" => usage.total = map.next_value::<UsageIn>()?.number,
                        "prompt_tokens_details" => {
                            usage.cached = map.next_value::<UsageIn>()?.of_cached;
                        }
                        "completion_tokens_details" => {
                            usage.reasoning = map.next_value::<UsageIn>()?.of_reasoning;
                        }
                        "cached_tokens" => usage.of_cached = map.next_value::<UsageIn>()?.number,
                        "reasoning_tokens" => {
                            usage.of_reasoning = map.next_value::<UsageIn>()?.number;
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(usage)
            }
        }
        deserializer.deserialize_any(UsageVisitor)
    }
}
