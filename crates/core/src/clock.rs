//! The clock: the standard library's, or that of JavaScript where the standard library's panics.
//!
//! On `wasm32-unknown-unknown` the types are those of the crate `web-time`, on all other targets
//! those of [`std::time`]. Code that has to run on both uses these names for deadlines and times.
//!
//! # Examples
//!
//! ```
//! use std::time::Duration;
//! use conversant_core::{CallOptions, clock::Instant};
//!
//! let options = CallOptions::new().with_deadline(Instant::now() + Duration::from_secs(30));
//! assert!(options.deadline.is_some());
//! ```

use std::time::Duration;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use web_time::{Instant, SystemTime, UNIX_EPOCH};

/// Returns the time to the millisecond, as turns and sessions have it.
#[must_use]
pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(unix_millis())
}

/// Returns the milliseconds since 1970.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
