//! Spans and metrics of `conversant-tracing`, through their exporters.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[cfg(feature = "metrics")]
mod metrics;
mod spans;
