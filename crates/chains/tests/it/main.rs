//! Chains through their public API, with scripted models and no network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub
)]

mod abandon;
mod apply;
mod at_point;
mod cancel;
mod closing;
mod compose;
mod conversations;
mod corrections;
mod deadlines;
mod error_facts;
mod events;
mod id_in_use;
mod memory_requests;
mod observing;
mod parser_limits;
mod parsers;
mod partial_saves;
mod partials;
mod pending;
mod predict;
mod queueing;
mod recorded;
mod reentrant;
mod refused_answers;
mod repeated;
mod restoring;
mod simulation;
mod stream;
mod support;
#[cfg(feature = "schema")]
mod typed;
mod wiring;
