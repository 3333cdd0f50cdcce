//! What a call costs, in allocations: exact, so that no noise hides a change for the worse. Times are `cargo xtask bench`'s.
//!
//! Allocations are counted on the thread that a test runs on, which is the client's; the loopback server has one of its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod call;
mod format;
mod store;
mod workload;
