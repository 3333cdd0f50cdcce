//! The table of operations.

#[cfg(feature = "models")]
mod adapter;
mod buffer_string;
#[cfg(feature = "chains")]
mod chain;
#[cfg(feature = "prompts")]
mod chat_prompt;
#[cfg(feature = "models")]
mod chat_response;
#[cfg(feature = "models")]
mod chat_stream;
#[cfg(feature = "chains")]
mod compose;
#[cfg(feature = "models")]
mod exchange;
#[cfg(feature = "prompts")]
mod few_shot;
#[cfg(feature = "memory")]
mod memory;
mod messages_json;
#[cfg(feature = "chains")]
mod parse;
#[cfg(feature = "prompts")]
mod prompt;
#[cfg(feature = "models")]
mod raw_server;
#[cfg(feature = "models")]
mod reply;
#[cfg(feature = "models")]
mod responses;

use serde_json::Value as Json;

use crate::{
    difference::{Mismatch, first_mismatch},
    failure::Failure,
};

/// An operation.
pub(crate) struct Op {
    /// Computes the result from a case's `in`.
    pub(crate) run: fn(&Json) -> Result<Json, Failure>,
    /// Compares a case's `out` with the result in the same form.
    pub(crate) compare: fn(expected: &Json, got: &Json) -> Option<Mismatch>,
    /// Whether a result is written as `{"ok": …}`, not as it is.
    pub(crate) wraps: bool,
}

impl Op {
    /// Compares by equality.
    pub(crate) const EXACT: fn(&Json, &Json) -> Option<Mismatch> = first_mismatch;

    /// Returns an operation whose result must equal the recorded one.
    const fn exact(run: fn(&Json) -> Result<Json, Failure>) -> Self {
        Self { run, compare: Self::EXACT, wraps: true }
    }
}

/// Runs an operation and returns its result.
///
/// # Errors
///
/// [`Failure`] if the crates refuse the input, or if there is no such operation.
pub fn run(op: &str, input: &Json) -> Result<Json, Failure> {
    let op = find(op).ok_or(Failure::NotBuilt)?;
    (op.run)(input)
}

/// Returns the operation with this name.
pub(crate) fn find(name: &str) -> Option<Op> {
    Some(match name {
        "buffer_string" => Op::exact(buffer_string::run),
        #[cfg(feature = "chains")]
        "chain" => Op::exact(chain::run),
        #[cfg(feature = "prompts")]
        "chat_prompt" => Op::exact(chat_prompt::run),
        #[cfg(feature = "models")]
        "chat_response" => Op::exact(chat_response::run),
        #[cfg(feature = "models")]
        "chat_stream" => Op::exact(chat_stream::run),
        #[cfg(feature = "chains")]
        "compose" => Op::exact(compose::run),
        #[cfg(feature = "models")]
        "exchange" => Op { run: exchange::run, compare: exchange::compare, wraps: false },
        #[cfg(feature = "prompts")]
        "few_shot" => Op::exact(few_shot::run),
        #[cfg(feature = "memory")]
        "memory" => Op::exact(memory::run),
        "messages_json" => Op::exact(messages_json::run),
        #[cfg(feature = "chains")]
        "parse" => Op::exact(parse::run),
        #[cfg(feature = "prompts")]
        "prompt" => Op::exact(prompt::run),
        #[cfg(feature = "models")]
        "reply" => Op { run: reply::run, compare: reply::compare, wraps: true },
        #[cfg(feature = "models")]
        "responses_response" => Op::exact(responses::run_whole),
        #[cfg(feature = "models")]
        "responses_stream" => Op::exact(responses::run_stream),
        _ => return None,
    })
}
