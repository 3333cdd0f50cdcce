//! The history in Redis, against a server. Without one, the tests that need it say so and pass; see
//! `server.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod branches;
mod connecting;
mod earlier;
mod evicted;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod failover;
mod gates;
mod killed;
mod langchain;
#[cfg(all(feature = "cluster", feature = "sentinel"))]
mod migration;
mod networked;
mod server;
mod stored;
mod suite;
mod tls;
