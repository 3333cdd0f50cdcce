//! The history in PostgreSQL, against a server. Without one, the tests that need it say so and
//! pass; see `server.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod branches;
mod connecting;
mod damaged;
mod gates;
mod killed;
mod langchain;
mod lists;
mod networked;
mod poolers;
mod schema;
mod server;
mod stored;
mod suite;
mod tls;
