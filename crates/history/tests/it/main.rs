//! The kit, through its public API.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(feature = "tokio")]
mod executor;
mod files;
mod langchain;
mod lease;
mod worker;
