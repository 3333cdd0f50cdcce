//! The tables, and the statements on each. Times are the machine's clock, in milliseconds since
//! 1970; leases, the time to live and lists depend on them.

mod branch;
mod chain;
pub(crate) mod deletion;
mod earlier;
mod failed;
mod in_order;
mod label;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod note;
pub(crate) mod path;
mod point;
pub(crate) mod range;
pub(crate) mod search;
pub(crate) mod seen;
mod selection;
pub(crate) mod session;
mod session_row;
mod totals;
pub(crate) mod tree;
pub(crate) mod turn;
mod turn_row;
pub(crate) mod word_index;

use std::time::{Duration, SystemTime};

use conversant_core::clock;

fn now() -> i64 {
    unix_millis(SystemTime::now())
}

/// Returns the milliseconds since 1970 of a time.
fn unix_millis(time: SystemTime) -> i64 {
    i64::try_from(clock::millis(time)).unwrap_or(i64::MAX)
}

/// Returns a duration in milliseconds, at most `i64::MAX`.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
