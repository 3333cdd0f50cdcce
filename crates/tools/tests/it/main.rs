//! The promises of `conversant-tools`, tested through its public API.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod chains;
mod rounds;
mod streams;
mod support;
mod tool_sets;
