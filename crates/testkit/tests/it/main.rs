//! Tests of the test kit through its public interface.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs
)]

mod cassette;
mod client;
mod counting_proxy;
mod failing;
mod fault_server;
mod gate;
mod openai_server;
mod scripted;
mod suite;
#[cfg(feature = "tls")]
mod tls_proxy;
