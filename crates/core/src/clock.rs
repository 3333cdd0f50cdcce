//! The time, for the times of turns and sessions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the time to the millisecond, or 1970 on `wasm32-unknown-unknown`, which has no clock.
#[must_use]
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_millis())
}

/// Returns the milliseconds since 1970, or 0 without a clock.
pub(crate) fn unix_millis() -> u64 {
    // `SystemTime::now` panics on this target.
    if cfg!(all(target_family = "wasm", target_os = "unknown")) {
        return 0;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
