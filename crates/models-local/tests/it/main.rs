//! The promises of `conversant-models-local`, tested through its public API over models of a few
//! kilobytes, which the tests write, and over real weights where they are.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod answers;
mod cancel;
mod chat;
mod conversations;
mod damaged;
#[cfg(feature = "download")]
mod downloads;
mod refused;
mod suite;
mod tiny;
mod weights;
