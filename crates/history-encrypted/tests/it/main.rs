//! Tests of the encrypted history through its public API.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod keys;
mod secrets;
mod sizes;
mod suites;
mod support;
mod tampering;
