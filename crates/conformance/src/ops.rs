//! The table of operations.

mod buffer_string;
#[cfg(feature = "chains")]
mod chain;
#[cfg(feature = "prompts")]
mod chat_prompt;
#[cfg(feature = "models")]
mod chat_response;
#[cfg(feature = "models")]
mod chat_stream;
#[cfg(feature = "prompts")]
mod few_shot;
#[cfg(feature = "memory")]
mod memory;
mod messages_json;
#[cfg(feature = "chains")]
mod parse;
#[cfg(feature = "prompts")]
mod prompt;

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
}

impl Op {
    /// Compares by equality.
    pub(crate) const EXACT: fn(&Json, &Json) -> Option<Mismatch> = first_mismatch;

    /// Returns an operation whose result must equal the recorded one.
    const fn exact(run: fn(&Json) -> Result<Json, Failure>) -> Self {
        Self { run, compare: Self::EXACT }
    }
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
        #[cfg(feature = "prompts")]
        "few_shot" => Op::exact(few_shot::run),
        #[cfg(feature = "memory")]
        "memory" => Op::exact(memory::run),
        "messages_json" => Op::exact(messages_json::run),
        #[cfg(feature = "chains")]
        "parse" => Op::exact(parse::run),
        #[cfg(feature = "prompts")]
        "prompt" => Op::exact(prompt::run),
        _ => return None,
    })
}
