//! The cost of a call in allocations, which is exact, so that noise hides no regression. Times are
//! measured by `cargo xtask bench`.
//!
//! Allocations are counted on the test's thread, which is the client's; the loopback server has
//! another.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod call;
mod format;
mod store;
mod workload;
