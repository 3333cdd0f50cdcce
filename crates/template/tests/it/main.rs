//! Tests of the template grammar through its public API.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod errors;
mod formats;
#[cfg(feature = "jinja")]
mod jinja;
mod properties;
mod size;
