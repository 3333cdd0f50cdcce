//! Tests of the histories through their public API.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod branches;
mod damage;
mod files;
mod langchain;
mod limits;
mod lists;
mod memories;
mod remembered;
mod replaced;
mod schema;
mod suite;
mod support;
mod tips;
mod workers;
