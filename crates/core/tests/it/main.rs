//! The promises of `conversant-core`, tested through its public API.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod call_records;
mod errors;
mod messages;
mod observers;
mod prompt_values;
mod python;
mod recorded;
mod replies;
#[cfg(feature = "schema")]
mod schemas;
mod session_lists;
mod stored;
mod streams;
mod trait_defaults;
mod traits;
mod transcripts;
mod turns;
mod values;
mod vectors;
mod withheld;
#[cfg(feature = "yaml")]
mod yaml;
