//! The contract of `conversant-memory`, through its public API.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod at_point;
mod bounds;
mod branch_flaws;
mod buffer;
mod combined;
mod conflict;
mod cut_off_answers;
mod described;
mod forwarded;
mod in_memory_history;
mod kept_leases;
mod knowledge;
mod late_changes;
mod leases;
mod left_branch;
mod left_leases;
mod list_flaws;
mod others;
mod prefix;
mod properties;
mod recorded;
mod refused_turns;
mod replaced;
mod scopes;
mod suites;
mod summaries;
mod support;
mod titles;
mod token_buffer;
mod vector_branches;
mod vector_documents;
mod window;
mod written_reasoning;
