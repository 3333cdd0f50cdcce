//! What a call used, as servers say it: any field may be missing or of another kind.

use std::{fmt, marker::PhantomData};

use conversant_core::Usage;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::lenient::fields;

/// What is read of a `usage` object.
#[derive(Debug, Default)]
pub(super) struct Counts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    /// Of the prompt's tokens, those from the cache.
    cached: Option<u64>,
    /// Of the answer's tokens, those of its reasoning.
    reasoning: Option<u64>,
}

pub(super) type UsageIn = Known<Counts>;

impl UsageIn {
    /// Returns what is in it; `None` if there is nothing.
    pub(super) fn into_usage(self) -> Option<Usage> {
        let Counts { prompt, completion, total, cached, reasoning } = self.0;
        if prompt.is_none() && completion.is_none() && total.is_none() {
            return None;
        }
        let mut usage = Usage::new(prompt.unwrap_or(0), completion.unwrap_or(0));
        if let Some(total) = total {
            usage = usage.with_total_tokens(total);
        }
        (usage.cached_tokens, usage.reasoning_tokens) = (cached, reasoning);
        Some(usage)
    }
}

/// A value of which it is read what may be known of it: nothing, if it is of another kind than it should be.
#[derive(Debug, Default)]
pub(super) struct Known<T>(T);

/// What a number says, or the fields of an object.
pub(super) trait Know<'de>: Default {
    fn of_number(_: u64) -> Self {
        Self::default()
    }
    fn of_fields<A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        skip_fields(map).map(|()| Self::default())
    }
}

fn skip_fields<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl Know<'_> for Option<u64> {
    fn of_number(number: u64) -> Self {
        Some(number)
    }
}

impl<'de> Know<'de> for Counts {
    fn of_fields<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        fields! {
            Prompt = "prompt_tokens",
            Completion = "completion_tokens",
            Total = "total_tokens",
            PromptDetails = "prompt_tokens_details",
            CompletionDetails = "completion_tokens_details",
        }
        let mut counts = Self::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Prompt => counts.prompt = map.next_value::<Known<_>>()?.0,
                Field::Completion => counts.completion = map.next_value::<Known<_>>()?.0,
                Field::Total => counts.total = map.next_value::<Known<_>>()?.0,
                Field::PromptDetails => {
                    counts.cached = map.next_value::<Known<Details>>()?.0.cached;
                }
                Field::CompletionDetails => {
                    counts.reasoning = map.next_value::<Known<Details>>()?.0.reasoning;
                }
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(counts)
    }
}

/// What is read of the details of a prompt's or an answer's tokens.
#[derive(Debug, Default)]
struct Details {
    cached: Option<u64>,
    reasoning: Option<u64>,
}

impl<'de> Know<'de> for Details {
    fn of_fields<A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        fields! { Cached = "cached_tokens", Reasoning = "reasoning_tokens", }
        let mut details = Self::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::Cached => details.cached = map.next_value::<Known<_>>()?.0,
                Field::Reasoning => details.reasoning = map.next_value::<Known<_>>()?.0,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(details)
    }
}

impl<'de, T: Know<'de>> Deserialize<'de> for Known<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KnownVisitor<T>(PhantomData<T>);
        impl<'de, T: Know<'de>> Visitor<'de> for KnownVisitor<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("usage")
            }
            #[inline]
            fn visit_u64<E>(self, number: u64) -> Result<T, E> {
                Ok(T::of_number(number))
            }
            fn visit_i64<E>(self, _: i64) -> Result<T, E> {
                Ok(T::default())
            }
            /// Some servers write counts as floats.
            fn visit_f64<E>(self, number: f64) -> Result<T, E> {
                let counts = (0.0..1e15).contains(&number) && number.fract() == 0.0;
                let number = counts.then(|| number.to_string().parse().ok()).flatten();
                Ok(number.map_or_else(T::default, T::of_number))
            }
            fn visit_bool<E>(self, _: bool) -> Result<T, E> {
                Ok(T::default())
            }
            fn visit_str<E>(self, _: &str) -> Result<T, E> {
                Ok(T::default())
            }
            fn visit_unit<E>(self) -> Result<T, E> {
                Ok(T::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(T::default())
            }
            #[inline]
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::of_fields(map)
            }
        }
        deserializer.deserialize_any(KnownVisitor(PhantomData)).map(Self)
    }
}
