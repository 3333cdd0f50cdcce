//! Runs recorded cases through the public API of the crates and compares the results.
//!
//! A case is a line of JSON, `{"id", "op", "in", "out"}`. Its `op` names an operation, `in` is the
//! operation's input, and `out` is the recorded result: `{"ok": …}` or `{"err": …}`.
//!
//! To add an operation, add a file to `src/ops` with a function `run(input: &Json) -> Result<Json,
//! Failure>`, and a line to the table in `src/ops.rs`. Cases that the crates' tests run are in
//! `data`; a new case is a new line there.

mod case;
mod difference;
mod failure;
#[cfg(feature = "memory")]
mod memories;
mod ops;
mod recorded;
mod runner;
mod short_form;

pub use self::{
    case::Case,
    difference::Difference,
    failure::Failure,
    ops::run,
    recorded::{Differences, cases, check, folder},
    runner::{Count, compare, run_all},
};
