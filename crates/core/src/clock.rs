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
    time(millis(SystemTime::now()))
}

/// Returns a time in whole milliseconds since 1970, as stores keep it: 0 for a time before.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use conversant_core::clock::{self, UNIX_EPOCH};
///
/// let time = UNIX_EPOCH + Duration::from_micros(1_500);
/// assert_eq!(clock::millis(time), 1);
/// assert_eq!(clock::millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
/// assert_eq!(clock::time(1), UNIX_EPOCH + Duration::from_millis(1));
/// ```
#[must_use]
pub fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the time that is some milliseconds after the start of 1970, which is also returned for
/// one that the clock cannot represent.
#[must_use]
pub fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
