//! The promises of `conversant-tools`, tested through its public API.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod callers_tools;
mod chains;
mod events;
mod everywhere;
mod fallbacks;
mod parallel_calls;
mod rounds;
mod runtimes;
mod simulation;
mod streams;
mod support;
mod tool_sets;
mod whole_answers;
