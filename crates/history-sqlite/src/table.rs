//! The tables, and the statements on each. Times are the machine's clock, in milliseconds since
//! 1970; only leases and the time to live depend on them.

mod branch;
mod earlier;
pub(crate) mod lease;
pub(crate) mod note;
pub(crate) mod path;
mod point;
pub(crate) mod range;
pub(crate) mod session;
mod session_row;
pub(crate) mod tree;
pub(crate) mod turn;
mod turn_row;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn now() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Returns a duration in milliseconds, at most `i64::MAX`.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
