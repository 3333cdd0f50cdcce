//! Tests of the transfers through their public API.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod alternatives;
mod branches;
mod copies;
mod exports;
mod files;
mod imports;
mod lines;
mod support;
