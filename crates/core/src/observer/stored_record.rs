//! The stored form of a call's record: an object in the `response_metadata` of the answer.
//!
//! Every history stores `response_metadata` with a message, and LangChain reads and writes it, so a
//! record needs no column and no migration. Its names are short, and what is unknown or zero is
//! left out: a usual record has 100 to 130 bytes.

use std::{borrow::Cow, time::Duration};

use serde_json::{Map, Value as Json};

use super::{
    call_record::{CallRecord, Timings},
    cost::Cost,
};
use crate::{
    clock::UNIX_EPOCH,
    message::Message,
    model::{FinishReason, Usage},
    role::Role,
    turn::Turn,
};

/// The field of a message's `data` in which LangChain keeps the facts of a response.
const METADATA: &str = "response_metadata";
/// The field of `response_metadata` that has the record.
const RECORD: &str = "conversant";

impl Message {
    /// Adds the record of a call to the answer of its turn, in the field `conversant` of
    /// `response_metadata`. It is not sent to models.
    ///
    /// A message whose `response_metadata` is not an object stays as it is.
    #[must_use]
    pub fn with_call_record(self, record: &CallRecord) -> Self {
        let mut metadata = match self.extra().get(METADATA) {
            None => Map::new(),
            Some(Json::Object(metadata)) => metadata.clone(),
            Some(_) => return self,
        };
        metadata.insert(RECORD.to_owned(), Json::Object(encode(record)));
        self.with_extra(METADATA, metadata)
    }

    /// Returns the record of the call that this message answered, if one is stored with it.
    ///
    /// For messages that LangChain wrote, it has the model, the finish reason and the usage, from
    /// `response_metadata` and `usage_metadata`.
    #[must_use]
    pub fn call_record(&self) -> Option<CallRecord> {
        let metadata = self.extra().get(METADATA).and_then(Json::as_object);
        if let Some(Json::Object(record)) = metadata.and_then(|metadata| metadata.get(RECORD)) {
            return Some(decode(record));
        }
        let usage = self.extra().get("usage_metadata").and_then(langchain_usage);
        let record = CallRecord {
            model: text(metadata, "model_name"),
            finish_reason: text(metadata, "finish_reason").map(FinishReason::from),
            usage: usage.or_else(|| openai_usage(metadata?.get("token_usage")?)),
            ..CallRecord::default()
        };
        (record.finish_reason.is_some() || record.usage.is_some()).then_some(record)
    }

    /// Returns whether a record of the program's own form is stored with the message.
    pub(crate) fn has_call_record(&self) -> bool {
        let metadata = self.extra().get(METADATA).and_then(Json::as_object);
        metadata.is_some_and(|metadata| matches!(metadata.get(RECORD), Some(Json::Object(_))))
    }

    /// Returns the message without the record of its call, for comparisons.
    #[must_use]
    pub fn without_call_record(&self) -> Cow<'_, Self> {
        let Some(Json::Object(metadata)) = self.extra().get(METADATA) else {
            return Cow::Borrowed(self);
        };
        if !metadata.contains_key(RECORD) {
            return Cow::Borrowed(self);
        }
        let mut metadata = metadata.clone();
        metadata.shift_remove(RECORD);
        let message = self.clone();
        Cow::Owned(if metadata.is_empty() {
            message.without_extra(METADATA)
        } else {
            message.with_extra(METADATA, metadata)
        })
    }
}

impl Turn {
    /// Returns the record of the turn's call, if one is stored with its answer.
    #[must_use]
    pub fn call_record(&self) -> Option<CallRecord> {
        let mut answers =
            self.messages().iter().rev().filter(|message| *message.role() == Role::Ai);
        answers.find_map(Message::call_record)
    }
}

fn encode(record: &CallRecord) -> Map<String, Json> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Json| {
        if !value.is_null() && value != 0 {
            map.insert(name.to_owned(), value);
        }
    };
    put("model", record.model.as_deref().into());
    put("finish", record.finish_reason.as_ref().map(FinishReason::as_str).into());
    if let Some(usage) = &record.usage {
        put("in", usage.input_tokens.into());
        put("out", usage.output_tokens.into());
        let sum = usage.input_tokens.saturating_add(usage.output_tokens);
        put("total", (usage.total_tokens != sum).then_some(usage.total_tokens).into());
        put("cached", usage.cached_tokens.into());
        put("cache_write", usage.cache_write_tokens.into());
        put("reasoning", usage.reasoning_tokens.into());
    }
    put("cost", record.cost.map(|cost| cost.to_string()).into());
    let since_epoch = record.started_at.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    put("at", since_epoch.map(millis).into());
    let Timings { queue, load, first_token, model, total, save: _ } = record.timings;
    for (name, time) in [
        ("queue_ms", queue),
        ("load_ms", load),
        ("first_ms", first_token),
        ("model_ms", model),
        ("total_ms", total),
    ] {
        put(name, time.map(millis).into());
    }
    put("retries", record.retries.into());
    put("tools", record.tool_calls.into());
    put("cache_hits", record.cache_hits.into());
    map
}

fn decode(record: &Map<String, Json>) -> CallRecord {
    let record = Some(record);
    let count = |name| number(record, name);
    let time = |name| count(name).map(Duration::from_millis);
    let usage = (count("in"), count("out"));
    let usage = (usage != (None, None)).then(|| {
        let usage = Usage::new(usage.0.unwrap_or_default(), usage.1.unwrap_or_default());
        Usage {
            total_tokens: count("total").unwrap_or(usage.total_tokens),
            cached_tokens: count("cached"),
            cache_write_tokens: count("cache_write"),
            reasoning_tokens: count("reasoning"),
            ..usage
        }
    });
    let small = |name| count(name).and_then(|count| u32::try_from(count).ok()).unwrap_or_default();
    CallRecord {
        model: text(record, "model"),
        finish_reason: text(record, "finish").map(FinishReason::from),
        usage,
        cost: text(record, "cost").and_then(|cost| cost.parse::<Cost>().ok()),
        started_at: time("at").and_then(|since_epoch| UNIX_EPOCH.checked_add(since_epoch)),
        timings: Timings {
            queue: time("queue_ms"),
            load: time("load_ms"),
            first_token: time("first_ms"),
            model: time("model_ms"),
            save: None,
            total: time("total_ms"),
        },
        retries: small("retries"),
        tool_calls: small("tools"),
        cache_hits: small("cache_hits"),
    }
}

/// Reads the `token_usage` that LangChain's OpenAI models keep: the `usage` of OpenAI's answer.
fn openai_usage(usage: &Json) -> Option<Usage> {
    let usage = usage.as_object();
    let details = |name: &str| usage?.get(name)?.as_object();
    let (input, output) =
        (number(usage, "prompt_tokens")?, number(usage, "completion_tokens").unwrap_or_default());
    Some(Usage {
        cached_tokens: number(details("prompt_tokens_details"), "cached_tokens"),
        reasoning_tokens: number(details("completion_tokens_details"), "reasoning_tokens"),
        ..Usage::new(input, output)
    })
}

/// Reads the `usage_metadata` of messages of later versions of LangChain.
fn langchain_usage(usage: &Json) -> Option<Usage> {
    let usage = usage.as_object();
    let details = |name: &str| usage?.get(name)?.as_object();
    let (input, output) =
        (number(usage, "input_tokens")?, number(usage, "output_tokens").unwrap_or_default());
    Some(Usage {
        cached_tokens: number(details("input_token_details"), "cache_read"),
        cache_write_tokens: number(details("input_token_details"), "cache_creation"),
        reasoning_tokens: number(details("output_token_details"), "reasoning"),
        ..Usage::new(input, output)
    })
}

fn number(map: Option<&Map<String, Json>>, name: &str) -> Option<u64> {
    map?.get(name)?.as_u64()
}

fn text(map: Option<&Map<String, Json>>, name: &str) -> Option<String> {
    map?.get(name)?.as_str().map(str::to_owned)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
