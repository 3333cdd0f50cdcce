//! Tests of the store through its public API, against a server. Without one, the tests say so and
//! pass; see `server.rs`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod documents;
mod faults;
mod indexed;
mod server;
mod store;
