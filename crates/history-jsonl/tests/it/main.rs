//! What the history and the transfers promise, through their public interface.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod limits;
mod lines;
mod suite;
mod support;
mod tips;
mod transfers;
mod workers;
